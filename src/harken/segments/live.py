"""The live form of a rule: a closure over one customer's document."""

from collections.abc import Callable
from math import asin, cos, radians, sin, sqrt
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import UNSET

from harken.ids import bucket
from harken.people.address import is_reachable
from harken.people.consent import standing
from harken.people.profile import Profile, Trigger
from harken.segments.behaviour import (
    compile_did,
    compile_measure_rule,
    compile_messages,
    compile_occasion,
)
from harken.segments.calendar import anniversary_days, month_day, of_today, zone_named
from harken.segments.compare import Passes, compile_test, date_of, every, has_comparison
from harken.segments.needs import Check as Check
from harken.segments.needs import Traits as Traits
from harken.segments.rules import (
    All,
    Anniversary,
    AnswerIs,
    Any_,
    Attribute,
    Bucket,
    ConsentIs,
    Did,
    EventProperty,
    First,
    InList,
    InSegment,
    Last,
    Measure,
    Messages,
    Near,
    Not,
    Point,
    Reachable,
    Rule,
    lookup,
)

EARTH_RADIUS = 6_371_000
"""Metres."""

DateCheck = Callable[[int, int], bool]
"""(a date, now), both in ms -> whether it passes."""


def compile_rule(rule: Rule, traits: Traits) -> Check:
    """`rule` as a closure; the traits that it reads are added to `traits`."""
    match rule:
        case All() | Any_() | Not():
            return _compile_tree(rule, traits)
        case Attribute():
            return _attribute(rule, traits)
        case EventProperty():
            return _event_property(rule)
        case AnswerIs():
            return _answer(rule)
        case Did():
            return compile_did(rule, traits)
        case Measure():
            return compile_measure_rule(rule, traits)
        case First() | Last():
            return compile_occasion(rule, traits)
        case Messages():
            return compile_messages(rule, traits)
        case InSegment(in_segment=name):
            return _in_segment(name, traits)
        case InList(in_list=name):
            return lambda profile, event, now: name in profile.lists
        case Reachable(reachable=channel):
            return lambda profile, event, now: is_reachable(profile, channel)
        case ConsentIs():
            return _consent(rule)
        case Near():
            return _near(rule)
        case Bucket(bucket=salt, from_=low, to=high):
            return lambda profile, event, now: low <= bucket(profile.id, salt) <= high


def attribute_value(profile: Profile, path: str) -> Any:
    """The attribute at a dotted path: what was stated, else what a client taught us; or UNSET."""
    value = profile.attribute(path)
    if value is not None:
        return value
    if "." not in path:
        return UNSET
    # A nested object stated hides the whole of the one learned.
    root = path.partition(".")[0]
    known = profile.attributes if profile.attributes.get(root) is not None else profile.learned
    return lookup(known, path)


def distance(here: tuple[float, float], there: Point) -> float:
    """Metres as the crow flies."""
    return distance_to(there)(here)


def distance_to(there: Point) -> Callable[[tuple[float, float]], float]:
    """Latitude and longitude -> metres as the crow flies, by the haversine formula."""
    upper, longitude = radians(there.latitude), there.longitude
    flat = cos(upper)

    def metres(here: tuple[float, float]) -> float:
        lower, across = radians(here[0]), radians(longitude - here[1])
        half = sin((upper - lower) / 2) ** 2 + cos(lower) * flat * sin(across / 2) ** 2
        return 2 * EARTH_RADIUS * asin(min(1.0, sqrt(half)))

    return metres


def _compile_tree(rule: All | Any_ | Not, traits: Traits) -> Check:
    if isinstance(rule, Not):
        inner = compile_rule(rule.not_, traits)
        return lambda profile, event, now: not inner(profile, event, now)
    wanted = isinstance(rule, Any_)
    parts = [
        compile_rule(part, traits) for part in (rule.any if isinstance(rule, Any_) else rule.all)
    ]

    def decided(profile: Profile, event: Trigger | None, now: int) -> bool:
        # Not all() or any(): with a generator they cost three times as much.
        for part in parts:
            if part(profile, event, now) is wanted:
                return wanted
        return not wanted

    return decided


def _attribute(rule: Attribute, traits: Traits) -> Check:
    path, on_date = rule.attribute, date_check(rule, traits)
    passes = compile_test(rule) if has_comparison(rule) else None
    if on_date is not None:
        return _date_attribute(path, passes, on_date)
    test = passes or every([])
    if "." in path:
        return lambda profile, event, now: test(attribute_value(profile, path))

    def plain(profile: Profile, event: Trigger | None, now: int) -> bool:
        value = profile.attributes.get(path)
        if value is None:
            value = profile.learned.get(path)
        return test(UNSET if value is None else value)

    return plain


def _date_attribute(path: str, passes: Passes | None, on_date: DateCheck) -> Check:
    def check(profile: Profile, event: Trigger | None, now: int) -> bool:
        value = attribute_value(profile, path)
        at = date_of(value) if isinstance(value, str) else None
        return at is not None and on_date(at, now) and (passes is None or passes(value))

    return check


def date_check(rule: Attribute, traits: Traits) -> DateCheck | None:
    """What is asked of the attribute as a date that now is near to or far from, if anything."""
    parts: list[DateCheck] = []
    if rule.within is not None:
        past = int(rule.within)
        parts.append(lambda at, now: now - past <= at <= now)
    if rule.in_next is not None:
        ahead = int(rule.in_next)
        parts.append(lambda at, now: now <= at <= now + ahead)
    if rule.longer_ago is not None:
        gone = int(rule.longer_ago)
        parts.append(lambda at, now: at < now - gone)
    if rule.anniversary is not None:
        parts.append(_anniversary(rule.anniversary, traits))
    if len(parts) < 2:
        return parts[0] if parts else None
    return lambda at, now: all(part(at, now) for part in parts)


def _anniversary(rule: Anniversary, traits: Traits) -> DateCheck:
    place, in_next = anniversary_zone(rule, traits), rule.in_next
    days = of_today(place, lambda today: anniversary_days(today, in_next))
    return lambda at, now: month_day(at) in days(now)


def anniversary_zone(rule: Anniversary, traits: Traits) -> ZoneInfo:
    """Whose calendar says what day it is."""
    return zone_named(rule.timezone) if rule.timezone else traits.zone


def _event_property(rule: EventProperty) -> Check:
    path, passes = rule.event_property, compile_test(rule)
    return lambda profile, event, now: passes(
        UNSET if event is None else lookup(event.properties, path)
    )


def _answer(rule: AnswerIs) -> Check:
    path, passes = rule.answer, compile_test(rule)
    return lambda profile, event, now: passes(
        UNSET if event is None else lookup(event.answers, path)
    )


def _in_segment(name: str, traits: Traits) -> Check:
    """The other segment's rule in its place; a segment that is no more has no members."""
    if name not in traits.segments:
        return nobody
    if name not in traits.checks:
        # Segments in a circle are refused; were there one, it would end here.
        traits.checks[name] = nobody
        traits.checks[name] = compile_rule(traits.segments[name], traits)
    return traits.checks[name]


def nobody(profile: Profile, event: Trigger | None, now: int) -> bool:
    """The rule that never holds."""
    return False


def _consent(rule: ConsentIs) -> Check:
    channel, purpose, wanted = rule.consent, rule.purpose, rule.is_

    def check(profile: Profile, event: Trigger | None, now: int) -> bool:
        choice = standing(profile, channel, purpose)
        return (choice.state if choice else "implied") == wanted

    return check


def _near(rule: Near) -> Check:
    metres, radius = distance_to(rule.near), rule.radius

    def check(profile: Profile, event: Trigger | None, now: int) -> bool:
        here = profile.location()
        return here is not None and metres(here) <= radius

    return check
