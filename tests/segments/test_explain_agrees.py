"""What is said of a rule agrees with what it does: unmet conditions exactly when it fails."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from live_kit import NOW, customer, happenings, known, leaves, names, objects, people, tests, trees

from harken.files.reader import read
from harken.people.merge import merge
from harken.people.profile import Profile, Trigger
from harken.segments.explain import unmet
from harken.segments.live import compile_rule
from harken.segments.rules import Rule
from harken.segments.words import describe

of_event = st.builds(lambda n, t: {"event_property": n, **t}, names, tests)


@settings(max_examples=600, deadline=None)
@given(trees(leaves | of_event), people, happenings, st.one_of(st.none(), objects))
def test_explained_exactly_when_it_fails(
    written: dict[str, Any],
    person: dict[str, Any],
    past: list[Any],
    properties: dict[str, Any] | None,
) -> None:
    rule, traits = read(written, Rule), known()
    check = compile_rule(rule, traits)
    profile = customer(person, past, traits)
    event = None if properties is None else Trigger(name="Go", at=NOW, properties=properties)
    before = set(traits.by_id)
    found = unmet(rule, profile, event, NOW, traits)
    assert bool(found) != check(profile, event, NOW)
    assert set(traits.by_id) == before
    assert describe(rule)
    assert all(one["rule"].strip() == one["rule"] != "" for one in found)


@settings(max_examples=400, deadline=None)
@given(trees(leaves), people, happenings)
def test_a_rule_counts_the_same_over_two_halves_merged(
    written: dict[str, Any], person: dict[str, Any], past: list[Any]
) -> None:
    rule, traits = read(written, Rule), known()
    check = compile_rule(rule, traits)
    whole = customer(person, past, traits)
    half = customer(person, past[::2], traits)
    other = customer({**person, "attributes": {}}, past[1::2], traits, id=2)
    merge(half, other, NOW, "alias")
    assert check(whole, None, NOW) == check(half, None, NOW)


def test_of_another_segment_its_own_conditions_are_told() -> None:
    rule = read({"all": [{"in_segment": "buyers"}, {"in_list": "guests"}]}, Rule)
    assert unmet(rule, Profile(id=1), None, NOW, known()) == [
        {"rule": "did Buy at least 2 times (segment buyers)", "value": 0},
        {"rule": "on the list guests", "value": False},
    ]
    assert unmet(rule, Profile(id=1), None, NOW)[0] == {
        "rule": "in the segment buyers", "value": None,
    }  # fmt: skip
