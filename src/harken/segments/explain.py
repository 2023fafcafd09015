"""Why a rule does or does not hold, in words and with the values that it looked at."""

from typing import Any

from harken.channels.table import address_of
from harken.clock import iso
from harken.ids import bucket
from harken.people.consent import standing
from harken.people.profile import Profile, Trigger
from harken.segments.behaviour import measured, occasion_time, occurrences, told_of_messages
from harken.segments.live import attribute_value, compile_rule, distance
from harken.segments.needs import Traits
from harken.segments.rules import (
    All,
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
    Reachable,
    Rule,
    lookup,
)
from harken.segments.words import describe, plain


def unmet(
    rule: Rule, profile: Profile, event: Trigger | None, now: int, traits: Traits | None = None
) -> list[dict[str, Any]]:
    """The conditions because of which `rule` does not hold: `{"rule": words, "value": seen}`.

    Empty when it holds. Of an `any`, every branch is unmet; of a `not`, what it forbids holds;
    of another segment, what is unmet of its rule. `traits` knows the segments and the zone.
    """
    traits = Traits() if traits is None else traits
    if compile_rule(rule, traits)(profile, event, now):
        return []
    match rule:
        case All(all=parts) | Any_(any=parts) if parts:
            return [one for part in parts for one in unmet(part, profile, event, now, traits)]
        case InSegment(in_segment=name) if name in traits.segments:
            inner = unmet(traits.segments[name], profile, event, now, traits)
            return [{**one, "rule": f"{one['rule']} (segment {name})"} for one in inner]
        case _:
            return [{"rule": describe(rule), "value": seen(rule, profile, event, now, traits)}]


def seen(rule: Rule, profile: Profile, event: Trigger | None, now: int, traits: Traits) -> Any:
    """The value that a condition looked at, as JSON has it; None when there is none."""
    match rule:
        case Attribute():
            return plain(attribute_value(profile, rule.attribute))
        case EventProperty():
            return plain(lookup(event.properties, rule.event_property)) if event else None
        case AnswerIs():
            return plain(lookup(event.answers, rule.answer)) if event else None
        case Did():
            return occurrences(rule, traits)(profile, now)
        case Measure():
            return measured(rule, traits)(profile, now)
        case First() | Last():
            at = occasion_time(rule, traits)(profile)
            return None if at is None else iso(at)
        case Messages():
            return told_of_messages(rule, traits)(profile)
        case Not():
            return seen(rule.not_, profile, event, now, traits)
        case _:
            return _fact(rule, profile)


def _fact(rule: Rule, profile: Profile) -> Any:
    match rule:
        case InList(in_list=name):
            return name in profile.lists
        case Reachable():
            return address_of(profile, rule.reachable) or None
        case ConsentIs():
            choice = standing(profile, rule.consent, rule.purpose)
            return choice.state if choice else "implied"
        case Near():
            here = profile.location()
            return None if here is None else f"{distance(here, rule.near):.0f} m away"
        case Bucket():
            return bucket(profile.id, rule.bucket)
        case _:
            return None
