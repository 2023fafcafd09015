"""One SMTP connection: standard library up to AUTH, then transactions of our own, pipelined.

With PIPELINING (RFC 2920) a mail costs one write and one read: the end of one mail's data and the
next one's MAIL, RCPT and DATA leave together. What makes a retry safe is the final dot: before it
is written the server cannot have taken the mail, after it only the server's answer can tell.
"""

import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

from harken.channels.base import Outcome
from harken.channels.replies import Broken, Replies, Reply
from harken.channels.statuses import is_dead
from harken.errors import BadInput

SUBMISSION_PORT = 587
IMPLICIT_TLS_PORT = 465
# Most of a mail is written ahead, so that a server that gives up midway is heard before the dot.
LAST_PIECE = 16 * 1024
# MAIL answered by these means that we, not the mail, are refused: RFC 4954 section 6.
NOT_ALLOWED = frozenset({530, 534, 535, 538})
CLOSING = 421


class Letter(Struct, frozen=True, kw_only=True):
    """A mail in its envelope."""

    sender: str
    """The envelope sender, where bounces go."""
    recipient: str
    data: bytes
    """Lines end in CRLF; dots are not yet doubled."""
    utf8: bool = False
    """An address needs SMTPUTF8 (RFC 6531)."""
    id: str = ""
    profile_id: int = 0
    subject: str = ""
    begin: Callable[[], None] | None = None
    """Called just before a server can have the mail. Raises OSError when it must not leave."""


class Server(Struct, frozen=True, kw_only=True):
    """Where and how to connect."""

    host: str
    port: int
    user: str = ""
    password: str = ""
    tls: Literal["implicit", "require", "auto", "no"] = "auto"
    """`auto` uses STARTTLS where it is offered; `require` sends nothing without it."""
    verify: bool = True
    ca: str | None = None
    """A PEM file of authorities trusted besides the system's."""
    helo: str | None = None
    """The name we give in EHLO; the machine's own when None."""

    def __repr__(self) -> str:
        return f"Server({self.host}:{self.port})"


class NoConnection(Exception):
    """The server cannot be used now; the message says why."""


def parse_url(url: str) -> Server:
    """`smtp://user:password@host:port?starttls=require&verify=no&ca=FILE&helo=NAME`.

    `smtps://` is TLS from the first byte. Raises BadInput; the message never shows the password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadInput("an SMTP URL is smtp://user:password@host:port") from None
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise BadInput("an SMTP URL is smtp://user:password@host:port, or smtps://")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    wrong = set(options) - {"starttls", "verify", "ca", "helo"}
    if wrong or options.get("starttls", "auto") not in ("require", "auto", "no"):
        raise BadInput("an SMTP URL takes starttls=require|auto|no, verify=no, ca=FILE, helo=NAME")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    _check_writable(parts.hostname, user, password, options.get("helo", ""))
    implicit = parts.scheme == "smtps"
    tls: Literal["implicit", "require", "auto", "no"] = "auto"
    if implicit:
        tls = "implicit"
    elif options.get("starttls") == "require":
        tls = "require"
    elif options.get("starttls") == "no":
        tls = "no"
    return Server(
        host=parts.hostname,
        port=port or (IMPLICIT_TLS_PORT if implicit else SUBMISSION_PORT),
        user=user,
        password=password,
        tls=tls,
        verify=options.get("verify") != "no",
        ca=options.get("ca"),
        helo=options.get("helo"),
    )


def _check_writable(host: str, *texts: str) -> None:
    """Refuse what smtplib could not write: it would say so only when a mail is to leave."""
    try:
        host.encode("idna")
    except UnicodeError:
        raise BadInput(f"the SMTP server's name {host[:80]!r} is none") from None
    if not all(text.isascii() and text.isprintable() for text in texts):
        raise BadInput("user, password and helo of an SMTP URL are printable ASCII")


class _BoundedReplies:
    """smtplib's reading, with our limits on time and size."""

    sock: socket.socket | None
    timeout: float
    replies: Replies | None = None

    def getreply(self) -> tuple[int, bytes]:
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("not connected")
        if self.replies is None or self.replies.sock is not self.sock:
            # After STARTTLS too: what was sent in the clear before it is forgotten (RFC 3207 4.2).
            self.replies = Replies(self.sock, self.timeout)
        try:
            reply = self.replies.next()
        except Broken as error:
            raise smtplib.SMTPServerDisconnected(str(error)) from None
        finally:
            self.sock.settimeout(self.timeout)
        return reply.code, b"\n".join(reply.lines)


class _Smtp(_BoundedReplies, smtplib.SMTP):
    pass


class _SmtpOverTls(_BoundedReplies, smtplib.SMTP_SSL):
    pass


def _handshake(server: Server, timeout: float) -> smtplib.SMTP:
    """Connect, STARTTLS and log in. Raises NoConnection."""
    try:
        name = server.helo or _own_name()
        smtp: smtplib.SMTP
        if server.tls == "implicit":
            context = _tls(server.verify, server.ca)
            smtp = _SmtpOverTls(server.host, server.port, name, timeout=timeout, context=context)
        else:
            smtp = _Smtp(server.host, server.port, name, timeout=timeout)
    except (OSError, smtplib.SMTPException) as error:
        raise NoConnection(_why(error)) from None
    try:
        smtp.ehlo_or_helo_if_needed()
        if server.tls in ("require", "auto"):
            if smtp.has_extn("starttls"):
                smtp.starttls(context=_tls(server.verify, server.ca))
                smtp.ehlo_or_helo_if_needed()
            elif server.tls == "require":
                raise NoConnection("the server offers no STARTTLS, which the URL requires")
        if server.user:
            smtp.login(server.user, server.password)
    except (OSError, smtplib.SMTPException) as error:
        smtp.close()
        raise NoConnection(_why(error)) from None
    except NoConnection:
        smtp.close()
        raise
    return smtp


@lru_cache(maxsize=16)
def _tls(verify: bool, ca: str | None) -> ssl.SSLContext:
    """Shared by all connections: reading the system's authorities takes tens of milliseconds."""
    context = ssl.create_default_context()
    if ca:
        context.load_verify_locations(ca)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _own_name() -> str:
    """What to say in EHLO; looking the full name up in DNS could take longer than the mail."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _why(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        said = text.decode("ascii", "replace") if isinstance(text, bytes) else text
        return f"{error.smtp_code} {said}"
    return str(error) or type(error).__name__


class Connection:
    """A connection that is logged in. Used by one thread at a time."""

    def __init__(self, server: Server, timeout: float) -> None:
        """`timeout` in seconds is for connecting and for each reply. Raises NoConnection."""
        smtp = _handshake(server, timeout)
        if smtp.sock is None:
            raise NoConnection("the server hung up")
        self._sock: socket.socket = smtp.sock
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._replies = Replies(self._sock, timeout)
        self._timeout = timeout
        self._pipelining = smtp.has_extn("pipelining")
        self._utf8 = smtp.has_extn("smtputf8")
        self._eight_bit = smtp.has_extn("8bitmime")
        size = smtp.esmtp_features.get("size")
        self._has_size = size is not None
        self._largest = int(size) if size and size.isdigit() else 0
        self._envelope_sent = False
        self._reset_first = False
        self.used = time.monotonic()
        self.open = True

    def stale(self) -> bool:
        """The server hung up, or said something unasked (421), while nothing was going on."""
        return not self.open or self._replies.spoken()

    def close(self) -> None:
        """Say QUIT without waiting for the answer, and hang up."""
        if self.open:
            self.open = False
            try:
                self._sock.settimeout(1)
                self._sock.sendall(b"QUIT\r\n")
            except OSError:
                pass
        self._sock.close()

    def cut(self) -> None:
        """End what another thread is doing with it, as if the server had hung up."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def send(self, letters: Sequence[Letter], deadline: float) -> list[Outcome]:
        """Outcomes of the first so many letters; fewer than given when the connection ended.

        The rest were not touched and may go by another connection. Past `deadline` (monotonic
        seconds) no letter is begun.
        """
        outcomes: list[Outcome] = []
        for index, letter in enumerate(letters):
            if not self.open or time.monotonic() > deadline:
                break
            refused = self.refusal(letter)
            following = self._next(letters, index)
            outcomes.append(refused or self._transact(letter, following))
        if self._envelope_sent:
            # Only when the deadline passed between two: the next letter's envelope is under way.
            self._hang_up()
        self.used = time.monotonic()
        return outcomes

    def refusal(self, letter: Letter) -> Outcome | None:
        """Why this server need not even be asked."""
        if letter.utf8 and not self._utf8:
            return Outcome(
                state="permanent",
                reason="the address is not ASCII before the @, and the server has no SMTPUTF8",
            )
        if self._largest and len(letter.data) > self._largest:
            return Outcome(
                state="permanent",
                reason=f"the mail has {len(letter.data)} bytes, the server takes {self._largest}",
            )
        return None

    def _next(self, letters: Sequence[Letter], index: int) -> Letter | None:
        if not self._pipelining or index + 1 == len(letters):
            return None
        return None if self.refusal(letters[index + 1]) else letters[index + 1]

    def _transact(self, letter: Letter, following: Letter | None) -> Outcome:
        try:
            failed = self._pipelined(letter) if self._pipelining else self._lock_step(letter)
            if failed is None and self._replies.spoken():
                raise Broken("the server spoke out of turn, or hung up, before the mail was sent")
        except Broken as error:
            self._hang_up()
            return Outcome(state="temporary", reason=str(error))
        if failed is not None:
            return failed
        return self._content(letter, following)

    def _pipelined(self, letter: Letter) -> Outcome | None:
        """MAIL, RCPT and DATA at once. None when the server waits for the mail."""
        if not self._envelope_sent:
            self._write(self._envelope(letter))
        self._envelope_sent = False
        if self._reset_first:
            self._reset_first = False
            self._replies.next()
        mail = self._replies.next()
        if mail.code == CLOSING:
            return self._failed("MAIL", mail)
        recipient = self._replies.next()
        if recipient.code == CLOSING:
            return self._failed("RCPT", recipient)
        data = self._replies.next()
        wrong = None if recipient.good else ("RCPT", recipient)
        if not mail.good:
            wrong = ("MAIL", mail)
        if data.code == 354:
            if wrong is None:
                return None
            # RFC 2920 3.1: a server may say 354 with no recipient left; it gets an empty mail.
            self._write(b".\r\n")
            self._replies.next()
        else:
            self._reset_first = True
        return self._failed(*(wrong or ("DATA", data)))

    def _lock_step(self, letter: Letter) -> Outcome | None:
        """One command at a time. None when the server waits for the mail."""
        if self._reset_first:
            self._reset_first = False
            self._write(b"RSET\r\n")
            self._replies.next()
        for verb, command in self._commands(letter):
            self._write(command)
            reply = self._replies.next()
            if not (reply.code == 354 if verb == "DATA" else reply.good):
                self._reset_first = True
                return self._failed(verb, reply)
        return None

    def _content(self, letter: Letter, following: Letter | None) -> Outcome:
        """The mail itself, its final dot, and in the same write the next one's envelope."""
        data = letter.data.replace(b"\r\n.", b"\r\n..")
        if data.startswith(b"."):
            data = b"." + data
        if not data.endswith(b"\r\n"):
            data += b"\r\n"
        dotted = False
        try:
            if len(data) > LAST_PIECE:
                self._write(data[:-LAST_PIECE])
                data = data[-LAST_PIECE:]
                if self._replies.spoken():
                    raise Broken("the server gave up in the middle of the mail")
            self._begin(letter)
            dotted = True
            self._write_last(data + b".\r\n" + (self._envelope(following) if following else b""))
            self._envelope_sent = following is not None
            reply = self._replies.next()
        except Broken as error:
            self._hang_up()
            untouched = not dotted or isinstance(error, _NothingWritten)
            return Outcome(state="temporary" if untouched else "unsure", reason=str(error))
        if reply.good:
            return Outcome(state="sent", provider_id=reply.text)
        if 300 <= reply.code < 400:
            self._hang_up()
            return Outcome(state="unsure", reason=f"answered the mail with {reply}")
        return self._failed("the mail", reply)

    def _begin(self, letter: Letter) -> None:
        try:
            if letter.begin is not None:
                letter.begin()
        except OSError as error:
            raise Broken(f"it could not be noted that it leaves: {error}") from None

    def _failed(self, verb: str, reply: Reply) -> Outcome:
        """What a refusal means. The connection ends where the server ends it."""
        reason = f"{reply} (to {verb})"
        if reply.code == CLOSING or (verb == "MAIL" and reply.code in NOT_ALLOWED):
            self._hang_up()
            return Outcome(state="temporary", reason=reason)
        # 503 to DATA says that the two of us lost step, nothing of the mail.
        if reply.code >= 500 and not (verb == "DATA" and reply.code == 503):
            # What is said of an address to MAIL is about our own. To RCPT it may be, too: many
            # servers refuse a sender no sooner (5.1.8), and that must not suppress everybody.
            dead = verb != "MAIL" and is_dead(reply.enhanced, reply.text)
            return Outcome(state="permanent", reason=reason, dead=dead)
        return Outcome(state="temporary", reason=reason)

    def _commands(self, letter: Letter) -> tuple[tuple[str, bytes], ...]:
        parameters = f" SIZE={len(letter.data)}" if self._has_size else ""
        if letter.utf8:
            parameters += " SMTPUTF8" + (" BODY=8BITMIME" if self._eight_bit else "")
        return (
            ("MAIL", f"MAIL FROM:<{letter.sender}>{parameters}\r\n".encode()),
            ("RCPT", f"RCPT TO:<{letter.recipient}>\r\n".encode()),
            ("DATA", b"DATA\r\n"),
        )

    def _envelope(self, letter: Letter) -> bytes:
        commands = b"".join(command for _, command in self._commands(letter))
        return b"RSET\r\n" + commands if self._reset_first else commands

    def _write(self, data: bytes) -> None:
        try:
            self._sock.settimeout(self._timeout)
            self._sock.sendall(data)
        except OSError as error:
            raise Broken(_write_error(error), closed=True) from None

    def _write_last(self, data: bytes) -> None:
        """As `_write`, and raises _NothingWritten when not even a first byte went out."""
        try:
            self._sock.settimeout(self._timeout)
            written = self._sock.send(data)
        except OSError as error:
            # A TLS record may have gone out although the call failed.
            kind = Broken if isinstance(self._sock, ssl.SSLSocket) else _NothingWritten
            raise kind(_write_error(error), closed=True) from None
        if written < len(data):
            self._write(data[written:])

    def _hang_up(self) -> None:
        self._envelope_sent = False
        self.open = False
        self._sock.close()


class _NothingWritten(Broken):
    """The final dot never left this machine."""


def _write_error(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "the server stopped reading"
    return f"the connection broke: {error}"
