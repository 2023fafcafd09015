"""When a date attribute lets a customer into a journey: local days, once or every year."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from harken.clock import DAY, from_local, parse_date, to_datetime
from harken.journeys.entries import DateEntry
from harken.people.profile import AwaitedDate
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
    found = _occasions(entry, value, zone, to_datetime(after, zone).year)
    return next((one for one in found if one.due > after and one.date != reached), None)


def next_awaited(
    entry: DateEntry,
    value: Any,
    zone: ZoneInfo,
    now: int,
    awaited: AwaitedDate,
    *,
    travelled: bool,
) -> AwaitedDate:
    """What a customer awaits who awaited `awaited`. One that was due and is to be handled stays.

    If they only `travelled`, the day is the same one, though a date with a time may be another
    local day here: it comes once, and at once when its hour is past here but was not there.
    """
    reached = awaited.reached
    if travelled and reached:
        here = _same_day(entry, value, zone, reached)
        if here and not (awaited.due and _near(awaited.date, here.date)):
            reached = here.date
    here = _same_day(entry, value, zone, awaited.date) if awaited.due else None
    if here and here.due <= now and here.date != reached:
        if awaited.due <= now and (travelled or here.date == awaited.date):
            return AwaitedDate(awaited.due, here.date, reached)
        if travelled:
            return AwaitedDate(now, here.date, reached)
    due, date = next_occasion(entry, value, zone, now, reached) or (0, "")
    return AwaitedDate(due, date, reached)


def _same_day(entry: DateEntry, value: Any, zone: ZoneInfo, date: str) -> Occasion | None:
    found = _occasions(entry, value, zone, int(date[:4]))
    return next((one for one in found if _near(one.date, date)), None)


def _near(one: str, other: str) -> bool:
    return abs((date.fromisoformat(one) - date.fromisoformat(other)).days) <= 1


def _occasions(entry: DateEntry, value: Any, zone: ZoneInfo, year: int) -> Iterator[Occasion]:
    """All of a date, or those around a year when it is yearly."""
    day = local_day(value, zone)
    if day is None or not FIRST_YEAR < day.year < LAST_YEAR:
        return
    shift = timedelta(days=((entry.after or 0) - (entry.before or 0)) // DAY)
    for one in _days(entry, day, year):
        due = from_local(datetime.combine(one + shift, time()) + timedelta(minutes=entry.at), zone)
        yield Occasion(due, one.isoformat())


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
