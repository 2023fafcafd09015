"""A trait from history is what taking the events one by one makes of it."""

from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from reference import Happened, Someone
from set_engines import Click, Duck, batch_of, both
from set_kit import SEGMENTS, accepted, crowds, dids, measures, messages, occasions

from harken.files.reader import read
from harken.people.profile import Trigger
from harken.people.traits import MACHINES_DO, Trait, make_trait
from harken.segments.live import Traits, compile_rule
from harken.segments.rules import Rule
from harken.segments.sql_traits import state_from, trait_states

KNOWN: dict[str, Rule] = {name: read(rule, Rule) for name, rule in SEGMENTS.items()}


def needed(written: list[dict[str, Any]]) -> list[Trait]:
    traits = Traits(KNOWN, ZoneInfo("UTC"))
    for one in written:
        compile_rule(read(one, Rule), traits)
    return list(traits.by_id.values())


def one_by_one(trait: Trait, crowd: list[Someone], upto: int) -> dict[int, Any]:
    found = {}
    for who in crowd:
        state = None
        for index, one in enumerate(who.happened):
            by_machine = one.properties.get("machine") is True and one.name in MACHINES_DO
            if one.name in trait.events and batch_of(index) <= upto and not by_machine:
                event = Trigger(name=one.name, at=one.at, properties=one.properties)
                # At a time so early that nothing has left a window.
                state = trait.take(state, event, 0)
        if state is not None:
            found[who.id] = state
    return found


def from_history(trait: Trait, engine: Duck | Click, upto: int) -> dict[int, Any]:
    rows = engine.query(*trait_states(trait, upto, engine.dialect))
    return {profile_id: state_from(trait, raw) for profile_id, raw in rows}


behaviour = st.one_of(dids, measures, measures, occasions, messages)


@settings(max_examples=15, deadline=None)
@given(crowd=crowds(5), written=st.lists(behaviour.filter(accepted), min_size=2, max_size=5))
def test_states_from_history(crowd: list[Someone], written: list[dict[str, Any]]) -> None:
    for engine in both():
        engine.hold(crowd)
    for trait in needed(written):
        for upto in (1, 2):
            expected = one_by_one(trait, crowd, upto)
            for engine in both():
                found = from_history(trait, engine, upto)
                assert found == expected, (engine.dialect.name, trait.id)
                if trait.kind == "messages":
                    assert [list(state["sent"]) for state in found.values()] == [
                        list(expected[who]["sent"]) for who in found
                    ]


def test_only_events_since_a_time_are_counted() -> None:
    crowd = [Someone(id=id, happened=[]) for id in (3, 4, 5)]
    for who in crowd:
        who.happened = [Happened("Go", at, {}) for at in (30, 10, 20)]
    duck, _ = both()
    duck.hold(crowd)
    (trait,) = needed([{"did": "Go", "within": "1h"}])
    found = duck.query(*trait_states(trait, 2, duck.dialect, since=15))
    assert sorted(found) == [(id, [20, 30]) for id in (3, 4, 5)]


values = st.one_of(
    st.sampled_from(["a", "b", "A", 'q"', "Ω", "", 7, -7, 10**15, 1.5, True, None]),
    st.lists(st.integers(0, 2), max_size=1),
    st.just("x" * 201),
)
lines = st.one_of(
    st.lists(st.one_of(st.builds(lambda id: {"id": {"of": id}}, values), values), max_size=3),
    values,
)
orders = st.fixed_dictionaries({}, optional={"items": lines, "id": st.just({"of": "own"})})


@settings(max_examples=30, deadline=None)
@given(bought=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9), orders), max_size=12))
def test_items_from_history(bought: list[tuple[int, int, dict[str, Any]]]) -> None:
    trait = make_trait("items", ("Bought",), path="items[].id.of")
    crowd = [Someone(id=id, happened=[]) for id in range(4)]
    for who, at, properties in bought:
        crowd[who].happened.append(Happened("Bought", at, properties))
    for engine in both():
        engine.hold(crowd)
        assert from_history(trait, engine, 2) == one_by_one(trait, crowd, 2), engine.dialect.name
