"""One language, four answers: the reference, the document, DuckDB and ClickHouse all agree."""

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from reference import Someone, World, holds
from set_engines import Click, Duck, both
from set_kit import NOW, SEGMENTS, ZONES, crowds, document, rules, world

from harken.clock import DAY, HOUR
from harken.files.reader import read
from harken.people.apply import count_event
from harken.people.profile import Trigger
from harken.people.traits import MACHINES_DO
from harken.segments.live import Traits, compile_rule
from harken.segments.questions import ask, breakdown, overlap
from harken.segments.rules import All, Any_, Rule
from harken.segments.sql import compile_members
from harken.segments.sql_writing import Asked, Statement

KNOWN: dict[str, Rule] = {name: read(rule, Rule) for name, rule in SEGMENTS.items()}
# The end of February in a year of 28 days and in one of 29 is among them.
LATER = (0, HOUR, 3 * HOUR + 1, DAY, 60 * HOUR, 363 * DAY, 400 * DAY, 728 * DAY, 729 * DAY)


def by_reference(rule: dict[str, Any], crowd: list[Someone], at: World) -> set[int]:
    return {who.id for who in crowd if holds(rule, who, at)}


def by_document(rule: Rule, crowd: list[Someone], at: World) -> set[int]:
    """Every event counted in the document when it came, and asked when time has passed."""
    traits = Traits(KNOWN, ZoneInfo(at.zone))
    check = compile_rule(rule, traits)
    found = set()
    for who in crowd:
        profile = document(who)
        for one in who.happened:
            if not (one.properties.get("machine") is True and one.name in MACHINES_DO):
                event = Trigger(name=one.name, at=one.at, properties=one.properties)
                count_event(profile, event, traits.by_event, NOW)
        if check(profile, None, at.now):
            found.add(who.id)
    return found


def by_engine(rule: Rule, engine: Duck | Click, at: World) -> set[int]:
    asked = Asked(now=at.now, zone=ZoneInfo(at.zone), segments=KNOWN, dialect=engine.dialect)
    found = ask(engine.query, asked, lambda asked: compile_members(rule, asked))
    assert len({row[0] for row in found}) == len(found)
    return {row[0] for row in found}


@settings(max_examples=25, deadline=None)
@given(crowd=crowds(5), written=st.lists(rules, min_size=4, max_size=8), data=st.data())
def test_all_forms_agree(
    crowd: list[Someone],
    written: list[dict[str, Any]],
    data: st.DataObject,
) -> None:
    for engine in both():
        engine.hold(crowd)
    for one in written:
        rule = read(one, Rule)
        at = world(NOW + data.draw(st.sampled_from(LATER)), data.draw(st.sampled_from(ZONES)))
        expected = by_reference(one, crowd, at)
        assert by_document(rule, crowd, at) == expected, "the document"
        for engine in both():
            assert by_engine(rule, engine, at) == expected, engine.dialect.name


@settings(max_examples=25, deadline=None)
@given(crowd=crowds(6), written=st.lists(rules, min_size=2, max_size=3))
def test_questions_count_as_the_reference_does(
    crowd: list[Someone], written: list[dict[str, Any]]
) -> None:
    at = world(NOW, "UTC")
    inside = [by_reference(one, crowd, at) for one in written]
    everybody = {who.id for who in crowd}
    numbers = range(len(written))
    others = [[inside[other] for other in numbers if other != one] for one in numbers]
    fail_only = [len((everybody - inside[one]).intersection(*others[one])) for one in numbers]
    pass_only = [len(inside[one].difference(*others[one])) for one in numbers]
    a, b = inside[:2]
    first, second, *_ = rules_of = [read(one, Rule) for one in written]
    for engine in both():
        engine.hold(crowd)
        for rule, members, alone in (
            (All(rules_of), set.intersection(*inside), fail_only),
            (Any_(rules_of), set.union(*inside), pass_only),
        ):
            found = asked_of(engine, lambda asked, rule=rule: breakdown(rule, asked))
            expected = [len(crowd), len(members), [len(one) for one in inside], alone]
            assert [*found[:2], *map(list, found[2:])] == expected, engine.dialect.name
        found = asked_of(engine, lambda asked: overlap(first, second, asked))
        assert list(found) == [len(a - b), len(a & b), len(b - a)], engine.dialect.name


def asked_of(engine: Duck | Click, write: Callable[[Asked], Statement]) -> tuple[Any, ...]:
    """The one row of a question."""
    asked = Asked(now=NOW, zone=ZoneInfo("UTC"), segments=KNOWN, dialect=engine.dialect)
    (row,) = ask(engine.query, asked, write)
    return tuple(row)
