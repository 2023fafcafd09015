"""Which rules fail for everybody of whom nothing was counted."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import Someone
from set_kit import NOW, SEGMENTS, crowds, document, rules

from harken.clock import DAY, HOUR
from harken.files.reader import read
from harken.segments.live import Traits, compile_rule
from harken.segments.nothing import fails_for_nothing
from harken.segments.rules import Rule

LOOKED = {"did": "Product Viewed", "where": {"product": "A"}, "at_least": 3, "within": "30d"}
SPENT = {"sum": "total", "of": "Order Completed", "within": "90d", "gte": 200}
KOREAN = {"attribute": "country", "equals": "KR"}
EVER = {"did": "Product Viewed"}

FAIL: tuple[dict[str, Any], ...] = (
    LOOKED,
    SPENT,
    {"all": [KOREAN, LOOKED]},
    {"any": [LOOKED, SPENT]},
    {"not": {"not": LOOKED}},
    {"all": [{"not": {"sum": "total", "of": "Order Completed", "lt": 5}}, KOREAN]},
    {"in_segment": "keen"},
    {"in_segment": "gone"},
    {"did": "Signed Up", "then_not": {"did": "Order Completed", "in": "7d"}, "within": "30d"},
    {"messages": "opened", "of_last": 5, "at_most": 0},
)
MAY_HOLD: tuple[dict[str, Any], ...] = (
    {"not": LOOKED},
    {"any": [KOREAN, LOOKED]},
    {"sum": "total", "of": "Order Completed", "within": "90d", "lt": 200},
    {**LOOKED, "at_least": 0, "at_most": 2},
    KOREAN,
    # By the counts that every document has.
    EVER,
    {"all": [EVER, KOREAN]},
    {"in_segment": "others"},
)


def known(names: dict[str, Any], zone: str = "UTC") -> Traits:
    return Traits({name: read(rule, Rule) for name, rule in names.items()}, ZoneInfo(zone))


def fails(written: dict[str, Any], traits: Traits) -> bool:
    rule = read(written, Rule)
    compile_rule(rule, traits)
    return fails_for_nothing(rule, traits.by_id.keys(), traits)


@pytest.mark.parametrize("written", FAIL, ids=str)
def test_fails(written: dict[str, Any]) -> None:
    assert fails(written, known({"keen": LOOKED}))


@pytest.mark.parametrize("written", MAY_HOLD, ids=str)
def test_may_hold(written: dict[str, Any]) -> None:
    assert not fails(written, known({"others": {"not": LOOKED}}))


def test_what_an_older_trait_has_counted_is_not_nothing() -> None:
    rule, traits = read({"all": [LOOKED]}, Rule), known({})
    compile_rule(rule, traits)
    assert not fails_for_nothing(rule, (), traits)


@settings(max_examples=200, deadline=None)
@given(written=rules, crowd=crowds(2), later=st.sampled_from((0, HOUR, 40 * DAY)))
def test_it_is_so_whatever_else_they_are(
    written: dict[str, Any], crowd: list[Someone], later: int
) -> None:
    traits = known(SEGMENTS, "Asia/Seoul")
    if fails(written, traits):
        check = compile_rule(read(written, Rule), traits)
        assert not any(check(document(who), None, NOW + later) for who in crowd)
