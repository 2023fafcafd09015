"""The return path: a small mail server for what comes back, by LMTP (RFC 2033).

It takes mail only for `bounce+TOKEN@`, `unsubscribe+TOKEN@` and `fbl@`, so it can relay nothing,
and says 250 only when the reports in a mail are durable. Whatever it cannot finish it answers
with 451, or not at all; the sending server then tries again (RFC 5321, section 4.5.4.1).
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from harken.logs import structlog

log = structlog.get_logger(__name__)

Accept = Callable[[bytes, list[str]], Awaitable[None]]
"""Takes a mail and its recipients; when it returns, what the mail says is durable."""

MOST_BYTES = 10 << 20
MOST_RECIPIENTS = 20
MOST_CONNECTIONS = 100
IDLE_SECONDS = 120.0
ACCEPT_SECONDS = 30.0

_RECIPIENT = re.compile(
    r"(?:(?:bounce|unsubscribe)\+[\w.~=-]{1,256}|fbl)@[^\s@]{1,255}", re.I | re.A
)


class Server:
    """A running return path; `port` is the one it listens on."""

    def __init__(self, accept: Accept, most_bytes: int) -> None:
        self.port = 0
        self.most_bytes = most_bytes
        self._accept = accept
        self._listener: asyncio.Server | None = None
        self.connections: set[LMTP] = set()
        self.receiving: set[asyncio.Future[None]] = set()

    async def listen(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: _Connection(self), host, port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self, grace: float = 5.0) -> None:
        """Stops listening, lets mails on their way finish for `grace` seconds, then hangs up."""
        if self._listener:
            self._listener.close()
        if self.receiving:
            await asyncio.wait(set(self.receiving), timeout=grace)
        for connection in list(self.connections):
            if connection.transport:
                connection.transport.close()

    async def handle_RCPT(
        self, smtp: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not _RECIPIENT.fullmatch(address):
            return "550 5.1.1 No such mailbox; this server only takes reports on mail sent by us"
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, smtp: SMTP, session: Session, envelope: Envelope) -> str:
        raw = envelope.original_content or b""
        try:
            await asyncio.wait_for(self._accept(raw, list(envelope.rcpt_tos)), ACCEPT_SECONDS)
        except Exception as error:
            # Whatever went wrong, the mail is not safe here yet: the other side must keep it.
            log.warning("return_path_refused", error=type(error).__name__, bytes=len(raw))
            return "451 4.3.0 Cannot store this now; try again later"
        return "250 2.0.0 OK"

    async def handle_exception(self, error: Exception) -> str:
        log.warning("return_path_error", error=type(error).__name__)
        return "451 4.3.0 Cannot do this now; try again later"


class _Connection(LMTP):
    # Bounces quote HTML with lines far beyond the 998 of RFC 5322; refusing them would lose them.
    line_length_limit = 256 << 10
    _answers = 0

    def __init__(self, server: Server) -> None:
        self._server = server
        self._since_mail = 0
        self._refused = False
        super().__init__(
            server,
            data_size_limit=server.most_bytes,
            enable_SMTPUTF8=True,
            hostname="harken",
            ident="return path",
            timeout=IDLE_SECONDS,
            loop=asyncio.get_running_loop(),
        )

    def connection_made(self, transport: Any) -> None:
        if len(self._server.connections) >= MOST_CONNECTIONS:
            self._refused = True
            transport.write(b"421 4.3.2 Too many connections; try again later\r\n")
            transport.close()
            return
        self._server.connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._refused:
            self._server.connections.discard(self)
            super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        # aiosmtpd drops what is over the limit only at line ends: a line without end would fill
        # the memory.
        self._since_mail += len(data)
        if self._since_mail > 2 * self._server.most_bytes + self.line_length_limit:
            if isinstance(self.transport, asyncio.Transport):
                self.transport.abort()
            return
        if not self._refused:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        return None if self._refused else super().eof_received()

    async def smtp_DATA(self, arg: str) -> None:
        """Counts as receiving until its answer is written, so that `close` can wait for it."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._server.receiving.add(done)
        try:
            await super().smtp_DATA(arg)
        finally:
            self._since_mail = 0
            self._server.receiving.discard(done)
            done.set_result(None)

    async def push(self, status: Any) -> None:
        """LMTP answers the data once a recipient (section 4.2); aiosmtpd does so once."""
        if isinstance(status, str) and status.startswith("354") and self.envelope:
            self._answers = len(self.envelope.rcpt_tos)
        elif self._answers:
            status, self._answers = "\r\n".join([status] * self._answers), 0
        await super().push(status)


async def serve(host: str, port: int, accept: Accept, most_bytes: int = MOST_BYTES) -> Server:
    """Listens in the running loop (port 0 takes a free one). Raises OSError when it cannot."""
    # aiosmtpd logs addresses at the level INFO; ours are not to be in the logs.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    server = Server(accept, most_bytes)
    await server.listen(host, port)
    return server
