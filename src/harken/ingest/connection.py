"""HTTP connections: uvicorn's, with a short way for calls of the tracking API.

What ASGI takes for a request (a scope, a task, messages to and fro, the body copied for each) is
more than all that is done for an event: a single one is answered in half the time without it.

Only what is plain goes the short way: a POST to a known path, with a body of stated length within
the limit, when nothing else on the connection is unanswered. All else is left to uvicorn, and
`Ingest` as an ASGI app gives the same answers.
"""

import asyncio
from functools import partial
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from harken.ingest.http import PATHS, Ingest, Reply, refusal
from harken.ingest.protocol import BATCH_BYTES


class _Nobody(asyncio.Event):
    """Waits for no message: nothing is to be woken."""

    def set(self) -> None:
        pass


_NOBODY = _Nobody()


class _Call(RequestResponseCycle):
    """A request on the short way. It has what uvicorn's connection asks of any request."""

    def __init__(self, path: str, query: bytes, headers: dict[bytes, bytes], keep: bool) -> None:
        self.path, self.query, self.headers = path, query, headers
        self.parts: list[bytes] = []
        self.keep_alive = keep
        self.response_complete = self.disconnected = False
        self.message_event = _NOBODY


class Connection(HttpToolsProtocol):
    """One connection. The methods `on_...` are called by the parser."""

    ingest: ClassVar[Ingest]

    def on_message_begin(self) -> None:
        # The scope is made when it turns out to be needed.
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        call = self._call()
        if call is not None:
            self.cycle = call
            return
        url, headers, expected = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expected
        self.headers += headers
        super().on_headers_complete()

    def _call(self) -> _Call | None:
        path, _, query = self.url.partition(b"?")
        parser = self.parser
        if (
            path not in PATHS
            or parser.get_method() != b"POST"
            or parser.get_http_version() != "1.1"
            or parser.should_upgrade()
            or self.expect_100_continue
            or self.flow.write_paused
            or not (self.cycle is None or self.cycle.response_complete)
        ):
            return None
        headers = dict(self.headers)
        length = headers.get(b"content-length", b"")
        if not length.isdigit() or int(length) > BATCH_BYTES:
            return None
        return _Call(path.decode(), query, headers, parser.should_keep_alive())

    def on_body(self, body: bytes) -> None:
        if isinstance(self.cycle, _Call):
            self.cycle.parts.append(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        call = self.cycle
        if not isinstance(call, _Call):
            super().on_message_complete()
            return
        body = call.parts[0] if len(call.parts) == 1 else b"".join(call.parts)
        try:
            reply, durable = self.ingest.take(call.path, call.headers, call.query, body)
        except Exception as error:
            # As uvicorn has it: a fault of ours ends no connection and no process.
            self.logger.error("Exception in the tracking API\n", exc_info=error)
            reply, durable = Reply(500, b"Internal Server Error"), None
        if durable is None:
            self._reply(call, reply)
        else:
            durable.add_done_callback(partial(self._told, call, reply))

    def _told(self, call: _Call, reply: Reply, durable: "asyncio.Future[int]") -> None:
        fault = durable.exception()
        self._reply(call, refusal(fault) if isinstance(fault, Exception) else reply)

    def _reply(self, call: _Call, reply: Reply) -> None:
        call.response_complete = True
        if not self.transport.is_closing():
            lines = [STATUS_LINE[reply.status]]
            for name, value in (*self.server_state.default_headers, *reply.all_headers()):
                lines += (name, b": ", value, b"\r\n")
            if not call.keep_alive:
                lines.append(b"connection: close\r\n")
            lines += (b"\r\n", reply.body)
            self.transport.write(b"".join(lines))
            if not call.keep_alive:
                self.transport.close()
        self.on_response_complete()


def connections(ingest: Ingest) -> type[Connection]:
    """What `uvicorn.Config` takes for `http`."""

    class Ours(Connection):
        pass

    Ours.ingest = ingest
    return Ours
