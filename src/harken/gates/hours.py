"""Hours of the local day in which a message may leave, and when they open next.

An opening is the span between two local times, each made an instant by `clock.from_local`: a
time that does not exist is the next instant that does, one that occurs twice is taken once, at
its first occurrence. So on every night of the year an opening is one span of real time, and a
zone's offset is never added to anything.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from harken.clock import DAY, from_local, to_datetime
from harken.journeys.kinds import SendingHours
from harken.workspace import QuietHours

MINUTES = 24 * 60
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY = 0b1111111
_EPOCH_ORDINAL = 719_163
# A weekday's opening may fall into the hour that does not exist; three weeks always show another.
_DAYS_AHEAD = 22


class Hours(NamedTuple):
    """Open from local minute `opens` to `closes` (of the next day, when not later)."""

    opens: int
    closes: int
    days: int = EVERY_DAY
    """Bits of the weekdays, Monday lowest, on which it opens."""

    def __str__(self) -> str:
        text = f"{_clock(self.opens)}-{_clock(self.closes)}"
        if self.days == EVERY_DAY:
            return text
        names = [name for bit, name in enumerate(WEEKDAYS) if self.days >> bit & 1]
        return f"{text} {','.join(names)}"


def open_hours(hours: SendingHours) -> Hours:
    """The hours in which sending is allowed, as written."""
    days = sum(1 << WEEKDAYS.index(day) for day in set(hours.on)) if hours.on else EVERY_DAY
    return Hours(hours.from_, hours.to, days)


def outside(quiet: QuietHours) -> Hours:
    """The hours that are not quiet."""
    return Hours(quiet.to, quiet.from_)


def next_open(hours: Hours, zone: ZoneInfo, at: int) -> int | None:
    """The first instant from `at` on at which the hours are open; `at` itself when they are."""
    for opens, closes in _openings(hours, zone, at):
        if closes > at:
            return max(opens, at)
    return None


def all_open(rules: Sequence[Hours], zone: ZoneInfo, at: int) -> int | None:
    """The first instant from `at` on at which every rule is open; None when none comes."""
    latest = at + _DAYS_AHEAD * DAY
    found = at
    while found <= latest:
        start = found
        for hours in rules:
            opening = next_open(hours, zone, found)
            if opening is None:
                return None
            found = opening
        if found == start:
            return found
    return None


def local_span(zone: ZoneInfo, at: int, week: bool) -> tuple[int, int]:
    """Beginning and end of the local day (or the week from Monday) that `at` lies in."""
    first = _ordinal(at) - 1
    day = next(day for day in range(first, first + 4) if _span(0, MINUTES, zone, day)[1] > at)
    if not week:
        return _span(0, MINUTES, zone, day)
    monday = day - (day - 1) % 7
    return _span(0, MINUTES, zone, monday)[0], _span(0, MINUTES, zone, monday + 6)[1]


def wall_clock(at: int, zone: ZoneInfo) -> str:
    """The local time of day as `22:14`."""
    return to_datetime(at, zone).strftime("%H:%M")


def _openings(hours: Hours, zone: ZoneInfo, at: int) -> Iterator[tuple[int, int]]:
    """Spans in order, from one that may still reach over `at`. Days without one are left out."""
    opens, closes, days = hours
    end = closes if closes > opens else closes + MINUTES
    # The local date is at most a day off UTC's, and a span over midnight began the day before.
    first = _ordinal(at) - 2
    for day in range(first, first + _DAYS_AHEAD):
        if days >> (day - 1) % 7 & 1:
            span = _span(opens, end, zone, day)
            if span[0] < span[1]:
                yield span


@lru_cache(maxsize=20_000)
def _span(opens: int, closes: int, zone: ZoneInfo, day: int) -> tuple[int, int]:
    """The two local minutes of a day (by ordinal) as instants."""
    midnight = datetime.fromordinal(day)
    return (
        from_local(midnight + timedelta(minutes=opens), zone),
        from_local(midnight + timedelta(minutes=closes), zone),
    )


def _ordinal(at: int) -> int:
    return at // DAY + _EPOCH_ORDINAL


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
