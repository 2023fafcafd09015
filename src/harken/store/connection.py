"""One SQLite connection a thread, set up alike everywhere."""

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from harken import wal
from harken.errors import Unavailable

AT_ONCE = 500
"""Values in one `IN (...)`: SQLite re-reads a statement it has not cached, so few shapes."""
ROWS = (512, 128, 32, 8, 2, 1)
"""Rows in one statement that writes."""


class Database:
    """A SQLite file in WAL mode. Connections belong to the thread that first asks.

    `durable` commits wait for the disk (synchronous=FULL); others survive a crash of the process
    but may lose the last moments when the machine itself dies, which the log makes good.
    """

    def __init__(self, path: Path, schema: str, *, durable: bool, cache_mib: int) -> None:
        self.path = path
        self._durable = durable
        self._cache_mib = cache_mib
        self._threads = threading.local()
        self._all: list[sqlite3.Connection] = []
        with self.reporting():
            self.connection.executescript(schema)

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        found: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if found is None:
            # A connection is used by its own thread alone, but closed by whoever closes the store.
            found = sqlite3.connect(
                self.path, timeout=wal.SECONDS, isolation_level=None, check_same_thread=False
            )
            wal.switch_to(found)
            found.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
            found.execute(f"PRAGMA cache_size = -{self._cache_mib * 1024}")
            found.execute("PRAGMA temp_store = MEMORY")
            # Zeros over what was deleted, but not over whole pages that are free to be used again.
            found.execute("PRAGMA secure_delete = FAST")
            # A commit that finds the log this long moves it into the file itself; before that
            # `checkpoint` does it, beside the commits.
            found.execute("PRAGMA wal_autocheckpoint = 20000")
            self._threads.connection = found
            self._all.append(found)
        return found

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: all of it or nothing."""
        with self.reporting():
            connection = self.connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Turn a storage fault (disk full, file gone, locked too long) into `Unavailable`."""
        try:
            yield
        except sqlite3.OperationalError as fault:
            raise Unavailable(f"{self.path.name}: {fault}") from fault

    def sync(self) -> None:
        """Make durable what was committed so far, whatever `durable` says."""
        try:
            handle = os.open(f"{self.path}-wal", os.O_RDONLY)
        except FileNotFoundError:
            return  # nothing beside the file itself, which SQLite syncs at each checkpoint
        try:
            os.fdatasync(handle)
        finally:
            os.close(handle)

    def checkpoint(self) -> None:
        """Move what the write-ahead log holds into the file, as far as readers allow."""
        with self.reporting():
            self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def shrink(self) -> None:
        """Let go of the pages that the connections of all threads keep."""
        with self.reporting():
            for connection in list(self._all):
                connection.execute("PRAGMA shrink_memory")

    def backup(self, to: Path) -> None:
        """A consistent copy of the file while it is in use."""
        with self.reporting():
            copy = sqlite3.connect(to)
            try:
                self.connection.backup(copy)
            finally:
                copy.close()

    def close(self) -> None:
        """Close the connections of every thread."""
        for connection in self._all:
            connection.close()
        self._all.clear()
        self._threads = threading.local()


def slices(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """`values` in pieces that fit into one `IN (...)`."""
    for start in range(0, len(values), AT_ONCE):
        yield values[start : start + AT_ONCE]


def within(rows: Iterable[tuple[int, bytes]], most_bytes: int) -> Iterator[tuple[int, bytes]]:
    """The first rows, one at least, whose blobs have no more than so many bytes together."""
    size = 0
    for number, blob in rows:
        before, size = size, size + len(blob)
        if before and size > most_bytes:
            return
        yield number, blob


def write_rows(sql: sqlite3.Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """Run a statement about many rows, in few steps; how many it changed.

    With each step Python's lock changes hands, and another thread, the engine's at the next
    batch, is not quick to give it back.
    """
    done = changed = 0
    for size in ROWS:
        while done + size <= len(rows):
            some = rows[done : done + size]
            text = _about(statement, len(some[0]), size)
            changed += sql.execute(text, list(chain.from_iterable(some))).rowcount
            done += size
    return changed


@lru_cache(maxsize=128)
def _about(statement: str, values: int, rows: int) -> str:
    """The statement about so many rows of so many values: text that SQLite knows again."""
    marks = f"({', '.join('?' * values)})"
    return statement.format(rows=", ".join([marks] * rows))
