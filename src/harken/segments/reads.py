"""What a rule looks at: what must change for its answer to change."""

from collections.abc import Mapping

from msgspec import Struct

from harken.channels.table import looks_at
from harken.clock import DAY, LATEST
from harken.segments.compare import instant
from harken.segments.rules import (
    All,
    Any_,
    Attribute,
    CalendarDays,
    ConsentIs,
    Did,
    First,
    InList,
    InSegment,
    Last,
    Measure,
    Messages,
    Near,
    Not,
    Occasion,
    Reachable,
    Rule,
    Span,
)

NONE: frozenset[str] = frozenset()
EVER = LATEST
"""Back to the beginning."""


class Reads(Struct, frozen=True):
    """The parts of a customer that a rule looks at."""

    events: frozenset[str] = NONE
    """Names of events."""
    attributes: frozenset[str] = NONE
    """Names of attributes; of a dotted path, the path and its first part."""
    facts: frozenset[str] = NONE
    """Of `consent`, `reach`, `lists`, `location`, `user_id`, `devices`."""
    timed: bool = False
    """Whether time alone may change the answer."""

    def __or__(self, other: "Reads") -> "Reads":
        return Reads(
            self.events | other.events,
            self.attributes | other.attributes,
            self.facts | other.facts,
            self.timed or other.timed,
        )


def reads(rule: Rule, segments: Mapping[str, Rule]) -> Reads:
    """What `rule` looks at; other segments through their rules, found in `segments`."""
    return _reads(rule, segments, NONE)


def _reads(rule: Rule, segments: Mapping[str, Rule], within: frozenset[str]) -> Reads:
    match rule:
        case All(all=parts) | Any_(any=parts):
            found = Reads()
            for part in parts:
                found |= _reads(part, segments, within)
            return found
        case Not(not_=inner):
            return _reads(inner, segments, within)
        case InSegment(in_segment=name):
            if name not in segments or name in within:
                return Reads()
            return _reads(segments[name], segments, within | {name})
        case Attribute():
            return _attribute(rule)
        case Did() | Measure() | First() | Last() | Messages():
            return _behaviour(rule)
        case _:
            return _fact(rule)


def _attribute(rule: Attribute) -> Reads:
    dates = (rule.within, rule.in_next, rule.longer_ago, rule.anniversary)
    names = frozenset({rule.attribute, rule.attribute.partition(".")[0]})
    return Reads(attributes=names, timed=any(one is not None for one in dates))


def _behaviour(rule: Did | Measure | First | Last | Messages) -> Reads:
    match rule:
        case Did():
            follow = rule.then or rule.then_not
            names = {rule.did, follow.did} if follow else {rule.did}
            timed = rule.within is not None or rule.then_not is not None
            return Reads(events=frozenset(names), timed=timed)
        case Measure():
            return Reads(events=frozenset({rule.of}), timed=rule.within is not None)
        case Messages():
            return Reads(events=frozenset({"$message_sent", f"$message_{rule.messages}"}))
        case First() | Last():
            name = rule.first if isinstance(rule, First) else rule.last
            timed = rule.within is not None or rule.longer_ago is not None
            return Reads(events=frozenset({name}), timed=timed)


def _fact(rule: Rule) -> Reads:
    match rule:
        case InList():
            return Reads(facts=frozenset({"lists"}))
        case Reachable(reachable=channel):
            attributes, facts = looks_at(channel)
            return Reads(attributes=attributes, facts=facts)
        case ConsentIs():
            return Reads(facts=frozenset({"consent"}))
        case Near():
            return Reads(attributes=frozenset({"location"}), facts=frozenset({"location"}))
        case _:
            return Reads()


def looks_back(condition: Struct, now: int) -> int | None:
    """How far back (ms) a single condition looks at what customers did; None when it does not."""
    match condition:
        case Span(within=CalendarDays(days=days)):
            return days * DAY
        case Span(within=int(span)):
            return span
        case Span(between=[start, _]):
            return max(0, now - instant(start))
        case Last(within=int(span)):
            return span
        case Span() | Occasion() | Messages():
            return EVER
        case _:
            return None
