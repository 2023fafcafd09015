"""The engines that answer the set form in tests, each filled with the same customers."""

from functools import cache
from typing import Any

import duckdb
from reference import Happened, Someone
from set_kit import NOW, json, snapshot

from harken.effects import Happening
from harken.errors import BadInput
from harken.history import duck_write
from harken.history.clickhouse import ClickHouse
from harken.history.rows import Gathering
from harken.segments.dialects.clickhouse import CLICKHOUSE
from harken.segments.dialects.duckdb import DUCKDB


def batch_of(index: int) -> int:
    """The batch that a customer's event came in: every third is in the second."""
    return 2 if index % 3 == 2 else 1


def numbered(crowd: list[Someone]) -> list[tuple[int, Someone, Happened]]:
    """(batch, who, what) of all that happened."""
    return [(batch_of(index), who, one) for who in crowd for index, one in enumerate(who.happened)]


class Duck:
    """History in DuckDB, written as the engine writes it."""

    dialect = DUCKDB

    def __init__(self) -> None:
        self._cursor = duckdb.connect()
        self._cursor.execute(duck_write.SCHEMA)

    def hold(self, crowd: list[Someone]) -> None:
        self.clear()
        self._cursor.execute("DELETE FROM not_numbers WHERE mark >= 0")
        self.add(crowd)

    def clear(self) -> None:
        """Delete all rows, but not what is known of the keys that they had."""
        self._cursor.execute("DELETE FROM events; DELETE FROM profiles")

    def add(self, crowd: list[Someone]) -> None:
        pages = {1: Gathering(people=[snapshot(who) for who in crowd]), 2: Gathering()}
        for batch, who, one in numbered(crowd):
            row = Happening(at=one.at, received_at=NOW, profile_id=who.id, name=one.name,
                            properties=one.properties)  # fmt: skip
            pages[batch].happenings.append(row)
        duck_write.take(self._cursor, [(number, one.page()) for number, one in pages.items()])

    def query(self, sql: str, params: tuple[str, ...]) -> list[Any]:
        try:
            return self._cursor.execute(sql, list(params)).fetchall()
        except duckdb.Error as fault:
            raise BadInput(str(fault)) from None


EVENT_COLUMNS = ("ts", "received", "profile_id", "origin", "name", "props", "batch")
PEOPLE_COLUMNS = (
    "profile_id", "origin", "user_id", "attributes", "dates", "reachable", "consent", "lists",
    "latitude", "longitude",
)  # fmt: skip


class Click:
    """History in ClickHouse: the engine as a library, behind the adapter that serves a server."""

    dialect = CLICKHOUSE

    def __init__(self) -> None:
        self.columns = ClickHouse("chdb://memory")

    def hold(self, crowd: list[Someone]) -> None:
        for table in ("events", "profiles"):
            self.columns.query(f"TRUNCATE TABLE {table}")
        rows = [
            [one.at, NOW, who.id, who.id, one.name, json(one.properties), batch]
            for batch, who, one in numbered(crowd)
        ]
        if rows:
            self.columns.insert("events", EVENT_COLUMNS, rows)
        people = [
            [one.profile_id, one.profile_id, one.user_id, json(one.attributes), json(one.dates),
             one.reachable, one.consent, one.lists, one.latitude, one.longitude]
            for one in map(snapshot, crowd)
        ]  # fmt: skip
        self.columns.insert("profiles", PEOPLE_COLUMNS, people)

    def query(self, sql: str, params: tuple[str, ...]) -> list[Any]:
        return self.columns.query(sql, params)


@cache
def both() -> tuple[Duck, Click]:
    """One of each; a process can have but one ClickHouse inside."""
    return Duck(), Click()
