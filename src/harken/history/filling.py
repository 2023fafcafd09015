"""Back-fill: what a trait has counted of every customer's past, kept until documents have it.

One long statement over all events fills a table of its own, in the order of profile ids, so that
the states of a range of customers are read from few places. It runs in slices of ids, because the
lists that some traits keep cannot leave memory; and in one transaction, because between slices a
merge could move events from one to the other.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import duckdb

from harken.errors import BadInput
from harken.history.answers import plain
from harken.ids import IDS

NAME = re.compile(r"[A-Za-z0-9_]{1,60}")
PREFIX = "filling_"
READY = frozenset({"BIGINT", "BIGINT[]", "VARCHAR[]"})
"""Types of states that Python has as we want them."""
ROWS_OF_A_SLICE = 2_000_000
MOST_SLICES = 1 << 14
EXISTS = "SELECT count(*) FROM duckdb_tables() WHERE table_name = $1"
LISTED = f"SELECT table_name FROM duckdb_tables() WHERE starts_with(table_name, '{PREFIX}')"


def table_of(trait_id: str) -> str:
    """The table of a trait. Raises BadInput."""
    if not NAME.fullmatch(trait_id):
        raise BadInput(f"{trait_id!r} is no trait; its id has letters, digits and '_', 60 at most")
    return f'"{PREFIX}{trait_id}"'


def exists(cursor: duckdb.DuckDBPyConnection, trait_id: str) -> bool:
    return _number(cursor.execute(EXISTS, [f"{PREFIX}{trait_id}"])) > 0


def tables(cursor: duckdb.DuckDBPyConnection) -> list[str]:
    """Every table of a trait."""
    return [f'"{name}"' for (name,) in cursor.execute(LISTED).fetchall()]


def count(cursor: duckdb.DuckDBPyConnection, trait_id: str) -> int:
    return _number(cursor.execute(f"SELECT count(*) FROM {table_of(trait_id)}"))


def prepare(
    cursor: duckdb.DuckDBPyConnection, trait_id: str, sql: str, params: Sequence[Any]
) -> None:
    """Begin a transaction and fill the table; the caller commits, or rolls back what is raised."""
    rows = _number(cursor.execute("SELECT count(*) FROM events"))
    slices = 1 + rows // ROWS_OF_A_SLICE
    while True:
        cursor.execute("BEGIN")
        try:
            _fill(cursor, table_of(trait_id), sql, list(params), slices)
            return
        except duckdb.OutOfMemoryException:
            if slices >= MOST_SLICES:
                raise
            cursor.execute("ROLLBACK")
            slices *= 4


def _fill(
    cursor: duckdb.DuckDBPyConnection, table: str, sql: str, params: list[Any], slices: int
) -> None:
    edges = [IDS * number // slices for number in range(slices)] + [IDS]
    for number, (low, high) in enumerate(pairwise(edges)):
        make = f"INSERT INTO {table}" if number else f"CREATE TABLE {table} AS"
        cursor.execute(
            f"{make} SELECT profile_id, state FROM ({sql}) WHERE profile_id BETWEEN {low}"
            f" AND {high - 1} ORDER BY profile_id",
            params,
        )


def read(
    cursor: duckdb.DuckDBPyConnection, trait_id: str, after: int, upto: int
) -> list[tuple[int, Any]]:
    """(profile id, state) of customers above `after`, `upto` included."""
    sql = f"SELECT profile_id, state FROM {table_of(trait_id)} WHERE profile_id > $1"
    rows = cursor.execute(f"{sql} AND profile_id <= $2", [after, upto]).fetchall()
    if str(cursor.description[1][1]) in READY:
        return rows
    return [(id, plain(state)) for id, state in rows]


def ids(cursor: duckdb.DuckDBPyConnection, trait_id: str, after: int, limit: int) -> list[int]:
    """Customers above `after`, in order."""
    sql = f"SELECT profile_id FROM {table_of(trait_id)} WHERE profile_id > $1"
    rows = cursor.execute(f"{sql} ORDER BY profile_id LIMIT $2", [after, limit]).fetchall()
    return [row[0] for row in rows]


def drop(cursor: duckdb.DuckDBPyConnection, trait_id: str) -> None:
    cursor.execute(f"DROP TABLE IF EXISTS {table_of(trait_id)}")


def forget(cursor: duckdb.DuckDBPyConnection, table: str, profile_ids: Sequence[int]) -> None:
    cursor.execute(
        f"DELETE FROM {table} WHERE profile_id IN (SELECT unnest($1::BIGINT[]))", [profile_ids]
    )


def _number(cursor: duckdb.DuckDBPyConnection) -> int:
    found = cursor.fetchone()
    return int(found[0]) if found else 0
