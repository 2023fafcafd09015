"""The rejected log: events refused, each with its reason, for the API and the dashboard to show.

Bounded three ways, so that a broken client cannot fill the disk: rows a minute, rows in all, and
age. What is over the rate is counted, not kept.
"""

import json
import sqlite3
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from harken import clock
from harken.ingest.intake import transaction
from harken.ingest.protocol import EXCERPT_BYTES, Rejected

ROWS = 20_000
AGE = 30 * clock.DAY
PER_MINUTE = 1_000
_TIDY_EVERY = 500

_INSERT = "INSERT INTO rejected (at, key, reason, path, excerpt) VALUES (?, ?, ?, ?, ?)"
_COUNT = """
INSERT INTO intake VALUES ('rejected_not_kept', ?)
ON CONFLICT DO UPDATE SET value = value + excluded.value
"""
_TIDY = """
DELETE FROM rejected WHERE at < ? OR id <= (SELECT max(id) FROM rejected) - ?
"""
_PAGE = """
SELECT id, at, key, reason, path, excerpt FROM rejected WHERE id < ? ORDER BY id DESC LIMIT ?
"""


# An excerpt is kept as bytes; `instr` wants both sides of one kind.
_FORGET = "DELETE FROM rejected WHERE instr(CAST(excerpt AS TEXT), ?) > 0"


class RejectedRow(Struct, frozen=True):
    """A refused event as it is listed."""

    id: int
    at: int
    """When it was received, ms."""
    key: str
    """The name of the write key it came by."""
    reason: str
    path: str
    """Where in the request, e.g. `$.batch[3].timestamp`."""
    excerpt: str
    """Its first 2 KB."""


class RejectedLog:
    """Keeps and lists refused events. One thread at a time for each connection."""

    def __init__(
        self,
        db: sqlite3.Connection,
        *,
        rows: int = ROWS,
        age: int = AGE,
        per_minute: int = PER_MINUTE,
    ) -> None:
        self._db = db
        self._rows, self._age, self._per_minute = rows, age, per_minute
        self._minute = self._kept = self._since_tidy = 0

    def add(self, at: int, key: str, rejected: Sequence[Rejected]) -> None:
        """Keep these, within the bounds. Raises sqlite3.Error."""
        minute = at // clock.MINUTE
        if minute != self._minute:
            self._minute, self._kept = minute, 0
        kept = rejected[: max(0, self._per_minute - self._kept)]
        with transaction(self._db):
            self._db.executemany(
                _INSERT,
                [(at, key, row.reason, row.path, row.excerpt[:EXCERPT_BYTES]) for row in kept],
            )
            if len(kept) < len(rejected):
                self._db.execute(_COUNT, (len(rejected) - len(kept),))
        self._kept += len(kept)
        self._since_tidy += len(kept)
        if self._since_tidy >= _TIDY_EVERY:
            self.tidy(at)

    def tidy(self, now: int) -> None:
        """Remove what is over the age or the number."""
        self._db.execute(_TIDY, (now - self._age, self._rows))
        self._since_tidy = 0

    def page(self, before: int | None = None, limit: int = 100) -> list[RejectedRow]:
        """The newest first; `before` is the id of the last row of the page before."""
        rows = self._db.execute(_PAGE, (before or 1 << 62, limit))
        return [
            RejectedRow(id, at, key, reason, path, excerpt.decode("utf-8", "replace"))
            for id, at, key, reason, path, excerpt in rows
        ]

    def forget(self, texts: Sequence[str]) -> None:
        """Remove rows whose excerpt holds one of these texts as a JSON string, an erased
        customer's ids and address."""
        self._db.executemany(_FORGET, [(json.dumps(text),) for text in texts])
        self._db.executemany(_FORGET, [(msgspec.json.encode(text).decode(),) for text in texts])

    def not_kept(self) -> int:
        """How many refused events were only counted."""
        found = self._db.execute(
            "SELECT value FROM intake WHERE key = 'rejected_not_kept'"
        ).fetchone()
        return int(found[0]) if found else 0
