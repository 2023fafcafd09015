"""Acknowledged ingest over HTTP: events a second on one core, beside what the core could do at all.

    python bench/ingest.py [--seconds 5] [--connections 8]

The server (uvicorn, the real app, a real log on the disk that holds --dir) runs in a process of
its own on one core; the client has the other. The floor does, on the server's core, only what no
server can leave out: decode the same bodies with the same typed structs, append the same bytes,
fsync once for as many requests as the client keeps in flight.
"""

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec
import psutil
import uvicorn
import uvloop

from harken.clock import SystemClock
from harken.ingest import protocol
from harken.ingest.collector import open_collector
from harken.ingest.http import Ingest

BATCH = 100
KEY = "bench"


def event(number: int) -> dict[str, object]:
    """What segment-analytics-python sends for a product view."""
    return {
        "integrations": {},
        "anonymousId": None,
        "properties": {
            "product_id": f"p{number % 5000}",
            "name": "Trail shoe",
            "category": "shoes",
            "brand": "Harrow",
            "price": 129.5,
            "currency": "EUR",
            "url": f"https://shop.example/products/{number % 5000}",
        },
        "timestamp": "2026-01-01T00:00:00.123+00:00",
        "context": {"library": {"name": "analytics-python", "version": "2.4.0"}, "locale": "ko-KR"},
        "userId": f"user-{number % 200_000}",
        "type": "track",
        "event": "Product Viewed",
        "messageId": str(uuid.uuid4()),
    }


def bodies(count: int, batch: int) -> list[bytes]:
    made = []
    for first in range(0, count * batch, batch):
        items = [event(first + index) for index in range(batch)]
        sent = "2026-01-01T00:00:01.000+00:00"
        made.append(msgspec.json.encode({"batch": items, "sentAt": sent, "writeKey": KEY}))
    return made


def request(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Client(asyncio.Protocol):
    """One connection with one request in flight, until told to stop."""

    def __init__(self, next_request: Callable[[], bytes], running: Callable[[], bool]) -> None:
        self.next_request, self.running = next_request, running
        self.answered = self.refused = 0
        self.ok = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self.next_request())

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1"):
            self.ok = data.startswith(b"HTTP/1.1 200")
        if not data.endswith(b"}"):
            return  # the head alone: the body follows
        self.answered += self.ok
        self.refused += not self.ok
        if self.running():
            self.transport.write(self.next_request())
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


async def drive(port: int, requests: list[bytes], connections: int, seconds: float) -> float:
    """Answered requests a second."""
    loop = asyncio.get_running_loop()
    sent = 0

    def next_request() -> bytes:
        nonlocal sent
        sent += 1
        return requests[sent % len(requests)]

    until = time.monotonic() + seconds
    started = time.monotonic()
    clients = [
        (
            await loop.create_connection(
                lambda: Client(next_request, lambda: time.monotonic() < until), "127.0.0.1", port
            )
        )[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(client.ended for client in clients))
    if refused := sum(client.refused for client in clients):
        raise SystemExit(f"{refused} requests were refused")
    return sum(client.answered for client in clients) / (time.monotonic() - started)


def floor(directory: Path, made: list[bytes], together: int, seconds: float) -> float:
    """Events a second of decoding, appending and fsyncing alone."""
    descriptor = os.open(directory / "floor", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
    count, position, started = 0, 0, time.monotonic()
    while time.monotonic() - started < seconds:
        parts: list[bytes] = []
        for _ in range(together):
            envelope = protocol.decode_envelope(made[position % len(made)])
            position += 1
            for item in envelope.batch:
                protocol.decode_event(item)
                parts.append(bytes(item))
        os.write(descriptor, b"".join(parts))
        os.fdatasync(descriptor)
        count += len(parts)
    rate = count / (time.monotonic() - started)
    os.close(descriptor)
    return rate


def serve(directory: Path, port: int) -> None:
    clock = SystemClock()
    collector = open_collector(directory, clock, lambda: None)
    app = Ingest(collector, {KEY: KEY}, clock)
    uvicorn.run(
        app, port=port, loop="uvloop", http="httptools", access_log=False, log_level="warning",
        lifespan="off",
    )  # fmt: skip


def wait_for(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server did not start")


def cpu_seconds(process: int) -> float:
    times = psutil.Process(process).cpu_times()
    return times.user + times.system


def measure(directory: Path, seconds: float, connections: int) -> None:
    cores = sorted(os.sched_getaffinity(0))
    server_core, client_core = cores[0], cores[-1]
    made = bodies(200, BATCH)
    batches = [request("/v1/batch", body) for body in made]
    singles = [
        request("/v1/track?writeKey=" + KEY, msgspec.json.encode(event(number)))
        for number in range(20_000)
    ]
    # The other core works meanwhile, as it does for the client: two virtual cores are often two
    # threads of one, and a floor taken beside an idle one would be another machine's.
    spin = f"import os; os.sched_setaffinity(0, {{{client_core}}})\nwhile True: pass"
    neighbour = subprocess.Popen([sys.executable, "-c", spin])
    os.sched_setaffinity(0, {server_core})
    lowest = floor(directory, made, connections, seconds)
    neighbour.kill()
    neighbour.wait()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, __file__, "--serve", str(port), "--dir", str(directory)]
    server = subprocess.Popen(command)
    try:
        os.sched_setaffinity(0, {client_core})
        wait_for(port)
        uvloop.run(drive(port, batches, connections, 1))
        busy = cpu_seconds(server.pid)
        rate = BATCH * uvloop.run(drive(port, batches, connections, seconds))
        busy = (cpu_seconds(server.pid) - busy) / seconds
        single = uvloop.run(drive(port, singles, 8 * connections, seconds))
    finally:
        server.terminate()
        server.wait(10)
    print(f"batches of {BATCH}, {connections} connections, {len(made[0])} bytes a request")
    print(f"  acknowledged  {rate:10,.0f} events/s   (target 60,000)")
    print(f"  floor         {lowest:10,.0f} events/s   decode + append + fsync, same core")
    print(f"  server's core {busy:10.0%}            busy with it; the rest is others' or waiting")
    print(f"  ratio         {rate / lowest:10.0%}            (target 40 %)")
    print(f"single events, {8 * connections} connections")
    print(f"  acknowledged  {single:10,.0f} requests/s (target 4,000)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--dir", type=Path)
    parser.add_argument("--serve", type=int, metavar="PORT")
    given = parser.parse_args()
    if given.serve:
        serve(given.dir, given.serve)
        return
    with tempfile.TemporaryDirectory(dir=given.dir) as directory:
        measure(Path(directory), given.seconds, given.connections)


if __name__ == "__main__":
    main()
