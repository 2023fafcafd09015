"""SMTP servers on loopback: aiosmtpd, and one that says exactly what a script tells it."""

import contextlib
import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

Conversation = Callable[["Peer"], None]


class Peer:
    """The server's side of one connection, for a script to speak through."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(10)
        self.read = sock.makefile("rb")

    def say(self, *lines: str) -> None:
        self.sock.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def hear(self) -> str:
        """One command line; empty when the client hung up."""
        return self.read.readline().decode().rstrip("\r\n")

    def mail(self) -> str:
        """Lines up to the dot, undotted."""
        lines = []
        while (line := self.read.readline().decode()) not in (".\r\n", ""):
            lines.append(line.removeprefix("."))
        return "".join(lines)

    def greet(self, *extensions: str) -> None:
        """220, and EHLO answered with the extensions."""
        self.say("220 scripted")
        self.hear()
        said = ["scripted", *extensions]
        self.say(*(f"250-{one}" for one in said[:-1]), f"250 {said[-1]}")

    def accept(self) -> tuple[list[str], str]:
        """One whole transaction, all answered well, one command at a time."""
        commands = []
        for answer in ("250 2.1.0 ok", "250 2.1.5 ok", "354 go on"):
            commands.append(self.hear())
            self.say(answer)
        mail = self.mail()
        self.say("250 2.0.0 queued as 1")
        return commands, mail

    def hang(self) -> None:
        """Say nothing until the client goes."""
        with contextlib.suppress(OSError):
            while self.read.read(1024):
                pass

    def reset(self) -> None:
        """Hang up rudely (RST)."""
        linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.read.close()
        self.sock.close()


class Scripted:
    """Each connection gets the next script; the last one is for all further connections."""

    def __init__(self, *scripts: Conversation) -> None:
        self.scripts = list(scripts)
        self.connections = 0
        self.failures: list[BaseException] = []
        self._talks: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            script = self.scripts[min(self.connections, len(self.scripts) - 1)]
            self.connections += 1
            talk = threading.Thread(target=self._talk, args=(script, sock), daemon=True)
            self._talks.append(talk)
            talk.start()

    def _talk(self, script: Conversation, sock: socket.socket) -> None:
        peer = Peer(sock)
        try:
            script(peer)
        except OSError:
            pass
        except BaseException as error:
            self.failures.append(error)
        finally:
            with contextlib.suppress(OSError):
                peer.read.close()
                sock.close()

    def __enter__(self) -> "Scripted":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for talk in self._talks:
            talk.join(5)
        assert not self.failures


class Mailbox:
    """What an aiosmtpd server received."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.refuse: dict[str, str] = {}

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        return f"250 2.0.0 queued as {len(self.envelopes)}"


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for localhost made for this test, as a file to trust and as a server's."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    start = datetime.datetime(2020, 1, 1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    file, both = folder / "ca.pem", folder / "server.pem"
    file.write_bytes(made.public_bytes(Encoding.PEM))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    both.write_bytes(made.public_bytes(Encoding.PEM) + secret)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(both)
    return file, context


@contextlib.contextmanager
def real_server(
    mailbox: Mailbox,
    *,
    tls: ssl.SSLContext | None = None,
    password: str | None = None,
    size: int = 2**20,
    implicit: ssl.SSLContext | None = None,
) -> Iterator[int]:
    """aiosmtpd in a thread; yields its port. With `password`, user `harken` must log in.

    `tls` is for STARTTLS, `implicit` for TLS from the first byte.
    """

    def log_in(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        good = data.login == b"harken" and data.password == (password or "").encode()
        return AuthResult(success=good, handled=False)

    controller = Controller(
        mailbox,
        hostname="127.0.0.1" if implicit is None else "localhost",
        port=free_port(),
        data_size_limit=size,
        enable_SMTPUTF8=True,
        tls_context=tls,
        ssl_context=implicit,
        require_starttls=tls is not None,
        auth_required=password is not None,
        auth_require_tls=tls is not None,
        authenticator=log_in if password is not None else None,
    )
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop(no_assert=True)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
