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
from operator import attrgetter

import msgspec
from msgspec.structs import replace

from harken import metrics
from harken.clock import Clock
from harken.definitions import InForce
from harken.effects import Decision, Effects, Happening, Outgoing
from harken.errors import Unavailable
from harken.gates.pace import load_pacer
from harken.handle import handle
from harken.history.base import History
from harken.history.rows import Collector, pack
from harken.inputs import (
    FOUND,
    SHARES,
    Command,
    Input,
    Kind,
    Merge,
    Record,
    Unmerge,
    WakeUp,
    allocations_in,
    decode_allocations,
    decode_command,
    decode_definitions,
    decode_findings,
    decode_wish,
    ends_batch,
    findings_in,
    together,
)
from harken.logs import structlog
from harken.loops.backfill import NOTE, Backfill
from harken.loops.broadcasts import NOBODY, Change, Runner
from harken.loops.commits import Commits, Writer
from harken.loops.stocking import Stocking
from harken.loops.turn import Turn
from harken.people import profile as documents
from harken.people.profile import Profile
from harken.segments.filling import Filling
from harken.store.base import Batch, Store
from harken.store.log import LogReader

log = structlog.get_logger("engine")
_sort = attrgetter("outcome", "gate", "reason")

RECORDS = 2_000
"""Log records in one batch at most: what a crash has to handle again."""
WAKEUPS = 500
FILLS = 1_000
"""Customers who are told of their past at once: 20 to 50 ms, which an event may have to wait."""
INVITED = 512
"""Customers whom a broadcast takes at once, likewise: 30 ms, and few statements (`ROWS`)."""
TOGETHER = 128
"""Documents in hand at once, where each customer's turn comes once: few enough for the processor's
cache, and many, for with each read Python's lock changes hands."""
MOST_BYTES = 1 << 20
FOR_ALL = (Kind.DEFINITIONS, Kind.FINDINGS, Kind.BROADCAST, Kind.ALLOCATIONS)
"""Records that are handled by themselves, between two batches."""
CACHED = 2_000
"""When so many documents are kept decoded, those not used since the last time are let go of."""


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
        writer: Writer | None = None,
        sender: str = "",
        secret: bytes = b"",
    ) -> None:
        """`writer` commits beside, where there is more to do; `secret` is what minted coupon codes
        are made from."""
        self.store = store
        self.clock = clock
        self._sender = sender
        self.definitions = InForce(store.definitions(), store.journey_revision, sender)
        self.definitions.allocations = allocations_in(store.note(SHARES))
        self.backfill = Backfill(store, history, clock, on_filling)
        self.definitions.findings = findings_in(self.store.note(FOUND))
        self.broadcasts = Runner(store, history, clock, on_filling)
        self._in_force(self.definitions, self.backfill.filling)
        self.offset = store.offset()
        self._reader = reader
        self._commits = Commits(store, writer)
        self._on_messages = on_messages
        self._on_history = on_history
        self._cache: dict[int, Profile] = {}
        self._older: dict[int, Profile] = {}
        self._paced_note = store.note("pace")
        self._pacer = load_pacer(self._paced_note)
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
        """Wait until all that was handled is committed, or has failed to be."""
        with suppress(Exception):
            self._commits.land()

    def _turn(self) -> int:
        now = self.clock.now()
        records, end = self._reader.read(self.offset, RECORDS, MOST_BYTES)
        if records and records[0].kind in FOR_ALL:
            after = records[1].offset if len(records) > 1 else end
            self._for_all(records[0], after)
            return 1
        for index, record in enumerate(records):
            if record.kind == Kind.EVENT:
                continue
            if record.kind in FOR_ALL:
                records, end = records[:index], record.offset
                break
            if ends_batch(record) and index + 1 < len(records):
                records, end = records[: index + 1], records[index + 1].offset
                break
        # While the log is behind, time is where the log is: a wake-up must not overtake events
        # that were received before it was due.
        behind = bool(records) and end < self._reader.durable()
        upto = min(now, records[-1].received_at) if behind else now
        alone = bool(records) and ends_batch(records[-1])
        woken = [] if alone else self._commits.due(upto, WAKEUPS)
        called = [one for one in woken if one.profile_id == NOBODY]
        if called and not records:
            return self._call_up(upto, called)
        woken = [one for one in woken if one.profile_id != NOBODY]
        if not records and not woken:
            done = self._fill(busy=False) or self._invite()
            if not done:
                self._commits.land()
            return done
        with metrics.BATCH.time():
            turn = self._begin(woken)
            inputs = records if self._careful else together(records)
            # A file comes in order by customer: they will not come again.
            done_with = len(inputs) < len(records)
            (self._handle_slice if done_with else self._handle)(turn, [*inputs, *woken], now)
            self._commit(turn, end, more=behind or len(woken) == WAKEUPS)
        metrics.INPUTS.inc(len(records) + len(woken))
        metrics.LAG.set(self._reader.durable() - end)
        if called:
            self._call_up(upto, called)
        # However busy: else new rules would never come into force.
        self._fill(busy=True) or self._invite()
        return len(records) + len(woken)

    def _fill(self, *, busy: bool) -> int:
        """Tell the next customers' documents of their past, for rules that are new; how many."""
        began, worked = self.clock.now(), self.clock.worked()
        if not self.backfill.due(began, busy=busy):
            return 0
        self._commits.land()
        slice = self.backfill.slice(FILLS)
        if slice is None:
            return 0
        fills, filling = slice
        turn = self._begin()
        self._handle_slice(turn, fills, self.clock.now())
        turn.notes[NOTE] = msgspec.msgpack.encode(filling)
        # What was prepared is let go of at the end: not before that is written.
        self._commit(turn, self.offset, more=bool(fills))
        self._in_force(self.definitions, filling)
        self.backfill.took(began, self.clock.worked() - worked)
        return max(len(fills), 1)

    def _call_up(self, now: int, called: list[WakeUp]) -> int:
        """Begin the broadcasts that are due, as of all that was handled before."""
        self._commits.land()
        # Whatever comes of them, they are not due again: the engine would never sleep.
        turn = Turn(woken=called)
        self._commit_change(self.broadcasts.due(now, self.definitions), turn, self.offset)
        return 1

    def _invite(self) -> int:
        """Let the next customers of a broadcast enter its journey; how many were asked."""
        now = self.clock.now()
        selected = self.broadcasts.selected(now)
        if selected is not None:
            self._commit_change(selected, Turn(), self.offset)
            return 1
        slice = self.broadcasts.slice(now, INVITED, self.definitions)
        if slice is None:
            return 0
        turn = self._begin()
        self._handle_slice(turn, slice.invites, now)
        change = self.broadcasts.taken(slice, turn.answers, now)
        self._commit_change(change, turn, self.offset, more=True)
        return max(len(slice.ids), 1)

    def _commit_change(
        self, change: Change, turn: Turn, offset: int, *, more: bool = False
    ) -> None:
        """Commit what has become of the broadcasts with what came of it."""
        turn.notes.update(change.notes)
        turn.cancel += change.cancel
        turn.wake.update({(one.due, one.profile_id, one.key): one for one in change.wake})
        self._commit(turn, offset, more=more)
        self.broadcasts.committed(change, self.definitions)

    def _in_force(self, definitions: InForce, filling: Filling) -> None:
        definitions.findings = self.definitions.findings
        self.definitions, definitions.filling = definitions, filling
        self.backfill.committed(definitions)
        self.broadcasts.in_force(definitions)

    def _start_over(self) -> None:
        """Let go of what is in memory and was not committed: documents, slots, codes given out."""
        with suppress(Exception):
            self._commits.land()
        self._cache, self._older = {}, {}
        self.offset, self._paced_note = self._saved
        self._pacer = load_pacer(self._paced_note)
        self._stocking.reload()
        self.backfill.reload()
        self.definitions.filling = self.backfill.filling
        self.broadcasts.reload()
        with suppress(Exception):
            self.definitions.findings = findings_in(self.store.note(FOUND))

    def _begin(self, woken: Sequence[WakeUp] = ()) -> Turn:
        self._stocking.begin(self.definitions.coupons)
        return Turn(woken=[*woken])

    def _handle_slice(self, turn: Turn, inputs: Sequence[Input], now: int) -> None:
        """Handle inputs of which most are for another customer. Their documents are not kept."""
        for start in range(0, len(inputs), TOGETHER):
            self._handle(turn, inputs[start : start + TOGETHER], now)
            turn.pack()
            for id in turn.documents:
                self._cache.pop(id, None)
                self._older.pop(id, None)
            turn.documents.clear()

    def _handle(self, turn: Turn, inputs: Sequence[Input], now: int) -> None:
        turn.asked_for = {input.profile_id for input in inputs}
        turn.documents |= self._load(turn.asked_for, turn)
        one = self._with_care if self._careful else self._one
        # What came of many is taken at once: the less is between them, the more of what an input
        # needs is still in the processor's cache for the next.
        many: list[Effects] = []
        for input in inputs:
            self._stocking.look()
            effects = one(turn, input, now)
            many.append(effects)
            if effects.others or effects.forgotten or self._careful:
                turn.take(many)
                many = []
        turn.take(many)

    def _one(self, turn: Turn, input: Input, now: int) -> Effects:
        other = None
        if isinstance(input, Record) and input.kind == Kind.COMMAND:
            other = self._other(turn, decode_command(input.body))
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
            effects = Effects(documents.decode(before), answer="failed")
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
            found = {} if id in turn.asked_for else self._load({id}, turn)
            document = turn.documents[id] = found.get(id) or Profile(id=id)
        while document.tombstone is not None:
            into = document.tombstone.into
            found = self._load({into}, turn) if into not in turn.documents else turn.documents
            document = turn.documents[into] = found.get(into) or Profile(id=into)
        return document

    def _other(self, turn: Turn, command: Command) -> Profile | None:
        """The second document of a merge or un-merge, as it stands (not forwarded)."""
        if not isinstance(command, Merge | Unmerge):
            return None
        id = command.absorbed
        found = turn.documents.get(id) or self._load({id}, turn).get(id)
        if found is None or (isinstance(command, Merge) and found.tombstone is not None):
            return None
        return turn.documents.setdefault(id, found)

    def _load(self, ids: set[int], turn: Turn) -> dict[int, Profile]:
        found = {id: one[id] for one in (self._older, self._cache) for id in ids & one.keys()}
        found |= {id: documents.decode(turn.packed[id]) for id in ids & turn.packed.keys()}
        return found | self._commits.profiles(ids - found.keys())

    def _commit(self, turn: Turn, offset: int, *, more: bool = False) -> None:
        """Commit what came of a batch; beside the next one when there is `more`."""
        gone = turn.forgotten
        turn.pack()
        self.backfill.changed(turn)
        messages, notes = self._paced(turn.messages)
        filling = self.definitions.filling
        if turn.recount:
            self._commits.land()
            filling = self.backfill.recount(self.definitions, turn.recount)
            turn.notes[NOTE] = msgspec.msgpack.encode(filling)
        self._paced_note = notes.get("pace", self._paced_note)
        saved = (offset, self._paced_note)
        batch = Batch(
            offset=offset,
            # In the order of their ids: neighbours share a page.
            profiles=sorted(turn.packed.items()),
            forgotten=sorted(gone),
            woken=turn.woken,
            wake=[turn.wake[place] for place in sorted(turn.wake)],
            cancel=turn.cancel,
            messages=messages,
            feedback=turn.feedback,
            history=b"",
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
        commit = self._commits.beside if beside else self._commits.now
        commit(batch, turn.history.gathered(), done)
        self.offset, self._careful = offset, False
        if turn.recount:
            self._in_force(self.definitions, filling)
        self._remember(turn.documents, gone)

    def _count(self, decisions: list[Decision]) -> None:
        for (outcome, gate, reason), count in Counter(map(_sort, decisions)).items():
            metrics.DECISIONS.labels(outcome, gate or reason).inc(count)

    def _paced(self, messages: list[Outgoing]) -> tuple[list[Outgoing], dict[str, bytes]]:
        """The pace gate: hand each message of a paced step its slot."""
        paced, touched = [], False
        # Many messages of a batch, all of a broadcast, are of one step.
        known: dict[tuple[str, int, str], tuple[str, int, int] | None] = {}
        for message in messages:
            step = (message.journey, message.revision, message.step)
            if step not in known:
                known[step] = self.definitions.pace(message)
            pace = known[step]
            if pace is not None:
                touched = True
                slot = self._pacer.slot(pace[0], message.not_before, *pace[1:])
                message = replace(message, not_before=slot)
            paced.append(message)
        return paced, {"pace": msgspec.msgpack.encode(self._pacer)} if touched else {}

    def _remember(self, loaded: dict[int, Profile], gone: set[int]) -> None:
        """Keep documents. Those of the batch just given to be committed all stay."""
        if len(self._cache) >= CACHED:
            self._cache, self._older = {}, self._cache
        self._cache.update(loaded)
        for id in gone:
            self._cache.pop(id, None)
            self._older.pop(id, None)

    def _for_all(self, record: Record, end: int) -> None:
        """A record that is for no customer alone, and ends where `end` is."""
        match record.kind:
            case Kind.DEFINITIONS:
                self._switch(record, end)
            case Kind.FINDINGS:
                self._find(record, end)
            case Kind.ALLOCATIONS:
                self._share_out(record, end)
            case _:
                self._steer(record, end)

    def _switch(self, record: Record, end: int) -> None:
        """New definitions: every later input is handled under them, also in a replay."""
        written = decode_definitions(record.body)
        try:
            definitions = InForce(written, self.store.journey_revision, self._sender)
        except Exception:
            # They were checked before they were appended; whatever let them through, the
            # definitions in force stay, and the events behind them are not held up.
            log.exception("definitions could not be compiled; the old ones stay in force")
            self._commit(Turn(), end)
            return
        self._commits.land()
        filling = self.backfill.renew(self.definitions, definitions)
        change = self.broadcasts.renew(definitions, record.received_at)
        notes = {NOTE: msgspec.msgpack.encode(filling), **change.notes}
        wake, cancel = change.wake, change.cancel
        empty = Batch(end, [], [], [], wake, cancel, [], [], b"", notes, definitions=written)
        definitions.allocations = self.definitions.allocations
        self._commits.now(empty, [], lambda: None)
        self.offset, self._saved = end, (end, self._paced_note)
        self.broadcasts.committed(change, definitions)
        self._in_force(definitions, filling)
        log.info("definitions in force", revision=written.revision)

    def _share_out(self, record: Record, end: int) -> None:
        """Experiments share out new customers differently."""
        found = decode_allocations(record.body)
        self._commit(Turn(notes={SHARES: record.body}), end)
        self.definitions.allocations = found.experiments

    def _find(self, record: Record, end: int) -> None:
        """What all customers together do is known anew."""
        turn = Turn(notes={FOUND: record.body})
        self.definitions.findings = decode_findings(record.body)
        self._commit(turn, end)

    def _steer(self, record: Record, end: int) -> None:
        """An operator's word about a broadcast."""
        try:
            change = self.broadcasts.steer(
                decode_wish(record.body), record.received_at, self.definitions
            )
        except Exception:
            # It was checked before it was appended, like definitions.
            log.exception("what was wanted of a broadcast could not be done")
            self._commit(Turn(), end)
            return
        self._commit_change(change, Turn(), end)


def _try_to_write(effects: Effects) -> None:
    """Raises what the commit would raise on account of these effects."""
    for document in (effects.profile, *effects.others):
        documents.encode(document)
    history = Collector()
    history.add(effects)
    pack(history.gathered())
