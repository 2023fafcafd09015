"""A mail server in a process of its own, which can be down, slow to take mail, or mute.

    python tests/crash/mailserver.py ARRIVALS      prints its port; takes orders on standard input

What it accepts stands in the file ARRIVALS (a line of Message-ID and recipient) before it answers.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

END = b"\r\n.\r\n"
ID = re.compile(rb"^Message-ID: <([^@>]+)@", re.MULTILINE | re.IGNORECASE)
ADDRESS = re.compile(rb"<([^>]*)>")
MODES = {"ok", "temporary", "silent", "mute", "deaf"}


class Mind:
    """How the server is disposed, and what it has taken."""

    def __init__(self, arrivals: Path) -> None:
        self.file = os.open(arrivals, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.mode = "ok"
        self.kill: list[int] = []
        self.put_off: set[bytes] = set()
        self.clients: set[Any] = set()

    def take(self, mail: bytes, recipient: bytes) -> None:
        found = ID.search(mail)
        os.write(self.file, (found[1] if found else b"?") + b" " + recipient + b"\n")

    def recipient(self, address: bytes) -> bytes:
        """The answer to RCPT: `nobody...` is not known, `later...` is put off once."""
        if address.startswith(b"nobody"):
            return b"550 5.1.1 no such user\r\n"
        if address.startswith(b"later") and address not in self.put_off:
            self.put_off.add(address)
            return b"451 4.7.1 come back later\r\n"
        return b"250 2.1.5 ok\r\n"


class Session(asyncio.Protocol):
    """One client."""

    def __init__(self, mind: Mind) -> None:
        self.mind = mind
        self.buffer = b""
        self.in_mail = False
        self.to: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.mind.clients.add(transport)
        self.say(b"220 mail.example\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self.mind.clients.discard(self.transport)

    def say(self, answer: bytes) -> None:
        if self.mind.mode != "silent":
            self.transport.write(answer)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            mark = END if self.in_mail else b"\r\n"
            part, found, rest = self.buffer.partition(mark)
            if not found:
                return
            self.buffer = rest
            if self.in_mail:
                self.in_mail = False
                self.mail(part)
            else:
                self.command(part)

    def command(self, line: bytes) -> None:
        verb = line[:4].upper()
        if verb == b"EHLO":
            self.say(b"250-mail.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
        elif verb == b"MAIL":
            self.to = []
            no = self.mind.mode == "temporary"
            self.say(b"451 4.3.0 not now\r\n" if no else b"250 2.1.0 ok\r\n")
        elif verb == b"RCPT":
            named = ADDRESS.search(line)
            address = named[1] if named else b""
            no = self.mind.mode == "temporary"
            answer = b"503 5.5.1 MAIL first\r\n" if no else self.mind.recipient(address)
            if answer.startswith(b"250"):
                self.to.append(address)
            self.say(answer)
        elif verb == b"DATA":
            self.in_mail = bool(self.to)
            self.say(b"354 go\r\n" if self.to else b"554 5.5.1 no recipients\r\n")
        elif verb == b"QUIT":
            self.transport.close()
        else:
            self.say(b"250 2.0.0 ok\r\n" if verb in (b"RSET", b"NOOP") else b"502 5.5.2 no\r\n")

    def mail(self, mail: bytes) -> None:
        mind = self.mind
        if mind.mode in ("silent", "deaf"):
            return
        mind.take(mail, self.to[0])
        if mind.kill:
            for pid in mind.kill:
                os.kill(pid, signal.SIGKILL)
            mind.kill = []
            return
        if mind.mode != "mute":
            self.say(b"250 2.0.0 taken\r\n")


async def serve(arrivals: Path) -> None:
    """Listen, print the port, and take orders until standard input ends."""
    mind, loop = Mind(arrivals), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Session(mind), "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    print(port, flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order, *words = line.split()
        if order == "down":
            server.close()
            for client in list(mind.clients):
                client.abort()
        elif order == "up":
            server = await loop.create_server(lambda: Session(mind), "127.0.0.1", port)
        elif order == "kill":
            mind.kill = [int(word) for word in words]
        elif order in MODES:
            mind.mode = order
        print("ok", flush=True)


class MailServer:
    """The server, seen from the tests."""

    def __init__(self, folder: Path) -> None:
        self.arrivals_file = folder / "arrivals"
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(self.arrivals_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._line())

    def be(self, order: str, *words: object) -> None:
        """Give it an order: a mode, `down`, `up`, or `kill PID...` at the next mail it takes."""
        assert self.process.stdin is not None
        print(order, *words, file=self.process.stdin, flush=True)
        assert self._line().strip() == "ok"

    def arrivals(self) -> Counter[str]:
        """How many copies of each message it took, by the message's id."""
        return Counter(line.split()[0] for line in self.arrivals_file.read_text().splitlines())

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
