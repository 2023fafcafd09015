"""Broadcasts: one occurrence of a schedule, or a group that somebody put into a journey.

What there is of them is one value, kept in the notes of the store. Each function here takes it and
answers with what it becomes; the engine commits that with what it did. The wake-ups of broadcasts
follow from the value alone (`wakeups`), so the two never disagree.

A broadcast has a part for each moment at which it is due: one, or one for each offset from UTC when
everybody is reached at their own local time. Of each part, history first selects whom the rule
holds for; then they are taken in the order of their ids, a slice at a time.
"""

from collections.abc import Mapping
from typing import Any, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from harken.clock import SECOND
from harken.ids import derived_id
from harken.journeys.compile import LiveJourney
from harken.journeys.entries import ApiEntry, ScheduleEntry
from harken.journeys.occurrences import following, instants, occurs

State = Literal["planned", "selecting", "running", "paused", "done", "stopped", "missed"]
OVER: frozenset[State] = frozenset({"done", "stopped", "missed"})
JOURNEY = "its journey"
"""Who pauses a broadcast whose journey is paused."""
KEPT = 200
"""Broadcasts that are over and still told of."""
CALLED_OFF_NOTE = "broadcasts-called-off"
"""The note by which senders know `Past.called_off`."""
CALLED_OFF = 2_000
TABLES = 200
MEASURED = 5 * SECOND
"""The rate is that of the last so long."""


class Broadcast(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One broadcast, and how far it is. Times are ms."""

    id: str
    journey: str
    state: State = "planned"
    occurrence: str = ""
    """The local time, of a schedule."""
    recipient: bool = False
    """Everybody at their own local time."""
    instants: tuple[int, ...]
    """When its parts are due, in order."""
    part: int = 0
    """The part that comes next, or is under way."""
    segment: str = ""
    rule: dict[str, Any] | None = None
    """As it was written; with `segment` whom somebody put in by hand."""
    properties: dict[str, Any] = {}
    per_second: int = 0
    by: str = ""
    """Who put it in, or stopped it."""
    paused: str = ""
    """Who paused it; then it is as `state` says but for that."""
    resumed: int = 0
    began: int = 0
    ended: int = 0
    why: str = ""
    """Why it was stopped or missed."""
    upto: int = 0
    """The batch of history that the selection of this part waits for."""
    asked: int = 0
    """The moment as of which it is selected."""
    cursor: int = -1
    """Everybody of this part up to this id was considered."""
    selected: int = 0
    considered: int = 0
    entered: int = 0
    refused: dict[str, int] = {}
    """By reason."""
    credit: int = 0
    """Thousandths of customers that `per_second` allows at `credited`."""
    credited: int = 0
    slot: int = 0
    """When the next ones may be taken; 0 for now."""
    rate: float = 0.0
    """Customers a second, as measured last; 0 when that is not known yet."""
    mark: tuple[int, int] = (0, 0)
    """(when, how many were considered) at the beginning of what is measured now."""

    @property
    def last(self) -> bool:
        """Whether this part is the last."""
        return self.part + 1 >= len(self.instants)

    @property
    def table(self) -> str:
        """What history calls the customers of this part."""
        return f"broadcast_{self.id}_{self.part}"


class Broadcasts(Struct, frozen=True, omit_defaults=True):
    """All of them."""

    active: tuple[Broadcast, ...] = ()
    begun: dict[str, str] = {}
    """By journey: the last occurrence that was begun or missed."""
    tables: tuple[str, ...] = ()
    """Selections that are needed no more."""


class Past(Struct, frozen=True, omit_defaults=True):
    """Those that are over, oldest first."""

    over: tuple[Broadcast, ...] = ()
    called_off: dict[str, str] = {}
    """Those whose messages must not leave any more, and their journeys."""


class Known(Struct, frozen=True):
    """Present and past: the whole value."""

    now: Broadcasts = Broadcasts()
    past: Past = Past()

    def find(self, id: str) -> Broadcast | None:
        """One of them."""
        return next((one for one in (*self.now.active, *self.past.over) if one.id == id), None)


class Rules(Struct, frozen=True, kw_only=True):
    """What planning depends on of the definitions in force."""

    journeys: Mapping[str, LiveJourney]
    zone: ZoneInfo
    late_after: int


def wakeups(known: Known) -> set[tuple[int, str]]:
    """(when, broadcast): when somebody must look at them."""
    found = set()
    for one in known.now.active:
        if one.state == "planned" and not one.paused:
            found.add((one.instants[one.part], one.id))
        elif one.state == "running" and not one.paused and one.slot:
            found.add((one.slot, one.id))
    return found


# -- planning


def start(known: Known, new: Broadcast, journey: LiveJourney | None) -> Known:
    """Take in what somebody put in by hand. One that is known already changes nothing."""
    if known.find(new.id) is not None:
        return known
    if journey is None or journey.archived or not journey.by_hand:
        why = "the journey is not one that customers are put into by hand"
        return _over(_with(known, new), new, "stopped", new.began, why)
    paused = JOURNEY if journey.source.state == "paused" else ""
    return _with(known, replace(new, paused=paused))


def renew(known: Known, rules: Rules, at: int) -> Known:
    """What becomes of them when definitions come into force at `at`."""
    for one in known.now.active:
        journey = rules.journeys.get(one.journey)
        entry = journey.source.entry if journey and not journey.archived else None
        by_hand = isinstance(entry, ApiEntry)
        scheduled = entry if isinstance(entry, ScheduleEntry) else None
        if one.occurrence and not one.began and not _stands(one, scheduled, rules.zone):
            known = _without(known, one)
        elif journey is None or not (scheduled if one.occurrence else by_hand):
            known = _over(known, one, "stopped", at, "its journey has another entry or is gone")
        elif journey.source.state == "paused" and not one.paused:
            known = _put(known, _pause(one, JOURNEY))
        elif journey.source.state == "live" and one.paused == JOURNEY:
            known = _put(known, _resume(one, 0, at))
    for name in rules.journeys:
        known = _plan(known, name, rules, at)
    return known


def _stands(one: Broadcast, entry: ScheduleEntry | None, zone: ZoneInfo) -> bool:
    """Whether the schedule still has a planned occurrence."""
    return (
        entry is not None
        and occurs(entry, one.occurrence)
        and tuple(instants(entry, one.occurrence, zone)) == one.instants
        and (entry.per_second or 0) == one.per_second
    )


def _plan(known: Known, name: str, rules: Rules, since: int) -> Known:
    """Plan the next occurrence of a journey, if it has a schedule and none is planned."""
    journey = rules.journeys[name]
    entry = journey.source.entry
    planned = any(one.journey == name and not one.began for one in known.now.active)
    if journey.archived or planned or not isinstance(entry, ScheduleEntry):
        return known
    found = following(entry, rules.zone, since=since, after=known.now.begun.get(name, ""))
    while found and known.find(broadcast_id(name, found[0])):
        # Somebody stopped it before it began.
        found = following(entry, rules.zone, since=since, after=found[0])
    if found is None:
        return known
    occurrence, due = found
    new = Broadcast(
        id=broadcast_id(name, occurrence),
        journey=name,
        occurrence=occurrence,
        recipient=entry.zone == "recipient",
        instants=tuple(due),
        per_second=entry.per_second or 0,
        by="its schedule",
        paused=JOURNEY if journey.source.state == "paused" else "",
    )
    return _with(known, new)


def broadcast_id(journey: str, key: str) -> str:
    """The id of a schedule's occurrence, or of what was started under a key."""
    return derived_id("broadcast", journey, key)


# -- an operator's word


def pause(known: Known, id: str, by: str) -> Known:
    """Take no more customers until it is resumed."""
    one = _active(known, id)
    return _put(known, _pause(one, by)) if one else known


def resume(known: Known, id: str, at: int, rules: Rules) -> Known:
    """Go on. While the journey is paused, the broadcast stays so."""
    one = _active(known, id)
    if one is None or not one.paused:
        return known
    journey = rules.journeys.get(one.journey)
    if journey is not None and journey.source.state == "paused":
        return _put(known, replace(one, paused=JOURNEY))
    return _put(known, _resume(one, at, at))


def stop(known: Known, id: str, at: int, by: str, *, call_off: bool, rules: Rules) -> Known:
    """Take no more customers; with `call_off`, what was queued for those taken is not sent."""
    one = known.find(id)
    if one is None:
        return known
    if call_off:
        kept = list(known.past.called_off.items())[-CALLED_OFF + 1 :]
        past = replace(known.past, called_off={**dict(kept), one.id: one.journey})
        known = replace(known, past=past)
    if one.state in OVER:
        return known
    known = _over(known, replace(one, by=by), "stopped", at, f"stopped by {by}")
    return _plan(known, one.journey, rules, at) if one.journey in rules.journeys else known


def _pause(one: Broadcast, by: str) -> Broadcast:
    return replace(one, paused=by, rate=0.0)


def _resume(one: Broadcast, resumed: int, at: int) -> Broadcast:
    """What was not allowed while it stood still is not made up for."""
    return replace(
        one, paused="", resumed=resumed, credit=0, credited=at, mark=(at, one.considered), rate=0.0
    )


# -- how they go


def due(known: Known, now: int, upto: int, rules: Rules) -> Known:
    """Begin what is due at `now`; `upto` is the last batch that history must know for it."""
    for one in known.now.active:
        if one.paused:
            continue
        if one.state == "running" and one.slot and one.slot <= now:
            known = _put(known, replace(one, slot=0))
        elif one.state == "planned" and one.instants[one.part] <= now:
            known = _begin(known, one, now, upto, rules)
    return known


def _begin(known: Known, one: Broadcast, now: int, upto: int, rules: Rules) -> Known:
    if missed := _missed(one, now, rules):
        known = _over(known, one, "missed", now, missed)
        return _plan(known, one.journey, rules, since(now, rules))
    fresh = {"state": "selecting", "asked": now, "upto": upto, "cursor": -1}
    first = not one.began
    if first:
        fresh |= {"began": now, "credit": SECOND, "credited": now}
    known = _put(known, replace(one, **fresh))
    if first and one.occurrence:
        begun = {**known.now.begun, one.journey: one.occurrence}
        known = replace(known, now=replace(known.now, begun=begun))
        known = _plan(known, one.journey, rules, since(now, rules))
    return known


def since(now: int, rules: Rules) -> int:
    """Occurrences before this are not made up for."""
    return now - rules.late_after


def _missed(one: Broadcast, now: int, rules: Rules) -> str:
    """Why an occurrence is passed by, or empty."""
    if not one.occurrence or one.began:
        return ""
    if now - max(one.instants[-1], one.resumed) > rules.late_after:
        return "it could not begin in time"
    entry = rules.journeys[one.journey].source.entry
    if isinstance(entry, ScheduleEntry) and not one.recipient:
        after = following(entry, rules.zone, since=one.instants[0], after=one.occurrence)
        if after is not None and after[1][0] <= now:
            return "by the time it could begin, the next one was due as well"
    return ""


def selected(known: Known, one: Broadcast, size: int, now: int) -> Known:
    """History knows whom this part goes to."""
    mark = (now, one.considered)
    return _put(
        known,
        replace(one, state="running", selected=one.selected + size, mark=mark, credited=now),
    )


def allowed(one: Broadcast, now: int, limit: int) -> int:
    """How many customers may be taken now."""
    return min(limit, _credit(one, now) // SECOND) if one.per_second else limit


def _credit(one: Broadcast, now: int) -> int:
    """Slots not used within a second are lost: a pause is no leave for a burst."""
    earned = max(0, now - one.credited) * one.per_second
    return min(one.credit + earned, SECOND * max(one.per_second, 1))


def taken(
    known: Known, one: Broadcast, ids: list[int], answers: Mapping[str, int], now: int
) -> Known:
    """These were considered; `answers` counts `entered` and why others did not enter."""
    if not ids:
        return _part_over(known, one, now)
    refused = dict(one.refused)
    for answer, count in answers.items():
        if answer != ENTERED:
            refused[answer] = refused.get(answer, 0) + count
    considered = one.considered + len(ids)
    one = replace(
        one,
        cursor=ids[-1],
        considered=considered,
        entered=one.entered + answers.get(ENTERED, 0),
        refused=refused,
    )
    if now - one.mark[0] >= MEASURED:
        rate = (considered - one.mark[1]) * SECOND / (now - one.mark[0])
        one = replace(one, rate=rate, mark=(now, considered))
    if one.per_second:
        one = _paced(one, len(ids), now)
    return _put(known, one)


ENTERED = "entered"


def _paced(one: Broadcast, used: int, now: int) -> Broadcast:
    """Hand out the next slots, those of a tenth of a second together: each costs a commit."""
    credit = _credit(one, now) - used * SECOND
    wanted = SECOND * max(1, one.per_second // 10)
    wait = -(-(wanted - credit) // one.per_second) if credit < SECOND else 0
    return replace(one, credit=credit, credited=now, slot=now + wait if wait else 0)


def _part_over(known: Known, one: Broadcast, now: int) -> Known:
    tables = (*known.now.tables, one.table)[-TABLES:]
    known = replace(known, now=replace(known.now, tables=tables))
    if one.last:
        return _over(known, one, "done", now, "")
    return _put(known, replace(one, state="planned", part=one.part + 1, slot=0))


# -- the row of those that are active


def _active(known: Known, id: str) -> Broadcast | None:
    return next((one for one in known.now.active if one.id == id), None)


def _with(known: Known, new: Broadcast) -> Known:
    return replace(known, now=replace(known.now, active=(*known.now.active, new)))


def _without(known: Known, gone: Broadcast) -> Known:
    kept = tuple(one for one in known.now.active if one.id != gone.id)
    return replace(known, now=replace(known.now, active=kept))


def _put(known: Known, changed: Broadcast) -> Known:
    """In the last place, so that those that run take turns."""
    return _with(_without(known, changed), changed)


def _over(known: Known, one: Broadcast, state: State, at: int, why: str) -> Known:
    known = _without(known, one)
    over = replace(one, state=state, ended=at, why=why, slot=0, paused="")
    begun, tables = known.now.begun, known.now.tables
    if one.occurrence and (one.began or state == "missed"):
        begun = {**begun, one.journey: max(begun.get(one.journey, ""), one.occurrence)}
    if one.state in ("selecting", "running"):
        tables = (*tables, one.table)[-TABLES:]
    past = replace(known.past, over=(*known.past.over, over)[-KEPT:])
    return Known(replace(known.now, begun=begun, tables=tables), past)
