"""An SMTP server's replies (RFC 5321 4.2), read with a limit on time and on size."""

import re
import socket
import time

from msgspec import Struct

REPLY_LIMIT = 64 * 1024
READ_SIZE = 16 * 1024
TEXT_LIMIT = 300
_LINE = re.compile(rb"([2-5][0-9][0-9])([ -]?)(.*)", re.DOTALL)
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")
_UNPRINTABLE = re.compile(r"[^ -~]+")


class Broken(Exception):
    """The connection is of no use any more; the message says why."""

    def __init__(self, why: str, *, closed: bool = False) -> None:
        super().__init__(why)
        self.closed = closed
        """The other side hung up (or was never reached), as opposed to hanging or raving."""


class Reply(Struct, frozen=True):
    """One reply."""

    code: int
    lines: tuple[bytes, ...]
    """The text of each line, as it came."""

    @property
    def text(self) -> str:
        """The lines joined, fit to be shown and kept."""
        return printable(b" ".join(self.lines), TEXT_LIMIT)

    @property
    def good(self) -> bool:
        return 200 <= self.code < 300

    @property
    def enhanced(self) -> str:
        """The enhanced status code (RFC 3463), such as `5.1.1`; empty when there is none."""
        found = _ENHANCED.match(self.text)
        return found[0] if found else ""

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


class Replies:
    """Reads the replies of one socket, in order."""

    def __init__(self, sock: socket.socket, timeout: float) -> None:
        self.sock = sock
        self.timeout = timeout
        self.pending = b""
        """Read from the socket, not yet part of a reply."""

    def next(self) -> Reply:
        """The next reply. Raises Broken when it is not whole and sensible within the time-out.

        The time-out is for all of it: a server that drips bytes gets no longer than a silent one.
        """
        deadline = time.monotonic() + self.timeout
        code, texts, size = b"", [], 0
        while True:
            line = self._line(deadline)
            size += len(line)
            found = _LINE.fullmatch(line)
            if not found or (code and found[1] != code) or (found[3] and not found[2]):
                raise Broken(f"answered {printable(line, 80)!r}, which is no SMTP reply")
            if size > REPLY_LIMIT:
                raise Broken(f"its reply is longer than {REPLY_LIMIT} bytes")
            code = found[1]
            texts.append(found[3].strip())
            if found[2] != b"-":
                return Reply(int(code), tuple(texts))

    def spoken(self) -> bool:
        """The server has said something, or hung up, without being asked. Does not wait."""
        if self.pending:
            return True
        try:
            self.sock.settimeout(0)
            self.pending = self.sock.recv(READ_SIZE)
        except (TimeoutError, BlockingIOError):
            return False
        except OSError as error:
            # SSLWantReadError: a TLS record that carries no data, such as a session ticket.
            return type(error).__name__ != "SSLWantReadError"
        return True

    def _line(self, deadline: float) -> bytes:
        while (end := self.pending.find(b"\n")) < 0:
            if len(self.pending) > REPLY_LIMIT:
                raise Broken(f"its reply is longer than {REPLY_LIMIT} bytes")
            left = deadline - time.monotonic()
            if left <= 0:
                raise Broken(f"no answer within {self.timeout:g} s")
            try:
                self.sock.settimeout(left)
                data = self.sock.recv(READ_SIZE)
            except TimeoutError:
                raise Broken(f"no answer within {self.timeout:g} s") from None
            except OSError as error:
                raise Broken(f"the connection broke: {error}", closed=True) from None
            if not data:
                raise Broken("the server hung up", closed=True)
            self.pending += data
        line, self.pending = self.pending[:end], self.pending[end + 1 :]
        return line.removesuffix(b"\r")


def printable(raw: bytes, limit: int) -> str:
    """`raw` on one line, in ASCII, cut to `limit`."""
    return _UNPRINTABLE.sub(" ", raw.decode("ascii", "replace"))[:limit].strip()
