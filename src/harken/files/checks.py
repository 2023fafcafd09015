"""What a rule's type does not say, but no author means otherwise: each check yields problems."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import UNSET

from harken.clock import parse_time
from harken.segments.compare import compile_regex
from harken.segments.rules import All, Any_, Did, Test

LONGEST_REGEX = 500
"""Characters in a regular expression."""

Problems = Iterator[tuple[str, str]]
"""(key under the struct, or empty for itself; what is wrong)."""

COMPARISONS = tuple(field.encode_name for field in msgspec.structs.fields(Test))


def check(value: Any) -> Problems:
    """The problems of one struct, its members aside."""
    for type_, look in _CHECKS.items():
        if isinstance(value, type_):
            yield from look(value)


def _test(test: Test) -> Problems:
    given = [
        field.encode_name
        for field in msgspec.structs.fields(Test)
        if getattr(test, field.name) is not UNSET
    ]
    if not given:
        some = ", ".join(f"`{name}`" for name in COMPARISONS[:6])
        yield "", f"needs a comparison: {some} ... or `exists`"
    if test.exists is False and len(given) > 1:
        yield "exists", "a value that does not exist passes no other comparison; keep one"
    for name, values in (("in", test.in_), ("not_in", test.not_in)):
        if values is not UNSET and not values:
            yield name, "the list is empty; name at least one value"
    yield from _between(test)
    yield from _regex(test)
    for name, at in (("before", test.before), ("after", test.after)):
        if at is not UNSET and parse_time(at) is None:
            yield name, f"{at[:40]!r} is no date or time; write 2026-01-31 or 2026-01-31T09:00:00Z"


def _between(test: Test) -> Problems:
    if test.between is UNSET:
        return
    if len(test.between) != 2:
        yield "between", f"needs two numbers, lowest first; it has {len(test.between)}"
    elif test.between[0] > test.between[1]:
        low, high = sorted(test.between)
        yield "between", f"the lowest comes first: [{low:g}, {high:g}]"


def _regex(test: Test) -> Problems:
    if test.regex is UNSET:
        return
    if len(test.regex) > LONGEST_REGEX:
        yield "regex", f"is {len(test.regex)} characters long; at most {LONGEST_REGEX}"
        return
    try:
        compile_regex(test.regex)
    except ValueError as fault:
        yield "regex", str(fault)


def _did(did: Did) -> Problems:
    for name in ("at_least", "at_most", "exactly"):
        count = getattr(did, name)
        if count is not None and count < 0:
            yield name, f"a count cannot be negative; it is {count}"
    if did.exactly is not None and (did.at_least is not None or did.at_most is not None):
        yield "exactly", "stands alone; remove `at_least` and `at_most`, or `exactly`"
    if did.at_least is not None and did.at_most is not None and did.at_least > did.at_most:
        yield "at_least", f"is more than `at_most` ({did.at_most}); nobody did that"


def _all(rule: All) -> Problems:
    if not rule.all:
        yield "all", "the list is empty; write at least one rule"


def _any(rule: Any_) -> Problems:
    if not rule.any:
        yield "any", "the list is empty; write at least one rule"


_CHECKS: dict[type, Callable[[Any], Problems]] = {Test: _test, Did: _did, All: _all, Any_: _any}
