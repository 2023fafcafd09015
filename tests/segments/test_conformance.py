"""One language, four answers: the reference, the document, DuckDB and ClickHouse all agree."""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import Someone, World, holds
from set_kit import NOW, SEGMENTS, ZONES, crowds, document, json, rules, snapshot, world

from harken.clock import DAY, HOUR
from harken.effects import Happening
from harken.errors import BadInput
from harken.files.reader import read
from harken.history import duck_write
from harken.history.clickhouse import ClickHouse
from harken.history.rows import Page
from harken.people.apply import count_event
from harken.people.profile import Trigger
from harken.segments.dialects.clickhouse import CLICKHOUSE
from harken.segments.dialects.duckdb import DUCKDB
from harken.segments.live import Traits, compile_rule
from harken.segments.questions import ask
from harken.segments.rules import Rule
from harken.segments.sql import compile_members
from harken.segments.sql_writing import Asked

KNOWN: dict[str, Rule] = {name: read(rule, Rule) for name, rule in SEGMENTS.items()}
LATER = (0, HOUR, 3 * HOUR + 1, DAY, 60 * HOUR, 400 * DAY)


class Duck:
    """History in DuckDB, written as the engine writes it."""

    dialect = DUCKDB

    def __init__(self) -> None:
        self._cursor = duckdb.connect()
        self._cursor.execute(duck_write.SCHEMA)

    def hold(self, crowd: list[Someone]) -> None:
        self._cursor.execute("DELETE FROM events; DELETE FROM profiles")
        rows = [
            Happening(at=one.at, received_at=NOW, profile_id=who.id, name=one.name,
                      properties=one.properties)
            for who in crowd for one in who.happened
        ]  # fmt: skip
        page = Page(happenings=rows, people=[snapshot(who) for who in crowd])
        duck_write.take(self._cursor, [(1, page)])

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
            [one.at, NOW, who.id, who.id, one.name, json(one.properties), 1]
            for who in crowd for one in who.happened
        ]  # fmt: skip
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


@pytest.fixture(scope="module")
def engines() -> Iterator[tuple[Duck, Click]]:
    duck, click = Duck(), Click()
    yield duck, click
    click.columns.close()


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
            if not (one.properties.get("machine") is True and one.name in MACHINES):
                event = Trigger(name=one.name, at=one.at, properties=one.properties)
                count_event(profile, event, traits.by_event, NOW)
        if check(profile, None, at.now):
            found.add(who.id)
    return found


MACHINES = ("$message_opened", "$message_clicked")


def by_engine(rule: Rule, engine: Duck | Click, at: World) -> set[int]:
    asked = Asked(now=at.now, zone=ZoneInfo(at.zone), segments=KNOWN, dialect=engine.dialect)
    found = ask(engine.query, asked, lambda asked: compile_members(rule, asked))
    assert len({row[0] for row in found}) == len(found)
    return {row[0] for row in found}


@settings(max_examples=25, deadline=None)
@given(crowd=crowds(5), written=st.lists(rules, min_size=4, max_size=8), data=st.data())
def test_all_forms_agree(
    engines: tuple[Duck, Click],
    crowd: list[Someone],
    written: list[dict[str, Any]],
    data: st.DataObject,
) -> None:
    for engine in engines:
        engine.hold(crowd)
    for one in written:
        rule = read(one, Rule)
        at = world(NOW + data.draw(st.sampled_from(LATER)), data.draw(st.sampled_from(ZONES)))
        expected = by_reference(one, crowd, at)
        assert by_document(rule, crowd, at) == expected, "the document"
        for engine in engines:
            assert by_engine(rule, engine, at) == expected, engine.dialect.name
