"""What changes the DuckDB file: rows in, merges, forgetting. Each runs inside a transaction.

Rows come as packed columns (`rows`) and go on as Arrow's, what has free form in them as JSON text.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import compress
from typing import Any

import duckdb
import msgspec
from msgspec.structs import replace

from harken.history import arrow, columns, filling
from harken.history.base import Batches
from harken.history.columns import Kind
from harken.history.rows import (
    DECISIONS,
    EVENTS,
    PEOPLE,
    UNREADABLE,
    Page,
    Rekey,
    Rows,
    decode_batch,
)
from harken.numeric import ANYWHERE

SCHEMA = """
CREATE TABLE IF NOT EXISTS taken (upto BIGINT, part BIGINT DEFAULT 0);
ALTER TABLE taken ADD COLUMN IF NOT EXISTS part BIGINT DEFAULT 0;
INSERT INTO taken SELECT 0, 0 WHERE NOT EXISTS (FROM taken);
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
CREATE TABLE IF NOT EXISTS not_numbers (mark BIGINT);
INSERT INTO not_numbers SELECT CASE WHEN EXISTS (FROM events) OR EXISTS (FROM profiles)
    THEN 0 ELSE -1 END WHERE NOT EXISTS (FROM not_numbers);
"""
"""`taken` is the number of the last batch that was taken, and how many events of those that follow
it. In `not_numbers` are the marks of `numeric`, the one for all keys when there were rows before
the table; -1 says that it was begun."""

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
DELETE_PEOPLE = """
DELETE FROM profiles WHERE profile_id IN (SELECT profile_id FROM incoming WHERE kept)
"""
INSERT_PEOPLE = """
INSERT INTO profiles
SELECT profile_id, NULL, CASE WHEN known THEN user_id END, created_at,
    attributes::JSON::VARIANT, dates::JSON::VARIANT, from_json(reachable, '["VARCHAR"]'),
    from_json(consent, '["VARCHAR"]'), from_json(lists, '["VARCHAR"]'),
    CASE WHEN placed THEN latitude END, CASE WHEN placed THEN longitude END
FROM incoming WHERE kept
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
NOTE = """
INSERT INTO not_numbers SELECT mark FROM (SELECT DISTINCT unnest($1::BIGINT[]) AS mark)
WHERE mark NOT IN (FROM not_numbers)
"""
MOST_NOTED = 100_000
"""With more marks than these, looking one up would take longer than it saves."""

STATEMENT_BYTES = 2_000_000
"""Text of free form in one INSERT, about; it costs 3 ms however small it is."""

ALL = slice(None)

# An event is marked with the batch it came in, a snapshot with whether it is the last one.
BATCH = {"batch": columns.INTEGERS}
KEPT = {"kept": columns.FLAGS}

Unfit = (duckdb.DataError, duckdb.InvalidInputException, TypeError, ValueError, RecursionError)
"""What a row raises that JSON or a VARIANT cannot hold."""

NumberedPage = tuple[int, Page]
"""A page and the number of the batch that it came in."""
NumberedRows = tuple[int, Rows]

_encode = msgspec.json.Encoder().encode


def pages_of(batches: Batches) -> list[NumberedPage]:
    """The pages of batches, each with its batch's number."""
    return [(number, page) for number, blob in batches for page in decode_batch(blob)]


def events_in(pages: Sequence[NumberedPage]) -> int:
    """How many events pages have."""
    return sum(page.happenings.size for _, page in pages)


def follow(pages: Sequence[NumberedPage]) -> bool:
    """Whether pages may share the transaction of those before: they are events but for a few rows,
    as in an import, and change nothing that was taken."""
    beside = sum(page.decisions.size + 2 * page.people.size for _, page in pages)
    return beside <= events_in(pages) and not any(page.rekey or page.forget for _, page in pages)


def take_events(cursor: duckdb.DuckDBPyConnection, pages: Sequence[NumberedPage], most: int) -> int:
    """Only the first events, so many at most, of pages that `follow`; how many."""
    _note_others(cursor, pages)
    happenings = [(number, page.happenings) for number, page in pages]
    for events in events_tables(happenings, slice(most)):
        _execute(cursor, events, INSERT_EVENTS)
    return min(most, events_in(pages))


def take(cursor: duckdb.DuckDBPyConnection, pages: Sequence[NumberedPage], after: int = 0) -> None:
    """Rows, merges, snapshots and forgetting, in the order of the pages.

    The first events, so many as `after` says, were taken before.
    """
    happenings: list[NumberedRows] = []
    decisions: list[Rows] = []
    rekeys: list[Rekey] = []
    people: list[Rows] = []
    last: dict[int, tuple[int, int]] = {}
    """Where the last snapshot of a customer stands: in which of `people`, in which row."""
    _note_others(cursor, pages)
    for number, page in pages:
        happenings.append((number, page.happenings))
        decisions.append(page.decisions)
        rekeys += page.rekey
        for rekey in page.rekey:
            if not rekey.undo:
                last.pop(rekey.absorbed, None)
        if page.people.size:
            ids = memoryview(page.people.columns[0][0]).cast("q")
            last.update((id, (len(people), row)) for row, id in enumerate(ids))
            people.append(page.people)
        if page.forget:
            _flush(cursor, happenings, decisions, rekeys, after)
            happenings, decisions, rekeys, after = [], [], [], 0
            for profile_id in page.forget:
                last.pop(profile_id, None)
                forget(cursor, profile_id)
    _flush(cursor, happenings, decisions, rekeys, after)
    _show(cursor, people, last.values())


def _note_others(cursor: duckdb.DuckDBPyConnection, pages: Sequence[NumberedPage]) -> None:
    """Note where something else than a number is written: before anybody sees it there."""
    others = {
        other
        for _, page in pages
        for rows in (page.happenings, page.people)
        for other in rows.others
    }
    if not others:
        return
    ((new,),) = cursor.execute(NOTE, [list(others)]).fetchall()
    if new:
        ((found,),) = cursor.execute("SELECT count(*) FROM not_numbers").fetchall()
        if found > MOST_NOTED:
            cursor.execute("DELETE FROM not_numbers")
            cursor.execute("INSERT INTO not_numbers VALUES ($1)", [ANYWHERE])


def _flush(
    cursor: duckdb.DuckDBPyConnection,
    happenings: Sequence[NumberedRows],
    decisions: Sequence[Rows],
    rekeys: Sequence[Rekey],
    after: int,
) -> None:
    for events in events_tables(happenings, slice(after, None)):
        _execute(cursor, events, INSERT_EVENTS)
    for decided in _tables(DECISIONS, decisions):
        _execute(cursor, decided, INSERT_DECISIONS)
    move(cursor, rekeys)


def _show(
    cursor: duckdb.DuckDBPyConnection, people: Sequence[Rows], last: Collection[tuple[int, int]]
) -> None:
    """Put each customer's latest snapshot in the place of the one before."""
    kept = [bytearray(rows.size) for rows in people]
    for part, row in last:
        kept[part][row] = 1
    marked = [
        replace(rows, columns=[*rows.columns, [bytes(marks)]])
        for rows, marks in zip(people, kept, strict=True)
    ]
    for standing in _tables({**PEOPLE, **KEPT}, marked):
        _execute(cursor, standing, DELETE_PEOPLE, INSERT_PEOPLE)


def events_tables(parts: Sequence[NumberedRows], which: slice = ALL) -> Iterator[Any]:
    """Events, `which` of them, as Arrow tables, one an INSERT."""
    numbered = [
        replace(rows, columns=[*rows.columns, columns.INTEGERS.pack([number] * rows.size)])
        for number, rows in parts
        if rows.size
    ]
    return _tables({**EVENTS, **BATCH}, numbered, which)


def _tables(kinds: Mapping[str, Kind], parts: Sequence[Rows], which: slice = ALL) -> Iterator[Any]:
    """Rows as Arrow tables of about `STATEMENT_BYTES` each."""
    some = [part for part in parts if part.size]
    if not some:
        return iter(())
    turned = zip(*(part.columns for part in some), strict=True)
    whole = [
        columns.joined([(part.size, column) for part, column in zip(some, same, strict=True)])
        for same in turned
    ]
    rows = sum(part.size for part in some)
    free = [kind is columns.ENCODED for kind in kinds.values()]
    size = sum(len(column[-1]) for column in compress(whole, free))
    at_once = max(1, rows * STATEMENT_BYTES // max(size, 1))
    return arrow.tables(kinds, whole, rows, at_once, which)


def _execute(cursor: duckdb.DuckDBPyConnection, rows: Any, *statements: str) -> None:
    cursor.register("incoming", rows)
    for sql in statements:
        cursor.execute(sql)
    cursor.unregister("incoming")


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

    def rows(given: Rows) -> Rows:
        if not given.size:
            return given
        texts = columns.texts_of(given.columns[-1], given.size)
        readable = columns.ENCODED.pack([_readable(cursor, text) for text in texts])
        return replace(given, columns=[*given.columns[:-1], readable])

    return [
        (
            number,
            replace(
                page,
                happenings=rows(page.happenings),
                decisions=rows(page.decisions),
                people=rows(page.people),
            ),
        )
        for number, page in pages
    ]


def _readable(cursor: duckdb.DuckDBPyConnection, line: bytes) -> bytes:
    text = line.decode()
    try:
        cursor.execute("SELECT $1::JSON::VARIANT", [text]).fetchall()
    except Unfit:
        return _encode({UNREADABLE: text})
    return line
