"""When a schedule comes round: local times, and the moments at which clocks show them.

Rules are RFC 5545's (`python-dateutil`), on wall-clock times without a zone: daylight saving shifts
none of them. `clock.from_local` makes moments of them.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

from dateutil.rrule import rrule, rrulestr

from harken.clock import from_local, to_datetime
from harken.journeys.entries import Recurring, ScheduleEntry

HORIZON = timedelta(days=12 * 366)
"""How far ahead a rule is looked through: the longest gap is of 29 February, over 2100."""
FORM = "%Y-%m-%dT%H:%M"
_DAY = re.compile(r"\d{8}|\d{4}-\d\d-\d\d")


def rule_problem(recurring: Recurring) -> str:
    """What is wrong with the rule, or empty."""
    example = "write it as RFC 5545 has it: FREQ=WEEKLY;BYDAY=MO"
    if ":" in recurring.rrule or "\n" in recurring.rrule:
        return f"only the rule itself stands here, without DTSTART or RRULE; {example}"
    if any("=" not in part for part in recurring.rrule.strip().strip(";").split(";")):
        return f"{recurring.rrule[:40]!r} is no rule of a calendar; {example}"
    if re.search(r"UNTIL\s*=\s*\w+Z", recurring.rrule, re.IGNORECASE):
        return "UNTIL is a local time here, as `starts_at` is: leave out its Z"
    try:
        rule, count = _rule(recurring, _start(recurring))
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as wrong:
        return f"{wrong or 'it cannot be read'}; {example}"
    if problem := _too_often(recurring.rrule.upper().replace(" ", "")):
        return problem
    if (count is not None and count < 1) or next(iter(rule), None) is None:
        return "it never comes round"
    return ""


def _too_often(rule: str) -> str:
    parts = dict(part.partition("=")[::2] for part in rule.split(";"))
    if parts.get("FREQ") in ("MINUTELY", "SECONDLY") or "," in parts.get("BYMINUTE", ""):
        return "it may come round once an hour at most: FREQ=HOURLY, and one BYMINUTE"
    if parts.get("BYSECOND", "0").strip("0"):
        return "it comes round at full minutes; leave out BYSECOND"
    return ""


def instants(entry: ScheduleEntry, occurrence: str, zone: ZoneInfo) -> list[int]:
    """The moments of an occurrence, in order: one, or one for each offset that clocks have.

    `zone` is the workspace's.
    """
    if entry.zone == "workspace":
        return [instant_in(occurrence, zone)]
    return sorted({instant_in(occurrence, one) for one in _zones()})


def zones_at(occurrence: str, instant: int) -> list[str]:
    """The names of the zones whose clocks show the occurrence at that moment."""
    return sorted(one.key for one in _zones() if instant_in(occurrence, one) == instant)


@lru_cache(maxsize=4_000)
def instant_in(occurrence: str, zone: ZoneInfo) -> int:
    """When clocks in a zone show the occurrence."""
    return from_local(datetime.fromisoformat(occurrence), zone)


def occurs(entry: ScheduleEntry, occurrence: str) -> bool:
    """Whether the schedule has this occurrence."""
    at = datetime.fromisoformat(occurrence)
    return next(_local_times(entry, at), None) == at


def following(
    entry: ScheduleEntry, zone: ZoneInfo, *, since: int, after: str = ""
) -> tuple[str, list[int]] | None:
    """The next occurrence, and its moments; None when there is no more.

    It comes later than the occurrence `after`. Of a recurring schedule the first, of one that
    comes once the last moment lies after `since`: who comes too late for some of the zones
    reaches those customers at once.
    """
    edge = to_datetime(since, zone).replace(tzinfo=None) - timedelta(days=2)
    past = datetime.fromisoformat(after) if after else None
    last = instants(entry, after, zone)[0] if after else 0
    for local in _local_times(entry, edge if past is None else max(edge, past)):
        if past is not None and local <= past:
            continue
        occurrence = local.strftime(FORM)
        found = instants(entry, occurrence, zone)
        ahead = found[0] if isinstance(entry.schedule, Recurring) else found[-1]
        # Two local times that the clock skips are one moment: it is taken once.
        if ahead > since and found[0] > last:
            return occurrence, found
    return None


def _local_times(entry: ScheduleEntry, edge: datetime) -> Iterator[datetime]:
    """The schedule's times from `edge` on (seconds are left out)."""
    if not isinstance(entry.schedule, Recurring):
        once = _minute(entry.schedule)
        return iter([once] if once >= edge else [])
    start = _start(entry.schedule)
    rule, count = _rule(entry.schedule, max(start, edge))
    times: Iterable[datetime] = rule if count is None else islice(rule, count)
    return (at for at in times if at >= edge)


def _rule(recurring: Recurring, edge: datetime) -> tuple[rrule, int | None]:
    """The rule up to some years after `edge`, and after how many times it ends."""
    count, parts = None, []
    for part in recurring.rrule.strip().strip(";").split(";"):
        name, _, value = part.partition("=")
        if name.strip().upper() == "COUNT":
            count = int(value)
        elif name.strip().upper() == "UNTIL" and _DAY.fullmatch(value.strip()):
            # The last day counts whole, as it does in calendars; else it would end as it begins.
            parts.append(f"UNTIL={value.strip()}T235959")
        else:
            parts.append(part)
    if not any(part.strip().upper().startswith("UNTIL") for part in parts):
        # Else a rule that never comes round would be looked through to the end of time.
        parts.append(f"UNTIL={min(edge, datetime(9000, 1, 1)) + HORIZON:%Y%m%dT%H%M%S}")
    rule = rrulestr(";".join(parts), dtstart=_start(recurring))
    assert isinstance(rule, rrule)
    return rule, count


def _start(recurring: Recurring) -> datetime:
    return _minute(recurring.starts_at)


def _minute(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(second=0, microsecond=0)


@lru_cache(maxsize=1)
def _zones() -> list[ZoneInfo]:
    return [ZoneInfo(name) for name in sorted(available_timezones())]
