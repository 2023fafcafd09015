"""Counts, estimates, breakdowns, members and overlaps over a known crowd, by both engines."""

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from reference import Happened, Someone
from set_engines import Click, Duck, both
from set_kit import NOW

from harken.errors import BadInput
from harken.files.reader import read
from harken.segments.check import MOST_CONDITIONS
from harken.segments.questions import (
    ask,
    breakdown,
    count,
    estimate,
    members,
    overlap,
    sample,
)
from harken.segments.rules import Rule
from harken.segments.sql_writing import APART, Asked, Statement

KOREANS = {"attribute": "country", "equals": "KR"}
ADULTS = {"attribute": "age", "gte": 18}
BUYERS = {"did": "Buy", "at_least": 2}


def crowd() -> list[Someone]:
    """A hundred: every second a Korean, every fifth an adult, every tenth bought twice."""
    return [
        Someone(
            id=id,
            attributes={"country": "KR" if id % 2 == 0 else "US", "age": 20 if id % 5 == 0 else 7},
            happened=[Happened("Buy", NOW - 1, {})] * (2 if id % 10 == 0 else 1),
        )
        for id in range(100)
    ]


@pytest.fixture(params=("duckdb", "clickhouse"))
def engine(request: pytest.FixtureRequest) -> Duck | Click:
    (found,) = (one for one in both() if one.dialect.name == request.param)
    found.hold(crowd())
    return found


def answer(engine: Duck | Click, write: Callable[[Asked], Statement]) -> list[Any]:
    asked = Asked(now=NOW, zone=ZoneInfo("UTC"), segments={}, dialect=engine.dialect)
    return [tuple(row) for row in ask(engine.query, asked, write)]


def rule(written: dict[str, Any]) -> Rule:
    return read(written, Rule)


def test_count(engine: Duck | Click) -> None:
    assert answer(engine, lambda asked: count(rule(KOREANS), asked)) == [(50,)]


def test_estimate_looks_at_a_part(engine: Duck | Click) -> None:
    everyone = rule({"any": [KOREANS, {"not": KOREANS}]})
    assert answer(engine, lambda asked: estimate(everyone, asked, 10)) == [(100, 10)]
    assert answer(engine, lambda asked: estimate(rule(BUYERS), asked, 5)) == [(50, 10)]


def test_breakdown_of_all(engine: Duck | Click) -> None:
    both_of = rule({"all": [KOREANS, ADULTS, BUYERS]})
    ((everybody, inside, passed, alone),) = answer(engine, lambda asked: breakdown(both_of, asked))
    assert (everybody, inside) == (100, 10)
    assert list(passed) == [50, 20, 10]
    assert list(alone) == [0, 0, 0]
    pair = rule({"all": [KOREANS, ADULTS]})
    ((_, inside, passed, alone),) = answer(engine, lambda asked: breakdown(pair, asked))
    assert (inside, list(passed), list(alone)) == (10, [50, 20], [10, 40])


def test_breakdown_of_any_and_of_one(engine: Duck | Click) -> None:
    either = rule({"any": [KOREANS, ADULTS]})
    ((_, inside, passed, alone),) = answer(engine, lambda asked: breakdown(either, asked))
    assert (inside, list(passed), list(alone)) == (60, [50, 20], [40, 10])
    ((_, inside, passed, alone),) = answer(engine, lambda asked: breakdown(rule(ADULTS), asked))
    assert (inside, list(passed), list(alone)) == (20, [20], [80])


def test_breakdown_of_as_many_conditions_as_there_may_be(engine: Duck | Click) -> None:
    """It grows with their number, not with its square."""
    for joined, test, inside in (("any", "equals", 100), ("all", "not_equals", 0)):
        parts = [{"attribute": "age", test: age} for age in range(MOST_CONDITIONS)]
        of = rule({joined: parts})
        ((_, found, passed, alone),) = answer(engine, lambda asked, of=of: breakdown(of, asked))
        assert found == inside
        assert {age: count for age, count in enumerate(alone) if count} == {7: 80, 20: 20}
        assert passed[7] == (80 if joined == "any" else 20)


DONE: tuple[dict[str, Any], ...] = (
    {"did": "Buy"},
    {"did": "Buy", "exactly": 2},
    {"did": "Buy", "at_most": 1},
    {"did": "Buy", "then": {"did": "Buy"}},
    {"did": "Buy", "then_not": {"did": "Leave", "in": "1s"}},
    {"sum": "price", "of": "Buy", "gte": 1},
    {"sum": "price", "of": "Buy", "lte": 1},
    {"average": "price", "of": "Buy", "gte": 1},
    {"max": "price", "of": "Buy", "lte": 5},
    {"distinct": "price", "of": "Buy", "gte": 1},
    {"first": "Buy", "longer_ago": "1s"},
    {"last": "Buy", "within": "5s", "is": {"price": {"equals": 2}}},
    {"messages": "opened", "of_last": 1, "at_most": 0},
)


@pytest.mark.parametrize("done", DONE, ids=str)
def test_what_comes_from_the_table_of_many_is_the_same(
    engine: Duck | Click, done: dict[str, Any]
) -> None:
    """Beyond a few sets of customers all others come from one table."""
    engine.hold(
        [
            Someone(
                id=id,
                happened=[
                    Happened("Buy", NOW - 2000 * at, {"price": id % 3}) for at in range(id % 4)
                ]
                + [Happened("$message_sent", NOW - 8, {"message": "m"})] * (id % 2),
            )
            for id in range(24)
        ]
    )
    others = [{"did": f"Other {number}"} for number in range(APART)]
    for condition in (done, {"not": done}):
        few, many = rule(condition), rule({"any": [*others, condition]})
        found = answer(engine, lambda asked, few=few: members(few, asked, None, 99))
        assert 0 < len(found) < 24
        assert found == answer(engine, lambda asked, many=many: members(many, asked, None, 99))


@pytest.mark.parametrize(
    ("kind", "joined", "most"),
    [
        ("did", "all", MOST_CONDITIONS),
        ("did", "any", 200),
        ("sum", "all", 200),
        ("sum", "any", 200),
    ],
)
def test_as_many_things_done_as_there_may_be(
    engine: Duck | Click, kind: str, joined: str, most: int
) -> None:
    """A breakdown grows with their number, not with its square."""
    parts = [
        {"did": "Buy", "at_least": 1 + number}
        if kind == "did"
        else {"sum": "price", "of": "Buy", "gte": number}
        for number in range(most)
    ]
    of = rule({joined: parts})
    bought = {"did": 2, "sum": 1}[kind]
    inside = 100 if joined == "any" else 0
    assert answer(engine, lambda asked: count(of, asked)) == [(inside,)]
    ((_, found, passed, alone),) = answer(engine, lambda asked: breakdown(of, asked))
    assert found == inside
    assert list(passed[:3]) == ([100, 10, 0] if bought == 2 else [100, 0, 0])
    assert sum(alone) == ((90 if bought == 2 else 100) if joined == "any" else 0)


def test_clickhouse_reads_a_long_statement() -> None:
    """Longer than the 256 KB that it reads unless it is told otherwise."""
    _, clickhouse = both()
    text = "x" * 400_000
    assert clickhouse.query(f"SELECT length('{text}')", ()) == [(len(text),)]


def test_members_page_by_page(engine: Duck | Click) -> None:
    found: list[Any] = []
    after: int | None = None
    while page := answer(engine, lambda asked, a=after: members(rule(BUYERS), asked, a, 4)):
        found += page
        after = page[-1][0]
    assert found == [(id, f"u{id}") for id in range(0, 100, 10)]


def test_sample_is_the_same_each_time(engine: Duck | Click) -> None:
    found = answer(engine, lambda asked: sample(rule(KOREANS), asked, 5))
    assert len(found) == 5
    assert found == answer(engine, lambda asked: sample(rule(KOREANS), asked, 5))


def test_overlap(engine: Duck | Click) -> None:
    assert answer(engine, lambda asked: overlap(rule(KOREANS), rule(ADULTS), asked)) == [
        (40, 10, 10)
    ]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ([{"a": "x"}, {"a": {"c": 1, "C": 2}}], [1, 0]),
        ([{"a": "x", "age": 20}, {"a": "x", "age": "old"}, {"a": "x", "age": "20"}], [3, 1]),
    ],
    ids=["keys that differ in case", "a text where others have a number"],
)
def test_what_cannot_be_cast_is_asked_with_care(
    attributes: list[dict[str, Any]], expected: list[int]
) -> None:
    duck, _ = both()
    duck.hold([Someone(id=id, attributes=one) for id, one in enumerate(attributes)])
    texts, numbers = rule({"attribute": "a", "equals": "x"}), rule(ADULTS)
    found = [answer(duck, lambda asked, one=one: count(one, asked)) for one in (texts, numbers)]
    assert [row[0] for (row,) in found] == expected


def test_wrong_sql_is_told() -> None:
    for engine in both():
        with pytest.raises(BadInput):
            engine.query("SELECT nothing_there FROM events", ())
