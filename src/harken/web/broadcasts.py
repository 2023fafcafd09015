"""Broadcasts as people see them: how far they are, what came of them, and starting one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta, Struct, field
from msgspec.structs import replace

from harken.clock import SECOND, iso, parse_time
from harken.errors import BadInput, Conflict, Fault, NotFound
from harken.ingest.protocol import EVENT_BYTES
from harken.inputs import BroadcastWish, StartBroadcast
from harken.journeys.broadcasts import OVER, Broadcast, broadcast_id
from harken.journeys.faults import FASTEST
from harken.loops import broadcasts
from harken.values import LocalDateTime
from harken.web.api import Api
from harken.web.catchup import durable
from harken.web.entries import must_be_by_hand

if TYPE_CHECKING:
    from harken.running.services import Services

LATEST = 253_000_000_000_000
SAID = ("passed", "sent", "held", "dropped", "control")

# By run, because a journey may have several broadcasts at work.
MESSAGES = """
WITH mine AS (
    SELECT run FROM decisions WHERE journey = $1 AND ts >= $2 AND outcome = 'entered'
        AND facts->>'broadcast' = $3
), decided AS (
    SELECT outcome, run, step, message FROM decisions WHERE journey = $1 AND ts >= $2
        AND outcome IN ('passed', 'held', 'dropped', 'control')
        AND run IN (SELECT run FROM mine)
)
SELECT outcome, count(DISTINCT (run, step)) FROM decided GROUP BY outcome
UNION ALL
SELECT 'sent', count(*) FROM events WHERE name = '$message_sent' AND journey = $1 AND ts >= $2
    AND message IN (SELECT message FROM decided)
"""


class StartWish(Struct, kw_only=True, forbid_unknown_fields=True):
    """Whom to put into a journey: a segment, or all for whom a rule holds."""

    segment: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    rule: dict[str, Any] | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    """What templates know as `entry`, rules as event properties; at most 32 KB."""
    per_second: Annotated[int, Meta(ge=1, le=FASTEST)] | None = None
    """At most so many customers a second."""
    at: Annotated[str, Meta(max_length=40)] | None = None
    """When: an ISO 8601 time, in the workspace's zone when it names none; at once if not given."""
    id: Annotated[str, Meta(min_length=1, max_length=300)] | None = None
    """Tells this broadcast from another: the same is started once."""


class StopWish(Struct, kw_only=True, forbid_unknown_fields=True):
    """How to stop."""

    cancel_messages: bool = False
    """Nothing leaves any more of what it led to: messages that wait, and runs on their way."""


class BroadcastMessages(Struct, kw_only=True):
    """What became of the messages of those who entered, so far: one for each run and step."""

    passed: int
    """Let through by the gates."""
    sent: int
    held: int
    """At least once; they may have passed since."""
    dropped: int
    control: int
    """Would have been sent."""


class BroadcastShown(Struct, kw_only=True):
    """A broadcast, and how far it is."""

    id: str
    journey: str
    state: str
    """`planned`, `selecting`, `running`, `paused`, `done`, `stopped` or `missed`."""
    why: str
    """Why it was stopped or missed, or who paused it."""
    by: str
    """Who started it, or stopped it."""
    occurrence: str | None
    """The local time, of a schedule."""
    local_time: bool
    """Everybody at their own local time."""
    segment: str | None
    rule: dict[str, Any] | None
    properties: dict[str, Any]
    per_second: int | None
    due: str
    """When it begins, or its first zone does."""
    next: str | None
    """When it, or the next zone, is due; null when nothing is to come."""
    last: str
    """When its last zone is due."""
    began: str | None
    ended: str | None
    selected: int
    """Customers whom history has found, in all zones that were due."""
    considered: int
    entered: int
    refused: dict[str, int]
    """Customers who did not enter, by reason."""
    rate: float
    """Customers considered a second, as measured in the last seconds; 0 when not known."""
    seconds_left: int | None
    """About how long it will take yet, at that rate; null when nobody can know."""
    estimate: str
    """The same in words, and what it depends on."""


def shown(one: Broadcast, now: int) -> BroadcastShown:
    """A broadcast as the API tells it."""
    state = "paused" if one.paused else one.state
    to_come = one.state == "planned"
    if state == "planned" and one.began:
        state = "running"
    left, estimate = _estimate(one, now)
    return BroadcastShown(
        id=one.id,
        journey=one.journey,
        state=state,
        why=one.why or (f"paused by {one.paused}" if one.paused else ""),
        by=one.by,
        occurrence=one.occurrence or None,
        local_time=one.recipient,
        segment=one.segment or None,
        rule=one.rule,
        properties=one.properties,
        per_second=one.per_second or None,
        due=iso(one.instants[0]),
        next=iso(one.instants[one.part]) if to_come else None,
        last=iso(one.instants[-1]),
        began=iso(one.began) if one.began else None,
        ended=iso(one.ended) if one.ended else None,
        selected=one.selected,
        considered=one.considered,
        entered=one.entered,
        refused=one.refused,
        rate=round(one.rate, 1),
        seconds_left=left,
        estimate=estimate,
    )


def _estimate(one: Broadcast, now: int) -> tuple[int | None, str]:
    """Seconds left, and in words on what that depends. Nobody knows whom later zones will have."""
    if one.state == "stopped" and one.recipient and one.instants[-1] > one.ended:
        return 0, f"zones due after it was stopped, until {_minute(one.instants[-1])}, get nothing"
    if one.state in OVER:
        return 0, ""
    if one.paused:
        return None, "how long it will take is not known while it is paused"
    if not one.began:
        return None, f"it begins at {_minute(one.instants[0])}"
    zones = "" if one.last else f"; the last zones are due at {_minute(one.instants[-1])}"
    if one.state == "planned":
        return None, f"the next zones are due at {_minute(one.instants[one.part])}{zones}"
    if one.state == "selecting":
        return None, f"its customers are being selected{zones}"
    rate = one.rate or float(one.per_second)
    if not rate:
        return None, f"it has just begun{zones}"
    left = round((one.selected - one.considered) / rate)
    said = f"about {left} s at {rate:,.0f} customers a second{zones}"
    return (left if one.last else max(left, (one.instants[-1] - now) // SECOND)), said


def _minute(at: int) -> str:
    """A time as people read it; schedules come round at full minutes."""
    return f"{iso(at)[:10]} {iso(at)[11:16]} UTC"


def found(services: "Services", id: str) -> Broadcast:
    """A broadcast by its id, or by the one that it was started with. Raises NotFound."""
    known = broadcasts.load(services.store)
    for one in (*known.now.active, *reversed(known.past.over)):
        if one.id in (id, broadcast_id(one.journey, id)):
            return one
    raise NotFound(f"there is no broadcast {id!r}; `harken broadcasts list` shows them all")


def listed(services: "Services", journey: str | None, state: str | None) -> list[BroadcastShown]:
    """Broadcasts under way and to come, then those that are over, the latest first."""
    known, now = broadcasts.load(services.store), services.clock.now()
    active = sorted(known.now.active, key=lambda one: one.instants[one.part])
    every: Sequence[Broadcast] = [*active, *reversed(known.past.over)]
    made = [shown(one, now) for one in every if journey in (None, one.journey)]
    return [one for one in made if state in (None, one.state)]


def messages(services: "Services", one: Broadcast) -> BroadcastMessages:
    """What became of its messages, as far as history has it."""
    rows = services.history.query(MESSAGES, [one.journey, one.began, one.id]) if one.began else []
    return BroadcastMessages(**(dict.fromkeys(SAID, 0) | dict(rows)))


def start(api: Api, name: str, wish: StartWish, by: str) -> tuple[Broadcast, list[Fault]]:
    """Log that a group is to be put into a journey; what is known of it, and warnings.

    Raises NotFound, Conflict, BadInput and BadDefinition for what cannot be, and Unavailable.
    """
    must_be_by_hand(api, name)
    if (wish.segment is None) == (wish.rule is None):
        raise BadInput("give `segment` or `rule`, one of the two")
    if len(msgspec.json.encode(wish.properties)) > EVENT_BYTES:
        raise BadInput(f"`properties` have more than {EVENT_BYTES} bytes")
    warnings: list[Fault] = []
    if wish.rule is not None:
        warnings = api.segments.warnings(api.segments.rule(wish.rule), "$.rule")
    else:
        api.segments.get(wish.segment or "")
    new = StartBroadcast(
        id=broadcast_id(name, wish.id or f"{api.now} {api.log.durable()}"),
        journey=name,
        by=by,
        at=_instant(api, wish.at) if wish.at is not None else 0,
        segment=wish.segment or "",
        rule=wish.rule,
        properties=wish.properties,
        per_second=wish.per_second or 0,
    )
    log(api, new)
    taken_up = broadcasts.load(api.services.store).find(new.id)
    return taken_up or broadcasts.started(new, api.now), warnings


def log(api: Api, wish: BroadcastWish) -> bool:
    """Log what is wanted of a broadcast; whether it has taken effect by now."""
    return api.wait(durable(api.services.collector.append_broadcast(wish)))


def steer(api: Api, wish: BroadcastWish) -> Broadcast:
    """Pause, resume or stop one. Raises NotFound, Conflict of one that is over, Unavailable."""
    one = found(api.services, wish.id)
    cancels = getattr(wish, "cancel_messages", False)
    if one.state in OVER and not cancels:
        raise Conflict(f"the broadcast {wish.id} is {one.state}")
    log(api, replace(wish, id=one.id))
    return found(api.services, one.id)


def _instant(api: Api, text: str) -> int:
    """The moment that a text names. Raises BadInput."""
    wanted = "write a time as 2026-12-01T10:00, or 2026-12-01T10:00:00Z"
    try:
        at: int | None = LocalDateTime.parse(text).instant(api.services.in_force.zone)
    except ValueError:
        at = parse_time(text)
    except OverflowError:
        at = None
    if at is None or not 0 < at < LATEST:
        raise BadInput(f"`at`: {text!r} is no time; {wanted}")
    if at < api.now:
        raise BadInput(f"`at`: {iso(at)} is past; leave it out to begin at once")
    return at
