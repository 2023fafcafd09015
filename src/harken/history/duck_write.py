"""What changes the DuckDB file: rows in, merges, forgetting. Each runs inside a transaction.

Rows travel as one JSON text a statement. Measured on one core at 10,000 rows: 70,000 rows/s with
`json_each` and `from_json` a row, 55,000 with one `from_json` of the whole array, 47,000 with a
list parameter a column.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import duckdb
import msgspec
from msgspec.structs import asdict

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

EVENT_SHAPE = msgspec.json.encode(
    {
        "at": "BIGINT",
        "received_at": "BIGINT",
        "profile_id": "BIGINT",
        "name": "VARCHAR",
        "message_id": "VARCHAR",
        "anonymous_id": "VARCHAR",
        "properties": "JSON",
        "journey": "VARCHAR",
        "step": "VARCHAR",
        "variant": "VARCHAR",
        "channel": "VARCHAR",
        "message": "VARCHAR",
        "imported": "BOOLEAN",
        "batch": "BIGINT",
    }
).decode()
# Structs leave out fields that hold their default; `coalesce` puts it back.
INSERT_EVENTS = f"""
INSERT INTO events
SELECT r.at, r.received_at, r.profile_id, r.profile_id, r.name, coalesce(r.message_id, ''),
    coalesce(r.anonymous_id, ''), coalesce(r.properties, '{{}}')::VARIANT, coalesce(r.journey, ''),
    coalesce(r.step, ''), coalesce(r.variant, ''), coalesce(r.channel, ''),
    coalesce(r.message, ''), coalesce(r.imported, false), r.batch
FROM (SELECT from_json(value, '{EVENT_SHAPE}') AS r FROM json_each($1::JSON))
"""
DECISION_SHAPE = msgspec.json.encode(
    {
        "at": "BIGINT",
        "profile_id": "BIGINT",
        "journey": "VARCHAR",
        "revision": "BIGINT",
        "outcome": "VARCHAR",
        "reason": "VARCHAR",
        "run": "VARCHAR",
        "step": "VARCHAR",
        "gate": "VARCHAR",
        "message": "VARCHAR",
        "until": "BIGINT",
        "facts": "JSON",
    }
).decode()
INSERT_DECISIONS = f"""
INSERT INTO decisions
SELECT r.at, r.profile_id, r.profile_id, r.journey, r.revision, r.outcome, r.reason,
    coalesce(r.run, ''), coalesce(r.step, ''), coalesce(r.gate, ''), coalesce(r.message, ''),
    coalesce(r.until, 0), coalesce(r.facts, '{{}}')
FROM (SELECT from_json(value, '{DECISION_SHAPE}') AS r FROM json_each($1::JSON))
"""

PEOPLE_SHAPE = msgspec.json.encode(
    {
        "profile_id": "BIGINT",
        "user_id": "VARCHAR",
        "created_at": "BIGINT",
        "attributes": "JSON",
        "dates": "JSON",
        "reachable": ["VARCHAR"],
        "consent": ["VARCHAR"],
        "lists": ["VARCHAR"],
        "latitude": "DOUBLE",
        "longitude": "DOUBLE",
    }
).decode()
DELETE_PEOPLE = """
DELETE FROM profiles WHERE profile_id IN
    (SELECT (value->>'profile_id')::BIGINT FROM json_each($1::JSON))
"""
INSERT_PEOPLE = f"""
INSERT INTO profiles
SELECT r.profile_id, r.profile_id, r.user_id, r.created_at, r.attributes::VARIANT,
    r.dates::VARIANT, r.reachable, r.consent, r.lists, r.latitude, r.longitude
FROM (SELECT from_json(value, '{PEOPLE_SHAPE}') AS r FROM json_each($1::JSON))
"""

MOVE = """
UPDATE {table} SET profile_id = moved.survivor
FROM (SELECT unnest($1::BIGINT[]) AS absorbed, unnest($2::BIGINT[]) AS survivor) AS moved
WHERE {table}.profile_id = moved.absorbed
"""
# `origin` is whose row it was at first; with the merges still in force it says who owns it.
RESTORE = """
WITH RECURSIVE inside(id) AS (
    SELECT $1::BIGINT
    UNION SELECT merges.absorbed FROM merges JOIN inside ON merges.survivor = inside.id
)
UPDATE {table} SET profile_id = $1 WHERE origin IN (SELECT id FROM inside)
"""
TABLES = ("events", "decisions")

SLICE = 50
"""Rows encoded at once; at 32 KB an event, 1.6 MB."""
STATEMENT_BYTES = 1_000_000
"""JSON text of one INSERT. At 4 MB of large events DuckDB ran out of its 100 MB."""

Unfit = (duckdb.DataError, duckdb.InvalidInputException, TypeError, ValueError, RecursionError)
"""What a row raises that JSON or a VARIANT cannot hold."""

NumberedPage = tuple[int, Page]
"""A page and the number of the batch that it came in."""
Named = dict[str, Any]

_json = msgspec.json.Encoder()


def take(cursor: duckdb.DuckDBPyConnection, pages: Sequence[NumberedPage]) -> None:
    """Rows, merges and forgetting, in the order of the pages."""
    happenings: list[Named] = []
    decisions: list[Named] = []
    rekeys: list[Rekey] = []
    people: dict[int, Snapshot] = {}
    for number, page in pages:
        # By name: the rows themselves are arrays, to be small on their way here.
        happenings += [{**asdict(row), "batch": number} for row in page.happenings]
        decisions += [asdict(row) for row in page.decisions]
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
    _show(cursor, people.values())


def _flush(
    cursor: duckdb.DuckDBPyConnection,
    happenings: list[Named],
    decisions: list[Named],
    rekeys: list[Rekey],
) -> None:
    for text in _texts(happenings):
        cursor.execute(INSERT_EVENTS, [text])
    for text in _texts(decisions):
        cursor.execute(INSERT_DECISIONS, [text])
    move(cursor, rekeys)


def _show(cursor: duckdb.DuckDBPyConnection, people: Iterable[Snapshot]) -> None:
    """Put each customer's latest snapshot in the place of the one before."""
    for text in _texts([asdict(one) for one in people]):
        cursor.execute(DELETE_PEOPLE, [text])
        cursor.execute(INSERT_PEOPLE, [text])


def _texts(rows: Sequence[Named]) -> Iterator[str]:
    """JSON arrays of the rows, each small enough for one statement."""
    parts: list[bytes] = []
    size = 0
    for start in range(0, len(rows), SLICE):
        part = _json.encode(rows[start : start + SLICE])[1:-1]
        parts.append(part)
        size += len(part)
        if size >= STATEMENT_BYTES:
            yield (b"[" + b",".join(parts) + b"]").decode()
            parts, size = [], 0
    if parts:
        yield (b"[" + b",".join(parts) + b"]").decode()


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
    for table in (*TABLES, "profiles"):
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
        text = _json.encode(values).decode()
    except Unfit:
        return {"$unreadable": repr(values)}
    try:
        cursor.execute("SELECT $1::JSON::VARIANT", [text]).fetchall()
    except Unfit:
        return {"$unreadable": text}
    return values
