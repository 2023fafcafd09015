"""Numbers are read quickly where there is nothing else, and rightly where there is."""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from reference import Happened, Someone, World, holds
from set_engines import Duck
from set_kit import NOW

from harken.errors import BadInput
from harken.files.reader import read
from harken.history import duck_write
from harken.numeric import ANYWHERE
from harken.segments.check import MOST_CONDITIONS
from harken.segments.questions import ask, count
from harken.segments.rules import Rule
from harken.segments.sql import compile_members
from harken.segments.sql_writing import Asked

RULES: tuple[dict[str, Any], ...] = (
    {"attribute": "age", "gte": 5},
    {"attribute": "age", "in": [1, 7]},
    {"attribute": "age", "between": [0, 7.5]},
    {"not": {"attribute": "age", "lt": 7}},
    {"sum": "age", "of": "Buy", "gte": 5},
    {"average": "age", "of": "Buy", "lte": 7},
    {"min": "age", "of": "Buy", "gt": 0},
    {"did": "Buy", "where": {"age": {"equals": 1}}},
    {"distinct": "age", "of": "Buy", "gte": 1},
)
NUMBERS = (7, 7.5, 1, 0, -3, 2**63, 1e300)
OTHERS = ("7", "1", " 7 ", "1e3", "inf", "0101", "1" * 64, "seven", "", True, False, [7], {"a": 7})


class Counting(Duck):
    """Counts the questions that it had to refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = 0

    def query(self, sql: str, params: tuple[str, ...]) -> list[Any]:
        try:
            return super().query(sql, params)
        except BadInput:
            self.refused += 1
            raise


def crowd(values: tuple[Any, ...]) -> list[Someone]:
    """One customer a value, who has it and did it; and one who has none."""
    told = [
        Someone(id=id, attributes={"age": value}, happened=[Happened("Buy", NOW, {"age": value})])
        for id, value in enumerate(values, 1)
    ]
    return [*told, Someone(id=999, attributes={"name": "x"}, happened=[Happened("Buy", NOW, {})])]


def answers(duck: Duck, asked_of: list[Someone]) -> Iterator[tuple[set[int], set[int]]]:
    """What DuckDB says to each rule, and what the reference does."""
    at = World(NOW, "UTC", {})
    for written in RULES:
        rule, asked = read(written, Rule), Asked(now=NOW, zone=ZoneInfo("UTC"), segments={})
        found = ask(duck.query, asked, lambda asked, rule=rule: compile_members(rule, asked))  # type: ignore[misc]
        yield {id for (id,) in found}, {who.id for who in asked_of if holds(written, who, at)}


def test_where_there_are_but_numbers_no_question_is_asked_twice() -> None:
    duck, numbers = Counting(), crowd(NUMBERS)
    duck.hold(numbers)
    assert all(found == right for found, right in answers(duck, numbers))
    assert duck.refused == 0


@pytest.mark.parametrize("other", OTHERS, ids=repr)
def test_what_is_no_number_is_told_from_one_from_the_moment_it_is_there(other: Any) -> None:
    duck, mixed = Counting(), crowd((*NUMBERS, other))
    duck.hold(mixed)
    assert all(found == right for found, right in answers(duck, mixed))
    assert duck.refused > 0


def test_a_thousand_conditions_take_little_memory() -> None:
    duck = Counting()
    duck.query("SET memory_limit = '100MB'", ())
    duck.query("SET threads = 1", ())
    duck.add([Someone(id=id, attributes={"age": id}) for id in range(5_000)])
    some = [{"attribute": "age", "equals": age} for age in range(MOST_CONDITIONS)]
    rule, asked = read({"any": some}, Rule), Asked(now=NOW, zone=ZoneInfo("UTC"), segments={})
    assert ask(duck.query, asked, lambda asked: count(rule, asked)) == [(MOST_CONDITIONS,)]
    assert duck.refused == 0


def test_what_went_may_have_left_more() -> None:
    duck, numbers = Counting(), crowd(NUMBERS)
    duck.hold(crowd(("7",)))
    duck.clear()
    duck.add(numbers)
    assert all(found == right for found, right in answers(duck, numbers))
    assert duck.refused > 0


def test_of_rows_from_before_the_marks_nothing_is_believed() -> None:
    cursor = duckdb.connect()
    cursor.execute(duck_write.SCHEMA)
    cursor.execute("INSERT INTO events (ts) VALUES (1); DROP TABLE not_numbers")
    for _ in range(2):
        cursor.execute(duck_write.SCHEMA)
        assert cursor.execute("FROM not_numbers").fetchall() == [(ANYWHERE,)]


def test_of_more_keys_than_can_be_looked_up_quickly_none_is_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(duck_write, "MOST_NOTED", 3)
    duck = Counting()
    duck.hold([Someone(id=0, attributes={f"key {number}": "x" for number in range(5)})])
    duck.clear()
    duck.add(numbers := crowd(NUMBERS))
    assert all(found == right for found, right in answers(duck, numbers))
    assert duck.refused > 0
