"""The loop: read a batch of inputs, handle each, commit once.

The way of an event: a collector made it durable in the log (`ingest`), under the id of the
customer it belongs to. The engine reads a batch of the log and the wake-ups that are due, loads
the documents of those customers, and calls `handle` for each input in order. What came of it all
(documents, wake-ups, messages, rows for history, the place in the log) is committed in one
transaction: a crash before it changes nothing, a crash after it repeats nothing. While there is
more to do, it is committed beside the next batch (`commits`).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from harken import metrics
from harken.backfill import NOTE, Backfill
from harken.channels.table import CONSENTED
from harken.clock import Clock
from harken.commits import Commits
from harken.definitions import InForce
from harken.effects import CouponChange, Decision, Effects, Happening, Outgoing
from harken.errors import Unavailable
from harken.gates.pace import Pacer
from harken.handle import handle
from harken.history.base import History
from harken.history.rows import Collector
from harken.inputs import (
    Feedback,
    Findings,
    Input,
    Kind,
    Merge,
    Record,
    Unmerge,
    WakeUp,
    decode_command,
    decode_definitions,
    decode_findings,
)
from harken.logs import structlog
from harken.people import profile as documents
from harken.people.profile import Profile
from harken.people.snapshot import snapshot_of
from harken.segments.filling import Filling
from harken.stocking import Stocking
from harken.store.base import Batch, Store
from harken.store.log import LogReader

log = structlog.get_logger("engine")

RECORDS = 2_000
"""Log records in one batch at most: what a crash has to handle again."""
WAKEUPS = 500
FILLS = 500
"""Customers whose past is filled in after each batch, and while there is nothing else to do: about
20 ms of work, which an event may have to wait."""
MOST_BYTES = 1 << 20
FOR_ALL = (Kind.DEFINITIONS, Kind.FINDINGS)
"""Records that are handled by themselves, between two batches."""
FINDINGS = "findings"
CACHED = 2_000
"""When so many documents are kept decoded, those not used since the last time are let go of."""


class Turn(Struct):
    """What one batch piles up."""

    documents: dict[int, Profile]
    touched: set[int] = field(default_factory=set)
    forgotten: set[int] = field(default_factory=set)
    stated: set[int] = field(default_factory=set)
    """Customers of whom history is to be told anew how they stand."""
    woken: list[WakeUp] = field(default_factory=list)
    wake: dict[tuple[int, int, str], WakeUp] = field(default_factory=dict)
    cancel: list[WakeUp] = field(default_factory=list)
    messages: list[Outgoing] = field(default_factory=list)
    coupons: list[CouponChange] = field(default_factory=list)
    feedback: list[Feedback] = field(default_factory=list)
    history: Collector = field(default_factory=Collector)
    decisions: list[Decision] = field(default_factory=list)
    recount: tuple[int, ...] = ()
    notes: dict[str, bytes] = field(default_factory=dict)

    def take(self, effects: Effects) -> None:
        """Add what came of one input."""
        if effects.facts:
            self.stated.update(one.id for one in (effects.profile, *effects.others))
        for changed in (effects.profile, *effects.others) if effects.changed else ():
            self.documents[changed.id] = changed
            self.touched.add(changed.id)
            self.forgotten.discard(changed.id)
        self.recount += effects.recount
        for id in effects.forgotten:
            self.forgotten.add(id)
            self.documents[id] = Profile(id=id)
        for wakeup in effects.cancel:
            # One set earlier in this batch is not in the store yet.
            if self.wake.pop((wakeup.due, wakeup.profile_id, wakeup.key), None) is None:
                self.cancel.append(wakeup)
        for wakeup in effects.wake:
            self.wake[wakeup.due, wakeup.profile_id, wakeup.key] = wakeup
        self.messages += effects.messages
        self.coupons += effects.coupons
        self.feedback += effects.feedback
        self.decisions += effects.decisions
        self.history.add(effects)


class Engine:
    """Handles the log and the wake-ups of one store. One engine a store."""

    def __init__(
        self,
        store: Store,
        reader: LogReader,
        clock: Clock,
        *,
        on_messages: Callable[[], None] = lambda: None,
        on_history: Callable[[], None] = lambda: None,
        on_filling: Callable[[], None] = lambda: None,
        history: History | None = None,
        sender: str = "",
        secret: bytes = b"",
        cached: int = CACHED,
    ) -> None:
        """`secret` is what minted coupon codes are made from."""
        self.store = store
        self.clock = clock
        self._sender = sender
        self.definitions = InForce(store.definitions(), store.journey_revision, sender)
        self.backfill = Backfill(store, history, clock, on_filling)
        self.definitions.findings = self._load_findings()
        self._in_force(self.definitions, self.backfill.filling)
        self.offset = store.offset()
        self._reader = reader
        self._commits = Commits(store)
        self._on_messages = on_messages
        self._on_history = on_history
        self._cached = cached
        self._cache: dict[int, Profile] = {}
        self._older: dict[int, Profile] = {}
        self._paced_note = store.note("pace")
        self._pacer = _load_pacer(self._paced_note)
        self._stocking = Stocking(store, secret)
        self._saved = (self.offset, self._paced_note)
        """As of the last batch that was committed."""
        self._careful = False

    def turn(self) -> int:
        """Handle one batch; how many inputs it had. 0 means there is nothing to do now."""
        try:
            return self._turn()
        except Exception as fault:
            # What is in memory is ahead of the store, wherever it failed.
            self._start_over()
            if self._careful or isinstance(fault, Unavailable):
                raise
            # Some input cannot be handled, or what came of it cannot be written. Nothing of its
            # batch was committed: the next turn takes it again on copies of the documents, so
            # that only that input is left out.
            log.exception("an input failed; taking its batch again with care")
            self._careful = True
            return 1
        except BaseException:
            self._start_over()
            raise

    def close(self) -> None:
        """Wait until all that was handled is committed."""
        self._commits.close()

    def _turn(self) -> int:
        now = self.clock.now()
        records, end = self._reader.read(self.offset, RECORDS, MOST_BYTES)
        if records and records[0].kind in FOR_ALL:
            switch = self._switch if records[0].kind == Kind.DEFINITIONS else self._find
            switch(records[0], records[1].offset if len(records) > 1 else end)
            return 1
        for index, record in enumerate(records):
            if record.kind in FOR_ALL:
                records, end = records[:index], record.offset
                break
            if _ends_batch(record) and index + 1 < len(records):
                records, end = records[: index + 1], records[index + 1].offset
                break
        # While the log is behind, time is where the log is: a wake-up must not overtake events
        # that were received before it was due.
        behind = bool(records) and end < self._reader.durable()
        upto = min(now, records[-1].received_at) if behind else now
        alone = bool(records) and _ends_batch(records[-1])
        woken = [] if alone else self._commits.due(upto, WAKEUPS)
        if not records and not woken:
            self._commits.land()
            return self._fill()
        with metrics.BATCH.time():
            turn = self._handle_all([*records, *woken], woken, now)
            self._commit(turn, end, more=behind or len(woken) == WAKEUPS)
        metrics.INPUTS.inc(len(records) + len(woken))
        metrics.LAG.set(self._reader.durable() - end)
        # However busy: else new rules would never come into force.
        self._fill()
        return len(records) + len(woken)

    def _fill(self) -> int:
        """Tell the next customers' documents of their past, for rules that are new; how many."""
        if not self.backfill.ready():
            return 0
        self._commits.land()
        fills, filling = self.backfill.slice(FILLS)
        turn = self._handle_all(fills, [], self.clock.now())
        turn.notes[NOTE] = msgspec.msgpack.encode(filling)
        self._commit(turn, self.offset)
        self._in_force(self.definitions, filling)
        return max(len(fills), 1)

    def _in_force(self, definitions: InForce, filling: Filling) -> None:
        definitions.findings = self.definitions.findings
        self.definitions, definitions.filling = definitions, filling
        self.backfill.committed(definitions)

    def _start_over(self) -> None:
        """Let go of what is in memory and was not committed: documents, slots, codes given out."""
        with suppress(Exception):
            self._commits.land()
        self._cache, self._older = {}, {}
        self.offset, self._paced_note = self._saved
        self._pacer = _load_pacer(self._paced_note)
        self._stocking.reload()
        self.backfill.reload()
        self.definitions.filling = self.backfill.filling
        with suppress(Exception):
            self.definitions.findings = self._load_findings()

    def _handle_all(self, inputs: Sequence[Input], woken: list[WakeUp], now: int) -> Turn:
        turn = Turn(self._load({input.profile_id for input in inputs}), woken=woken)
        one = self._with_care if self._careful else self._one
        self._stocking.begin(self.definitions.coupons)
        for input in inputs:
            self._stocking.look()
            turn.take(one(turn, input, now))
        return turn

    def _one(self, turn: Turn, input: Input, now: int) -> Effects:
        other = self._other(turn, input) if isinstance(input, Record) else None
        owner, supply = self._owner(turn, input.profile_id), self._stocking.supply
        return handle(owner, input, now, self.definitions, other, supply)

    def _with_care(self, turn: Turn, input: Input, now: int) -> Effects:
        before = documents.encode(self._owner(turn, input.profile_id))
        supply = self._stocking.supply
        drawn = len(supply.drawn)
        try:
            effects = self._one(turn, input, now)
            _try_to_write(effects)
            return effects
        except Unavailable:
            raise
        except Exception as fault:
            metrics.FAILED_INPUTS.inc()
            supply.put_back(drawn)
            log.exception("an input was left out", profile=input.profile_id)
            effects = Effects(documents.decode(before))
            place = input.offset if isinstance(input, Record) else getattr(input, "due", 0)
            properties = {"error": f"{type(fault).__name__}: {fault}"[:500], "at": place}
            effects.happenings.append(
                Happening(
                    at=now,
                    received_at=now,
                    profile_id=effects.profile.id,
                    name="$input_failed",
                    properties=properties,
                )
            )
            return effects

    def _owner(self, turn: Turn, id: int) -> Profile:
        """The document that an input for `id` belongs to: after a merge, the survivor's."""
        document = turn.documents.get(id)
        if document is None:
            document = turn.documents[id] = self._load({id}).get(id) or Profile(id=id)
        while document.tombstone is not None:
            into = document.tombstone.into
            document = turn.documents.get(into) or self._load({into}).get(into) or Profile(id=into)
            turn.documents[into] = document
        return document

    def _other(self, turn: Turn, record: Record) -> Profile | None:
        """The second document of a merge or un-merge, as it stands (not forwarded)."""
        if record.kind != Kind.COMMAND:
            return None
        command = decode_command(record.body)
        if not isinstance(command, Merge | Unmerge):
            return None
        id = command.absorbed
        found = turn.documents.get(id) or self._load({id}).get(id)
        if found is None or (isinstance(command, Merge) and found.tombstone is not None):
            return None
        return turn.documents.setdefault(id, found)

    def _load(self, ids: set[int]) -> dict[int, Profile]:
        found: dict[int, Profile] = {}
        for cache in (self._older, self._cache):
            found.update((id, cache[id]) for id in ids & cache.keys())
        missing = sorted(ids - found.keys())
        if missing:
            found.update(self.store.profiles(missing))
        return found

    def _commit(self, turn: Turn, offset: int, *, more: bool = False) -> None:
        """Commit what came of a batch; beside the next one when there is `more`."""
        gone = turn.forgotten
        messages, notes = self._paced(turn.messages)
        filling = self.definitions.filling
        if turn.recount:
            self._commits.land()
            filling = self.backfill.recount(self.definitions, turn.recount)
            turn.notes[NOTE] = msgspec.msgpack.encode(filling)
        turn.history.people(
            snapshot_of(one, CONSENTED)
            for one in map(turn.documents.__getitem__, sorted((turn.stated & turn.touched) - gone))
            if one.tombstone is None
        )
        self._paced_note = notes.get("pace", self._paced_note)
        saved = (offset, self._paced_note)
        batch = Batch(
            offset=offset,
            # In the order of their ids: neighbours share a page.
            profiles=[
                (id, documents.encode(turn.documents[id])) for id in sorted(turn.touched - gone)
            ],
            forgotten=sorted(gone),
            woken=turn.woken,
            wake=list(turn.wake.values()),
            cancel=turn.cancel,
            messages=messages,
            feedback=turn.feedback,
            history=turn.history.encode(),
            notes={**turn.notes, **notes, **self._stocking.given()},
            coupons=turn.coupons,
        )

        def done() -> None:
            self._saved = saved
            self._count(turn.decisions)
            if messages:
                self._on_messages()
            self._on_history()

        # Who is forgotten is in no cache, so nobody may ask the store for them before it knows.
        beside = more and not gone and not turn.recount and not self._careful
        (self._commits.beside if beside else self._commits.now)(batch, done)
        self.offset, self._careful = offset, False
        if turn.recount:
            self._in_force(self.definitions, filling)
        self._remember(turn.documents, gone)

    def _count(self, decisions: list[Decision]) -> None:
        for (outcome, reason), count in Counter(
            (decision.outcome, decision.gate or decision.reason) for decision in decisions
        ).items():
            metrics.DECISIONS.labels(outcome, reason).inc(count)

    def _paced(self, messages: list[Outgoing]) -> tuple[list[Outgoing], dict[str, bytes]]:
        """The pace gate: hand each message of a paced step its slot."""
        paced, touched = [], False
        for message in messages:
            pace = self.definitions.pace(message)
            if pace is not None:
                touched = True
                slot = self._pacer.slot(pace[0], message.not_before, *pace[1:])
                message = replace(message, not_before=slot)
            paced.append(message)
        return paced, {"pace": msgspec.msgpack.encode(self._pacer)} if touched else {}

    def _remember(self, loaded: dict[int, Profile], gone: set[int]) -> None:
        """Keep documents. Those of the batch just given to be committed all stay."""
        if len(self._cache) >= self._cached:
            self._cache, self._older = {}, self._cache
        self._cache.update(loaded)
        for id in gone:
            self._cache.pop(id, None)
            self._older.pop(id, None)

    def _switch(self, record: Record, end: int) -> None:
        """New definitions: every later input is handled under them, also in a replay."""
        written = decode_definitions(record.body)
        try:
            definitions = InForce(written, self.store.journey_revision, self._sender)
        except Exception:
            # They were checked before they were appended; whatever let them through, the
            # definitions in force stay, and the events behind them are not held up.
            log.exception("definitions could not be compiled; the old ones stay in force")
            self._commit(Turn({}), end)
            return
        self._commits.land()
        filling = self.backfill.renew(self.definitions, definitions)
        notes = {NOTE: msgspec.msgpack.encode(filling)}
        empty = Batch(end, [], [], [], [], [], [], [], b"", notes, definitions=written)
        self._commits.now(empty, lambda: None)
        self.offset, self._saved = end, (end, self._paced_note)
        self._in_force(definitions, filling)
        log.info("definitions in force", revision=written.revision)

    def _find(self, record: Record, end: int) -> None:
        """What all customers together do is known anew."""
        turn = Turn({}, notes={FINDINGS: record.body})
        self.definitions.findings = decode_findings(record.body)
        self._commit(turn, end)

    def _load_findings(self) -> Findings:
        note = self.store.note(FINDINGS)
        return decode_findings(note) if note else Findings()


def _try_to_write(effects: Effects) -> None:
    """Raises what the commit would raise on account of these effects."""
    for document in (effects.profile, *effects.others):
        documents.encode(document)
    history = Collector()
    history.add(effects)
    history.encode()


def _ends_batch(record: Record) -> bool:
    """Whether what follows must not share a batch with the record: see `Backfill.recount`."""
    if record.kind != Kind.COMMAND:
        return False
    try:
        return isinstance(decode_command(record.body), Unmerge)
    except msgspec.DecodeError:
        return False


def _load_pacer(note: bytes) -> Pacer:
    return msgspec.msgpack.decode(note, type=Pacer) if note else Pacer()
