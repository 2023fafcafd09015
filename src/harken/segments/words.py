"""A rule as a phrase that people read."""

from typing import Any

from msgspec import UNSET

from harken.segments.rules import (
    All,
    AnswerIs,
    Any_,
    Attribute,
    Bucket,
    CalendarDays,
    ConsentIs,
    Did,
    EventProperty,
    First,
    Follow,
    InList,
    InSegment,
    Last,
    Measure,
    Messages,
    Near,
    Not,
    Reachable,
    Rule,
    Span,
    Test,
    Where,
)
from harken.values import Duration

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
BOUNDS = {"equals": "is", "gt": "is more than", "gte": "is at least", "lt": "is less than",
          "lte": "is at most"}  # fmt: skip
MEASURES = {"sum": "the sum of", "average": "the average", "min": "the smallest",
            "max": "the largest", "distinct": "the number of different"}  # fmt: skip
STANDINGS = {
    "opted_in": "opted in to",
    "opted_out": "opted out of",
    "implied": "made no choice about",
}


def describe(rule: Rule) -> str:
    """The rule as a phrase."""
    match rule:
        case All(all=parts):
            return " and ".join(bracketed(part) for part in parts) or "everybody"
        case Any_(any=parts):
            return " or ".join(bracketed(part) for part in parts) or "nobody"
        case Not(not_=inner):
            return f"not ({describe(inner)})"
        case Attribute():
            return f"{rule.attribute} {_about_attribute(rule)}"
        case EventProperty():
            return f"the event's {rule.event_property} {describe_test(rule)}"
        case AnswerIs():
            return f"the answer {rule.answer} {describe_test(rule)}"
        case Did():
            return _did(rule)
        case Measure():
            return _measure(rule)
        case First() | Last():
            return _occasion(rule)
        case _:
            return _fact(rule)


def describe_test(test: Test) -> str:
    """The comparisons as a phrase to follow the name of a value."""
    parts = [
        f"{words} {_value(getattr(test, name))}"
        for name, words in WORDS.items()
        if getattr(test, name) is not UNSET
    ]
    if test.exists is not UNSET:
        parts.append("is known" if test.exists else "is not known")
    if test.some is not UNSET:
        parts.append(f"has one whose {_where(test.some)}")
    return " and ".join(parts)


def bracketed(rule: Rule) -> str:
    """The phrase, in brackets when it has an `and` or `or` of its own."""
    text = describe(rule)
    return f"({text})" if isinstance(rule, All | Any_) else text


def plain(value: Any) -> Any:
    """None for what is not there."""
    return None if value is UNSET else value


def _fact(rule: Rule) -> str:
    match rule:
        case Messages():
            return _messages(rule)
        case InSegment(in_segment=name):
            return f"in the segment {name}"
        case InList(in_list=name):
            return f"on the list {name}"
        case Reachable(reachable=channel):
            return f"reachable by {channel}"
        case ConsentIs():
            return f"{STANDINGS[rule.is_]} {rule.purpose} by {rule.consent}"
        case Near(near=point, radius=radius):
            place = f"{point.latitude:g}, {point.longitude:g}"
            return f"within {radius:g} m of {place}"
        case Bucket():
            return f"in the buckets {rule.from_} to {rule.to} of {rule.bucket}"
        case _:
            return ""


def _about_attribute(rule: Attribute) -> str:
    parts = [describe_test(rule)]
    if rule.within is not None:
        parts.append(f"lies in the last {rule.within}")
    if rule.in_next is not None:
        parts.append(f"lies in the next {rule.in_next}")
    if rule.longer_ago is not None:
        parts.append(f"lies more than {rule.longer_ago} ago")
    if rule.anniversary is not None:
        days = rule.anniversary.in_next
        when = "today" if days == 1 else f"within {days} days, today included"
        parts.append(f"comes round again {when}")
    return " and ".join(part for part in parts if part)


def _did(rule: Did) -> str:
    text = f"did {rule.did} {_often(rule)}{_span(rule)}"
    if rule.then is not None:
        text += f", each followed by {_follow(rule.then)}"
    if rule.then_not is not None:
        text += f", each not followed by {_follow(rule.then_not)}"
    return text


def _often(rule: Did) -> str:
    if rule.exactly is not None:
        return "never" if rule.exactly == 0 else f"exactly {_times(rule.exactly)}"
    bounds = [
        f"{words} {_times(count)}"
        for words, count in (("at least", rule.at_least), ("at most", rule.at_most))
        if count is not None
    ]
    return " and ".join(bounds) or "at least once"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _follow(follow: Follow) -> str:
    text = follow.did
    if follow.where:
        text += f" where {_where(follow.where)}"
    return f"{text} within {follow.in_}" if follow.in_ is not None else text


def _measure(rule: Measure) -> str:
    bounds = [
        f"{words} {_value(getattr(rule, name))}"
        for name, words in BOUNDS.items()
        if getattr(rule, name) is not UNSET
    ]
    what = MEASURES[getattr(rule, "key")]  # noqa: B009 - each kind of measure has one
    return f"{what} {rule.path} over {rule.of}{_span(rule)} {' and '.join(bounds)}"


def _span(span: Span) -> str:
    text = f" where {_where(span.where)}" if span.where else ""
    if isinstance(span.within, CalendarDays):
        return f"{text} within {span.within.days} calendar days of {span.within.timezone}"
    if isinstance(span.within, Duration):
        return f"{text} within {span.within}"
    if span.between is not None:
        return f"{text} from {span.between[0]} to before {span.between[1]}"
    return text


def _occasion(rule: First | Last) -> str:
    order, event = ("first", rule.first) if isinstance(rule, First) else ("last", rule.last)
    text = f"{order} did {event}"
    if rule.where:
        text += f" where {_where(rule.where)}"
    parts = [
        f"{words} {when}{more}"
        for words, when, more in (
            ("within", rule.within, ""),
            ("more than", rule.longer_ago, " ago"),
            ("before", rule.before, ""),
            ("after", rule.after, ""),
        )
        if when is not None
    ]
    text += f" {' and '.join(parts)}" if parts else "" if rule.is_ else " at any time"
    return f"{text}, with {_where(rule.is_)}" if rule.is_ else text


def _messages(rule: Messages) -> str:
    which = f"the last {rule.of_last} messages" if rule.of_last > 1 else "the last message"
    if rule.channel is not None:
        which += f" by {rule.channel}"
    if rule.journey is not None:
        which += f" of {rule.journey}"
    if rule.exactly is not None:
        often = f"exactly {rule.exactly}" if rule.exactly else "none"
    else:
        bounds = (("at least", rule.at_least), ("at most", rule.at_most))
        given = [f"{words} {count}" for words, count in bounds if count is not None]
        often = " and ".join(given) or "at least 1"
    return f"{rule.messages} {often} of {which}"


def _where(where: Where) -> str:
    return " and ".join(f"{path} {describe_test(test)}" for path, test in where.items())


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_value(item) for item in value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return "nothing" if value is None else str(value) or '""'
