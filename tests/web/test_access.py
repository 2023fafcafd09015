"""Who may ask, how errors look, and what the process says of itself."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from web_kit import PROJECT, SECRET, WRITE, Shop


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "send a secret key"),
        ({"Authorization": "Basic abc"}, "send a secret key"),
        ({"Authorization": "Bearer "}, "send a secret key"),
        ({"Authorization": "Bearer wrong"}, "not known"),
        ({"Authorization": f"Bearer {WRITE}"}, "a write key"),
    ],
)
def test_the_api_needs_a_secret_key(shop: Shop, headers: dict[str, str], said: str) -> None:
    answer = shop.ask("GET", "/api/v1/status", key=None, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert said in answer.json()["detail"]


def test_keys_are_made_used_and_revoked(shop: Shop) -> None:
    preset = shop.ask("POST", "/api/v1/keys", json={"name": "environment", "kind": "secret"})
    assert (preset.status_code, "choose another name" in preset.text) == (409, True)
    made = shop.post("/keys", {"name": "ops", "kind": "secret"})
    assert shop.ask("GET", "/api/v1/status", key=made["key"]).status_code == 200
    [shown] = shop.get("/keys")["keys"]
    assert (shown["name"], shown["kind"], shown["value"]) == ("ops", "secret", None)
    again = shop.ask("POST", "/api/v1/keys", json={"name": "ops", "kind": "write"})
    assert again.status_code == 409
    assert shop.ask("DELETE", "/api/v1/keys/ops").status_code == 204
    assert shop.ask("DELETE", "/api/v1/keys/ops").status_code == 404
    assert shop.ask("GET", "/api/v1/status", key=made["key"]).status_code == 401
    write = shop.post("/keys", {"name": "site", "kind": "write"})
    body = {"userId": "u", "event": "Seen", "writeKey": write["key"]}
    assert shop.ask("POST", "/v1/track", key=None, json=body).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("GET", "/api/v1/nothing", None, 404),
        ("GET", "/nothing", None, 404),
        ("PATCH", "/api/v1/status", None, 405),
        ("POST", "/api/v1/keys", b"{", 400),
        ("POST", "/api/v1/keys", b"\xff\xfe", 400),
        ("POST", "/api/v1/keys", b'{"name": "a", "kind": "gold"}', 400),
        ("POST", "/api/v1/keys", b'{"name": "a b", "kind": "write"}', 400),
        ("POST", "/api/v1/keys", b'{"name": "a", "kind": "write", "more": 1}', 400),
        ("PATCH", "/api/v1/people/u/attributes", b"[" * 100_000, 400),
        ("PATCH", "/api/v1/people/u/attributes", b'{"a":' * 20_000, 400),
        ("PATCH", "/api/v1/people/u/attributes", b" " * 1_100_000, 413),
        ("GET", "/api/v1/rejected?before=99999999999999999999", None, 400),
        ("GET", "/api/v1/messages?state=lost", None, 400),
    ],
)
def test_bad_requests(
    shop: Shop, method: str, path: str, content: bytes | None, status: int
) -> None:
    answer = shop.ask(method, path, content=content, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_a_request_keeps_its_name(shop: Shop) -> None:
    kept = shop.ask("GET", "/healthz", headers={"x-request-id": "abc-123"})
    assert kept.headers["x-request-id"] == "abc-123"
    made = shop.ask("GET", "/healthz", headers={"x-request-id": "a b\u00e9".encode("latin-1")})  # type: ignore[dict-item]
    assert made.headers["x-request-id"] != "a b"


def test_storage_trouble_is_503(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "data")
    shop.services.collector.close()
    answer = shop.ask("POST", "/api/v1/definitions/apply", json=PROJECT)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "shutting down" in answer.json()["detail"]


def test_health_and_readiness(shop: Shop) -> None:
    assert shop.ask("GET", "/healthz", key=None).text == "ok"
    assert shop.ask("HEAD", "/healthz", key=None).content == b""
    ready = shop.ask("GET", "/readyz", key=None)
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "troubles": {}})


def test_a_dead_child_and_a_folder_gone_are_told(shop: Shop) -> None:
    api = shop.app.rest.state.api
    api.children = lambda: {"engine-0": False, "sender-0": True}
    shop.services.settings.run.rmdir()
    ready = shop.ask("GET", "/readyz", key=None)
    assert ready.status_code == 503
    assert ready.json()["troubles"]["engine-0"] == "does not run"
    assert "log" in ready.json()["troubles"]


def test_metrics(shop: Shop) -> None:
    shop.send("track", userId="u1", event="Seen")
    text = shop.ask("GET", "/metrics", key=None).text
    assert "harken_inputs_handled_total" in text


def test_status(shop: Shop) -> None:
    shop.send("track", userId="u1", event="Seen")
    status = shop.get("/status")
    assert (status["profiles"], status["wakeups"], status["log_lag"]) == (1, 1, 0)
    assert status["transports"] == [{"name": "sandbox", "kind": "sandbox"}]
    assert status["bounces_hook"].startswith("https://hi.shop.example/hooks/bounces/")


def test_rejected_events_are_listed(shop: Shop) -> None:
    for place in range(3):
        body = {"writeKey": WRITE, "userId": f"u{place}", "event": ""}
        assert shop.ask("POST", "/v1/track", key=None, json=body).status_code == 400
    first = shop.get("/rejected?limit=2")
    assert [row["path"] for row in first["rejected"]] == ["$.event", "$.event"]
    rest = shop.get(f"/rejected?before={first['next']}")
    assert len(rest["rejected"]) == 1
    assert rest["next"] is None


def test_suppressions(shop: Shop) -> None:
    asked = {"addresses": ["A@x.example", "b@x.example"], "why": "asked by phone"}
    assert shop.post("/suppressions", asked, "PUT") == {"suppressed": 2}
    found = shop.get("/suppressions")["suppressions"]
    assert {(row["address"], row["why"]) for row in found} == {
        ("a@x.example", "asked by phone"),
        ("b@x.example", "asked by phone"),
    }
    assert shop.ask("DELETE", "/api/v1/suppressions/a@x.example").status_code == 204
    assert shop.ask("DELETE", "/api/v1/suppressions/a@x.example").status_code == 404
    bad = shop.ask("PUT", "/api/v1/suppressions", json={"addresses": ["no address"]})
    assert bad.status_code == 400


def test_logs_name_no_person(open_shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    open_shop.leaves_cart()
    open_shop.get("/people/u1")
    open_shop.get("/messages?user_id=u1")
    told = capsys.readouterr()
    logged = told.out + told.err
    assert "/api/v1/people/{person_id}" in logged
    for secret in ("u1@mail", "Minji", "people/u1", "user_id=u1", SECRET):
        assert secret not in logged


def test_a_request_without_a_body_is_told_so(shop: Shop) -> None:
    answer = shop.ask(
        "POST", "/api/v1/segments/count", headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["errors"] == ["the request has no body; it takes JSON"]


def test_who_hangs_up_while_asking_is_no_fault_of_the_server(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        pass

    path, key = "/api/v1/sql", f"Bearer {SECRET}".encode()
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": path, "raw_path": path.encode(), "root_path": "",
        "query_string": b"", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
        "headers": [(b"authorization", key), (b"content-type", b"application/json")],
    }  # fmt: skip
    asyncio.run(shop.app(scope, receive, send))  # type: ignore[arg-type]
    told = capsys.readouterr()
    logged = told.out + told.err
    assert ("client_left" in logged, "request_failed" in logged) == (True, False)
