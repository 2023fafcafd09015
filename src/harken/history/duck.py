"""History in one DuckDB file. One process holds it; others ask that one (`remote`)."""

import shutil
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any

import duckdb

from harken.effects import Decision, Happening
from harken.errors import BadInput, Unavailable
from harken.history import answers, duck_write, filling
from harken.history.answers import DECISION_FIELDS, EVENT_FIELDS
from harken.history.base import (
    QUERY_LIMIT,
    QUERY_SECONDS,
    TIMELINE_LIMIT,
    Batches,
    History,
    Row,
    Table,
    no_more,
)
from harken.history.export import export

MINE = "profile_id IN (SELECT unnest($1::BIGINT[])) AND ts < $2"
FLOOR = f"""
SELECT min(ts) FROM (
    SELECT ts FROM (
        SELECT ts FROM events WHERE {MINE} UNION ALL SELECT ts FROM decisions WHERE {MINE}
    ) ORDER BY ts DESC LIMIT $3
)
"""
EVENTS_PAGE = f"SELECT {EVENT_FIELDS} FROM events WHERE {MINE} AND ts >= $3 ORDER BY ts, rowid"
DECISIONS_PAGE = (
    f"SELECT {DECISION_FIELDS} FROM decisions WHERE {MINE} AND ts >= $3 ORDER BY ts, rowid"
)
OF_JOURNEY = f"""
SELECT {DECISION_FIELDS} FROM decisions WHERE profile_id = $1 AND journey = $2 ORDER BY ts, rowid
"""
OWN_SINCE = """
SELECT name, count(*), min(ts), max(ts) FROM events
WHERE profile_id = $1 AND coalesce(origin, $1) = $1 AND received >= $2 GROUP BY name ORDER BY name
"""
OF_NAME = f"""
SELECT {EVENT_FIELDS} FROM events WHERE profile_id = $1 AND name = $2
ORDER BY ts DESC, rowid DESC LIMIT $3
"""
# The latest rows first, then one a customer: a window over all customers would not fit in memory.
LATEST = f"""
SELECT {EVENT_FIELDS} FROM (SELECT * FROM events WHERE name = $1 ORDER BY ts DESC LIMIT 10 * $2)
QUALIFY row_number() OVER (PARTITION BY profile_id ORDER BY ts DESC) = 1
ORDER BY ts DESC LIMIT $2
"""
SIZES = "SELECT ts, size FROM segment_sizes WHERE segment = $1 AND ts >= $2 ORDER BY ts, rowid"
UPTO = "SELECT upto FROM taken"
PART = "SELECT part FROM taken"
END_OF_TIME = 2**63 - 1
TOGETHER = 122_880
"""Events of one transaction, when so many wait: a full group of rows, which DuckDB writes to its
place in the file, and not first to its write-ahead log."""
CHECKPOINT = "32MB"
"""WAL before a checkpoint, each of which writes the last, half full group of rows anew."""
LITTLE = 4_000_000
"""Bytes of WAL that may wait for a checkpoint when nothing comes in: its rows are in memory."""
QUIET = 2.0
"""Seconds without rows after which nothing comes in."""
COPY = "import shutil, sys; shutil.copyfile(sys.argv[1], sys.argv[2])"
COPY_SECONDS = 600
MAKING = ".exporting-"
"""Begins the name of the folder in which an export is made, beside its own."""


class Preparing:
    """A filling on its way."""

    def __init__(self, trait_id: str, cursor: duckdb.DuckDBPyConnection) -> None:
        self.trait_id, self.cursor = trait_id, cursor
        self.dropped = False
        self.forgotten: list[int] = []


class DuckHistory(History):
    """`History` in the file at `path`. Raises Unavailable when another process holds it."""

    def __init__(self, path: Path, *, memory: str = "100MB", threads: int = 1) -> None:
        self._path, self._memory, self._threads = path, memory, threads
        self._config = _config(memory, threads)
        self._writing = threading.Lock()
        self._held_until = self._appended = 0.0
        self._reached = 0
        """The number of the last batch that was tried."""
        self._cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
        self._broken = False
        self._filling = threading.Lock()
        self._preparing: Preparing | None = None
        self._open()

    def append(self, batches: Batches, more: Callable[[int], Batches] = no_more) -> None:
        with self._writing:
            upto = self._upto()
            fresh = [(number, blob) for number, blob in batches if number > upto]
            if not fresh:
                return
            # What failed together is taken each for itself.
            alone = fresh[-1][0] <= self._reached
            try:
                self._take(fresh, no_more if alone else more)
            except duck_write.Unfit:
                odd = self._reached == fresh[-1][0]
                self._take(fresh, no_more, mend=odd)

    def watermark(self) -> int:
        if self._broken:
            with self._writing:
                self._revive()
        # Not the writer's cursor: who asks need not wait for a large append.
        return int(self._rows(UPTO, [])[0][0])

    def table(
        self,
        sql: str,
        params: Sequence[Any] = (),
        *,
        limit: int = QUERY_LIMIT,
        seconds: float = QUERY_SECONDS,
    ) -> Table:
        _only_select(sql)
        cursor = self._cursor()
        alarm = threading.Timer(seconds, cursor.interrupt)
        alarm.daemon = True
        alarm.start()
        try:
            # READ ONLY because a SELECT may hold an INSERT (`WITH x AS (INSERT ...)`).
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            try:
                rows = cursor.execute(sql, list(params)).fetchmany(limit)
                columns = [str(column[0]) for column in cursor.description or ()]
            finally:
                cursor.execute("ROLLBACK")
        except duckdb.InterruptException:
            raise BadInput(f"the query took longer than {seconds:g} s") from None
        except duckdb.OutOfMemoryException:
            memory = f"the {self._memory} that it may use (HARKEN_HISTORY_MEMORY)"
            raise BadInput(f"history cannot answer this within {memory}") from None
        except duckdb.IOException as fault:
            raise Unavailable(f"history: {fault}") from fault
        except (duckdb.Error, TypeError, ValueError, OverflowError) as fault:
            raise BadInput(str(fault)) from None
        finally:
            alarm.cancel()
        return Table(columns, [tuple(map(answers.plain, row)) for row in rows])

    def timeline(
        self,
        profile_ids: Sequence[int],
        *,
        before: int | None = None,
        limit: int = TIMELINE_LIMIT,
    ) -> list[dict[str, Any]]:
        which = [list(profile_ids), END_OF_TIME if before is None else before]
        floor = self._rows(FLOOR, [*which, limit])[0][0]
        if floor is None:
            return []
        events = [
            answers.entry("event", answers.event(row))
            for row in self._rows(EVENTS_PAGE, [*which, floor])
        ]
        decided = [
            answers.entry("decision", answers.decision(row))
            for row in self._rows(DECISIONS_PAGE, [*which, floor])
        ]
        # What was decided at a ms came after what happened at it.
        return sorted([*events, *decided], key=lambda entry: int(entry["at"]))[::-1]

    def decisions(self, profile_id: int, journey: str) -> list[Decision]:
        return [answers.decision(row) for row in self._rows(OF_JOURNEY, [profile_id, journey])]

    def events_since(self, profile_id: int, since: int) -> dict[str, list[int]]:
        rows = self._rows(OWN_SINCE, [profile_id, since])
        return {name: [count, first, last] for name, count, first, last in rows}

    def recent_triggers(self, event_name: str, limit: int) -> list[tuple[int, Happening]]:
        events = [answers.event(row) for row in self._rows(LATEST, [event_name, limit])]
        return [(event.profile_id, event) for event in events]

    def latest(self, profile_id: int, event_name: str, limit: int) -> list[Happening]:
        return [answers.event(row) for row in self._rows(OF_NAME, [profile_id, event_name, limit])]

    def prune(self, before: int) -> int:
        with self._transaction() as cursor:
            return sum(
                _count(cursor.execute(f"DELETE FROM {table} WHERE ts < $1", [before]))
                for table in duck_write.TABLES
            )

    def record_size(self, segment: str, at: int, size: int) -> None:
        with self._transaction() as cursor:
            cursor.execute("INSERT INTO segment_sizes VALUES ($1, $2, $3)", [segment, at, size])

    def sizes(self, segment: str, since: int) -> list[tuple[int, int]]:
        return [(at, size) for at, size in self._rows(SIZES, [segment, since])]

    def prepare_filling(self, trait_id: str, sql: str, params: Sequence[Any] = ()) -> int:
        filling.table_of(trait_id)
        _only_select(sql)
        # One at a time: each may use what memory there is.
        with self._filling, _storage(), closing(self._new_cursor()) as cursor:
            if not filling.exists(cursor, trait_id):
                self._preparing = preparing = Preparing(trait_id, cursor)
                try:
                    filling.prepare(cursor, trait_id, sql, params)
                    self._keep(preparing)
                except duck_write.Unfit as fault:
                    raise BadInput(str(fault)) from None
                finally:
                    self._preparing = None
            return filling.count(cursor, trait_id)

    def filling(self, trait_ids: Sequence[str], after: int, upto: int) -> dict[int, dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        with _storage():
            for trait_id in trait_ids:
                for id, state in filling.read(self._cursor(), trait_id, after, upto):
                    found.setdefault(id, {})[trait_id] = state
        return found

    def filled_ids(self, trait_id: str, after: int, limit: int) -> list[int]:
        with _storage():
            return filling.ids(self._cursor(), trait_id, after, limit)

    def drop_filling(self, trait_ids: Sequence[str]) -> None:
        with self._transaction() as cursor:
            preparing = self._preparing
            if preparing is not None and preparing.trait_id in trait_ids:
                preparing.dropped = True
                preparing.cursor.interrupt()
            for trait_id in trait_ids:
                filling.drop(cursor, trait_id)

    def export(self, folder: str) -> dict[str, int]:
        target = Path(folder)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise BadInput(f"{folder} is not empty; name a new folder")
        try:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            for left in target.parent.glob(f"{MAKING}*"):
                # Of an export that was killed: as large as history.
                shutil.rmtree(left, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=MAKING) as making:
                copy, files = Path(making) / "history.duckdb", Path(making) / "files"
                files.mkdir(mode=0o700)
                self.backup(str(copy))
                rows = export(copy, files, self._memory, self._threads)
                # All of it or nothing: half an export looks like a whole one.
                files.replace(target)
                return rows
        except OSError as fault:
            raise Unavailable(f"history could not be exported: {fault}") from fault

    def hold(self, seconds: float) -> None:
        with self._writing:
            self._held_until = monotonic() + seconds

    def held(self) -> bool:
        return monotonic() < self._held_until

    def backup(self, to: str) -> None:
        with self._writing, _storage():
            self._writer.execute("CHECKPOINT")
            # By another process: to close any handle of the file here would give up DuckDB's
            # lock on it (fcntl locks belong to the process).
            for source, target in ((self._path, to), (f"{self._path}.wal", f"{to}.wal")):
                if Path(source).exists():
                    _copy(source, target)

    def settle(self) -> None:
        """Let go of the memory of rows that wait for a checkpoint, when no more are coming."""
        if monotonic() - self._appended < QUIET or self._preparing is not None:
            return
        wal = Path(f"{self._path}.wal")
        with self._writing, _storage():
            self._revive()
            if not wal.exists() or wal.stat().st_size <= LITTLE:
                return
            try:
                self._writer.execute("CHECKPOINT")
            except duckdb.TransactionException:
                pass  # somebody writes just now; asked again later
            except duckdb.FatalException:
                self._broken = True
                raise

    def close(self) -> None:
        # A preparation that is just beginning misses an interrupt: it is told until it has ended.
        while not self._filling.acquire(timeout=0.01):
            if (preparing := self._preparing) is not None:
                with suppress(duckdb.Error):
                    preparing.cursor.interrupt()
        try:
            with self._writing:
                self._close()
        finally:
            self._filling.release()

    def _open(self) -> None:
        with _storage():
            self._connection = duckdb.connect(str(self._path), config=self._config)
            self._connection.execute(duck_write.SCHEMA)
            # Else a query could read the variables of our own Python code as tables.
            self._connection.execute("SET GLOBAL python_enable_replacements = false")
            self._connection.execute("SET GLOBAL lock_configuration = true")
            self._writer = self._connection.cursor()
        self._mine = threading.local()
        self._broken = False

    def _close(self) -> None:
        for cursor in [*self._cursors, self._writer, self._connection]:
            # All must go, also past one that is broken: the file stays open till the last has.
            try:
                cursor.interrupt()
                cursor.close()
            except duckdb.Error:
                pass

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._writing:
            self._revive()
            with self._committed():
                yield self._writer

    @contextmanager
    def _committed(self) -> Iterator[None]:
        with _storage():
            self._writer.execute("BEGIN")
            try:
                yield
                self._writer.execute("COMMIT")
            except BaseException as fault:
                self._broken = isinstance(fault, duckdb.FatalException)
                # A failed COMMIT has rolled back already, and then there is nothing to undo.
                try:
                    self._writer.execute("ROLLBACK")
                except duckdb.FatalException:
                    self._broken = True
                except duckdb.Error:
                    pass
                raise

    def _revive(self) -> None:
        """Open the file anew after a fatal error: a full disk makes DuckDB refuse all till then."""
        if self._broken:
            self._close()
            self._open()

    def _keep(self, preparing: Preparing) -> None:
        """Commit what was prepared, without those who were forgotten meanwhile."""
        with self._writing:
            if preparing.dropped:
                raise Unavailable(f"history: the filling {preparing.trait_id} was dropped")
            if preparing.forgotten:
                table = filling.table_of(preparing.trait_id)
                filling.forget(preparing.cursor, table, preparing.forgotten)
            try:
                preparing.cursor.execute("COMMIT")
            except duckdb.FatalException:
                self._broken = True
                raise

    def _take(
        self, batches: Batches, more: Callable[[int], Batches], *, mend: bool = False
    ) -> None:
        pages, upto = duck_write.pages_of(batches), batches[-1][0]
        if mend:
            pages = duck_write.repair(self._writer, pages)
        with self._committed():
            ((before,),) = self._writer.execute(PART).fetchall()
            self._write(pages, upto, before)
            rows = duck_write.events_in(pages) - before
            part = max(0, -rows)
            while not part and rows < TOGETHER and (batches := more(upto)):
                pages = duck_write.pages_of(batches)
                if not duck_write.follow(pages):
                    break
                if rows + duck_write.events_in(pages) > TOGETHER:
                    # Not one row beyond the group: at a checkpoint DuckDB would put small groups
                    # together with all that stand beside them, and so write everything again.
                    self._reached = batches[-1][0]
                    part = duck_write.take_events(self._writer, pages, TOGETHER - rows)
                    break
                upto = batches[-1][0]
                self._write(pages, upto)
                rows += duck_write.events_in(pages)
            self._writer.execute("UPDATE taken SET upto = $1, part = $2", [upto, part])
        self._reached = upto

    def _write(self, pages: Sequence[duck_write.NumberedPage], upto: int, before: int = 0) -> None:
        """Write pages within the transaction, but for the events taken before."""
        self._appended, self._reached = monotonic(), upto
        if (preparing := self._preparing) is not None:
            # It does not see who is forgotten now.
            preparing.forgotten += [id for _, page in pages for id in page.forget]
        duck_write.take(self._writer, pages, before)

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        found: duckdb.DuckDBPyConnection | None = getattr(self._mine, "cursor", None)
        if found is None:
            found = self._mine.cursor = self._new_cursor()
        return found

    def _new_cursor(self) -> duckdb.DuckDBPyConnection:
        with _storage():
            found = self._connection.cursor()
        self._cursors.add(found)
        return found

    def _rows(self, sql: str, params: Sequence[Any]) -> list[Row]:
        with _storage():
            return self._cursor().execute(sql, params).fetchall()

    def _upto(self) -> int:
        self._revive()
        with _storage():
            return _count(self._writer.execute(UPTO))


def _copy(source: str | Path, target: str) -> None:
    command = [sys.executable, "-c", COPY, str(source), target]
    done = subprocess.run(command, capture_output=True, timeout=COPY_SECONDS, check=False)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise Unavailable(f"history could not be copied: {said}")


def _config(memory: str, threads: int) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "memory_limit": memory,
        "threads": threads,
        "max_temp_directory_size": "2GB",
        "checkpoint_threshold": CHECKPOINT,
        # Else its allocator keeps what a burst or a large commit needed until the next one. Less
        # than so much, given back at once, would cost an eighth of appending.
        "allocator_background_threads": True,
        "allocator_flush_threshold": "16MB",
        "allocator_bulk_deallocation_flush_threshold": "16MB",
        "enable_external_access": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }


@contextmanager
def _storage() -> Iterator[None]:
    """DuckDB's errors as Unavailable, but for those that one row of data is to blame for."""
    try:
        yield
    except duck_write.Unfit:
        raise
    except duckdb.Error as fault:
        raise Unavailable(f"history: {fault}") from fault


def _only_select(sql: str) -> None:
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as fault:
        raise BadInput(str(fault)) from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise BadInput("a query is one SELECT statement")


def _count(cursor: duckdb.DuckDBPyConnection) -> int:
    found = cursor.fetchone()
    return int(found[0]) if found else 0
