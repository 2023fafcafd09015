"""Questions about everybody for whom a rule holds, each as one statement.

All take a rule and `Asked`; `ask` runs them by `History.query` (or the ClickHouse adapter's).
"""

from collections.abc import Callable
from typing import Any

from harken.errors import BadInput
from harken.segments.dialects.duckdb import DUCKDB, UNCASTABLE
from harken.segments.rules import All, Any_, Rule
from harken.segments.sql import condition
from harken.segments.sql_writing import Asked, Statement, Writing, by_halves, careful, sure

Query = Callable[[str, tuple[str, ...]], list[Any]]
"""(SQL, parameters) -> rows."""

ONE_IN = 32
"""An estimate looks at one customer in so many. Ids are hashes, so any remainder is a fair draw."""


def ask(query: Query, asked: Asked, write: Callable[[Asked], Statement]) -> list[Any]:
    """The rows of a question: `ask(history.query, asked, lambda asked: count(rule, asked))`.

    Raises what `query` raises.
    """
    try:
        return query(*write(asked))
    except BadInput as fault:
        if asked.dialect is not DUCKDB or not any(said in str(fault) for said in UNCASTABLE):
            raise
    return query(*write(careful(asked)))


def count(rule: Rule, asked: Asked) -> Statement:
    """One row: how many."""
    writing = Writing(asked)
    where = condition(rule, writing)
    return writing.statement(f"SELECT count(*) {writing.people()} WHERE {where}")


def estimate(rule: Rule, asked: Asked, one_in: int = ONE_IN) -> Statement:
    """One row: about how many, and how many of the sample that is made from.

    Of a sample of n the estimate is off by more than 2 / sqrt(n) of itself once in twenty times.
    """
    writing = Writing(asked, one_in)
    where = condition(rule, writing) + writing.sampled("p.profile_id")
    return writing.statement(
        f"SELECT count(*) * {one_in}, count(*) {writing.people()} WHERE {where}"
    )


# Whoever was considered in an earlier part of a broadcast has a decision that names it.
UNDECIDED = """
 AND p.profile_id NOT IN (SELECT profile_id FROM decisions
    WHERE journey = {journey} AND ts >= {since} AND facts->>'broadcast' = {id})
"""


def selection(rule: Rule, asked: Asked, but_for: tuple[str, str, int] | None = None) -> Statement:
    """Rows of (profile_id, state) of all for whom the rule holds, for `History.prepare_filling`.

    `but_for` (journey, broadcast, ms) leaves out who was considered for that one since then.
    """
    writing = Writing(asked)
    where = condition(rule, writing)
    if but_for is not None:
        journey, id = map(writing.text, but_for[:2])
        where += UNDECIDED.format(journey=journey, since=but_for[2], id=id)
    people = writing.people()
    return writing.statement(f"SELECT p.profile_id, true AS state {people} WHERE {where}")


def breakdown(rule: Rule, asked: Asked) -> Statement:
    """One row: customers, members, [pass each condition], [decided by each condition alone].

    The conditions are the parts of an `all` or `any`, else the rule itself. Decided alone: of an
    `all`, those who fail only this one; of an `any`, those who pass only this one.
    """
    writing = Writing(asked)
    parts = rule.all if isinstance(rule, All) else rule.any if isinstance(rule, Any_) else [rule]
    columns = [f"{sure(condition(part, writing))} AS c{at}" for at, part in enumerate(parts)]
    passed = [f"c{at}" for at in range(len(parts))]
    numbers = [f"CAST({name} AS INTEGER)" for name in passed]
    places = [f"{at} * {number}" for at, number in enumerate(numbers)]
    counted = [*passed, f"{_sum(numbers)} AS passing", f"{_sum(places)} AS places"]
    # Which one decides is told once a customer. To ask it for each condition would make a
    # statement of their square, for engines put the sums in place of their names.
    if isinstance(rule, Any_):
        member, decided, which = "passing > 0", 1, "places"
    else:
        member, decided = f"passing = {len(parts)}", len(parts) - 1
        which = f"{sum(range(len(parts)))} - places"
    alone = writing.dialect.tally(f"CASE WHEN passing = {decided} THEN {which} END", len(parts))
    count_if = writing.dialect.count_if
    return writing.statement(
        f"SELECT count(*), {count_if(member)}, [{', '.join(map(count_if, passed))}], {alone}"
        f" FROM (SELECT {', '.join(counted)} FROM"
        f" (SELECT {', '.join(['p.profile_id', *columns])} {writing.people()}) AS each_one) AS all_"
    )


def _sum(numbers: list[str]) -> str:
    return by_halves(numbers, "+") if numbers else "0"


def members(rule: Rule, asked: Asked, after: int | None, limit: int) -> Statement:
    """Rows (profile_id, user_id) in the order of profile ids, those above `after`."""
    writing = Writing(asked)
    where = condition(rule, writing)
    if after is not None:
        where += f" AND p.profile_id > {int(after)}"
    return writing.statement(
        f"SELECT p.profile_id, p.user_id {writing.people()} WHERE {where}"
        f" ORDER BY p.profile_id LIMIT {int(limit)}"
    )


def sample(rule: Rule, asked: Asked, limit: int) -> Statement:
    """Rows (profile_id, user_id) of some members, the same ones each time."""
    writing = Writing(asked)
    where = condition(rule, writing)
    return writing.statement(
        f"SELECT p.profile_id, p.user_id {writing.people()} WHERE {where}"
        f" ORDER BY p.profile_id % 1000003, p.profile_id LIMIT {int(limit)}"
    )


def overlap(first: Rule, second: Rule, asked: Asked) -> Statement:
    """One row: how many are in the first alone, in both, in the second alone."""
    writing = Writing(asked)
    a, b = sure(condition(first, writing)), sure(condition(second, writing))
    count_if = writing.dialect.count_if
    return writing.statement(
        f"SELECT {count_if('a AND NOT b')}, {count_if('a AND b')}, {count_if('b AND NOT a')}"
        f" FROM (SELECT {a} AS a, {b} AS b {writing.people()}) AS each_one"
    )
