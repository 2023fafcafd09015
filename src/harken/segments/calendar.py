"""Calendar days in rules: windows of whole local days, and dates that come round every year.

Both forms of a rule ask here, so that they agree about every midnight.
"""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct

from harken.clock import from_local, to_datetime
from harken.segments.rules import CalendarDays
from harken.values import Duration, zone

T = TypeVar("T")

ONE_DAY = timedelta(days=1)
LEAP_DAY = "02-29"


class Window(Struct, frozen=True):
    """A span of time that ends now."""

    start: Callable[[int], int]
    """now -> the earliest time in it (ms)."""
    leaves: Callable[[int], int]
    """A time in it -> the first ms at which it is no more."""


def window(within: Duration | CalendarDays) -> Window:
    """Rolling to the millisecond, or by whole local days."""
    if isinstance(within, CalendarDays):
        place, days = zone_named(within.timezone), within.days
        return Window(
            of_today(place, lambda today: midnight(today, 1 - days, place)),
            lambda at: midnight(local(at, place), days, place),
        )
    span = int(within)
    return Window(lambda now: now - span, lambda at: at + span + 1)


def window_start(within: Duration | CalendarDays, now: int) -> int:
    """The earliest time that lies within the window at `now`, in ms."""
    return window(within).start(now)


def anniversary_days(today: date, in_next: int) -> frozenset[str]:
    """The month-days (`MM-DD`) of today and the days after it, `in_next` in all.

    29 February counts as the 28th in a year that has none.
    """
    found = set()
    for ahead in range(min(in_next, 366)):
        day = today + ahead * ONE_DAY
        found.add(f"{day:%m-%d}")
        if day.month == 2 and day.day == 28 and not _is_leap(day.year):
            found.add(LEAP_DAY)
    return frozenset(found)


@lru_cache(maxsize=10_000)
def month_day(at: int) -> str:
    """`MM-DD` of a date attribute: by UTC, in which a date without a time is written."""
    return f"{to_datetime(at):%m-%d}"


def next_round(month_and_day: str, day: date) -> date:
    """When a month-day comes round on `day` or next after it."""
    for year in (day.year, day.year + 1):
        text = month_and_day
        if text == LEAP_DAY and not _is_leap(year):
            text = "02-28"
        found = date(year, int(text[:2]), int(text[3:]))
        if found >= day:
            return found
    return found


def local(at: int, place: ZoneInfo) -> date:
    """The date on the calendar of a zone."""
    return to_datetime(at, place).date()


@lru_cache(maxsize=10_000)
def midnight(day: date, after: int, place: ZoneInfo) -> int:
    """The first ms of the local day so many days after `day` (before it, when negative)."""
    return from_local(datetime.combine(day + after * ONE_DAY, time()), place)


def zone_named(name: str) -> ZoneInfo:
    """A zone that the reader of rules has found to exist."""
    found = zone(name)
    if found is None:
        raise ValueError(f"{name!r} is no IANA time zone")
    return found


def of_today(place: ZoneInfo, answer: Callable[[date], T]) -> Callable[[int], T]:
    """What `answer` says of the local day at a time; asked once for all that happens in a day."""
    known: tuple[int, int, T] | None = None

    def at_time(now: int) -> T:
        nonlocal known
        if known is None or not known[0] <= now < known[1]:
            today = local(now, place)
            known = (midnight(today, 0, place), midnight(today, 1, place), answer(today))
        return known[2]

    return at_time


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
