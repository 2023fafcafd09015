"""The processes of one Harken: the web process, and beside it history, the engine and the senders.

The web process writes the log and answers HTTP. Before it has threads, it forks the parent of the
others, which does nothing but fork them, and again when one dies. So they share what was loaded
before, and start in no time. Nobody lives longer than who forked them: a pipe closes with that.
"""

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from msgspec import msgpack

from harken import logs
from harken.config import Settings
from harken.errors import Unavailable
from harken.logs import structlog
from harken.running import roles
from harken.running.bell import Bells
from harken.running.forked import Lifeline, forked

log = structlog.get_logger("processes")

RESTART_AFTER = (0.1, 0.5, 2.0, 5.0)
"""Seconds before a child that died is started again: the first time, the second, ..."""
STEADY = 30.0
"""A child that lived so long died of something new."""
GRACE = 20.0
"""Seconds that a child has to finish what it is doing."""
PATIENCE = 2 * GRACE + 5
"""Seconds that the parent has: history gets its own after the others."""
LOOK = 0.05
"""Seconds between looks at the children."""


class Child:
    """One child process, kept alive until `stop`."""

    def __init__(
        self, role: str, number: int, settings: Settings, bells: Bells, lifeline: Lifeline
    ) -> None:
        self.role, self.name = role, f"{role}-{number}"
        self.pid = 0
        """The process that runs, or 0."""
        self._orders = roles.Orders(settings, bells, lifeline, number)
        self._code = 0
        self._failures = 0
        self._started = 0.0
        self._start_at = 0.0

    @property
    def alive(self) -> bool:
        if self.pid:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.pid, self._code = 0, os.waitstatus_to_exitcode(status)
        return self.pid != 0

    def watch(self) -> None:
        """Start it, or start it again when it has died and its pause is over."""
        now = time.monotonic()
        if self.alive or now < self._start_at:
            return
        if self._started:
            steady = now - self._started > STEADY
            self._failures = 0 if steady else self._failures + 1
            pause = RESTART_AFTER[min(self._failures, len(RESTART_AFTER) - 1)]
            log.error("a process died", child=self.role, code=self._code, pause=pause)
            self._start_at, self._started = now + pause, 0.0
            return
        self._started = now
        self.pid = forked(self.role, lambda: roles.main(self.role, self._orders))

    def stop(self) -> None:
        """Ask it to finish."""
        if self.alive:
            os.kill(self.pid, signal.SIGTERM)

    def join(self, until: float) -> None:
        """Wait for its end until `until` (monotonic seconds), then end it."""
        while self.alive and time.monotonic() < until:
            time.sleep(0.01)
        if self.alive:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0


class Family:
    """The children, as the web process has them: through their parent."""

    def __init__(self, settings: Settings, bells: Bells) -> None:
        senders = [("sender", number) for number in range(settings.senders)]
        self._roles = [("history", 0), ("engine", 0), *senders]
        self._settings, self._bells = settings, bells
        self._ours, self._theirs = Pipe()
        self._parent = 0
        self._alive = {f"{role}-{number}": False for role, number in self._roles}

    def start(self, mine: Sequence[int] = ()) -> None:
        """Fork the children's parent, which starts them. Descriptors in `mine` are left to us.

        Raises Unavailable when the system has no room for another process.
        """

        def run() -> None:
            for descriptor in (self._ours.fileno(), *mine):
                os.close(descriptor)
            self._look_after(self._theirs)

        # Ignored, as it may be by whoever started us, the system would keep no process's end.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            self._parent = forked("parent", run)
        except OSError as fault:
            raise Unavailable(f"no other process can be started: {fault.strerror}") from fault
        self._theirs.close()

    def alive(self) -> dict[str, bool]:
        """Which children run, as far as `hear` has heard."""
        return self._alive

    def fileno(self) -> int:
        """What is readable when there is something to `hear`."""
        return self._ours.fileno()

    def hear(self) -> bool:
        """Take the parent's next word on who is alive; False when the parent is gone itself."""
        try:
            self._alive = msgpack.decode(self._ours.recv_bytes(), type=dict[str, bool])
        except (EOFError, OSError):
            self._alive = dict.fromkeys(self._alive, False)
            return False
        return True

    def stop(self) -> None:
        """Ask all to finish what they are doing, and wait for it; end a parent that hangs."""
        self._ours.close()
        until = time.monotonic() + PATIENCE
        while self._parent and os.waitpid(self._parent, os.WNOHANG) == (0, 0):
            if time.monotonic() > until:
                # Those that it started see it go, and follow.
                os.kill(self._parent, signal.SIGKILL)
                os.waitpid(self._parent, 0)
                return
            time.sleep(0.01)

    def _look_after(self, web: Connection) -> None:
        """Be the children's parent until the web process is gone, or closes its end."""
        logs.set_up(self._settings.log_level, "parent")
        # A terminal's Ctrl-C, or a signal to all processes, is the web process's affair.
        os.setsid()
        signal.pthread_sigmask(signal.SIG_BLOCK, roles.SIGNALS)
        lifeline = Lifeline(web.fileno())
        children = [Child(*role, self._settings, self._bells, lifeline) for role in self._roles]
        _start(children)
        told: dict[str, bool] = {}
        while not web.poll(LOOK):
            _start(children)
            alive = {child.name: child.alive for child in children}
            if alive != told:
                with suppress(OSError):  # the web process is gone: told by the next look
                    web.send_bytes(msgpack.encode(alive))
                told = alive
        history, *others = children
        # History is the last: it takes what the others leave.
        for some in (others, [history]):
            for child in some:
                child.stop()
            until = time.monotonic() + GRACE
            for child in some:
                child.join(until)


def _start(children: Sequence[Child]) -> None:
    for child in children:
        try:
            child.watch()
        except OSError as fault:
            log.error("a process was not started", child=child.role, fault=str(fault))
