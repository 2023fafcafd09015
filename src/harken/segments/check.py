"""Faults that rules have together: a segment that is not there, a circle of them, too large."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from harken.errors import Fault
from harken.segments.model import Segment
from harken.segments.rules import All, AnswerIs, Any_, EventProperty, InSegment, Not, Rule

NOBODY: Rule = Any_([])
MOST_CONDITIONS = 1_000
"""Conditions of a rule with those of the segments that it names in their places."""


class Part(NamedTuple):
    """A rule inside a rule, and where it stands."""

    path: str
    rule: Rule


def parts(rule: Rule, path: str) -> Iterator[Part]:
    """The rule itself and every rule in it, outermost first."""
    yield Part(path, rule)
    match rule:
        case All():
            for index, inner in enumerate(rule.all):
                yield from parts(inner, f"{path}.all[{index}]")
        case Any_():
            for index, inner in enumerate(rule.any):
                yield from parts(inner, f"{path}.any[{index}]")
        case Not():
            yield from parts(rule.not_, f"{path}.not")


def segment_faults(
    segments: Mapping[str, Segment], known: Iterable[str] = ()
) -> list[tuple[str, Fault]]:
    """What is wrong with well-formed segments taken together: (its name, the fault).

    `known` are names that others have, which cannot be read.
    """
    rules = {name: segment.rule for name, segment in segments.items()}
    there = dict.fromkeys(known, NOBODY) | rules
    found = []
    for name, rule in rules.items():
        faults = [*rule_faults(rule, "$.rule", there), *event_faults(rule, "$.rule")]
        circle = _circle(name, rules)
        if circle:
            way = " -> ".join(circle)
            faults += [
                Fault(f"{path}.in_segment", f"the segments stand in a circle: {way}")
                for path, inner in parts(rule, "$.rule")
                if isinstance(inner, InSegment) and inner.in_segment == circle[1]
            ]
        found += [(name, fault) for fault in faults]
    return found


def rule_faults(rule: Rule, path: str, segments: Mapping[str, Rule]) -> list[Fault]:
    """Segments that a rule names and that are none, and a rule that they make too large."""
    found = []
    for place, inner in parts(rule, path):
        if isinstance(inner, InSegment) and inner.in_segment not in segments:
            problem = f"there is no segment `{inner.in_segment}`"
            near = get_close_matches(inner.in_segment, segments, n=1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            found.append(Fault(f"{place}.in_segment", problem + hint))
    if _size(rule, segments, frozenset(), {}) > MOST_CONDITIONS:
        problem = f"with the segments it names it has more than {MOST_CONDITIONS} conditions"
        found.append(Fault(path, problem))
    return found


def event_faults(rule: Rule, path: str, of: str = "a segment") -> list[Fault]:
    """Conditions on a run or its triggering event, in a rule that is asked without one."""
    found = []
    for place, inner in parts(rule, path):
        if isinstance(inner, EventProperty):
            problem = f"{of} has no triggering event; use `did` with `where`"
            found.append(Fault(f"{place}.event_property", problem))
        elif isinstance(inner, AnswerIs):
            problem = "only a step of a journey knows what earlier steps learned"
            found.append(Fault(f"{place}.answer", problem))
    return found


def _named(rule: Rule) -> list[str]:
    return [inner.in_segment for _, inner in parts(rule, "") if isinstance(inner, InSegment)]


def _circle(start: str, rules: Mapping[str, Rule]) -> list[str]:
    """The names from `start` round to itself, or none."""
    ways, seen = [[start]], set()
    while ways:
        way = ways.pop()
        for name in _named(rules[way[-1]]):
            if name == start:
                return [*way, start]
            if name in rules and name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []


def _size(
    rule: Rule, segments: Mapping[str, Rule], within: frozenset[str], known: dict[str, int]
) -> int:
    """Conditions of a rule once every segment's rule stands in its place."""
    size = 0
    for _, inner in parts(rule, ""):
        name = inner.in_segment if isinstance(inner, InSegment) else ""
        if name in segments and name not in within:
            if name not in known:
                known[name] = _size(segments[name], segments, within | {name}, known)
            size += known[name]
        elif not isinstance(inner, All | Any_ | Not):
            size += 1
    return size
