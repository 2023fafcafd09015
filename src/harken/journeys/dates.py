"""When a date attribute lets a customer into a journey: local days, once or every year."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from harken.clock import DAY, from_local, parse_date, to_datetime
from harken.journeys.entries import DateEntry
from harken.segments.calendar import next_round

BARE = len("2026-01-31")
FIRST_YEAR, LAST_YEAR = 2, 9_997
"""Years that can be reckoned with, a year to either side too."""


class Occasion(NamedTuple):
    """A time at which a customer enters."""

    due: int
    date: str
    """The date that it is about, `2026-01-31`: every year's is another."""


def next_occasion(
    entry: DateEntry, value: Any, zone: ZoneInfo, after: int, reached: str = ""
) -> Occasion | None:
    """The first time later than `after`, of another date than `reached`; None when none comes."""
    day = local_day(value, zone)
    if day is None or not FIRST_YEAR < day.year < LAST_YEAR:
        return None
    shift = timedelta(days=((entry.after or 0) - (entry.before or 0)) // DAY)
    for one in _days(entry, day, to_datetime(after, zone).year):
        due = from_local(datetime.combine(one + shift, time()) + timedelta(minutes=entry.at), zone)
        if due > after and one.isoformat() != reached:
            return Occasion(due, one.isoformat())
    return None


def local_day(value: Any, zone: ZoneInfo) -> date | None:
    """The day that a date names: as it is written, or with a time the local one; None if none."""
    at = parse_date(value)
    if at is None:
        return None
    return to_datetime(at, None if len(value) == BARE else zone).date()


def _days(entry: DateEntry, day: date, now: int) -> Iterator[date]:
    """The day, or its anniversaries around the year `now`, itself the first of them."""
    if not entry.yearly:
        yield day
        return
    # With 365 days to either side, the year before and the two after hold the next one.
    for year in range(max(day.year, now - 2, FIRST_YEAR), min(now + 4, LAST_YEAR)):
        yield next_round(f"{day:%m-%d}", date(year, 1, 1))
