"""SQLite's write-ahead log: readers and a writer at a time, in several processes."""

import sqlite3
import time

SECONDS = 30.0
"""How long to wait for a lock that another holds, before that is a fault."""


def switch_to(connection: sqlite3.Connection) -> None:
    """Let the file have one. Of several who do so to a new file at once, SQLite sends all but one
    away without waiting for the lock."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as fault:
            if fault.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.002)
