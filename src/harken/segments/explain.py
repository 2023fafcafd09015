"""Why a rule does or does not hold, in words and with the values that it looked at."""

from typing import Any

from msgspec import UNSET

from harken.people.profile import Profile, Trigger
from harken.people.traits import inside
from harken.segments.live import Traits, compile_rule, trait_id
from harken.segments.rules import (
    All,
    Any_,
    Attribute,
    Did,
    EventProperty,
    Not,
    Rule,
    Test,
    lookup,
)

WORDS = {
    "equals": "is",
    "not_equals": "is not",
    "in_": "is one of",
    "not_in": "is none of",
    "contains": "contains",
    "gt": "is more than",
    "gte": "is at least",
    "lt": "is less than",
    "lte": "is at most",
    "between": "is between",
    "regex": "matches",
    "before": "is before",
    "after": "is after",
}


def unmet(rule: Rule, profile: Profile, event: Trigger | None, now: int) -> list[dict[str, Any]]:
    """The conditions because of which `rule` does not hold: `{"rule": words, "value": seen}`.

    Empty when it holds. Of an `any`, every branch is unmet; of a `not`, what it forbids holds.
    """
    if compile_rule(rule, Traits())(profile, event, now):
        return []
    match rule:
        case All():
            return [fault for part in rule.all for fault in unmet(part, profile, event, now)]
        case Any_() if rule.any:
            return [fault for part in rule.any for fault in unmet(part, profile, event, now)]
        case _:
            return [{"rule": describe(rule), "value": _seen(rule, profile, event, now)}]


def describe(rule: Rule) -> str:
    """The rule as a phrase."""
    match rule:
        case Attribute():
            return f"{rule.attribute} {describe_test(rule)}"
        case EventProperty():
            return f"the event's {rule.event_property} {describe_test(rule)}"
        case Did():
            return _describe_did(rule)
        case All():
            return " and ".join(_bracket(part) for part in rule.all) or "everybody"
        case Any_():
            return " or ".join(_bracket(part) for part in rule.any) or "nobody"
        case Not():
            return f"not ({describe(rule.not_)})"


def describe_test(test: Test) -> str:
    """The comparisons as a phrase to follow the name of a value."""
    parts = [
        f"{words} {_value(getattr(test, name))}"
        for name, words in WORDS.items()
        if getattr(test, name) is not UNSET
    ]
    if test.exists is not UNSET:
        parts.append("is known" if test.exists else "is not known")
    return " and ".join(parts)


def _describe_did(rule: Did) -> str:
    if rule.exactly is not None:
        often = "never" if rule.exactly == 0 else f"exactly {rule.exactly} times"
    else:
        bounds = [
            f"{words} {count} times"
            for words, count in (("at least", rule.at_least), ("at most", rule.at_most))
            if count is not None
        ]
        often = " and ".join(bounds) or "at least once"
    text = f"did {rule.did} {often}"
    if rule.where:
        text += " where " + " and ".join(f"{p} {describe_test(t)}" for p, t in rule.where.items())
    return f"{text} within {rule.within}" if rule.within else text


def _seen(rule: Rule, profile: Profile, event: Trigger | None, now: int) -> Any:
    match rule:
        case Attribute():
            found = profile.attribute(rule.attribute)
            return plain(lookup(profile.attributes, rule.attribute) if found is None else found)
        case EventProperty():
            return plain(lookup(event.properties, rule.event_property)) if event else None
        case Did() if rule.where or rule.within:
            return inside(profile.traits.get(trait_id(rule), []), rule.within or 0, now)
        case Did():
            stat = profile.events.get(rule.did)
            return stat.count if stat else 0
        case Not():
            return _seen(rule.not_, profile, event, now)
        case _:
            return None


def _bracket(rule: Rule) -> str:
    text = describe(rule)
    return f"({text})" if isinstance(rule, All | Any_) else text


def plain(value: Any) -> Any:
    return None if value is UNSET else value


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_value(item) for item in value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
