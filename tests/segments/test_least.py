"""While a trait holds less than a rule asks for, the rule fails, now and later."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import Someone
from set_kit import NOW, SEGMENTS, crowds, document, rules

from harken.clock import HOUR
from harken.files.reader import read
from harken.people.apply import count_event
from harken.people.profile import Trigger
from harken.segments.least import least
from harken.segments.live import Traits, compile_rule
from harken.segments.rules import Rule

VIEWED = {"did": "Viewed", "within": "30d"}


@pytest.mark.parametrize(
    ("written", "count"),
    [
        (VIEWED, 1),
        ({**VIEWED, "at_least": 3}, 3),
        ({**VIEWED, "exactly": 2}, 2),
        ({**VIEWED, "at_most": 2}, None),
        ({"did": "Viewed"}, None),
        ({"did": "Viewed", "then": {"did": "Bought", "in": "1d"}, "at_least": 2}, 2),
        ({"did": "Viewed", "then_not": {"did": "Bought", "in": "1d"}}, 1),
        ({"did": "Viewed", "where": {"a": {"equals": 1}}, "at_least": 3}, 3),
        ({"did": "Viewed", "between": ["2026-01-01", "2026-02-01"], "at_least": 3}, 3),
        ({"sum": "price", "of": "Bought", "gte": 200}, 200_000_000),
        ({"sum": "price", "of": "Bought", "gt": 200, "within": "90d"}, 200_000_001),
        ({"sum": "price", "of": "Bought", "gte": 0}, None),
        ({"sum": "price", "of": "Bought", "gte": 200, "lt": 300}, None),
        ({"sum": "price", "of": "Bought", "equals": 200}, None),
        ({"average": "price", "of": "Bought", "gte": 200}, None),
        ({"distinct": "id", "of": "Viewed", "gt": 4}, 5),
        ({"distinct": "id", "of": "Viewed", "within": "7d", "gte": 4.5}, 5),
        ({"distinct": "id", "of": "Viewed", "lt": 4}, None),
        ({"all": [VIEWED, {**VIEWED, "at_least": 3}, {"attribute": "a", "equals": 1}]}, 3),
        ({"any": [VIEWED]}, None),
        ({"not": VIEWED}, None),
        ({"in_segment": "often"}, 4),
    ],
)
def test_what_a_rule_asks_for(written: dict[str, Any], count: int | None) -> None:
    rule = read(written, Rule)
    traits = Traits({"often": read({**VIEWED, "at_least": 4}, Rule)})
    compile_rule(rule, traits)
    before = set(traits.by_id)
    found = least(rule, traits)
    assert (found.size if found else None) == count
    assert set(traits.by_id) == before


@settings(max_examples=200, deadline=None)
@given(written=rules, crowd=crowds(3), later=st.sampled_from((0, HOUR, 60 * HOUR)))
def test_who_has_less_is_not_in(written: dict[str, Any], crowd: list[Someone], later: int) -> None:
    traits = Traits({name: read(rule, Rule) for name, rule in SEGMENTS.items()}, ZoneInfo("UTC"))
    rule = read(written, Rule)
    check = compile_rule(rule, traits)
    known = set(traits.by_id)
    wanted = least(rule, traits)
    assert set(traits.by_id) == known
    for who in crowd if wanted else ():
        profile = document(who)
        for one in who.happened:
            event = Trigger(name=one.name, at=one.at, properties=one.properties)
            count_event(profile, event, traits.by_event, NOW)
        state = profile.traits.get(wanted.trait) if wanted else None
        if wanted and (state is None or wanted.holds()(state, NOW) < wanted.size):
            assert not check(profile, None, NOW + later)
