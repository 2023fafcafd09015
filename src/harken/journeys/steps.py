"""The steps of a journey: one small pure function per kind.

Each looks at a run and answers with what is to become of it; `deciding.reactions` carries it out.
"""

import sys
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import UNSET, Struct

from harken.clock import SECOND, from_local, iso, on_the_wall, parse_time, to_datetime
from harken.inputs import Allocation
from harken.journeys.compile import ABORTED, Node, Way
from harken.journeys.experiments import Drawn, draw, remember, weights_of
from harken.journeys.kinds import (
    Add,
    BestHour,
    FromAnswer,
    FromEvent,
    Given,
    Removed,
    Split,
    TimeNow,
    Until,
    UntilDate,
    Wait,
    WaitFor,
    Weekday,
)
from harken.people.place import zone_of
from harken.people.profile import Profile, Run, Trigger
from harken.segments.rules import lookup
from harken.values import TimeOfDay

TURN = 10 * SECOND
"""A run goes back no sooner after it last did: a wait that is over at once must not spin."""
LARGEST = sys.float_info.max
EXACT = 2.0**53
"""Beyond it a float is not every whole number."""
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Go(Struct, frozen=True):
    """Go on to the next step, as of this time."""

    at: int


class Take(Struct, frozen=True):
    """Go on by one of the step's ways, as of this time."""

    way: Way
    at: int
    why: str = ""
    """In words, where the way itself does not say it."""
    drawn: Drawn | None = None
    """Of a split: how the arm was found."""


class Park(Struct, frozen=True):
    """Look again at this time."""

    until: int


class End(Struct, frozen=True):
    """The run is over."""

    reason: str
    why: str = ""
    """In words, where the reason does not say it."""


Result = Go | Take | Park | End


def take_wait(step: Wait, run: Run, profile: Profile, now: int, default: ZoneInfo) -> Result:
    """Wait from the moment the step was reached, however late we look."""
    due = run.due or wait_ends(step, run, profile, default)
    return Go(at=max(due, run.since)) if due <= now else Park(until=due)


def take_exit(node: Node, run: Run, profile: Profile, now: int) -> Result:
    """End the run for those to whom the rule applies."""
    rule = node.rules[0]
    leaves = rule is None or rule(profile, run.event, now)
    return End("exit") if leaves else Go(at=now)


def take_branch(node: Node, run: Run, profile: Profile, now: int) -> Result:
    """The first arm whose rule holds, else the last way: `otherwise`."""
    for rule, way in zip(node.rules, node.ways, strict=False):
        if rule is not None and rule(profile, run.event, now):
            return Take(way, now)
    return Take(node.ways[-1], now)


def take_split(
    node: Node, step: Split, run: Run, profile: Profile, now: int, allocation: Allocation | None
) -> Result:
    """The arm that is drawn for the customer; the control group goes the first one's way."""
    key = f"{run.journey}/{step.split}"
    drawn = draw(profile, key, weights_of(step), step.experiment, allocation, step.control)
    remember(profile, key, drawn, step.experiment, now)
    found = (way for way in node.ways if way.name == drawn.arm)
    return Take(next(found, node.ways[0]), now, drawn=drawn)


def take_wait_for(node: Node, step: WaitFor, run: Run, now: int) -> Result:
    """Go by what has already become of the run's messages; else wait until the time is out."""
    for awaited, way in zip(node.awaited, node.ways, strict=False):
        if awaited.message:
            known = run.event.answers.get(awaited.message) or {}
            unsent = awaited.event == ABORTED and awaited.message not in run.sent
            if unsent or awaited.event.removeprefix("$message_") in known:
                return Take(way, now)
    due = run.since + step.at_most
    return Take(node.ways[-1], due) if due <= now else Park(until=due)


def way_of(node: Node, run: Run, event: Trigger) -> Way | None:
    """Where an event leads a run that waits for it, or None."""
    for awaited, way in zip(node.awaited, node.ways, strict=False):
        if awaited.event == event.name and awaited.passes(event.properties):
            mine = run.sent.get(awaited.message)
            if not awaited.message or event.properties.get("message") == mine:
                return way
    return None


def learn_outcome(run: Run, event: Trigger) -> None:
    """Let later steps know what has become of one of the run's messages."""
    for step, message in run.sent.items():
        if message == event.properties.get("message"):
            known = run.event.answers.setdefault(step, {})
            known.setdefault(event.name.removeprefix("$message_"), event.at)


def take_go_to(node: Node, run: Run, now: int) -> Result:
    """Go on at the other step; to an earlier one at most once in `TURN`."""
    if node.after <= run.step and now < run.turned_at + TURN:
        return Park(until=run.turned_at + TURN)
    return Go(at=now)


def given(values: dict[str, Given], run: Run) -> dict[str, Any]:
    """The values that a step writes, with those that the run knows filled in; missing ones are left
    out.
    """
    found = {}
    for name, value in values.items():
        match value:
            case FromEvent(event_property=path):
                value = lookup(run.event.properties, path)
            case FromAnswer(answer=path):
                value = lookup(run.event.answers, path)
        if value is not UNSET:
            found[name] = value
    return found


def updated(
    values: dict[str, Given | Add | TimeNow | Removed], run: Run, profile: Profile, now: int
) -> dict[str, Any]:
    """The attributes that an update step sets; None takes one away."""
    found: dict[str, Any] = {}
    plain: dict[str, Given] = {}
    for name, value in values.items():
        match value:
            case Add(add=more):
                found[name] = _sum(profile.attribute(name), more)
            case TimeNow():
                found[name] = iso(now)
            case Removed():
                found[name] = None
            case _:
                plain[name] = value
    return found | given(plain, run)


def _sum(before: Any, more: float) -> int | float:
    """A whole number where that is exact: a document holds none of more than 64 bits, nor history
    an infinite one."""
    is_number = isinstance(before, int | float) and not isinstance(before, bool)
    total = max(-LARGEST, min(float(before if is_number else 0) + more, LARGEST))
    return int(total) if abs(total) <= EXACT and total.is_integer() else total


def wait_ends(step: Wait, run: Run, profile: Profile, default: ZoneInfo) -> int:
    """When the wait is over, in milliseconds."""
    match step.wait:
        case Until():
            zone = zone_of(profile, default)
            return next_local(run.since, step.wait.time, step.wait.on, zone)
        case UntilDate():
            return _date_in_event(step.wait, run, zone_of(profile, default))
        case BestHour(best_hour=within):
            return run.since + within  # at the latest; which hour it is, `timing` knows
        case duration:
            return run.since + duration


def next_local(after: int, time: TimeOfDay, days: list[Weekday], zone: ZoneInfo) -> int:
    """The first instant after `after` when clocks in `zone` show `time`, on one of `days`."""
    local = to_datetime(after, zone).replace(tzinfo=None)
    today = local.replace(hour=0, minute=0, second=0, microsecond=0)
    for ahead in range(9):
        day = today + timedelta(days=ahead)
        if days and WEEKDAYS[day.weekday()] not in days:
            continue
        at = from_local(day + timedelta(minutes=time), zone)
        if at > after:
            return at
    raise AssertionError("every weekday comes within nine days")


def _date_in_event(wait: UntilDate, run: Run, zone: ZoneInfo) -> int:
    """The date in the triggering event; when it has none, the wait is already over."""
    value = lookup(run.event.properties, wait.event_property)
    at = parse_time(value) if isinstance(value, str) else None
    if not isinstance(value, str) or at is None:
        return run.since
    shift = (wait.after or 0) - (wait.before or 0)
    # A bare date names a day in the customer's life, not an instant in UTC.
    bare = len(value) == len("2026-01-31")
    if wait.at is None and not bare:
        return at + shift
    # On the clock on the wall: a day before is the day before, however long that day is.
    local = to_datetime((at if bare else on_the_wall(at, zone)) + shift).replace(tzinfo=None)
    if wait.at is not None:
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        local = midnight + timedelta(minutes=wait.at)
    return from_local(local, zone)
