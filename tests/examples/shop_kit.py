"""A collector that only writes down what it is sent: the other end for the shop's own tests."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

ABANDONED_AFTER = 1.0
"""Seconds until a cart counts as left behind in the tests' shop."""
TYPES = {"t": "track", "i": "identify", "p": "page"}


class Recorder:
    """Answers every post with success, and every get by `answers`; keeps each call in order."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self._seen: set[str] = set()
        self.paths: list[str] = []
        self.answers: dict[str, Any] = {}
        self.status = 200
        self.url = ""

    def take(self, call: dict[str, Any]) -> None:
        """Keep a call; one sent again counts once, as the SDK sends again what a page cut off."""
        message_id = call.get("messageId")
        if message_id is None or message_id not in self._seen:
            self._seen.add(str(message_id))
            self.calls.append(call)

    def named(self, event: str) -> list[dict[str, Any]]:
        return [call for call in self.calls if call.get("event") == event]

    def wait_for(self, event: str, count: int = 1, seconds: float = 20.0) -> list[dict[str, Any]]:
        """The calls of an event, once there are so many; fails after `seconds`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if len(found := self.named(event)) >= count:
                return found
            time.sleep(0.05)
        seen = [call.get("event") or call.get("type") for call in self.calls]
        raise AssertionError(f"no {event!r} within {seconds} s; seen: {seen}")


@contextmanager
def recording() -> Iterator[Recorder]:
    """A recorder on a free port of this machine."""
    recorder = Recorder()

    class Handler(BaseHTTPRequestHandler):
        def do_OPTIONS(self) -> None:
            self.answer(204, None)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            kind = self.path.removeprefix("/v1/")
            recorder.paths.append(self.path)
            if recorder.status == 200:
                for call in body.get("batch", [body]):
                    recorder.take({"type": TYPES.get(kind, kind)} | call)
            self.answer(recorder.status, {"success": recorder.status == 200})

        def do_GET(self) -> None:
            found = recorder.answers.get(self.path.split("?")[0])
            self.answer(404 if found is None else 200, found)

        def answer(self, status: int, body: Any) -> None:
            payload = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("access-control-allow-origin", "*")
            # The SDK adds x-retry-count when it sends again.
            asked = self.headers.get("access-control-request-headers", "")
            self.send_header("access-control-allow-headers", asked)
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    recorder.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def config(answer: httpx.Response) -> dict[str, Any]:
    """What a page tells its script."""
    found = re.search(r'<script type="application/json" id="shop">(.*?)</script>', answer.text)
    assert found
    loaded: dict[str, Any] = json.loads(found[1])
    return loaded
