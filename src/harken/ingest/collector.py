"""The collector: the only writer of the log. One thread, group commit.

Requests wait in a queue; the thread takes all that wait, resolves who each event belongs to,
appends the records with one fsync, and only then answers. Resolution and append happen in one
place, so the order in which records become durable is the order in which identity was decided.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import chain
from pathlib import Path
from typing import Any

from msgspec import Struct

from harken import metrics
from harken.clock import Clock
from harken.errors import BadInput, Unavailable
from harken.ingest.identity import EVENT_MERGES, Identities
from harken.ingest.intake import connect
from harken.ingest.protocol import Accepted, Rejected
from harken.ingest.rejected import RejectedLog
from harken.ingest.waiting import Answer
from harken.inputs import (
    Allocations,
    BroadcastWish,
    Command,
    Definitions,
    Findings,
    Kind,
    Merge,
    encode,
)
from harken.logs import structlog
from harken.store.log import Log, LogReader, Row

WAITING_BYTES = 64 * 1024 * 1024
GROUP_BYTES = 8 * 1024 * 1024
# What a request weighs in the queue besides its bodies.
_REQUEST_BYTES = 1024

_log = structlog.get_logger()


class _Request(Struct):
    answer: Answer
    received_at: int
    size: int
    events: Sequence[Accepted] = ()
    rejected: Sequence[Rejected] = ()
    key: str = ""
    imported: bool = False
    commands: Sequence[tuple[int, Command]] = ()
    definitions: Definitions | None = None
    findings: Findings | None = None
    broadcast: BroadcastWish | None = None
    allocations: Allocations | None = None


class Collector:
    """Makes events, commands and definitions durable, in one order, and rings the engine's bell.

    Every answer is a log offset: when the engine has handled the log up to it, what was submitted
    has taken effect. It is `Unavailable` when storage failed; then nothing of it is in the log.
    Submitting raises `Unavailable` when too much is waiting already.
    """

    def __init__(
        self,
        log: Log,
        identities: Identities,
        rejected: RejectedLog,
        clock: Clock,
        doorbell: Callable[[], None],
        *,
        waiting_bytes: int = WAITING_BYTES,
    ) -> None:
        """`identities` has caught up with `log`; both are this collector's alone from now on.

        `doorbell` is rung, in the collector's thread, after each group became durable.
        """
        self._log = log
        self._identities = identities
        self._rejected = rejected
        self._clock = clock
        self._doorbell = doorbell
        self._most = waiting_bytes
        self._waiting: deque[_Request] = deque()
        self._waiting_bytes = 0
        self._awake = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="collector", daemon=True)
        self._thread.start()

    # ---- what is asked of it

    def submit(
        self,
        events: Sequence[Accepted],
        rejected: Sequence[Rejected] = (),
        *,
        received_at: int,
        key: str = "",
        imported: bool = False,
    ) -> "Future[int]":
        """Make one request's events durable; keep those refused, under the name of its key."""
        size, future = sum([len(event.body) for event in events]), _future()
        self.take(future, events, rejected, received_at, size, key, imported)
        return future

    def take(
        self,
        answer: Answer,
        events: Sequence[Accepted],
        rejected: Sequence[Rejected],
        received_at: int,
        size: int,
        key: str,
        imported: bool,
    ) -> None:
        """As `submit`; `size` is how many bytes are held in memory until `answer` is told."""
        size += _REQUEST_BYTES
        self._enqueue(_Request(answer, received_at, size, events, rejected, key, imported))

    def append_commands(self, commands: Sequence[tuple[int, Command]]) -> "Future[int]":
        """Log commands, each for a profile. One already joined into another goes to that one."""
        for _, command in commands:
            if isinstance(command, Merge) and command.how in EVENT_MERGES:
                raise BadInput(f"{command.how!r} is how events merge; name another way")
        return self._append(_REQUEST_BYTES * (1 + len(commands)), commands=commands)

    def append_definitions(self, definitions: Definitions) -> "Future[int]":
        """Log definitions: every later record is handled under them."""
        return self._append(definitions=definitions)

    def append_findings(self, findings: Findings) -> "Future[int]":
        """Log what was found out about all customers: later records are handled with it."""
        return self._append(findings=findings)

    def append_broadcast(self, wish: BroadcastWish) -> "Future[int]":
        """Log what somebody wants of a broadcast."""
        return self._append(broadcast=wish)

    def append_allocations(self, allocations: Allocations) -> "Future[int]":
        """Log how experiments share out the customers of every later record."""
        return self._append(allocations=allocations)

    @property
    def end(self) -> int:
        """The log's end: all that was ever acknowledged is before it."""
        return self._log.end

    def drop_before(self, offset: int, older_than: int) -> int:
        """Retention: remove segments handled up to `offset` and received before `older_than`."""
        return self._log.drop_before(min(offset, self._identities.offset), older_than)

    def close(self) -> None:
        """Answer what waits, then stop. Later submissions raise `Unavailable`."""
        with self._awake:
            self._closing = True
            self._awake.notify()
        self._thread.join()
        try:
            self._identities.save()
        except sqlite3.Error as error:
            _tell("identities not saved; the next start replays the log", error)
        self._log.close()

    def _append(self, size: int = _REQUEST_BYTES, **what: Any) -> "Future[int]":
        future = _future()
        self._enqueue(_Request(future, self._clock.now(), size, **what))
        return future

    def _enqueue(self, request: _Request) -> None:
        with self._awake:
            if self._closing:
                raise Unavailable("shutting down")
            if self._waiting and self._waiting_bytes + request.size > self._most:
                raise Unavailable("too much is waiting to be written; try again")
            self._waiting.append(request)
            self._waiting_bytes += request.size
            self._awake.notify()

    # ---- the thread

    def _run(self) -> None:
        while group := self._take():
            self._commit(group)

    def _take(self) -> list[_Request]:
        """All that waits, up to a bound; empty only at the end."""
        with self._awake:
            while not self._waiting and not self._closing:
                self._awake.wait()
            group, size = [], 0
            while self._waiting and size < GROUP_BYTES:
                request = self._waiting.popleft()
                size += request.size
                group.append(request)
            self._waiting_bytes -= size
            return group

    def _commit(self, group: list[_Request]) -> None:
        try:
            rows = self._rows(group)
            end = self._log.write(rows)[1] if rows else self._log.end
        except Exception as error:
            self._identities.forget()
            self._fail(group, error)
            _tell("nothing of a group was written", error, requests=len(group))
            return
        self._identities.keep(end)
        self._save(group)
        for request in group:
            request.answer.set_result(end)
        metrics.EVENTS.inc(sum([len(request.events) for request in group]))
        metrics.REJECTED.inc(sum([len(request.rejected) for request in group]))
        if rows:
            self._ring()

    def _fail(self, group: list[_Request], error: Exception) -> None:
        if not isinstance(error, Unavailable):
            error = Unavailable(f"nothing was written: {error}")
        for request in group:
            request.answer.set_exception(error)

    def _rows(self, group: list[_Request]) -> list[Row]:
        identities = self._identities
        identities.prefetch(chain.from_iterable(request.events for request in group))
        rows: list[Row] = []
        for request in group:
            if request.events:
                self._add_events(rows, request)
            at = request.received_at
            for profile, command in request.commands:
                for owner, wanted in identities.command(profile, command):
                    rows.append((owner, at, at, Kind.COMMAND, False, encode(wanted)))
            if request.definitions is not None:
                rows.append((0, at, at, Kind.DEFINITIONS, False, encode(request.definitions)))
            if request.findings is not None:
                rows.append((0, at, at, Kind.FINDINGS, False, encode(request.findings)))
            if request.broadcast is not None:
                rows.append((0, at, at, Kind.BROADCAST, False, encode(request.broadcast)))
            if request.allocations is not None:
                rows.append((0, at, at, Kind.ALLOCATIONS, False, encode(request.allocations)))
        return rows

    def _add_events(self, rows: list[Row], request: _Request) -> None:
        identities, add, kind = self._identities, rows.append, int(Kind.EVENT)
        at, imported, joined = request.received_at, request.imported, identities.joined
        for event in request.events:
            if joined or event.anonymous_id is not None or not event.profile_id:
                profile, merges = identities.resolve(event)
                for survivor, merge in merges:
                    add((survivor, at, at, Kind.COMMAND, False, encode(merge)))
                    joined = True
            else:
                # As `resolve` has it of a user's event: most are, and need no call.
                profile = event.profile_id
            add((profile, at, event.timestamp, kind, imported, event.body))

    def _save(self, group: list[_Request]) -> None:
        """Rows that the log can make again, or that only explain: never a reason to refuse."""
        try:
            if self._identities.unsaved:
                self._identities.save()
            for request in group:
                if request.rejected:
                    self._rejected.add(request.received_at, request.key, request.rejected)
        except sqlite3.Error as error:
            _tell("intake.db cannot be written", error)

    def _ring(self) -> None:
        try:
            self._doorbell()
        except OSError as error:
            _tell("the engine's bell does not ring", error)


def _future() -> "Future[int]":
    """One that cannot be cancelled: what is queued will be written, whoever leaves."""
    future: Future[int] = Future()
    future.set_running_or_notify_cancel()
    return future


def _tell(what: str, error: Exception, **facts: object) -> None:
    try:
        _log.warning(what, error=str(error), **facts)
    except OSError:
        pass  # our own log may stand on the same full disk; the thread must live on


def open_collector(log: Log, intake: Path, clock: Clock, doorbell: Callable[[], None]) -> Collector:
    """The collector of a log; the tables in `intake` are caught up with it after a crash."""
    db = connect(intake)
    identities = Identities(db)
    with LogReader(log.directory) as reader:
        identities.catch_up(reader)
    return Collector(log, identities, RejectedLog(db), clock, doorbell)
