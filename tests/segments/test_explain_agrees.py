"""What is said of a rule agrees with what it does: unmet conditions exactly when it fails."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from harken.clock import HOUR
from harken.people.apply import count_event
from harken.people.merge import merge
from harken.people.profile import Profile, Trigger
from harken.segments.explain import unmet
from harken.segments.live import Traits, compile_rule
from harken.segments.rules import All, Any_, Attribute, Did, EventProperty, Not, Rule, Test
from harken.segments.words import describe
from harken.values import Duration

NOW = 1_772_445_600_000
names = st.sampled_from(("a", "b", "a.c"))
events = st.sampled_from(("Go", "Buy"))
scalars = st.sampled_from((0, 1, 2.5, True, False, "", "x", "xy", None, "2026-03-01"))
numbers = st.sampled_from((0.0, 1.0, 2.5))
times = st.sampled_from(("2026-01-01", "2026-03-01", "2027-01-01"))
tests = st.one_of(
    st.builds(lambda v: {"equals": v}, scalars),
    st.builds(lambda v: {"not_equals": v}, scalars),
    st.builds(lambda v: {"in_": v}, st.lists(scalars, max_size=2)),
    st.builds(lambda v: {"not_in": v}, st.lists(scalars, max_size=2)),
    st.builds(lambda v: {"contains": v}, scalars),
    st.builds(lambda v: {"gt": v}, numbers),
    st.builds(lambda v, w: {"gte": v, "lt": w}, numbers, numbers),
    st.builds(lambda v, w: {"between": sorted((v, w))}, numbers, numbers),
    st.builds(lambda v: {"regex": v}, st.sampled_from(("x", "^$", "y$"))),
    st.builds(lambda v: {"before": v}, times),
    st.builds(lambda v: {"after": v}, times),
    st.builds(lambda v: {"exists": v}, st.booleans()),
)
counts = st.one_of(st.none(), st.integers(0, 3))
leaves = st.one_of(
    st.builds(lambda n, t: Attribute(attribute=n, **t), names, tests),
    st.builds(lambda n, t: EventProperty(event_property=n, **t), names, tests),
    st.builds(
        lambda name, where, least, most, hours: Did(
            did=name,
            where={path: Test(**test) for path, test in where.items()},
            at_least=least,
            at_most=most,
            within=Duration(hours * HOUR) if hours else None,
        ),
        events, st.dictionaries(names, tests, max_size=1), counts, counts, st.integers(0, 5),
    ),
)  # fmt: skip
rules = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(All, st.lists(inner, max_size=3)),
        st.builds(Any_, st.lists(inner, max_size=3)),
        st.builds(Not, inner),
    ),
    max_leaves=8,
)
values = st.one_of(scalars, st.lists(scalars, max_size=2), st.fixed_dictionaries({"c": scalars}))
objects = st.dictionaries(st.sampled_from(("a", "b")), values, max_size=2)
happened = st.lists(st.tuples(events, st.integers(0, 6), objects), max_size=8)


def customer(attributes: dict[str, Any], past: list[Any], traits: Traits) -> Profile:
    profile = Profile(id=1, attributes=attributes)
    for name, hours, properties in past:
        event = Trigger(name=name, at=NOW - hours * HOUR, properties=properties)
        count_event(profile, event, traits.by_event, NOW)
    return profile


@settings(max_examples=400, deadline=None)
@given(rules, objects, happened, st.one_of(st.none(), objects))
def test_explained_exactly_when_it_fails(
    rule: Rule, attributes: dict[str, Any], past: list[Any], properties: dict[str, Any] | None
) -> None:
    traits = Traits()
    check = compile_rule(rule, traits)
    profile = customer(attributes, past, traits)
    event = None if properties is None else Trigger(name="Go", at=NOW, properties=properties)
    assert bool(unmet(rule, profile, event, NOW)) != check(profile, event, NOW)
    assert describe(rule)


@settings(max_examples=200, deadline=None)
@given(rules, objects, happened)
def test_a_rule_counts_the_same_over_two_halves_merged(
    rule: Rule, attributes: dict[str, Any], past: list[Any]
) -> None:
    traits = Traits()
    check = compile_rule(rule, traits)
    whole = customer(attributes, past, traits)
    half = customer(attributes, past[::2], traits)
    other = customer({}, past[1::2], traits)
    other.id = 2
    merge(half, other, NOW, "alias")
    assert check(whole, None, NOW) == check(half, None, NOW)
