"""Rows of coupons: every code that was imported or issued, and what became of it."""

from collections.abc import Iterable, Sequence
from sqlite3 import Connection
from typing import Any

import msgspec

from harken.effects import CouponChange
from harken.errors import Conflict
from harken.store.base import CouponCounts, CouponRow
from harken.store.connection import Database, slices, write_rows

COLUMNS = ", ".join(field.name for field in msgspec.structs.fields(CouponRow))

# A code is issued when nobody has it: a new one, or one that is free. See `write`.
ISSUE = """
INSERT INTO coupons (code, pool, state, profile_id, journey, step, run, issued_at, expires_at,
    ended_at, reference, amount) VALUES {rows}
ON CONFLICT (code) DO UPDATE SET state = excluded.state, profile_id = excluded.profile_id,
    journey = excluded.journey, step = excluded.step, run = excluded.run,
    issued_at = excluded.issued_at, expires_at = excluded.expires_at, ended_at = 0,
    reference = '', amount = NULL
WHERE coupons.state = 'free' AND coupons.pool = excluded.pool
"""
END = """
WITH told (code, became, at, reference, amount) AS (VALUES {rows})
UPDATE coupons SET state = became, ended_at = at, reference = told.reference, amount = told.amount
FROM told WHERE coupons.code = told.code AND state = 'issued'
"""
# Back into the pool, behind those that were never given out: its number is a new one.
RELEASE = """
UPDATE coupons SET state = CASE ?2 WHEN 1 THEN 'free' ELSE 'void' END, ended_at = ?3,
    released = released + 1, number = (SELECT max(number) + 1 FROM coupons),
    profile_id = CASE ?2 WHEN 1 THEN 0 ELSE profile_id END,
    journey = CASE ?2 WHEN 1 THEN '' ELSE journey END,
    step = CASE ?2 WHEN 1 THEN '' ELSE step END,
    run = CASE ?2 WHEN 1 THEN '' ELSE run END,
    issued_at = CASE ?2 WHEN 1 THEN 0 ELSE issued_at END,
    expires_at = CASE ?2 WHEN 1 THEN 0 ELSE expires_at END
WHERE code = ?1 AND state = 'issued'
"""
# Whoever redeems or erases it finds it by the customer who has it now.
HAND_OVER = "UPDATE coupons SET profile_id = ?2 WHERE code = ?1 AND state = 'issued'"
# Of an erased customer it is kept that a code was used, but not by whom; one that they still have
# is good no more, and is never given to anyone else.
ERASE = """
UPDATE coupons SET state = CASE state WHEN 'issued' THEN 'void' ELSE state END,
    profile_id = 0, run = '', reference = '', amount = NULL
WHERE profile_id = ?
"""
COUNT = """
SELECT pool, state, count(*), sum(released) FROM coupons GROUP BY pool, state
"""
ADD = "INSERT OR IGNORE INTO coupons (code, pool, state) VALUES {rows}"


def write(sql: Connection, changes: Sequence[CouponChange]) -> None:
    """Write what became of coupons in a batch, in order.

    Raises Conflict when a code was issued that somebody has: nothing of the batch is written, and
    the engine begins it again with what the store says is free.
    """
    issued = [change for change in changes if change.what == "issued"]
    if issued:
        done = write_rows(sql, ISSUE, list(map(_issued, issued)))
        if done != len(issued):
            raise Conflict("a coupon's code was given out that is no longer free")
    ended = [change for change in changes if change.what in ("redeemed", "expired")]
    if ended:
        write_rows(sql, END, list(map(_ended, ended)))
    released = [change for change in changes if change.what == "released"]
    sql.executemany(RELEASE, [(one.code, int(one.imported), one.at) for one in released])
    handed = [change for change in changes if change.what == "handed_over"]
    sql.executemany(HAND_OVER, [(one.code, one.profile_id) for one in handed])


def erase(sql: Connection, profiles: Iterable[tuple[int]]) -> None:
    """Forget whose the coupons of these customers were."""
    sql.executemany(ERASE, profiles)


class CouponRows:
    """`store.base.Coupons` on SQLite."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def free(self, pool: str, limit: int) -> list[str]:
        sql = "SELECT code FROM coupons WHERE pool = ? AND state = 'free' ORDER BY number LIMIT ?"
        return [row[0] for row in self._rows(sql, [pool, limit])]

    def known(self, codes: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for some in slices(codes):
            marks = ",".join("?" * len(some))
            rows = self._rows(f"SELECT code FROM coupons WHERE code IN ({marks})", some)
            found.update(row[0] for row in rows)
        return found

    def one(self, code: str) -> CouponRow | None:
        rows = self._rows(f"SELECT {COLUMNS} FROM coupons WHERE code = ?", [code])
        return CouponRow(*rows[0]) if rows else None

    def of(self, profile_id: int, limit: int) -> list[CouponRow]:
        sql = f"SELECT {COLUMNS} FROM coupons WHERE profile_id = ? ORDER BY issued_at DESC LIMIT ?"
        return [CouponRow(*row) for row in self._rows(sql, [profile_id, limit])]

    def counts(self) -> dict[str, CouponCounts]:
        found: dict[str, CouponCounts] = {}
        for pool, state, count, released in self._rows(COUNT, []):
            counts = found.setdefault(pool, CouponCounts())
            setattr(counts, state, count)
            counts.released += released
        return found

    def add(self, pool: str, codes: Sequence[str]) -> int:
        with self._database.transaction() as sql:
            return write_rows(sql, ADD, [(code, pool, "free") for code in codes])

    def _rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        with self._database.reporting():
            return self._database.connection.execute(sql, values).fetchall()


def _issued(change: CouponChange) -> tuple[Any, ...]:
    return (
        change.code,
        change.pool,
        "issued",
        change.profile_id,
        change.journey,
        change.step,
        change.run,
        change.issued_at,
        change.expires_at,
        0,
        "",
        None,
    )


def _ended(change: CouponChange) -> tuple[Any, ...]:
    return change.code, change.what, change.at, change.reference, change.amount
