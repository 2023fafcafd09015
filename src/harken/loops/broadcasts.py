"""Broadcasts at work: whom history selects, and who of them comes next.

Like a back-fill, a broadcast goes through customers in the order of their ids, a slice at a time
between the engine's batches, as inputs like any other; how far it is, and what came of the slice,
are committed together. What a broadcast becomes is decided in `journeys.broadcasts`.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec
from msgspec import Struct

from harken.clock import Clock
from harken.definitions import InForce
from harken.errors import Unavailable
from harken.files.reader import read
from harken.history.base import History
from harken.inputs import (
    BroadcastWish,
    Call,
    Invite,
    PauseBroadcast,
    ResumeBroadcast,
    StartBroadcast,
    StopBroadcast,
    WakeUp,
)
from harken.journeys import broadcasts as plans
from harken.journeys.broadcasts import Broadcast, Broadcasts, Known, Past, Rules
from harken.journeys.entries import ENTERED, SCHEDULED
from harken.journeys.occurrences import zones_at
from harken.logs import structlog
from harken.loops.preparing import Preparer
from harken.people.profile import Trigger
from harken.segments.questions import ask, selection
from harken.segments.rules import All, InSegment, Rule
from harken.segments.sql_writing import Asked, Statement
from harken.segments.zones import in_zones
from harken.store.base import Store
from harken.values import Name

log = structlog.get_logger("broadcasts")

NOW, PAST = "broadcasts", "broadcasts-past"
NOBODY = -1
"""Whose wake-ups those of broadcasts are."""
AHEAD = 20_480
"""Ids read from history at once: whole slices."""
EVERYBODY = All([])


class Change(Struct, frozen=True):
    """What the broadcasts have become, to be committed, and then to be `committed`."""

    known: Known
    notes: dict[str, bytes]
    wake: list[WakeUp]
    cancel: list[WakeUp]


class Slice(NamedTuple):
    """The next customers of a broadcast; none when its part is over."""

    broadcast: Broadcast
    ids: list[int]
    invites: list[Invite]


class Page(Struct):
    """Ids of a selection that were read ahead."""

    ids: list[int]
    place: int = 0


class Runner(Preparer):
    """The broadcasts of one engine."""

    trouble = "customers cannot be selected"

    def __init__(
        self,
        store: Store,
        history: History | None,
        clock: Clock,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_ready` is called when history has selected somebody. Without one it is everybody."""
        super().__init__()
        self._store, self._history, self._clock = store, history, clock
        self._on_ready = on_ready
        self._sizes: dict[str, int] = {}
        """How many there are in the selections that history has ready, by table."""
        self._dropped: set[str] = set()
        self._pages: dict[str, Page] = {}
        self.definitions: InForce | None = None
        self.known = Known()
        self.reload()

    def reload(self) -> None:
        """Go back to what was committed."""
        self.known = load(self._store)
        self._pages.clear()
        if self.definitions is not None:
            self.definitions.called_off = self.known.past.called_off

    # -- what they become

    def renew(self, definitions: InForce, at: int) -> Change:
        """When `definitions` come into force, received at `at`."""
        return self._change(plans.renew(self.known, _rules(definitions), at))

    def steer(self, wish: BroadcastWish, at: int, definitions: InForce) -> Change:
        """When an operator's word comes that was received at `at`."""
        known, rules = self.known, _rules(definitions)
        match wish:
            case StartBroadcast():
                journey = definitions.journeys.get(wish.journey)
                known = plans.start(known, started(wish, at), journey)
            case PauseBroadcast(id=id, by=by):
                known = plans.pause(known, id, by)
            case ResumeBroadcast(id=id):
                known = plans.resume(known, id, at, rules)
            case StopBroadcast(id=id, by=by, cancel_messages=call_off):
                known = plans.stop(known, id, at, by, call_off=call_off, rules=rules)
        return self._change(known)

    def due(self, now: int, definitions: InForce) -> Change:
        """When wake-ups of theirs are due. All that was handled must be committed."""
        upto = self._store.history_end()
        return self._change(plans.due(self.known, now, upto, _rules(definitions)))

    def selected(self, now: int) -> Change | None:
        """When history has selected the customers of a part; None when it has not."""
        for one in self.known.now.active:
            size = self._sizes.get(one.table)
            if one.state == "selecting" and size is not None:
                return self._change(plans.selected(self.known, one, size, now))
        return None

    def taken(self, slice: Slice, answers: dict[str, int], now: int) -> Change:
        """When the customers of a slice were invited."""
        if not slice.ids:
            self._pages.pop(slice.broadcast.table, None)
        return self._change(plans.taken(self.known, slice.broadcast, slice.ids, answers, now))

    def committed(self, change: Change, definitions: InForce) -> None:
        """The change is in the store, or on its way there."""
        self.known, definitions.called_off = change.known, change.known.past.called_off
        if change.cancel or change.wake or PAST in change.notes:
            self.ring()

    def in_force(self, definitions: InForce) -> None:
        """These definitions are in force now."""
        self.definitions = definitions
        definitions.called_off = self.known.past.called_off
        self.ring()

    def _change(self, known: Known) -> Change:
        before, after = plans.wakeups(self.known), plans.wakeups(known)
        notes = {}
        if known.now is not self.known.now:
            notes[NOW] = msgspec.msgpack.encode(known.now)
        if known.past is not self.known.past:
            notes[PAST] = msgspec.msgpack.encode(known.past)
            notes[plans.CALLED_OFF_NOTE] = msgspec.msgpack.encode(known.past.called_off)
        return Change(
            known,
            notes,
            [WakeUp(due, NOBODY, f"broadcast:{id}") for due, id in sorted(after - before)],
            [WakeUp(due, NOBODY, f"broadcast:{id}") for due, id in sorted(before - after)],
        )

    # -- slices

    def slice(self, now: int, limit: int, definitions: InForce) -> Slice | None:
        """The next customers of the broadcast whose turn it is, or None.

        While customers are told of the past that new rules ask for, all broadcasts wait: they
        would be refused what they have a right to. And while history is away: it is asked again
        beside the engine.
        """
        if definitions.filling.passes:
            return None
        for one in self.known.now.active:
            if one.state != "running" or one.paused or one.slot or one.table not in self._sizes:
                continue
            count = plans.allowed(one, now, limit)
            if count:
                try:
                    ids = self._next(one, count)
                except Unavailable as fault:
                    log.warning("a broadcast waits", broadcast=one.id, fault=str(fault))
                    del self._sizes[one.table]
                    self.ring()
                    return None
                call = self._call(one, definitions)
                return Slice(one, ids, [Invite(id, call) for id in ids])
        return None

    def _next(self, one: Broadcast, count: int) -> list[int]:
        page = self._pages.get(one.table)
        if page is None or page.place >= len(page.ids):
            page = self._pages[one.table] = Page(self._ids(one))
        ids = page.ids[page.place : page.place + count]
        page.place += len(ids)
        return ids

    def _ids(self, one: Broadcast) -> list[int]:
        if self._history is None:
            return self._store.profile_ids(one.cursor, AHEAD)
        return self._history.filled_ids(one.table, one.cursor, AHEAD)

    def _call(self, one: Broadcast, definitions: InForce) -> Call:
        rule = chosen(one)
        event = Trigger(
            name=SCHEDULED if one.occurrence else ENTERED,
            at=one.instants[one.part],
            message_id=one.id,
            properties={"occurrence": one.occurrence} if one.occurrence else one.properties,
            broadcast=one.id,
        )
        return Call(
            journey=one.journey,
            event=event,
            local=one.occurrence if one.recipient else "",
            since=one.began if one.recipient and one.last else 0,
            passes=definitions.asked_live(rule) if rule is not None else None,
        )

    # -- in a thread

    def prepare(self) -> bool:
        """Let history select the customers of a part; False when that must wait, or is not needed.

        What it selects is kept there until the part is over, also beyond a restart.
        """
        self._drop()
        definitions, history = self.definitions, self._history
        for one in self.known.now.active:
            if one.state not in ("selecting", "running") or one.table in self._sizes:
                continue
            if history is None:
                self._sizes[one.table] = self._store.about_profiles()
            elif definitions is None or history.watermark() < one.upto:
                continue
            else:
                self._sizes[one.table] = _select(history, one, definitions)
            self._on_ready()
            return True
        return False

    def _drop(self) -> None:
        self._dropped.intersection_update(self.known.now.tables)
        gone = [table for table in self.known.now.tables if table not in self._dropped]
        if self._history is not None and gone:
            self._history.drop_filling(gone)
        for table in gone:
            self._dropped.add(table)
            self._sizes.pop(table, None)


def load(store: Store) -> Known:
    """The broadcasts as they were last committed."""
    now, past = store.note(NOW), store.note(PAST)
    return Known(
        msgspec.msgpack.decode(now, type=Broadcasts) if now else Broadcasts(),
        msgspec.msgpack.decode(past, type=Past) if past else Past(),
    )


def chosen(one: Broadcast) -> Rule | None:
    """The rule by which somebody chose whom it goes to; None when its journey's audience says."""
    if one.segment:
        return InSegment(Name(one.segment))
    found: Rule | None = read(one.rule, Rule) if one.rule is not None else None
    return found


def started(wish: StartBroadcast, at: int) -> Broadcast:
    """What somebody put in at `at`, before anything came of it."""
    return Broadcast(
        id=wish.id,
        journey=wish.journey,
        instants=(max(wish.at, at),),
        segment=wish.segment,
        rule=wish.rule,
        properties=wish.properties,
        per_second=wish.per_second,
        by=wish.by,
    )


def _rules(definitions: InForce) -> Rules:
    return Rules(
        journeys=definitions.journeys,
        zone=definitions.zone,
        late_after=definitions.workspace.late_after,
    )


def _select(history: History, one: Broadcast, definitions: InForce) -> int:
    """Select the customers of a part by the set form; how many."""
    journey = definitions.journeys[one.journey]
    # What is put in by hand may bring what the audience asks of the event: documents answer that.
    rule = chosen(one) or journey.source.entry.audience or EVERYBODY
    but_for = None
    if one.recipient and not one.last:
        here = zones_at(one.occurrence, one.instants[one.part])
        rule = All([rule, in_zones(here, definitions.zone)])
    elif one.recipient:
        but_for = (one.journey, one.id, one.began)
    asked = Asked(now=one.asked, zone=definitions.zone, segments=definitions.known.segments)

    def prepare(sql: str, params: tuple[str, ...]) -> list[int]:
        return [history.prepare_filling(one.table, sql, params)]

    def write(asked: Asked) -> Statement:
        return selection(rule, asked, but_for)

    return int(ask(prepare, asked, write)[0])
