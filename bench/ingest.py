"""Acknowledged ingest over HTTP: events a second on one core, beside what the core could do at all.

    python bench/ingest.py [--seconds 5] [--connections 8]

The server (uvicorn, the real app, a real log on the disk that holds --dir) runs in a process of
its own on one core; the client has the other. The floor does, on the server's core, only what no
server can leave out: decode the same bodies with the same typed structs, append the same bytes,
fsync once for as many requests as the client keeps in flight. Where the disk is slow both wait for
it, and the ratio says little: then take the one of processor time.
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
from typing import NamedTuple, cast

import msgspec
import psutil
import uvicorn
import uvloop

from harken.clock import SystemClock
from harken.ingest import protocol
from harken.ingest.collector import open_collector
from harken.ingest.connection import connections
from harken.ingest.http import Ingest
from harken.store.log import Log

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


class Rate(NamedTuple):
    """Events a second, and the processor time that each took, in microseconds."""

    events: float
    cost: float


def floor(directory: Path, made: list[bytes], together: int, seconds: float) -> Rate:
    """Decoding, appending and fsyncing alone, on the server's core.

    The other core works meanwhile, as it does for the client: two virtual cores are often two
    threads of one, and a floor taken beside an idle one would be another machine's.
    """
    cores = sorted(os.sched_getaffinity(0))
    spin = f"import os; os.sched_setaffinity(0, {{{cores[-1]}}})\nwhile True: pass"
    neighbour = subprocess.Popen([sys.executable, "-c", spin])
    os.sched_setaffinity(0, {cores[0]})
    try:
        return _floor(directory, made, together, seconds)
    finally:
        os.sched_setaffinity(0, set(cores))
        neighbour.kill()
        neighbour.wait()


def _floor(directory: Path, made: list[bytes], together: int, seconds: float) -> Rate:
    descriptor = os.open(directory / "floor", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
    count, position, started, worked = 0, 0, time.monotonic(), time.process_time()
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
    return Rate(rate, (time.process_time() - worked) / count * 1e6)


def serve(directory: Path, port: int) -> None:
    clock = SystemClock()
    collector = open_collector(Log(directory / "log"), directory / "intake.db", clock, lambda: None)
    app = Ingest(collector, {KEY: KEY}, clock)
    uvicorn.run(
        app, port=port, loop="uvloop", http=connections(app), access_log=False,
        log_level="warning", lifespan="off", server_header=False, date_header=False,
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
    return float(times.user + times.system)


def measure(directory: Path, seconds: float, connections: int) -> None:
    made = bodies(200, BATCH)
    batches = [request("/v1/batch", body) for body in made]
    singles = [
        request("/v1/track?writeKey=" + KEY, msgspec.json.encode(event(number)))
        for number in range(20_000)
    ]
    # Before and after: a machine whose neighbours are busy is not the same half a minute later.
    floors = [floor(directory, made, connections, seconds / 2)]
    rate, single = _serving(directory, batches, singles, connections, seconds)
    floors.append(floor(directory, made, connections, seconds / 2))
    lowest = Rate(*(sum(each) / len(floors) for each in zip(*floors, strict=True)))
    between = " and ".join(f"{each.events:,.0f}" for each in floors)
    print(f"batches of {BATCH}, {connections} connections, {len(made[0])} bytes a request")
    print(f"  acknowledged  {rate.events:10,.0f} events/s   (target 60,000)")
    print(f"  floor         {lowest.events:10,.0f} events/s   decode + append + fsync, same core")
    print(f"                {between} before and after")
    print(f"  ratio         {rate.events / lowest.events:10.0%}            (target 40 %)")
    print(
        f"  its processor {rate.cost:10.2f} us an event, {rate.cost * rate.events / 1e6:.0%} busy"
    )
    print(f"  the floor's   {lowest.cost:10.2f} us an event")
    print(f"  ratio         {lowest.cost / rate.cost:10.0%}            without what the disk takes")
    print(f"single events, {8 * connections} connections")
    print(f"  acknowledged  {single:10,.0f} requests/s (target 4,000)")


def _serving(
    directory: Path, batches: list[bytes], singles: list[bytes], connections: int, seconds: float
) -> tuple[Rate, float]:
    """Batches, and requests a second of single events, by a server on a core of its own."""
    cores = sorted(os.sched_getaffinity(0))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, __file__, "--serve", str(port), "--dir", str(directory)]
    os.sched_setaffinity(0, {cores[0]})
    server = subprocess.Popen(command)
    try:
        os.sched_setaffinity(0, {cores[-1]})
        wait_for(port)
        uvloop.run(drive(port, batches, connections, 1))
        busy, started = cpu_seconds(server.pid), time.monotonic()
        rate = BATCH * uvloop.run(drive(port, batches, connections, seconds))
        count = rate * (time.monotonic() - started)
        cost = (cpu_seconds(server.pid) - busy) / count * 1e6
        single = uvloop.run(drive(port, singles, 8 * connections, seconds))
    finally:
        os.sched_setaffinity(0, set(cores))
        server.terminate()
        server.wait(10)
    return Rate(rate, cost), single


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
