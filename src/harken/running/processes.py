"""The processes of one Harken: the web process and its children, history, engine and senders.

The web process is the parent: it writes the log, answers HTTP, and starts the children again when
one dies. A child is told what to do in a line on its standard input, which then stays open: a
child lives no longer than its parent, because it stops when that closes, however the parent ended.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from msgspec import Struct, json
from msgspec.structs import astuple

from harken.config import Settings
from harken.logs import structlog
from harken.running.bell import Bell

log = structlog.get_logger("processes")

RESTART_AFTER = (0.1, 0.5, 2.0, 5.0)
"""Seconds before a child that died is started again: the first time, the second, ..."""
STEADY = 30.0
"""A child that lived so long died of something new."""
GRACE = 20.0
"""Seconds that a child has to finish what it is doing."""


class Bells(Struct):
    """Who rings whom: the engine hears of log and outcomes, history of new rows, the senders of new
    messages."""

    history: Bell
    engine: Bell
    sender: Bell

    @classmethod
    def new(cls) -> "Bells":
        return cls(Bell.new(), Bell.new(), Bell.new())

    @classmethod
    def of(cls, descriptors: list[int]) -> "Bells":
        """Those that another process has given its child."""
        return cls(*map(Bell, descriptors[::2], descriptors[1::2]))

    def descriptors(self) -> list[int]:
        return [end for bell in astuple(self) for end in (bell.read, bell.write)]


class Orders(Struct):
    """What a child is told; not on its command line, where others could read secrets."""

    settings: Settings
    descriptors: list[int]
    number: int


class Child:
    """One child process, kept alive until `stop`."""

    def __init__(self, role: str, number: int, settings: Settings, bells: Bells) -> None:
        self.role, self.number = role, number
        self._settings, self._bells = settings, bells
        self._process: subprocess.Popen[bytes] | None = None
        self._failures = 0
        self._started = 0.0
        self._start_at = 0.0

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def watch(self) -> None:
        """Start it, or start it again when it has died and its pause is over."""
        now = time.monotonic()
        if self.alive or now < self._start_at:
            return
        if self._process is not None:
            steady = now - self._started > STEADY
            self._failures = 0 if steady else self._failures + 1
            pause = RESTART_AFTER[min(self._failures, len(RESTART_AFTER) - 1)]
            log.error("a process died", child=self.role, code=self._process.returncode, pause=pause)
            self._forget()
            self._start_at = now + pause
            return
        self._start()

    def _start(self) -> None:
        descriptors = self._bells.descriptors()
        orders = Orders(self._settings, descriptors, self.number)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "harken.running.roles", self.role],
            pass_fds=descriptors,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.encode(orders, enc_hook=str) + b"\n")
        self._process.stdin.flush()
        self._started = time.monotonic()

    def stop(self) -> None:
        """Ask it to finish."""
        if self._process is not None and self.alive:
            self._process.terminate()

    def join(self, until: float) -> None:
        """Wait for its end until `until` (monotonic seconds), then end it."""
        if self._process is None:
            return
        try:
            self._process.wait(max(until - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._forget()

    def _forget(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None


class Family:
    """All children, watched by a thread."""

    def __init__(self, settings: Settings, bells: Bells) -> None:
        senders = [("sender", number) for number in range(settings.senders)]
        roles = [("history", 0), ("engine", 0), *senders]
        self.children = [Child(role, number, settings, bells) for role, number in roles]
        self._begun = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="children", daemon=True)

    def start_engine(self) -> None:
        """Start history and the engine, and watch over the children."""
        self._begun = 2
        for child in self.children[: self._begun]:
            child.watch()
        self._thread.start()

    def start_senders(self) -> None:
        """Start the rest: later, so that others are ready the sooner."""
        self._begun = len(self.children)

    def alive(self) -> dict[str, bool]:
        """Which children run."""
        return {f"{child.role}-{child.number}": child.alive for child in self.children}

    def stop(self) -> None:
        """Ask all to finish what they are doing, and wait for it."""
        self._stopping.set()
        self._thread.join()
        history, *others = self.children
        # History is the last: it takes what the others leave.
        for some in (others, [history]):
            for child in some:
                child.stop()
            until = time.monotonic() + GRACE
            for child in some:
                child.join(until)

    def _watch(self) -> None:
        while not self._stopping.wait(0.05):
            for child in self.children[: self._begun]:
                try:
                    child.watch()
                except OSError as fault:
                    # It died before it had its orders, or there is no room for it now.
                    log.error("a process was not started", child=child.role, fault=str(fault))


def take_orders() -> tuple[Orders, Bells]:
    """In a child: what it is told, and its bells."""
    orders = json.decode(sys.stdin.buffer.readline(), type=Orders, dec_hook=_path)
    return orders, Bells.of(orders.descriptors)


def follow_parent(stop: Callable[[str], None]) -> None:
    """In a child: call `stop` with why, when asked to finish or when the parent is gone."""

    def asked(signal_number: int, frame: FrameType | None) -> None:
        stop(signal.Signals(signal_number).name)

    def orphaned() -> None:
        # Not through `sys.stdin`: a thread that holds its lock would crash the exit.
        os.read(0, 1)
        stop("the parent is gone")

    signal.signal(signal.SIGTERM, asked)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=orphaned, name="parent", daemon=True).start()


def _path(type_: type, value: object) -> object:
    return type_(value)
