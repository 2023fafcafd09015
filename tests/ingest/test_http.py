"""The tracking API answers as the contract says, and 200 only for what is in the log."""

import gzip
import json
import resource
import socket
import zlib
from collections.abc import Callable

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harken.ingest.protocol import BATCH_BYTES
from harken.inputs import Kind

from .conftest import KEY, Server

EVENT = {"type": "track", "userId": "u", "event": "Seen", "messageId": "m"}

CLIENT = httpx.Client(timeout=10)


@pytest.fixture(params=["short way", "ASGI"])
def server(request: pytest.FixtureRequest, start: Callable[..., Server]) -> Server:
    return start(short=request.param == "short way")


def post(
    server: Server, path: str, body: object, *, auth: str | None = KEY, **headers: str
) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    basic = None if auth is None else (auth, "")
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return CLIENT.post(server.url + path, content=content, auth=basic, headers=named)


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("/v1/identify", "identify"), ("/v1/track", "track"), ("/v1/page", "page"),
        ("/v1/screen", "screen"), ("/v1/group", "group"), ("/v1/alias", "alias"),
        ("/v1/i", "identify"), ("/v1/t", "track"), ("/v1/p", "page"), ("/v1/s", "screen"),
        ("/v1/g", "group"), ("/v1/a", "alias"), ("/v1/track/", "track"),
    ],
)  # fmt: skip
def test_every_call(server: Server, path: str, call: str) -> None:
    body = {"userId": "u", "event": "Seen", "groupId": "g", "previousId": "p"}
    answer = post(server, path, body)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert [event.type for event in server.events()] == [call]
    assert server.rings == 1


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/b", "/v1/import"])
def test_batches_in_order_of_the_array(server: Server, path: str) -> None:
    batch = [EVENT | {"messageId": str(n)} for n in range(50)]
    assert post(server, path, {"batch": batch}).json() == {"success": True}
    assert [event.message_id for event in server.events()] == [str(n) for n in range(50)]
    assert {record.imported for record in server.records()} == {path == "/v1/import"}


@pytest.mark.parametrize(
    ("path", "auth", "body", "status"),
    [
        ("/v1/track", KEY, EVENT, 200),
        ("/v1/track", "other-key", EVENT, 200),
        ("/v1/track", None, EVENT | {"writeKey": KEY}, 200),
        ("/v1/batch", None, {"batch": [EVENT], "writeKey": KEY}, 200),
        ("/v1/batch", None, {"batch": [EVENT | {"writeKey": KEY}]}, 200),
        (f"/v1/track?writeKey={KEY}", None, EVENT, 200),
        ("/v1/track", None, EVENT, 401),
        ("/v1/track", "wrong", EVENT | {"writeKey": KEY}, 401),
        ("/v1/track", None, EVENT | {"writeKey": "wrong"}, 401),
        ("/v1/batch", None, {"batch": [EVENT]}, 401),
        ("/v1/batch", None, {"batch": []}, 401),
        ("/v1/track?writeKey=wrong", None, EVENT, 401),
        ("/v1/track", "", EVENT, 401),
    ],
)
def test_write_keys(server: Server, path: str, auth: str | None, body: dict, status: int) -> None:
    answer = post(server, path, body, auth=auth)
    assert answer.status_code == status
    assert len(server.events()) == (status == 200)


@pytest.mark.parametrize("header", ["Basic !!!", "Basic", "Bearer x"])
def test_odd_authorization(server: Server, header: str) -> None:
    answer = post(server, "/v1/track", EVENT, auth=None, authorization=header)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("path", "body", "at", "message"),
    [
        ("/v1/batch", b"", "$", "bad JSON"),
        ("/v1/batch", b"[]", "$.batch", "an object with `batch`"),
        ("/v1/batch", b"{}", "$.batch", "an object with `batch`"),
        ("/v1/batch", {"batch": 5}, "$.batch", "an object with `batch`"),
        ("/v1/batch", b'{"batch":[{"a":1}', "$", "bad JSON"),
        ("/v1/batch", b'{"batch":' + b"[" * 200_000, "$", "too deeply nested"),
        ("/v1/batch", {"batch": [], "sentAt": "soon"}, "$.sentAt", "no ISO 8601 time"),
        ("/v1/batch", {"batch": [], "sentAt": 5}, "$.sentAt", "must be text or nothing"),
        ("/v1/batch", {"batch": [], "context": 5}, "$.context", "must be an object or nothing"),
        ("/v1/batch", {"batch": [1] * 2501}, "$", "at most 2500 events"),
        ("/v1/batch", b" " * (BATCH_BYTES + 1), "$", f"at most {BATCH_BYTES} bytes"),
        ("/v1/track", b"{", "$", "bad JSON"),
        ("/v1/track", {"event": "E"}, "$.userId", "identifies anyone"),
        ("/v1/track", EVENT | {"properties": {"x": "y" * 40_000}}, "$", "32768 is the most"),
    ],
)
def test_bad_requests(server: Server, path: str, body: object, at: str, message: str) -> None:
    answer = post(server, path, body)
    problem = answer.json()
    assert (answer.status_code, problem["path"]) == (400, at)
    assert message in problem["message"]
    assert server.records() == []


def test_one_bad_event_does_not_sink_its_neighbours(server: Server) -> None:
    batch = [EVENT, {"type": "track", "event": "No one"}, 5, EVENT | {"timestamp": "x"}, EVENT]
    answer = post(server, "/v1/batch", {"batch": batch})
    assert answer.status_code == 200
    assert answer.json()["success"] is True
    paths = [row["path"] for row in answer.json()["rejected"]]
    assert paths == ["$.batch[1].userId", "$.batch[2]", "$.batch[3].timestamp"]
    assert len(server.events()) == 2
    rows = server.rejected().page()
    assert [row.path for row in rows] == paths[::-1]
    assert {row.key for row in rows} == {"shop"}
    assert json.loads(rows[-1].excerpt) == batch[1]


def test_a_batch_that_is_json_only_to_python_is_mended(server: Server) -> None:
    items = [EVENT | {"properties": {"a": float("nan")}}, EVENT, {"userId": "\ud800", **EVENT}]
    deep = b'{"userId":"u","type":"track","event":"E","properties":{"a":%s}}' % (
        b"[" * 50 + b"]" * 50
    )
    body = json.dumps({"batch": items}).encode()[:-2] + b"," + deep + b"]}"
    answer = post(server, "/v1/batch", body)
    assert [row["index"] for row in answer.json()["rejected"]] == [3]
    assert [event.properties for event in server.events()] == [{"a": None}, None, None]


def test_ids_of_more_than_64_bits_stay_apart_in_a_batch_that_is_mended(server: Server) -> None:
    ids = [2**64 - 1, 2**64 - 2]
    items = [EVENT | {"userId": id, "properties": {"a": float("nan")}} for id in ids]
    post(server, "/v1/batch", json.dumps({"batch": items}).encode())
    assert [event.user_id for event in server.events()] == [str(id) for id in ids]


def test_gzip(server: Server) -> None:
    packed = gzip.compress(json.dumps({"batch": [EVENT] * 3}).encode())
    assert post(server, "/v1/batch", packed, content_encoding="gzip").status_code == 200
    assert len(server.events()) == 3


@pytest.mark.parametrize(
    ("body", "encoding", "message"),
    [
        (gzip.compress(b" " * 200_000_000, 9), "gzip", "at most"),
        (gzip.compress(b"{}")[:-4], "gzip", "cut off"),
        (gzip.compress(b"{}") + b"more", "gzip", "more after its end"),
        (b"{}", "gzip", "bad gzip"),
        (zlib.compress(b"{}"), "deflate", "only content encoding is gzip"),
    ],
    ids=["bomb", "cut", "trailing", "plain", "deflate"],
)
def test_bad_gzip(server: Server, body: bytes, encoding: str, message: str) -> None:
    answer = post(server, "/v1/batch", body, content_encoding=encoding)
    assert answer.status_code == 400
    assert message in answer.json()["message"]


def test_a_beacon_needs_no_preflight(server: Server) -> None:
    answer = post(
        server, "/v1/t", EVENT | {"writeKey": KEY}, auth=None,
        content_type="text/plain", origin="https://shop.example",
    )  # fmt: skip
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"


def test_preflight(server: Server) -> None:
    asked = {
        "origin": "https://shop.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,x-retry-count",
    }
    answer = CLIENT.options(server.url + "/v1/batch", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert answer.headers["access-control-allow-headers"] == "authorization,x-retry-count"


def test_other_methods_and_paths(server: Server) -> None:
    answer = CLIENT.get(server.url + "/v1/track")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")
    assert CLIENT.post(server.url + "/v1/nothing").status_code == 404


def test_the_browser_sdk_is_told_to_send_here(server: Server) -> None:
    answer = CLIENT.get(f"{server.url}/v1/projects/{KEY}/settings")
    target = answer.json()["integrations"]["Segment.io"]
    assert target == {
        "apiKey": KEY, "apiHost": f"127.0.0.1:{server.port}/v1", "protocol": "http"
    }  # fmt: skip
    assert CLIENT.get(f"{server.url}/v1/projects/wrong/settings").status_code == 404


def test_too_many_events(start: Callable[..., Server]) -> None:
    server = start(per_second=10)
    batch = {"batch": [EVENT] * 60}
    assert post(server, "/v1/batch", batch).status_code == 200
    answer = post(server, "/v1/batch", batch)
    assert answer.status_code == 429
    assert 4 <= int(answer.headers["retry-after"]) <= 7
    assert post(server, "/v1/batch", batch, auth="other-key").status_code == 200
    assert len(server.events()) == 120


def test_a_full_disk_acknowledges_nothing_and_heals(server: Server) -> None:
    assert post(server, "/v1/track", EVENT).status_code == 200
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
    try:
        answers = [post(server, "/v1/batch", {"batch": [EVENT] * 9}) for _ in range(3)]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [answer.status_code for answer in answers] == [503] * 3
    assert answers[0].headers["retry-after"].isdigit()
    assert len(server.events()) == 1
    assert post(server, "/v1/track", EVENT).status_code == 200
    assert len(server.events()) == 2


def test_a_client_that_leaves_early_harms_nobody(server: Server) -> None:
    head = b"POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head)
    chunked = b"POST /v1/track HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(chunked)
        try:
            for _ in range(20):
                connection.sendall(b"8000\r\n" + b" " * 0x8000 + b"\r\n")
        except OSError:
            pass  # the server stopped reading, as it should
    assert post(server, "/v1/track", EVENT).status_code == 200


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
events = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["track", "identify", "page", "alias", "group", "x"]),
        "userId": values | st.text(max_size=9),
        "anonymousId": values | st.text(max_size=9),
        "event": values | st.text(min_size=1),
        "previousId": values,
        "properties": values | st.dictionaries(st.text(), values),
        "context": values,
        "timestamp": values | st.datetimes().map(str),
        "sentAt": values | st.datetimes().map(str),
        "messageId": values,
    },
)
bodies = st.one_of(
    st.binary(max_size=300),
    values.map(lambda value: json.dumps(value).encode()),
    events.map(lambda event: json.dumps(event).encode()),
    st.builds(
        lambda batch, extra: json.dumps({"batch": batch, **extra}).encode(),
        st.lists(events, max_size=5),
        st.dictionaries(st.sampled_from(["sentAt", "context", "integrations", "writeKey"]), values),
    ),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    body=bodies,
    path=st.sampled_from(["/v1/track", "/v1/batch", "/v1/alias", "/v1/import", "/v1/identify"]),
    packed=st.booleans(),
    cut=st.integers(0, 30),
    data=st.data(),
)
def test_fuzz(
    server: Server, body: bytes, path: str, packed: bool, cut: int, data: st.DataObject
) -> None:
    """Whatever comes, the answer is 200 or 4xx, and 200 means that each event is accounted for."""
    if packed:
        body = gzip.compress(body)
    if cut > 25:
        body = body[: data.draw(st.integers(0, len(body)))]
    headers = {"content_encoding": "gzip"} if packed else {}
    before, listed = server.collector.end, server.rejected()
    seen = sum(row.id for row in listed.page(limit=1))
    answer = post(server, path, body, **headers)
    kept = sum(record.kind == Kind.EVENT for record in server.records(before))
    refused = sum(row.id for row in listed.page(limit=1)) - seen
    assert answer.status_code in (200, 400, 401)
    if answer.status_code == 200:
        batch = json.loads(gzip.decompress(body) if packed else body).get("batch")
        sent = len(batch) if path in ("/v1/batch", "/v1/import") else 1
        assert kept + refused == sent
        assert len(answer.json().get("rejected", [])) == refused
    else:
        assert kept == 0
        assert answer.json()["message"]
