"""The steps of a journey: one small pure function per kind.

Each looks at a run and answers with what is to become of it; `handle.py` carries it out.
"""

from datetime import timedelta
from zoneinfo import ZoneInfo

from msgspec import UNSET, Struct

from harken.clock import from_local, parse_time, to_datetime
from harken.journeys.model import Until, UntilDate, Wait, Weekday
from harken.people.place import zone_of
from harken.people.profile import Profile, Run
from harken.segments.live import Check
from harken.segments.rules import lookup
from harken.values import TimeOfDay

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Go(Struct, frozen=True):
    """On to the next step, as of this time."""

    at: int


class Park(Struct, frozen=True):
    """Look again at this time."""

    until: int


class End(Struct, frozen=True):
    """The run is over."""

    reason: str


Result = Go | Park | End


def take_wait(step: Wait, run: Run, profile: Profile, now: int, default: ZoneInfo) -> Result:
    """Wait from the moment the step was reached, however late we look."""
    due = run.due or wait_ends(step, run, profile, default)
    return Go(at=max(due, run.since)) if due <= now else Park(until=due)


def take_exit(rule: Check | None, run: Run, profile: Profile, now: int) -> Result:
    """End the run for those to whom the rule applies."""
    leaves = rule is None or rule(profile, run.event, now)
    return End("exit") if leaves else Go(at=now)


def wait_ends(step: Wait, run: Run, profile: Profile, default: ZoneInfo) -> int:
    """When the wait is over, in milliseconds."""
    match step.wait:
        case Until():
            zone = zone_of(profile, default)
            return next_local(run.since, step.wait.time, step.wait.on, zone)
        case UntilDate():
            return _date_in_event(step.wait, run, zone_of(profile, default))
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
    if value is UNSET or at is None:
        return run.since
    at += (wait.after or 0) - (wait.before or 0)
    if wait.at is None:
        return at
    local = to_datetime(at, zone).replace(tzinfo=None)
    if isinstance(value, str) and len(value) == len("2026-01-31"):
        # A bare date names a day in the customer's life, not an instant in UTC.
        local = to_datetime(at).replace(tzinfo=None)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return from_local(midnight + timedelta(minutes=wait.at), zone)
