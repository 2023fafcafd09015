"""The only place that reads the time. Everything else takes it as an argument.

Times are integers: milliseconds since 1970-01-01T00:00:00Z.
"""

import re
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = EPOCH.replace(tzinfo=None)
_from_iso = datetime.fromisoformat
# Milliseconds that datetime can hold in every zone (years 2 to 9998).
EARLIEST = -62_100_000_000_000
LATEST = 253_300_000_000_000

DATE_FORM = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"(T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?)?$"
)
"""What a customer's or event's value must look like to be a date; RE2 reads it the same way."""
_date_form = re.compile(DATE_FORM.removesuffix("$") + r"\Z")


class Clock(Protocol):
    """Says what time it is, in milliseconds."""

    def now(self) -> int: ...

    def worked(self) -> float:
        """Milliseconds for which this thread had the processor."""


class SystemClock:
    """The machine's clock, which never goes back while the process lives.

    A clock set back (NTP, an operator) would make a wake-up that was due not due again; the
    latest time seen is held until the machine catches up.
    """

    def __init__(self) -> None:
        self._latest = 0

    def now(self) -> int:
        self._latest = max(self._latest, time.time_ns() // 1_000_000)
        return self._latest

    def worked(self) -> float:
        return time.thread_time_ns() / 1e6


class SettableClock:
    """A clock for tests and simulations: it moves only when told to."""

    def __init__(self, now: int) -> None:
        self._now = now

    def now(self) -> int:
        return self._now

    def worked(self) -> float:
        """No work takes any time here."""
        return 0.0

    def set(self, now: int) -> None:
        self._now = now

    def advance(self, by: int) -> None:
        self._now += by


def to_datetime(ms: int, zone: ZoneInfo | None = None) -> datetime:
    """`ms` as an aware datetime in `zone` (default UTC), clamped to what datetime can hold."""
    at = EPOCH + timedelta(milliseconds=min(max(ms, EARLIEST), LATEST))
    return at.astimezone(zone) if zone else at


def from_datetime(at: datetime) -> int:
    """An aware datetime as milliseconds."""
    since = at - EPOCH
    return since.days * DAY + since.seconds * SECOND + since.microseconds // 1_000


def on_the_wall(ms: int, zone: ZoneInfo) -> int:
    """What clocks in `zone` show then, as if it were UTC: the days between two are of 24 hours."""
    return from_datetime(to_datetime(ms, zone).replace(tzinfo=UTC))


def from_local(naive: datetime, zone: ZoneInfo) -> int:
    """A wall-clock time in `zone` as an instant.

    A time that does not exist (clocks go forward) becomes the next instant that does; one that
    occurs twice (clocks go back) is taken at its first occurrence.
    """
    aware = naive.replace(tzinfo=zone, fold=0)
    back = aware.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    if back == naive:
        return from_datetime(aware.astimezone(UTC))
    # In the gap, fold=0 uses the offset before the change and fold=1 the one after; the change
    # itself is the first instant at which the new offset holds.
    before = from_datetime(aware.astimezone(UTC))
    after = from_datetime(naive.replace(tzinfo=zone, fold=1).astimezone(UTC))
    low, high = min(before, after), max(before, after)
    offset = to_datetime(high, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if to_datetime(middle, zone).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return high


@lru_cache(maxsize=64)
def iso(ms: int) -> str:
    """`ms` as RFC 3339 in UTC with milliseconds: 2026-01-31T09:00:00.000Z."""
    return to_datetime(ms).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def parse_time(text: str) -> int | None:
    """An ISO 8601 / RFC 3339 time as milliseconds, or None. Without an offset it is UTC."""
    try:
        at = _from_iso(text)
        since = at - (EPOCH if at.tzinfo is not None else _NAIVE_EPOCH)
    except (ValueError, OverflowError):
        return None
    return since.days * DAY + since.seconds * SECOND + since.microseconds // 1_000


def parse_date(value: object) -> int | None:
    """A value that is a date in `DATE_FORM`, as milliseconds, else None. Without a zone it is UTC.

    Strict, so that every engine that answers a rule takes the same values for dates.
    """
    if not isinstance(value, str) or not _date_form.match(value):
        return None
    return parse_time(value)
