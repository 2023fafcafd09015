"""The live form of a rule: a closure over one customer's document."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import re2
from msgspec import UNSET

from harken.clock import parse_time
from harken.ids import derived_id
from harken.people.profile import Profile, Trigger
from harken.people.traits import Trait, inside
from harken.segments.rules import (
    All,
    Any_,
    Attribute,
    Did,
    EventProperty,
    Not,
    Rule,
    Scalar,
    Test,
    Where,
    lookup,
)

Check = Callable[[Profile, Trigger | None, int], bool]
"""(document, triggering event, now) -> whether the rule holds."""

Passes = Callable[[Any], bool]

LONGEST_TEXT = 10_000
"""Regular expressions look at this much of a value."""


class Traits:
    """The traits that a set of rules needs, by id and by the event that moves them."""

    def __init__(self) -> None:
        self.by_id: dict[str, Trait] = {}
        self.by_event: dict[str, list[Trait]] = {}

    def need(self, did: Did) -> Trait:
        """The trait of a condition, shared with every condition that is equal but for counts."""
        id = trait_id(did)
        if id not in self.by_id:
            passes = compile_where(did.where) if did.where else None
            trait = Trait(id, did.did, passes, did.within or 0)
            self.by_id[id] = trait
            self.by_event.setdefault(did.did, []).append(trait)
        return self.by_id[id]


def trait_id(did: Did) -> str:
    """The id of the trait that a condition needs: thresholds do not matter to it."""
    where = msgspec.json.encode(did.where, order="deterministic").decode()
    return derived_id("trait", did.did, where, did.within or 0)[:12]


def compile_rule(rule: Rule, traits: Traits) -> Check:
    """`rule` as a closure; the traits that it reads are added to `traits`."""
    match rule:
        case Attribute():
            return _attribute(rule.attribute, compile_test(rule))
        case EventProperty():
            return _event_property(rule.event_property, compile_test(rule))
        case Did():
            return _did(rule, traits)
        case All():
            parts = [compile_rule(part, traits) for part in rule.all]
            return lambda profile, event, now: all(part(profile, event, now) for part in parts)
        case Any_():
            parts = [compile_rule(part, traits) for part in rule.any]
            return lambda profile, event, now: any(part(profile, event, now) for part in parts)
        case Not():
            inner = compile_rule(rule.not_, traits)
            return lambda profile, event, now: not inner(profile, event, now)


def compile_where(where: Where) -> Callable[[dict[str, Any]], bool]:
    """Conditions on an event's properties as one closure."""
    tests = [(path, compile_test(test)) for path, test in where.items()]
    return lambda properties: all(passes(lookup(properties, path)) for path, passes in tests)


def compile_test(test: Test) -> Passes:
    """All comparisons of a test as one closure over a value (UNSET when there is none)."""
    parts = list(_comparisons(test))
    if len(parts) == 1:
        return parts[0]
    return lambda value: all(part(value) for part in parts)


def equal(left: Any, right: Any) -> bool:
    """Equality without Python's `True == 1`: a flag is no number."""
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def compile_regex(pattern: str) -> Any:
    """An RE2 pattern: linear time on any value. Raises ValueError when it is none."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as fault:
        said = fault.args[0] if fault.args else ""
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise ValueError(f"{pattern!r} is no regular expression (RE2): {text}") from None


def _attribute(path: str, passes: Passes) -> Check:
    if "." not in path:

        def plain(profile: Profile, event: Trigger | None, now: int) -> bool:
            value = profile.attribute(path)
            return passes(UNSET if value is None else value)

        return plain
    return lambda profile, event, now: passes(lookup(profile.attributes, path))


def _event_property(path: str, passes: Passes) -> Check:
    return lambda profile, event, now: passes(
        UNSET if event is None else lookup(event.properties, path)
    )


def _did(rule: Did, traits: Traits) -> Check:
    in_range = _count_range(rule)
    name = rule.did
    if not rule.where and not rule.within:

        def ever(profile: Profile, event: Trigger | None, now: int) -> bool:
            stat = profile.events.get(name)
            return in_range(stat.count if stat else 0)

        return ever
    trait = traits.need(rule)

    def counted(profile: Profile, event: Trigger | None, now: int) -> bool:
        return in_range(inside(profile.traits.get(trait.id, []), trait.within, now))

    return counted


def _count_range(rule: Did) -> Callable[[int], bool]:
    if rule.exactly is not None:
        return lambda count: count == rule.exactly
    low = rule.at_least if rule.at_least is not None else 1 if rule.at_most is None else 0
    high = rule.at_most
    if high is None:
        return lambda count: count >= low
    return lambda count: low <= count <= high


def _comparisons(test: Test) -> Iterable[Passes]:
    if test.exists is not UNSET:
        wanted = test.exists
        yield lambda value: (value is not UNSET) == wanted
    if test.equals is not UNSET:
        yield _equals(test.equals)
    if test.not_equals is not UNSET:
        refused = test.not_equals
        yield lambda value: value is not UNSET and not equal(value, refused)
    if test.in_ is not UNSET:
        yield _one_of(test.in_)
    if test.not_in is not UNSET:
        inside = _one_of(test.not_in)
        yield lambda value: value is not UNSET and not inside(value)
    if test.contains is not UNSET:
        yield _contains(test.contains)
    yield from _orderings(test)
    if test.regex is not UNSET:
        yield _matches(test.regex)
    if test.before is not UNSET:
        yield _in_time(test.before, lambda at, edge: at < edge)
    if test.after is not UNSET:
        yield _in_time(test.after, lambda at, edge: at > edge)


def _equals(wanted: Scalar) -> Passes:
    if wanted is None:
        return lambda value: value is UNSET
    return lambda value: equal(value, wanted)


def _one_of(choices: list[Scalar]) -> Passes:
    return lambda value: any(equal(value, choice) for choice in choices)


def _contains(wanted: Scalar) -> Passes:
    def passes(value: Any) -> bool:
        if isinstance(value, str):
            return isinstance(wanted, str) and wanted in value
        return isinstance(value, list) and any(equal(item, wanted) for item in value)

    return passes


def _orderings(test: Test) -> Iterable[Passes]:
    bounds: list[tuple[float, Callable[[float, float], bool]]] = []
    if test.gt is not UNSET:
        bounds.append((test.gt, float.__gt__))
    if test.gte is not UNSET:
        bounds.append((test.gte, float.__ge__))
    if test.lt is not UNSET:
        bounds.append((test.lt, float.__lt__))
    if test.lte is not UNSET:
        bounds.append((test.lte, float.__le__))
    if test.between is not UNSET:
        bounds += [(test.between[0], float.__ge__), (test.between[1], float.__le__)]
    for bound, compare in bounds:
        yield _number(float(bound), compare)


def _number(bound: float, compare: Callable[[float, float], bool]) -> Passes:
    def passes(value: Any) -> bool:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return compare(float(value), bound)
        return False

    return passes


def _matches(pattern: str) -> Passes:
    compiled = compile_regex(pattern)
    return lambda value: (
        isinstance(value, str) and compiled.search(value[:LONGEST_TEXT]) is not None
    )


def _in_time(edge: str, compare: Callable[[int, int], bool]) -> Passes:
    at_edge = parse_time(edge)
    if at_edge is None:
        raise ValueError(f"{edge!r} is no ISO 8601 date or time")

    def passes(value: Any) -> bool:
        at = parse_time(value) if isinstance(value, str) else None
        return at is not None and compare(at, at_edge)

    return passes
