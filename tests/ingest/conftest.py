"""A real server: uvicorn with the real app, collector and log, on a free port of loopback."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn

from harken.clock import SystemClock
from harken.ingest.collector import Collector, open_collector
from harken.ingest.connection import connections
from harken.ingest.http import Ingest
from harken.ingest.identity import Lookup
from harken.ingest.intake import connect
from harken.ingest.limits import RateLimits
from harken.ingest.protocol import Event, decode_event
from harken.ingest.rejected import RejectedLog
from harken.inputs import Kind, Record
from harken.store.log import Log, LogReader

KEY = "write-key"
NODE = Path(__file__).parents[1] / "node"


class Server:
    """The tracking API of one data directory, running."""

    def __init__(self, directory: Path, per_second: float | None, *, short: bool = True) -> None:
        """`short`: with the short way past ASGI, as `harken serve` has it."""
        clock = SystemClock()
        self.directory = directory
        self.rings = 0
        self.collector: Collector = open_collector(
            Log(directory / "log"), directory / "intake.db", clock, self._ring
        )
        limits = RateLimits(clock, per_second) if per_second else None
        app = Ingest(self.collector, {KEY: "shop", "other-key": "app"}, clock, limits)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(
            app,
            port=self.port,
            http=connections(app) if short else "httptools",
            log_level="warning",
            access_log=False,
            lifespan="off",
        )
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._uvicorn.run, daemon=True)
        self._thread.start()
        while not self._uvicorn.started and self._thread.is_alive():
            time.sleep(0.01)

    def _ring(self) -> None:
        self.rings += 1

    def stop(self) -> None:
        if self._thread.is_alive():
            self._uvicorn.should_exit = True
            self._thread.join(10)
            self.collector.close()

    def records(self, offset: int = 0) -> list[Record]:
        with LogReader(self.directory / "log") as reader:
            return list(reader.records(offset))

    def events(self) -> list[Event]:
        return [decode_event(r.body) for r in self.records() if r.kind == Kind.EVENT]

    def rejected(self) -> RejectedLog:
        return RejectedLog(connect(self.directory / "intake.db"))

    def lookup(self) -> Lookup:
        return Lookup(connect(self.directory / "intake.db"))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts a server; it is stopped after the test."""
    running: list[Server] = []

    def start_server(per_second: float | None = None, *, short: bool = True) -> Server:
        running.append(Server(tmp_path / "data", per_second, short=short))
        return running[-1]

    yield start_server
    for server in running:
        server.stop()


@pytest.fixture
def server(start: Callable[..., Server]) -> Server:
    return start()


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder in which Node finds the clients, installed as their users install them."""
    cache = Path(__file__).parents[2] / ".cache" / "node"
    cache.mkdir(parents=True, exist_ok=True)
    lock = (NODE / "package-lock.json").read_bytes()
    stamp = cache / "installed.json"
    if not stamp.exists() or stamp.read_bytes() != lock:
        for name in ("package.json", "package-lock.json", ".npmrc"):
            (cache / name).write_bytes((NODE / name).read_bytes())
        command = ["npm", "ci", "--prefer-offline", "--no-audit", "--no-fund"]
        subprocess.run(
            command, cwd=cache, check=True, timeout=240, capture_output=True, env=os.environ
        )
        stamp.write_bytes(lock)
    return cache
