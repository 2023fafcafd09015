"""The short way past ASGI is HTTP like any other: in order, in parts, kept open, and ended."""

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping

import pytest
import uvicorn

from harken.clock import SystemClock
from harken.ingest.connection import connections
from harken.ingest.http import Ingest
from harken.ingest.protocol import BATCH_BYTES

from .conftest import KEY, Server

EVENT = json.dumps(
    {"type": "track", "userId": "u", "event": "Seen", "messageId": "m", "writeKey": KEY}
).encode()


def request(
    body: bytes = EVENT, path: str = "/v1/track", version: str = "1.1", *more: str
) -> bytes:
    lines = [f"POST {path} HTTP/{version}", "Host: x", f"Content-Length: {len(body)}", *more]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Line:
    """A client that writes bytes as it is told and reads one answer at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._file = self.socket.makefile("rb")

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        status = int(self._file.readline().split()[1])
        headers = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name] = value
        return status, headers, self._file.read(int(headers.get("content-length", "0")))

    def ended(self) -> bool:
        return self._file.read(1) == b""


@pytest.fixture
def line(server: Server) -> Iterator[Line]:
    one = Line(server.port)
    yield one
    one.socket.close()


def test_one_connection_for_many_requests(line: Line, server: Server) -> None:
    for number in range(20):
        # Every other goes uvicorn's way: its body has no stated length, or it is no call.
        if number % 4 == 1:
            head = b"POST /v1/track HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            line.socket.sendall(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(EVENT), EVENT))
        elif number % 4 == 3:
            line.socket.sendall(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
        else:
            line.socket.sendall(request())
        assert line.answer()[0] == (404 if number % 4 == 3 else 200)
    assert len(server.events()) == 15


def test_requests_sent_at_once_are_answered_in_order(line: Line, server: Server) -> None:
    bad = request(b"{}", "/v1/track?writeKey=" + KEY)
    nowhere = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
    wanted = [200, 400, 200, 404, 401, 200]
    line.socket.sendall(request() + bad + request() + nowhere + request(b"{}") + request())
    assert [line.answer()[0] for _ in wanted] == wanted
    line.socket.sendall(request())
    assert line.answer()[0] == 200
    assert len(server.events()) == 4


def test_a_request_may_come_byte_by_byte(line: Line, server: Server) -> None:
    for byte in request(EVENT, "/v1/t"):
        line.socket.sendall(bytes([byte]))
    assert line.answer()[::2] == (200, b'{"success":true}')
    assert len(server.events()) == 1


def test_both_ways_answer_the_same(start: Callable[..., Server]) -> None:
    bodies = [EVENT, b"", b"{", b"[]", b'{"writeKey":"no"}', EVENT.replace(b"Seen", b"$Seen")]
    requests = [request(body, path) for body in bodies for path in ("/v1/track", "/v1/batch")]
    requests.append(request(b" " * (BATCH_BYTES + 1)))

    def answers(server: Server) -> list[tuple[int, dict[str, str], bytes]]:
        found = []
        for each in requests:
            one = Line(server.port)
            one.socket.sendall(each)
            status, headers, body = one.answer()
            found.append((status, {**headers, "date": ""}, body))
            one.socket.close()
        return found

    first = start(short=True)
    short = answers(first)
    first.stop()
    assert short == answers(start(short=False))


@pytest.mark.parametrize(
    ("version", "more", "ends"),
    [
        ("1.1", (), False),
        ("1.1", ("Connection: close",), True),
        ("1.0", (), True),
        ("1.0", ("Connection: keep-alive",), True),
        ("1.1", ("Expect: 100-continue",), False),
    ],
)
def test_the_connection_ends_when_the_client_says_so(
    line: Line, version: str, more: tuple[str, ...], ends: bool
) -> None:
    line.socket.sendall(request(EVENT, "/v1/track", version, *more))
    status, headers, _ = line.answer()
    if more == ("Expect: 100-continue",):
        assert status == 100
        status, headers, _ = line.answer()
    assert (status, headers.get("connection")) == (200, "close" if ends else None)
    if ends:
        assert line.ended()
    else:
        line.socket.sendall(request())
        assert line.answer()[0] == 200


def test_what_is_too_large_is_refused_before_it_is_sent(line: Line) -> None:
    line.socket.sendall(
        request(b"")[:-4].replace(b": 0", b": %d" % (BATCH_BYTES + 1)) + b"\r\n\r\n"
    )
    assert line.answer()[0] == 400


def test_who_does_not_read_its_answers_does_not_fill_the_memory(line: Line, server: Server) -> None:
    line.socket.settimeout(2)
    many = request(b"{}") * 1000

    def fill() -> None:
        for _ in range(400):
            line.socket.sendall(many)

    with pytest.raises(TimeoutError):
        fill()
    other = Line(server.port)
    other.socket.sendall(request())
    assert other.answer()[0] == 200
    other.socket.close()


def test_what_is_under_way_at_the_end_is_answered(server: Server) -> None:
    lines = [Line(server.port) for _ in range(20)]
    for one in lines:
        one.socket.sendall(request())
    while len(server.events()) < len(lines):
        time.sleep(0.01)
    server.stop()
    assert [one.answer()[0] for one in lines] == [200] * len(lines)
    assert all(one.ended() for one in lines)


class Broken(Mapping[str, str]):
    """Keys that cannot be read."""

    def __getitem__(self, key: str) -> str:
        raise OSError("broken")

    def __iter__(self) -> Iterator[str]:
        raise OSError("broken")

    def __len__(self) -> int:
        return 1


def test_a_fault_of_ours_is_500_and_logged(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    app = Ingest(server.collector, Broken(), SystemClock())
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, http=connections(app), log_config=None, lifespan="off")
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
        with caplog.at_level(logging.ERROR):
            thread.start()
            while not running.started and thread.is_alive():
                time.sleep(0.01)
            one = Line(listener.getsockname()[1])
            for _ in range(2):
                one.socket.sendall(request())
                assert one.answer()[0] == 500
            running.should_exit = True
            thread.join(10)
    assert "broken" in caplog.text
