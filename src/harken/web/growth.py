"""How a segment grew: who entered and left on each day, and how large it was at its end."""

from collections import Counter
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec import Struct

from harken.clock import from_local, to_datetime

if TYPE_CHECKING:
    from harken.history.base import History

QUARTER = 900_000
"""Zones differ by quarters of an hour: these add up to the days of any."""
MOVES = f"""
SELECT name, ts // {QUARTER}, count(*) FROM events
WHERE name IN ('$segment_entered', '$segment_exited') AND ts >= $2::BIGINT
    AND props.segment::VARCHAR = $1
GROUP BY ALL
"""
MOST_ROWS = 100_000


class Day(Struct, kw_only=True):
    """One day of a segment."""

    day: str
    entered: int
    exited: int
    size: int | None
    """Members at its last count, of today at present; null when they were not counted."""


def growth(
    history: "History", segment: str, days: int, now: int, zone: ZoneInfo, size: int
) -> list[Day]:
    """The last `days` days by the zone's calendar, today the last of them; `size` is today's."""
    today = to_datetime(now, zone).date()
    first = today - timedelta(days=days - 1)
    start = from_local(datetime.combine(first, datetime.min.time()), zone)
    moves: Counter[tuple[str, date]] = Counter()
    for name, quarter, count in history.query(MOVES, [segment, str(start)], limit=MOST_ROWS):
        moves[name, to_datetime(quarter * QUARTER, zone).date()] += count
    sizes = {to_datetime(at, zone).date(): found for at, found in history.sizes(segment, start)}
    sizes[today] = size
    return [
        Day(
            day=day.isoformat(),
            entered=moves["$segment_entered", day],
            exited=moves["$segment_exited", day],
            size=sizes.get(day),
        )
        for day in (first + timedelta(days=number) for number in range(days))
    ]
