"""Tests of values as closures: one comparison each, joined as cheaply as may be.

Numbers compare as doubles, as in every engine; a flag is no number, and a text is none.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import re2
from msgspec import UNSET

from harken.clock import parse_date
from harken.people.traits import as_double
from harken.segments.rules import Measure, Scalar, Test, Where, lookup

Passes = Callable[[Any], bool]
"""The value (UNSET when there is none) -> whether it passes."""
Properties = dict[str, Any]
Search = Callable[[bytes], Any]
"""Whether a pattern is found in a text: not None."""

LONGEST_TEXT = 10_000
"""Regular expressions look at this much of a value."""
LARGEST_PROGRAM = 10_000
"""RE2's instructions. A set has but its automaton, whose states of a larger one could outgrow RE2's
memory; a search has another way then."""

date_of: Callable[[str], int | None] = lru_cache(maxsize=10_000)(parse_date)
"""`parse_date`, remembered: the same few dates are met again and again."""


def compile_where(where: Where) -> Callable[[Properties], bool]:
    """Conditions on an event's properties as one closure."""
    parts = [_of_property(path, compile_test(test)) for path, test in where.items()]
    return every(parts)


def compile_test(test: Test) -> Passes:
    """All comparisons of a test as one closure over a value (UNSET when there is none)."""
    return every(list(_comparisons(test)))


def has_comparison(test: Test) -> bool:
    """Whether the test asks anything of the value."""
    return any(True for _ in _comparisons(test))


def compile_measure(rule: Measure) -> Callable[[float], bool]:
    """The comparisons of a sum or the like."""
    if rule.equals is UNSET:
        return every(list(_bounds(rule)))
    wanted = float(rule.equals)
    return every([lambda value: value == wanted, *_bounds(rule)])


def compile_regex(pattern: str) -> Search:
    """An RE2 pattern: linear time on any value. Raises ValueError when it is none."""
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
        search: Search = compiled.search
        if compiled.programsize <= LARGEST_PROGRAM:
            # A set of one: it tells only whether, and takes less than half as long.
            alone = re2.Set.SearchSet(options)
            alone.Add(pattern)
            alone.Compile()
            search = alone.Match
        return search
    except re2.error as fault:
        said = fault.args[0] if fault.args else ""
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise ValueError(f"{pattern!r} is no regular expression (RE2): {text}") from None


def instant(text: str) -> int:
    """A date or time of a rule in ms. Raises ValueError with what would be right."""
    at = parse_date(text)
    if at is None:
        raise ValueError(f"{text[:40]!r} is no date; write 2026-01-31 or 2026-01-31T09:00:00Z")
    return at


def every(parts: list[Callable[[Any], bool]]) -> Callable[[Any], bool]:
    """One closure of several over the same value; all pass."""
    if not parts:
        return lambda value: True
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 2:
        first, second = parts
        return lambda value: first(value) and second(value)

    def passes(value: Any) -> bool:
        for part in parts:  # noqa: SIM110 - all() with a generator costs three times as much
            if not part(value):
                return False
        return True

    return passes


def _of_property(path: str, passes: Passes) -> Callable[[Properties], bool]:
    if "." in path:
        return lambda properties: passes(lookup(properties, path))

    def plain(properties: Properties) -> bool:
        value = properties.get(path)
        return passes(UNSET if value is None else value)

    return plain


def _comparisons(test: Test) -> Iterable[Passes]:
    if test.exists is not UNSET:
        wanted = test.exists
        yield lambda value: (value is not UNSET) == wanted
    if test.equals is not UNSET:
        yield _equals(test.equals)
    if test.not_equals is not UNSET:
        same = _equals(test.not_equals)
        yield lambda value: value is not UNSET and not same(value)
    if test.in_ is not UNSET:
        yield _one_of(test.in_)
    if test.not_in is not UNSET:
        inside = _one_of(test.not_in)
        yield lambda value: value is not UNSET and not inside(value)
    if test.contains is not UNSET:
        yield _contains(test.contains)
    for part in _bounds(test):
        yield _number(part)
    if test.between is not UNSET:
        low, high = float(test.between[0]), float(test.between[1])
        yield _number(lambda value: low <= value <= high)
    if test.regex is not UNSET:
        yield _matches(test.regex)
    if test.before is not UNSET:
        before = instant(test.before)
        yield _date(lambda at: at < before)
    if test.after is not UNSET:
        after = instant(test.after)
        yield _date(lambda at: at > after)
    if test.some is not UNSET:
        yield _some(test.some)


def _equals(wanted: Scalar | None) -> Passes:
    if wanted is None:
        return lambda value: value is UNSET
    if isinstance(wanted, str):
        # A text equals nothing but a text.
        return lambda value: bool(value == wanted)
    if isinstance(wanted, bool):
        return lambda value: value is wanted
    double = as_double(wanted)
    return _number(lambda value: value == double)


def _one_of(choices: list[Scalar]) -> Passes:
    texts = frozenset(one for one in choices if isinstance(one, str))
    flags = frozenset(one for one in choices if isinstance(one, bool))
    numbers = frozenset(
        as_double(one)
        for one in choices
        if isinstance(one, int | float) and not isinstance(one, bool)
    )

    def passes(value: Any) -> bool:
        kind = type(value)
        if kind is str:
            return value in texts
        if kind is bool:
            return value in flags
        return (kind is int or kind is float) and as_double(value) in numbers

    return passes


def _contains(wanted: Scalar) -> Passes:
    same = _equals(wanted)

    def passes(value: Any) -> bool:
        if isinstance(value, str):
            return isinstance(wanted, str) and wanted in value
        return isinstance(value, list) and any(same(item) for item in value)

    return passes


def _bounds(test: Test | Measure) -> Iterable[Callable[[float], bool]]:
    """The orders of a test, over a double."""
    if test.gt is not UNSET:
        yield float(test.gt).__lt__
    if test.gte is not UNSET:
        yield float(test.gte).__le__
    if test.lt is not UNSET:
        yield float(test.lt).__gt__
    if test.lte is not UNSET:
        yield float(test.lte).__ge__


def _number(passes: Callable[[float], bool]) -> Passes:
    def number(value: Any) -> bool:
        kind = type(value)
        if kind is float:
            return passes(value)
        return kind is int and passes(as_double(value))

    return number


def _matches(pattern: str) -> Passes:
    search = compile_regex(pattern)

    def passes(value: Any) -> bool:
        if not isinstance(value, str):
            return False
        # As bytes: for a text the library also works out where in it the match lies.
        return search(value[:LONGEST_TEXT].encode("utf-8", "surrogatepass")) is not None

    return passes


def _date(passes: Callable[[int], bool]) -> Passes:
    def date(value: Any) -> bool:
        at = date_of(value) if isinstance(value, str) else None
        return at is not None and passes(at)

    return date


def _some(where: Where) -> Passes:
    one = compile_where(where)
    return lambda value: (
        isinstance(value, list) and any(isinstance(item, dict) and one(item) for item in value)
    )
