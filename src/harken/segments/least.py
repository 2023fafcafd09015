"""Of how many things that a customer did a rule asks at least: most are far from it, most of the
time, and then the rule need not be asked.
"""

from typing import NamedTuple

from harken.people.traits import KEPT
from harken.segments.behaviour import count_bounds, measure_kinds
from harken.segments.compare import compile_measure
from harken.segments.needs import Traits
from harken.segments.rules import All, Did, Distinct, InSegment, Rule


class Least(NamedTuple):
    """The rule fails, now and later, while the trait's list is shorter."""

    trait: str
    size: int


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
        case Did() if rule.within is not None or rule.then or rule.then_not:
            low, _ = count_bounds(rule)
            return Least(traits.of_span("times", rule.did, rule), low) if low > 0 else None
        case Distinct():
            passes = compile_measure(rule)
            first = next((count for count in range(KEPT + 1) if passes(float(count))), 0)
            kind = measure_kinds(rule)[0 if rule.within is None else 1]
            return Least(traits.of_span(kind, rule.of, rule, rule.path), first) if first else None
        case _:
            return None
