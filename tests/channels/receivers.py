"""A receiver of webhooks on loopback, which answers as its test says."""

import contextlib
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from msgspec import Struct
from standardwebhooks import Webhook

Answer = int | str | tuple[int, Mapping[str, str], bytes]
"""A status; `slow`, `drip`, `garbage` or `hang up`; or status, headers and body."""
Answering = Callable[["Posted"], Answer]
"""Answers each request for what it is."""


class Posted(Struct, frozen=True):
    """A request that came in whole."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Each request gets the next answer; the last one is for all further ones."""

    def __init__(self, *answers: Answer | Answering, secret: str = "") -> None:
        self.answers: list[Answer | Answering] = list(answers or (200,))
        self.posted: list[Posted] = []
        self.secret = secret
        """When set, every signature is looked at with the library of Standard Webhooks."""
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver._answer(self)

            do_PUT = do_PATCH = do_POST

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def once(self) -> Counter[str]:
        """How often each id came: a receiver keeps the first of each."""
        return Counter(one.id for one in self.posted)

    def bodies(self) -> list[Any]:
        return [one.json() for one in self.posted]

    def close(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in request.headers.items()}
        if self.secret:
            Webhook(self.secret).verify(body, headers)
        with self._lock:
            posted = Posted(request.command, request.path, headers, body)
            self.posted.append(posted)
            next_one = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answer = next_one(posted) if callable(next_one) else next_one
        if isinstance(answer, str):
            self._misbehave(request, answer)
            return
        status, more, text = answer if isinstance(answer, tuple) else (answer, {}, b"")
        request.send_response(status)
        for name, value in {"Content-Length": str(len(text)), **more}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(text)

    def _misbehave(self, request: BaseHTTPRequestHandler, how: str) -> None:
        request.close_connection = True
        if how == "slow":
            self._stopping.wait(20)
        elif how == "garbage":
            request.wfile.write(b"\x00\x01 what? \r\n\r\n")
        elif how == "drip":
            request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            with contextlib.suppress(OSError):
                while not self._stopping.is_set():
                    request.wfile.write(b" ")
                    request.wfile.flush()
                    time.sleep(0.05)
        request.connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def receiving(*answers: Answer | Answering, secret: str = "") -> Iterator[Receiver]:
    """A receiver for the length of a test."""
    receiver = Receiver(*answers, secret=secret)
    try:
        yield receiver
    finally:
        receiver.close()
