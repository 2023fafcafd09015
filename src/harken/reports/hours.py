"""At which local hours customers open and click, all together: what is taken for the unknown."""

from zoneinfo import ZoneInfo

from harken.clock import DAY, MINUTE, to_datetime
from harken.history.base import History
from harken.people.hours import HOURS
from harken.people.place import zone_of
from harken.people.profile import Profile

LOOKED_BACK = 28 * DAY
"""Whole weeks, so that every weekday counts alike."""
QUARTER = 15 * MINUTE
"""Every zone's hours begin at a full quarter of an hour."""
MOST_ROWS = 300_000

# By quarter of an hour and by what tells the zone: which local hour that is, only the time zone
# tables know, and history has none.
OPENED = f"""
SELECT ts // {QUARTER}, zone, country, count(*) FROM (
    SELECT events.ts, profiles.attributes.timezone::VARCHAR AS zone,
        profiles.attributes.country::VARCHAR AS country
    FROM events LEFT JOIN profiles ON profiles.profile_id = events.profile_id
    WHERE events.name IN ('$message_opened', '$message_clicked') AND events.ts >= $1
        AND (events.props.machine::VARCHAR) IS DISTINCT FROM 'true'
)
GROUP BY ALL
"""


def hours_of_all(history: History, now: int, default: ZoneInfo) -> list[int]:
    """Opens and clicks by people in the last four weeks, by the hour of their day; 24 counts.

    `default` is the zone of those of whom no other is known. Raises Unavailable and BadInput as
    history does.
    """
    counts = [0] * HOURS
    zones: dict[tuple[str | None, str | None], ZoneInfo] = {}
    for quarter, zone, country, count in history.query(
        OPENED, [now - LOOKED_BACK], limit=MOST_ROWS
    ):
        known = zones.get((zone, country))
        if known is None:
            stated = {"timezone": zone, "country": country}
            someone = Profile(id=0, attributes=stated)
            known = zones[zone, country] = zone_of(someone, default)
        counts[to_datetime(quarter * QUARTER, known).hour] += count
    return counts
