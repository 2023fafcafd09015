"""What changes the DuckDB file: rows in, merges, forgetting. Each runs inside a transaction.

Rows travel as Arrow columns (`columns.py`), what has free form in them as JSON text.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import duckdb
import msgspec

from harken.effects import Decision, Happening
from harken.history import columns, filling
from harken.history.rows import Page, Rekey, Snapshot

SCHEMA = """
CREATE TABLE IF NOT EXISTS taken (upto BIGINT);
INSERT INTO taken SELECT 0 WHERE NOT EXISTS (FROM taken);
CREATE TABLE IF NOT EXISTS merges (absorbed BIGINT, survivor BIGINT);
CREATE TABLE IF NOT EXISTS events (
    ts BIGINT, received BIGINT, profile_id BIGINT, origin BIGINT, name VARCHAR,
    message_id VARCHAR, anonymous_id VARCHAR, props VARIANT, journey VARCHAR, step VARCHAR,
    variant VARCHAR, channel VARCHAR, message VARCHAR, imported BOOLEAN, batch BIGINT DEFAULT 0
);
ALTER TABLE events ADD COLUMN IF NOT EXISTS batch BIGINT DEFAULT 0;
CREATE TABLE IF NOT EXISTS decisions (
    ts BIGINT, profile_id BIGINT, origin BIGINT, journey VARCHAR, revision BIGINT, outcome VARCHAR,
    reason VARCHAR, run VARCHAR, step VARCHAR, gate VARCHAR, message VARCHAR, until BIGINT,
    facts JSON
);
CREATE TABLE IF NOT EXISTS profiles (
    profile_id BIGINT, origin BIGINT, user_id VARCHAR, created_at BIGINT, attributes VARIANT,
    dates VARIANT, reachable VARCHAR[], consent VARCHAR[], lists VARCHAR[], latitude DOUBLE,
    longitude DOUBLE
);
CREATE TABLE IF NOT EXISTS segment_sizes (segment VARCHAR, ts BIGINT, size BIGINT);
"""

INSERT_EVENTS = """
INSERT INTO events
SELECT ts, received, profile_id, NULL, name, message_id, anonymous_id,
    properties::JSON::VARIANT, journey, step, variant, channel, message, imported::BOOLEAN, batch
FROM incoming
"""
INSERT_DECISIONS = """
INSERT INTO decisions
SELECT ts, profile_id, NULL, journey, revision, outcome, reason, run, step, gate, message,
    until, facts::JSON
FROM incoming
"""
DELETE_PEOPLE = "DELETE FROM profiles WHERE profile_id IN (SELECT profile_id FROM incoming)"
INSERT_PEOPLE = """
INSERT INTO profiles
SELECT profile_id, NULL, CASE WHEN known THEN user_id END, created_at,
    attributes::JSON::VARIANT, dates::JSON::VARIANT, from_json(reachable, '["VARCHAR"]'),
    from_json(consent, '["VARCHAR"]'), from_json(lists, '["VARCHAR"]'),
    CASE WHEN placed THEN latitude END, CASE WHEN placed THEN longitude END
FROM incoming
"""

# `origin` is whose row it was at first, null while it still is theirs: eight bytes a row less.
MOVE = """
UPDATE {table} SET profile_id = moved.survivor, origin = coalesce(origin, profile_id)
FROM (SELECT unnest($1::BIGINT[]) AS absorbed, unnest($2::BIGINT[]) AS survivor) AS moved
WHERE {table}.profile_id = moved.absorbed
"""
# With the merges still in force, the origin says whose row it is.
RESTORE = """
WITH RECURSIVE inside(id) AS (
    SELECT $1::BIGINT
    UNION SELECT merges.absorbed FROM merges JOIN inside ON merges.survivor = inside.id
)
UPDATE {table} SET profile_id = $1 WHERE origin IN (SELECT id FROM inside)
"""
TABLES = ("events", "decisions")

SLICE = 250
"""Rows encoded at once; at 32 KB an event, 8 MB."""
STATEMENT_BYTES = 2_000_000
"""Text of the properties in one INSERT, which costs 3 ms however small it is."""

Unfit = (duckdb.DataError, duckdb.InvalidInputException, TypeError, ValueError, RecursionError)
"""What a row raises that JSON or a VARIANT cannot hold."""

NumberedPage = tuple[int, Page]
"""A page and the number of the batch that it came in."""
NumberedEvent = tuple[int, Happening]
Item = TypeVar("Item")

_json = msgspec.json.Encoder()
_encode = _json.encode


def take(cursor: duckdb.DuckDBPyConnection, pages: Sequence[NumberedPage]) -> None:
    """Rows, merges, snapshots and forgetting, in the order of the pages."""
    happenings: list[NumberedEvent] = []
    decisions: list[Decision] = []
    rekeys: list[Rekey] = []
    people: dict[int, Snapshot] = {}
    for number, page in pages:
        happenings += [(number, row) for row in page.happenings]
        decisions += page.decisions
        rekeys += page.rekey
        for rekey in page.rekey:
            if not rekey.undo:
                people.pop(rekey.absorbed, None)
        people |= {one.profile_id: one for one in page.people}
        if page.forget:
            _flush(cursor, happenings, decisions, rekeys)
            happenings, decisions, rekeys = [], [], []
            for profile_id in page.forget:
                people.pop(profile_id, None)
                forget(cursor, profile_id)
    _flush(cursor, happenings, decisions, rekeys)
    _show(cursor, list(people.values()))


def _flush(
    cursor: duckdb.DuckDBPyConnection,
    happenings: list[NumberedEvent],
    decisions: list[Decision],
    rekeys: list[Rekey],
) -> None:
    for events, texts in _pieces(happenings, lambda one: one[1].properties):
        _execute(cursor, events_table(events, texts), INSERT_EVENTS)
    for decided, texts in _pieces(decisions, lambda one: one.facts):
        _execute(cursor, _decisions_table(decided, texts), INSERT_DECISIONS)
    move(cursor, rekeys)


def _show(cursor: duckdb.DuckDBPyConnection, people: list[Snapshot]) -> None:
    """Put each customer's latest snapshot in the place of the one before."""
    for some, texts in _pieces(people, lambda one: one.attributes):
        _execute(cursor, _people_table(some, texts), DELETE_PEOPLE, INSERT_PEOPLE)


def _execute(cursor: duckdb.DuckDBPyConnection, rows: Any, *statements: str) -> None:
    cursor.register("incoming", rows)
    for sql in statements:
        cursor.execute(sql)
    cursor.unregister("incoming")


def _pieces(
    rows: Sequence[Item], free: Callable[[Item], dict[str, Any]]
) -> Iterator[tuple[Sequence[Item], list[bytes]]]:
    """As many rows as fit in a statement, with what each has of `free` form as JSON."""
    start = size = 0
    texts: list[bytes] = []
    for at in range(0, len(rows), SLICE):
        # One call for many: a line each, for JSON has no line end of its own.
        lines = _json.encode_lines([free(row) for row in rows[at : at + SLICE]])
        texts += lines.splitlines()
        size += len(lines)
        if size >= STATEMENT_BYTES:
            yield rows[start : start + len(texts)], texts
            start, size, texts = start + len(texts), 0, []
    if texts:
        yield rows[start:], texts


def events_table(rows: Sequence[NumberedEvent], properties: list[bytes]) -> Any:
    """Events as Arrow columns."""
    events = [event for _, event in rows]
    return columns.table(
        {
            "ts": columns.integers([event.at for event in events]),
            "received": columns.integers([event.received_at for event in events]),
            "profile_id": columns.integers([event.profile_id for event in events]),
            "name": columns.texts([event.name for event in events]),
            "message_id": columns.texts([event.message_id for event in events]),
            "anonymous_id": columns.texts([event.anonymous_id for event in events]),
            "properties": columns.utf8(properties),
            "journey": columns.texts([event.journey for event in events]),
            "step": columns.texts([event.step for event in events]),
            "variant": columns.texts([event.variant for event in events]),
            "channel": columns.texts([event.channel for event in events]),
            "message": columns.texts([event.message for event in events]),
            "imported": columns.integers([event.imported for event in events]),
            "batch": columns.integers([number for number, _ in rows]),
        }
    )


def _decisions_table(rows: Sequence[Decision], facts: list[bytes]) -> Any:
    return columns.table(
        {
            "ts": columns.integers([row.at for row in rows]),
            "profile_id": columns.integers([row.profile_id for row in rows]),
            "journey": columns.texts([row.journey for row in rows]),
            "revision": columns.integers([row.revision for row in rows]),
            "outcome": columns.texts([row.outcome for row in rows]),
            "reason": columns.texts([row.reason for row in rows]),
            "run": columns.texts([row.run for row in rows]),
            "step": columns.texts([row.step for row in rows]),
            "gate": columns.texts([row.gate for row in rows]),
            "message": columns.texts([row.message for row in rows]),
            "until": columns.integers([row.until for row in rows]),
            "facts": columns.utf8(facts),
        }
    )


def _people_table(people: Sequence[Snapshot], attributes: list[bytes]) -> Any:
    # Columns here hold no nulls: `known` and `placed` say where there is a value.
    return columns.table(
        {
            "profile_id": columns.integers([one.profile_id for one in people]),
            "known": columns.integers([one.user_id is not None for one in people]),
            "user_id": columns.texts([one.user_id or "" for one in people]),
            "created_at": columns.integers([one.created_at for one in people]),
            "attributes": columns.utf8(attributes),
            "dates": columns.utf8([_encode(one.dates) for one in people]),
            "reachable": columns.utf8([_encode(one.reachable) for one in people]),
            "consent": columns.utf8([_encode(one.consent) for one in people]),
            "lists": columns.utf8([_encode(one.lists) for one in people]),
            "placed": columns.integers([one.latitude is not None for one in people]),
            "latitude": columns.floats([one.latitude or 0.0 for one in people]),
            "longitude": columns.floats([one.longitude or 0.0 for one in people]),
        }
    )


def move(cursor: duckdb.DuckDBPyConnection, rekeys: Sequence[Rekey]) -> None:
    """Merges and their undoing, in order; merges in a row share one UPDATE."""
    together: list[Rekey] = []
    for rekey in rekeys:
        if rekey.undo:
            _merge(cursor, together)
            together = []
            restore(cursor, rekey.absorbed)
        else:
            together.append(rekey)
    _merge(cursor, together)


def _merge(cursor: duckdb.DuckDBPyConnection, rekeys: Sequence[Rekey]) -> None:
    if not rekeys:
        return
    owner: dict[int, int] = {}
    for rekey in rekeys:
        for absorbed, survivor in owner.items():
            if survivor == rekey.absorbed:
                owner[absorbed] = rekey.survivor
        owner[rekey.absorbed] = rekey.survivor
    cursor.execute(
        "INSERT INTO merges SELECT unnest($1::BIGINT[]), unnest($2::BIGINT[])",
        [[rekey.absorbed for rekey in rekeys], [rekey.survivor for rekey in rekeys]],
    )
    for table in TABLES:
        cursor.execute(MOVE.format(table=table), [list(owner), list(owner.values())])
    cursor.execute(
        "DELETE FROM profiles WHERE profile_id IN (SELECT unnest($1::BIGINT[]))", [list(owner)]
    )


def restore(cursor: duckdb.DuckDBPyConnection, absorbed: int) -> None:
    """Give back to `absorbed` its own past and that of whom it had absorbed."""
    cursor.execute("DELETE FROM merges WHERE absorbed = $1", [absorbed])
    for table in TABLES:
        cursor.execute(RESTORE.format(table=table), [absorbed])


def forget(cursor: duckdb.DuckDBPyConnection, profile_id: int) -> None:
    """Erase the customer's rows."""
    for table in (*TABLES, "profiles", *filling.tables(cursor)):
        cursor.execute(f"DELETE FROM {table} WHERE profile_id = $1", [profile_id])
    cursor.execute("DELETE FROM merges WHERE $1 IN (survivor, absorbed)", [profile_id])


def repair(cursor: duckdb.DuckDBPyConnection, pages: Sequence[NumberedPage]) -> list[NumberedPage]:
    """The pages with values that cannot be held put aside as text under `$unreadable`."""

    def readable(row: Any, name: str) -> Any:
        kept = _readable(cursor, getattr(row, name))
        return msgspec.structs.replace(row, **{name: kept})

    return [
        (
            number,
            msgspec.structs.replace(
                page,
                happenings=[readable(row, "properties") for row in page.happenings],
                decisions=[readable(row, "facts") for row in page.decisions],
                people=[readable(one, "attributes") for one in page.people],
            ),
        )
        for number, page in pages
    ]


def _readable(cursor: duckdb.DuckDBPyConnection, values: dict[str, Any]) -> dict[str, Any]:
    try:
        text = _encode(values).decode()
    except Unfit:
        return {"$unreadable": repr(values)}
    try:
        cursor.execute("SELECT $1::JSON::VARIANT", [text]).fetchall()
    except Unfit:
        return {"$unreadable": text}
    return values
