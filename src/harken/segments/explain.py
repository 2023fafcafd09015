"""Why a rule does or does not hold, in words and with the values that it looked at."""

from collections.abc import Callable
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

Unmet = Callable[[Profile, Trigger | None, int], list[dict[str, Any]]]
"""The conditions because of which a rule does not hold: see `unmet`."""
Look = Callable[[Profile, Trigger | None, int], Any]
"""The value that a condition looks at."""


def unmet(
    rule: Rule, profile: Profile, event: Trigger | None, now: int, traits: Traits | None = None
) -> list[dict[str, Any]]:
    """The conditions because of which `rule` does not hold: `{"rule": words, "value": seen}`.

    Empty when it holds. Of an `any`, every branch is unmet; of a `not`, what it forbids holds;
    of another segment, what is unmet of its rule. `traits` knows the segments and the zone.
    """
    return compile_unmet(rule, Traits() if traits is None else traits)(profile, event, now)


def compile_unmet(rule: Rule, traits: Traits) -> Unmet:
    """The same for whoever asks it of many customers."""
    holds = compile_rule(rule, traits)
    match rule:
        case All(all=parts) | Any_(any=parts) if parts:
            found = _of_parts([compile_unmet(part, traits) for part in parts])
        case InSegment(in_segment=name) if name in traits.segments:
            found = _of_segment(name, compile_unmet(traits.segments[name], traits))
        case _:
            found = _of_condition(describe(rule), _look(rule, traits))
    return lambda profile, event, now: (
        [] if holds(profile, event, now) else found(profile, event, now)
    )


def _of_condition(said: str, look: Look) -> Unmet:
    return lambda profile, event, now: [{"rule": said, "value": look(profile, event, now)}]


def _of_parts(inner: list[Unmet]) -> Unmet:
    return lambda profile, event, now: [one for part in inner for one in part(profile, event, now)]


def _of_segment(name: str, inner: Unmet) -> Unmet:
    return lambda profile, event, now: [
        {**one, "rule": f"{one['rule']} (segment {name})"} for one in inner(profile, event, now)
    ]


def seen(rule: Rule, profile: Profile, event: Trigger | None, now: int, traits: Traits) -> Any:
    """The value that a condition looked at, as JSON has it; None when there is none."""
    return _look(rule, traits)(profile, event, now)


def _look(rule: Rule, traits: Traits) -> Look:
    match rule:
        case Attribute(attribute=path):
            return lambda profile, event, now: plain(attribute_value(profile, path))
        case EventProperty(event_property=path):
            return lambda profile, event, now: (
                plain(lookup(event.properties, path)) if event else None
            )
        case AnswerIs(answer=path):
            return lambda profile, event, now: plain(lookup(event.answers, path)) if event else None
        case Did():
            times = occurrences(rule, traits)
            return lambda profile, event, now: times(profile, now)
        case Measure():
            measure = measured(rule, traits)
            return lambda profile, event, now: measure(profile, now)
        case First() | Last():
            when = occasion_time(rule, traits)
            return lambda profile, event, now: None if (at := when(profile)) is None else iso(at)
        case Messages():
            told = told_of_messages(rule, traits)
            return lambda profile, event, now: told(profile)
        case Not(not_=inner):
            return _look(inner, traits)
        case _:
            return lambda profile, event, now: _fact(rule, profile)


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
