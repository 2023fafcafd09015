"""`intake.db`: the web process's own tables, identities and the rejected log.

Both are re-derived or re-made without loss of what was acknowledged, so a commit does not wait
for the disk (WAL, synchronous=NORMAL): a kill loses nothing, a power cut the last moments.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harken import wal

_SCHEMA = """
CREATE TABLE IF NOT EXISTS intake (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

-- An anonymous id, from its first sight on. owner 0: nobody's yet, so its own profile exists.
-- apart: an operator undid its merge, so it is never joined by itself again.
CREATE TABLE IF NOT EXISTS anonymous (
    value TEXT PRIMARY KEY, owner INTEGER NOT NULL, apart INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS anonymous_owner ON anonymous (owner) WHERE owner != 0;

-- Profiles joined into others. anonymous: the id that names the absorbed profile, NULL for a
-- user's. The index serves `identifiers_of` and the moving on of a survivor that is absorbed.
CREATE TABLE IF NOT EXISTS redirects (
    absorbed INTEGER PRIMARY KEY, survivor INTEGER NOT NULL, anonymous TEXT
);
CREATE INDEX IF NOT EXISTS redirects_survivor ON redirects (survivor);

CREATE TABLE IF NOT EXISTS rejected (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, key TEXT NOT NULL,
    reason TEXT NOT NULL, path TEXT NOT NULL, excerpt BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS rejected_at ON rejected (at);
"""


def connect(path: Path) -> sqlite3.Connection:
    """Open `intake.db`, with its tables. The caller keeps it to one thread at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
    wal.switch_to(db)
    db.execute("PRAGMA synchronous=NORMAL")
    db.executescript(_SCHEMA)
    return db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All that is done inside, or nothing of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
