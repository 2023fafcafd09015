"""Connections to a SQLite file that others have open."""

import sqlite3
from pathlib import Path
from threading import Timer

from harken.store.connection import Database


def test_who_opens_a_new_file_waits_for_whoever_did_so_just_before(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    # While it writes, nobody can switch the file to WAL, and SQLite does not let them wait either.
    other.execute("BEGIN IMMEDIATE")
    other.execute("CREATE TABLE things (name)")
    writing = Timer(0.1, lambda: other.execute("COMMIT"))
    writing.start()
    opened = Database(path, "", durable=False, cache_mib=1)
    assert opened.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    writing.join()
    opened.close()
    other.close()
