"""How many customers there are, without reading every page while the engine waits."""

from sqlite3 import Connection

from harken.ids import IDS

FIRST = 10_000
"""Customers by whom it is estimated: ids are evenly spread, so how far the first reach tells."""


def about_profiles(sql: Connection) -> int:
    """Exact below FIRST, else within a few percent."""
    first = f"SELECT id FROM profiles ORDER BY id LIMIT {FIRST}"
    count, reach = sql.execute(f"SELECT count(*), max(id) FROM ({first})").fetchone()
    return int(count) if count < FIRST else int(count) * IDS // (int(reach) + 1)
