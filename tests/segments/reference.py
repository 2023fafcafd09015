"""The slow, obvious answer: does a rule, as it is written, hold for somebody?

Written from what rules promise (`docs/segments.md`), over raw facts and all events one after the
other. It shares no code with either form, so that they cannot be wrong together.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from hashlib import md5
from math import asin, cos, floor, radians, sin, sqrt
from typing import Any
from zoneinfo import ZoneInfo

MISSING = object()
UNITS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
MACHINES = ("$message_opened", "$message_clicked")
Written = dict[str, Any]


@dataclass
class Happened:
    """Something that a customer did."""

    name: str
    at: int
    properties: dict[str, Any]


@dataclass
class Someone:
    """All facts of a customer."""

    id: int
    attributes: dict[str, Any] = field(default_factory=dict)
    lists: set[str] = field(default_factory=set)
    reachable: set[str] = field(default_factory=set)
    consent: dict[tuple[str, str], str] = field(default_factory=dict)
    """By channel and purpose, where there was a choice."""
    place: tuple[float, float] | None = None
    happened: list[Happened] = field(default_factory=list)


@dataclass
class World:
    """What an answer depends on beside the customer."""

    now: int
    zone: str
    segments: dict[str, Written]


def holds(rule: Written, who: Someone, world: World) -> bool:
    """Whether the rule holds for somebody, with no event at hand."""
    answer = KINDS[next(key for key in KINDS if key in rule)]
    return answer(rule, who, world)


def _all(rule: Written, who: Someone, world: World) -> bool:
    return all(holds(part, who, world) for part in rule["all"])


def _any(rule: Written, who: Someone, world: World) -> bool:
    return any(holds(part, who, world) for part in rule["any"])


def _not(rule: Written, who: Someone, world: World) -> bool:
    return not holds(rule["not"], who, world)


def _attribute(rule: Written, who: Someone, world: World) -> bool:
    value = find(who.attributes, rule["attribute"])
    at, now = as_date(value), world.now
    spans = {key: length(rule[key]) for key in ("within", "in_next", "longer_ago") if key in rule}
    if (spans or "anniversary" in rule) and at is None:
        return False
    if "within" in spans and not now - spans["within"] <= at <= now:
        return False
    if "in_next" in spans and not now <= at <= now + spans["in_next"]:
        return False
    if "longer_ago" in spans and not at < now - spans["longer_ago"]:
        return False
    if "anniversary" in rule and not _comes_round(at, rule["anniversary"], world):
        return False
    return passes(rule, value)


def _comes_round(at: int, asked: Written, world: World) -> bool:
    born = datetime(1970, 1, 1) + timedelta(milliseconds=at)
    zone = ZoneInfo(asked.get("timezone", world.zone))
    today = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=world.now)).astimezone(zone)
    for ahead in range(asked["in_next"]):
        day = today.date() + timedelta(days=ahead)
        try:
            this_year = date(day.year, born.month, born.day)
        except ValueError:
            this_year = date(day.year, 2, 28)
        if this_year == day:
            return True
    return False


def _event_property(rule: Written, who: Someone, world: World) -> bool:
    return passes(rule, MISSING)


def _did(rule: Written, who: Someone, world: World) -> bool:
    ones = list(counted(rule["did"], rule, who, world))
    if "then" in rule:
        ones = [one for one in ones if _came_after(one, rule["then"], who)]
    if "then_not" in rule:
        wait = length(rule["then_not"]["in"])
        over = [one for one in ones if one.at + wait <= world.now]
        ones = [one for one in over if not _came_after(one, rule["then_not"], who)]
    return in_range(rule, len(ones))


def _came_after(one: Happened, follow: Written, who: Someone) -> bool:
    wait = length(follow["in"]) if "in" in follow else None
    return any(
        one.at < other.at and (wait is None or other.at <= one.at + wait)
        for other in matching(follow["did"], follow.get("where", {}), who)
    )


def _measure(key: str) -> Callable[[Written, Someone, World], bool]:
    def answer(rule: Written, who: Someone, world: World) -> bool:
        found = [find(one.properties, rule[key]) for one in counted(rule["of"], rule, who, world)]
        if key == "distinct":
            return compares(rule, len({_different(one) for one in found} - {None}))
        numbers = [float(one) for one in found if is_number(one) and abs(one) <= 9e12]
        amounts = [floor(number * 1e6 + 0.5) for number in numbers]
        if key == "sum":
            return compares(rule, sum(amounts) / 1e6)
        if not amounts:
            return False
        if key == "average":
            return compares(rule, sum(amounts) / 1e6 / len(amounts))
        return compares(rule, (min(amounts) if key == "min" else max(amounts)) / 1e6)

    return answer


def _different(value: Any) -> tuple[str, Any] | None:
    if isinstance(value, bool):
        return ("flag", value)
    if is_number(value):
        return ("number", float(value))
    return ("text", value) if isinstance(value, str) else None


def _occasion(key: str) -> Callable[[Written, Someone, World], bool]:
    best = min if key == "first" else max

    def answer(rule: Written, who: Someone, world: World) -> bool:
        ones = list(matching(rule[key], rule.get("where", {}), who))
        if not ones:
            return False
        at = best(one.at for one in ones)
        if "within" in rule and at < world.now - length(rule["within"]):
            return False
        if "longer_ago" in rule and not at < world.now - length(rule["longer_ago"]):
            return False
        if "before" in rule and not at < as_date(rule["before"]):
            return False
        if "after" in rule and not at > as_date(rule["after"]):
            return False
        then = [one for one in ones if one.at == at]
        return any(all_pass(rule.get("is", {}), one.properties) for one in then)

    return answer


def _messages(rule: Written, who: Someone, world: World) -> bool:
    where = {key: rule[key] for key in ("channel", "journey") if key in rule}
    sent: dict[str, int] = {}
    for one in matching("$message_sent", where, who):
        message = one.properties.get("message")
        if isinstance(message, str) and message:
            sent[message] = max(one.at, sent.get(message, one.at))
    newest = sorted(sent, key=lambda message: (sent[message], message))[-rule["of_last"] :]
    if len(newest) < rule["of_last"]:
        return False
    told = {
        one.properties.get("message")
        for one in matching(f"$message_{rule['messages']}", {}, who)
        if isinstance(one.properties.get("message"), str)
    }
    return in_range(rule, sum(message in told for message in newest))


def _in_segment(rule: Written, who: Someone, world: World) -> bool:
    other = world.segments.get(rule["in_segment"])
    return other is not None and holds(other, who, world)


def _consent(rule: Written, who: Someone, world: World) -> bool:
    chosen = who.consent.get((rule["consent"], rule.get("purpose", "marketing")), "implied")
    return chosen == rule["is"]


def _near(rule: Written, who: Someone, world: World) -> bool:
    if who.place is None:
        return False
    (lat1, lon1), (lat2, lon2) = who.place, (rule["near"]["latitude"], rule["near"]["longitude"])
    half = (
        sin((radians(lat2) - radians(lat1)) / 2) ** 2
        + cos(radians(lat1)) * cos(radians(lat2)) * sin(radians(lon2 - lon1) / 2) ** 2
    )
    return 2 * 6_371_000 * asin(min(1.0, sqrt(half))) <= rule["radius"]


def _bucket(rule: Written, who: Someone, world: World) -> bool:
    digest = md5(f"{rule['bucket']}:{who.id}".encode()).hexdigest()
    return rule.get("from", 0) <= int(digest[:8], 16) % 10_000 <= rule.get("to", 9_999)


KINDS: dict[str, Callable[[Written, Someone, World], bool]] = {
    "all": _all,
    "any": _any,
    "not": _not,
    "attribute": _attribute,
    "event_property": _event_property,
    "did": _did,
    **{key: _measure(key) for key in ("sum", "average", "min", "max", "distinct")},
    **{key: _occasion(key) for key in ("first", "last")},
    "messages": _messages,
    "in_segment": _in_segment,
    "in_list": lambda rule, who, world: rule["in_list"] in who.lists,
    "reachable": lambda rule, who, world: rule["reachable"] in who.reachable,
    "consent": _consent,
    "near": _near,
    "bucket": _bucket,
}


def matching(name: str, where: Written, who: Someone) -> Iterator[Happened]:
    """Events of a name that pass, in any order; what machines opened is left out."""
    for one in who.happened:
        by_machine = one.name in MACHINES and one.properties.get("machine") is True
        if one.name == name and not by_machine and all_pass(where, one.properties):
            yield one


def counted(name: str, span: Written, who: Someone, world: World) -> Iterator[Happened]:
    """Those of them in a span of time."""
    for one in matching(name, span.get("where", {}), who):
        within = span.get("within")
        if isinstance(within, str) and one.at < world.now - length(within):
            continue
        if isinstance(within, dict) and not _lately(one.at, within, world):
            continue
        if "between" in span:
            start, end = map(as_date, span["between"])
            if not start <= one.at < end:
                continue
        yield one


def _lately(at: int, days: Written, world: World) -> bool:
    """By the calendar: how many dates ago was it?"""
    zone = ZoneInfo(days["timezone"])
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    today, then = (
        (epoch + timedelta(milliseconds=ms)).astimezone(zone).date() for ms in (world.now, at)
    )
    return (today - then).days < days["days"]


def in_range(rule: Written, number: int) -> bool:
    """`at_least`, `at_most`, `exactly`; once when none is given."""
    if not {"at_least", "at_most", "exactly"} & rule.keys():
        return number >= 1
    return (
        rule.get("at_least", 0) <= number <= rule.get("at_most", number)
        and rule.get("exactly", number) == number
    )


def compares(rule: Written, number: float) -> bool:
    """A sum, or the like."""
    return (
        ("equals" not in rule or number == rule["equals"])
        and ("gt" not in rule or number > rule["gt"])
        and ("gte" not in rule or number >= rule["gte"])
        and ("lt" not in rule or number < rule["lt"])
        and ("lte" not in rule or number <= rule["lte"])
    )


def all_pass(where: Written, properties: dict[str, Any]) -> bool:
    """Every condition on properties; a bare value is `equals`."""
    return all(
        passes(test if isinstance(test, dict) else {"equals": test}, find(properties, path))
        for path, test in where.items()
    )


def find(values: dict[str, Any], path: str) -> Any:
    """The value at a dotted path; a whole key wins. null is as good as nothing."""
    if path in values:
        found = values[path]
    else:
        found = values
        for part in path.split("."):
            found = found.get(part, None) if isinstance(found, dict) else None
    return MISSING if found is None else found


def passes(test: Written, value: Any) -> bool:
    """Every comparison."""
    there = value is not MISSING
    number = float(value) if is_number(value) else None
    checks = {
        "exists": lambda wanted: there == wanted,
        "equals": lambda wanted: not there if wanted is None else same(value, wanted),
        "not_equals": lambda wanted: there and (wanted is None or not same(value, wanted)),
        "in": lambda wanted: any(same(value, one) for one in wanted),
        "not_in": lambda wanted: there and not any(same(value, one) for one in wanted),
        "contains": lambda wanted: contains(value, wanted),
        "gt": lambda wanted: number is not None and number > wanted,
        "gte": lambda wanted: number is not None and number >= wanted,
        "lt": lambda wanted: number is not None and number < wanted,
        "lte": lambda wanted: number is not None and number <= wanted,
        "between": lambda wanted: number is not None and wanted[0] <= number <= wanted[1],
        "regex": lambda wanted: (
            isinstance(value, str) and re.search(wanted, value[:10_000]) is not None
        ),
        "before": lambda wanted: as_date(value) is not None and as_date(value) < as_date(wanted),
        "after": lambda wanted: as_date(value) is not None and as_date(value) > as_date(wanted),
        "some": lambda wanted: (
            isinstance(value, list)
            and any(isinstance(item, dict) and all_pass(wanted, item) for item in value)
        ),
    }
    return all(check(test[name]) for name, check in checks.items() if name in test)


def same(left: Any, right: Any) -> bool:
    """Equal and of one kind; numbers as doubles."""
    return _different(left) is not None and _different(left) == _different(right)


def contains(value: Any, wanted: Any) -> bool:
    """A part of a text, or an element of a list."""
    if isinstance(value, str):
        return isinstance(wanted, str) and wanted in value
    return isinstance(value, list) and any(same(item, wanted) for item in value)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def length(text: str) -> int:
    """A duration in ms."""
    return sum(int(count) * UNITS[unit] for count, unit in re.findall(r"(\d+)([smhdw])", text))


def as_date(value: Any) -> int | None:
    """The ms of an ISO date or time in the strict form, else None."""
    form = (
        r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?"
        r"(Z|[+-]\d\d:\d\d)?)?"
    )
    found = re.fullmatch(form, value, re.ASCII) if isinstance(value, str) else None
    if not found:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    offset = found[8] if found[8] not in (None, "Z") else "+00:00"
    away = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
    if int(offset[1:3]) > 23 or int(offset[4:6]) > 59:
        return None
    try:
        at = datetime(year, month, day, hour, minute, second, tzinfo=timezone(timedelta(0)))
    except ValueError:
        return None
    whole = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    sign = -1 if offset[0] == "-" else 1
    return (
        whole + int((found[7] or "").ljust(3, "0")[:3]) - sign * (away // timedelta(milliseconds=1))
    )
