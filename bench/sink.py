"""A mail server that takes everything at once and keeps nothing: the other end of benchmarks.

    python bench/sink.py [port]      prints the port; `count` or `arrivals` on standard input asks

From other benches: `with Sink() as sink: ... sink.port, sink.count(), sink.arrivals()`.
"""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import uvloop

EXTENSIONS = b"250-sink\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
END = b"\r\n.\r\n"
GOOD = b"250 2.0.0 ok\r\n"
ANSWERS = {
    b"EHLO": EXTENSIONS, b"HELO": b"250 sink\r\n", b"MAIL": GOOD, b"RCPT": GOOD, b"RSET": GOOD,
    b"NOOP": GOOD, b"DATA": b"354 go\r\n", b"QUIT": b"221 bye\r\n",
}  # fmt: skip


class Counts:
    """What has arrived: (time in ns, Message-ID) a mail."""

    def __init__(self) -> None:
        self.arrivals: list[tuple[int, str]] = []


class Taking(asyncio.Protocol):
    """One client."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts
        self.buffer = b""
        self.in_mail = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's own kind is no asyncio.Transport.
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        buffer, at, answers = self.buffer + data, 0, []
        while True:
            end = buffer.find(END if self.in_mail else b"\r\n", at)
            if end < 0:
                break
            if self.in_mail:
                self.take(buffer[at:end])
                at = end + len(END)
                self.in_mail = False
                answers.append(GOOD)
                continue
            verb = buffer[at : at + 4].upper()
            at = end + 2
            answers.append(ANSWERS.get(verb, b"502 no\r\n"))
            self.in_mail = verb == b"DATA"
        self.buffer = buffer[at:]
        if answers:
            self.transport.write(b"".join(answers))

    def take(self, mail: bytes) -> None:
        start = mail.find(b"Message-ID: <")
        stop = mail.find(b">", start)
        id = mail[start + 13 : stop].decode("ascii", "replace") if start >= 0 else ""
        self.counts.arrivals.append((time.time_ns(), id))


async def serve(port: int) -> None:
    """Listen, print the port, and answer questions until standard input ends."""
    counts = Counts()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Taking(counts), "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if line.strip() == "count":
            print(len(counts.arrivals), flush=True)
        elif line.strip() == "arrivals":
            print(json.dumps(counts.arrivals), flush=True)


class Sink:
    """The sink in a process of its own."""

    def __enter__(self) -> "Sink":
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.port = int(self._line())
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)

    def count(self) -> int:
        """How many mails have arrived."""
        return int(self.ask("count"))

    def arrivals(self) -> list[tuple[int, str]]:
        """(time in ns since 1970, Message-ID) of each mail, in order of arrival."""
        return [(at, id) for at, id in json.loads(self.ask("arrivals"))]

    def ask(self, question: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
