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

from msgspec import Struct, field

from harken import metrics
from harken.clock import Clock
from harken.errors import BadInput, Unavailable
from harken.ingest.identity import EVENT_MERGES, Identities
from harken.ingest.intake import connect
from harken.ingest.protocol import Accepted, Rejected
from harken.ingest.rejected import RejectedLog
from harken.inputs import (
    Allocations,
    BroadcastWish,
    Command,
    Definitions,
    Findings,
    Kind,
    Merge,
    Record,
    encode,
)
from harken.logs import structlog
from harken.store.log import Log, LogReader

WAITING_BYTES = 64 * 1024 * 1024
GROUP_BYTES = 8 * 1024 * 1024
# What a request weighs in the queue besides its bodies.
_REQUEST_BYTES = 1024

_log = structlog.get_logger()


class _Request(Struct):
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
    future: "Future[int]" = field(default_factory=Future)


class Collector:
    """Makes events, commands and definitions durable, in one order, and rings the engine's bell.

    Every future's result is a log offset: when the engine has handled the log up to it, what was
    submitted has taken effect. It fails with `Unavailable` when storage did; then nothing of it
    is in the log. Submitting raises `Unavailable` when too much is waiting already.
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
        size = _REQUEST_BYTES + sum([len(event.body) for event in events])
        return self._enqueue(_Request(received_at, size, events, rejected, key, imported))

    def append_commands(self, commands: Sequence[tuple[int, Command]]) -> "Future[int]":
        """Log commands, each for a profile. One already joined into another goes to that one."""
        for _, command in commands:
            if isinstance(command, Merge) and command.how in EVENT_MERGES:
                raise BadInput(f"{command.how!r} is how events merge; name another way")
        size = _REQUEST_BYTES * (1 + len(commands))
        return self._enqueue(_Request(self._clock.now(), size, commands=commands))

    def append_definitions(self, definitions: Definitions) -> "Future[int]":
        """Log definitions: every later record is handled under them."""
        now = self._clock.now()
        return self._enqueue(_Request(now, _REQUEST_BYTES, definitions=definitions))

    def append_findings(self, findings: Findings) -> "Future[int]":
        """Log what was found out about all customers: later records are handled with it."""
        return self._enqueue(_Request(self._clock.now(), _REQUEST_BYTES, findings=findings))

    def append_broadcast(self, wish: BroadcastWish) -> "Future[int]":
        """Log what somebody wants of a broadcast."""
        return self._enqueue(_Request(self._clock.now(), _REQUEST_BYTES, broadcast=wish))

    def append_allocations(self, allocations: Allocations) -> "Future[int]":
        """Log how experiments share out the customers of every later record."""
        return self._enqueue(_Request(self._clock.now(), _REQUEST_BYTES, allocations=allocations))

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

    def _enqueue(self, request: _Request) -> "Future[int]":
        with self._awake:
            if self._closing:
                raise Unavailable("shutting down")
            if self._waiting and self._waiting_bytes + request.size > self._most:
                raise Unavailable("too much is waiting to be written; try again")
            # Once queued it will be answered: a client that leaves cannot cancel a write.
            request.future.set_running_or_notify_cancel()
            self._waiting.append(request)
            self._waiting_bytes += request.size
            self._awake.notify()
        return request.future

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
            records = self._records(group)
            end = self._log.append(records)[1] if records else self._log.end
        except Exception as error:
            self._identities.forget()
            self._fail(group, error)
            _tell("nothing of a group was written", error, requests=len(group))
            return
        self._identities.keep(end)
        self._save(group)
        for request in group:
            request.future.set_result(end)
        metrics.EVENTS.inc(sum([len(request.events) for request in group]))
        metrics.REJECTED.inc(sum([len(request.rejected) for request in group]))
        if records:
            self._ring()

    def _fail(self, group: list[_Request], error: Exception) -> None:
        if not isinstance(error, Unavailable):
            error = Unavailable(f"nothing was written: {error}")
        for request in group:
            request.future.set_exception(error)

    def _records(self, group: list[_Request]) -> list[Record]:
        identities = self._identities
        identities.prefetch(chain.from_iterable(request.events for request in group))
        records: list[Record] = []
        for request in group:
            if request.events:
                self._add_events(records, request)
            at = request.received_at
            for profile, command in request.commands:
                for owner, wanted in identities.command(profile, command):
                    records.append(Record(owner, at, at, Kind.COMMAND, encode(wanted)))
            if request.definitions is not None:
                records.append(Record(0, at, at, Kind.DEFINITIONS, encode(request.definitions)))
            if request.findings is not None:
                records.append(Record(0, at, at, Kind.FINDINGS, encode(request.findings)))
            if request.broadcast is not None:
                records.append(Record(0, at, at, Kind.BROADCAST, encode(request.broadcast)))
            if request.allocations is not None:
                records.append(Record(0, at, at, Kind.ALLOCATIONS, encode(request.allocations)))
        return records

    def _add_events(self, records: list[Record], request: _Request) -> None:
        add, resolve, kind = records.append, self._identities.resolve, int(Kind.EVENT)
        received_at, imported = request.received_at, request.imported
        for event in request.events:
            profile, merges = resolve(event)
            if merges:
                for survivor, merge in merges:
                    add(Record(survivor, received_at, received_at, Kind.COMMAND, encode(merge)))
            add(Record(profile, received_at, event.timestamp, kind, event.body, imported))

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


def _tell(what: str, error: Exception, **facts: object) -> None:
    try:
        _log.warning(what, error=str(error), **facts)
    except OSError:
        pass  # our own log may stand on the same full disk; the thread must live on


def open_collector(directory: Path, clock: Clock, doorbell: Callable[[], None]) -> Collector:
    """The collector of a data directory: `log/` and `intake.db`, caught up after a crash."""
    log = Log(directory / "log")
    try:
        db = connect(directory / "intake.db")
        identities = Identities(db)
        with LogReader(directory / "log") as reader:
            identities.catch_up(reader)
        return Collector(log, identities, RejectedLog(db), clock, doorbell)
    except BaseException:
        log.close()
        raise
