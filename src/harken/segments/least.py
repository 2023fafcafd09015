"""What it takes at least of what a customer did for a rule to hold: most are far from it, most of
the time, and then the rule need not be asked.
"""

from bisect import bisect_left
from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

from msgspec import UNSET

from harken.people.traits import KEPT, LARGEST_NUMBER
from harken.segments.behaviour import count_bounds, measure_kinds, pairs_since
from harken.segments.calendar import window
from harken.segments.compare import compile_measure
from harken.segments.needs import Traits
from harken.segments.rules import All, CalendarDays, Did, Distinct, InSegment, Rule, Sum
from harken.values import Duration

LARGEST_SUM = KEPT * LARGEST_NUMBER


Holds = Callable[[Any, int], float]
"""(a trait's state, now) -> how much of what a rule asks for is in it."""


class Least(NamedTuple):
    """The rule fails, now and later, while the trait holds less."""

    trait: str
    size: int
    """What `holds` makes of the trait's state: a count, or a sum in millionths."""
    within: Duration | CalendarDays | None = None
    """Of a sum, the window in which it lies."""

    @property
    def may_fall(self) -> bool:
        """Whether an event may leave the trait with less: an amount below 0, of which `holds` does
        not tell."""
        return self.trait.startswith("total-")

    def holds(self) -> Holds:
        """How much a state of the trait holds; infinite when it cannot be said, because amounts
        below 0 lie in the window and time takes them away, or there are so many that each new one
        drives out an old one."""
        kind = self.trait.partition("-")[0]
        if kind == "amounts":
            assert self.within is not None
            return _sum_since(window(self.within).start)
        if kind == "total":
            return lambda state, now: int(state[1])
        if kind == "count":
            return lambda state, now: state
        return lambda state, now: len(state)


def _sum_since(start: Callable[[int], int]) -> Holds:
    def summed(state: list[Any], now: int) -> float:
        if len(state) >= KEPT:
            return inf
        total = 0
        for _, value in pairs_since(start(now), state):
            if value < 0:
                return inf
            total += value
        return total

    return summed


def least(rule: Rule, traits: Traits) -> Least | None:
    """What a rule asks for at least; None when it may hold for who did nothing, or counts
    otherwise. `traits` has what the rule needs already.
    """
    match rule:
        case All():
            found = [one for part in rule.all if (one := least(part, traits)) is not None]
            return max(found, key=lambda one: one.size, default=None)
        case InSegment():
            named = traits.segments.get(rule.in_segment)
            return None if named is None else least(named, traits)
        case Did():
            return _least_count(rule, traits)
        case Distinct():
            passes = compile_measure(rule)
            first = next((count for count in range(KEPT + 1) if passes(float(count))), 0)
            kind = measure_kinds(rule)[0 if rule.within is None else 1]
            return Least(traits.of_span(kind, rule.of, rule, rule.path), first) if first else None
        case Sum():
            total = least_sum(rule)
            kind = measure_kinds(rule)[0 if rule.within is None else 1]
            id = traits.of_span(kind, rule.of, rule, rule.path)
            return None if total is None else Least(id, total, rule.within)
        case _:
            return None


def _least_count(rule: Did, traits: Traits) -> Least | None:
    low, _ = count_bounds(rule)
    listed = rule.within is not None or rule.then is not None or rule.then_not is not None
    if low <= 0 or not (listed or rule.where or rule.between):
        return None
    return Least(traits.of_span("times" if listed else "count", rule.did, rule), low)


def least_sum(rule: Sum) -> int | None:
    """The smallest sum, in millionths, that passes, and of which every larger one does; None when
    there is none such, or 0 passes. Doubles decide, so it is sought among them."""
    passes = compile_measure(rule)
    if not rule.only_least or passes(0.0):
        return None
    limits = [float(one) for one in (rule.gt, rule.gte) if one is not UNSET]
    near = int(min(max(limits, default=0.0), LARGEST_SUM) * 1e6)
    slack = 2 + (near >> 48)
    first = near - slack
    places = range(first, near + slack)
    return first + bisect_left(places, True, key=lambda total: passes(total / 1e6))
