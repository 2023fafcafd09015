"""Moves the engine's rows from its store to history, a little behind and never twice."""

import threading
from typing import Protocol

from harken.history.base import History
from harken.logs import structlog

GATHER = 0.2
"""Seconds to wait for more rows: a commit costs an fsync however small it is."""
RETRY = 1.0
LONGEST_RETRY = 30.0
COMMIT_BYTES = 2_500_000
"""Blobs of one commit, about 10,000 rows; bounds memory when history lags far behind."""

log = structlog.get_logger()


class Rows(Protocol):
    """The part of the store that is needed here."""

    def history_rows(self, after: int, most_bytes: int) -> list[tuple[int, bytes]]: ...

    def history_done(self, upto: int) -> None: ...


class Feeder:
    """Feeds history in a thread of its own; `ring` says that there are new rows.

    Give it a store whose commits wait for the disk. Rows leave the store one round after history
    took them.
    """

    def __init__(self, store: Rows, history: History, *, gather: float = GATHER) -> None:
        self._store = store
        self._history = history
        self._gather = gather
        self._feeding = threading.Lock()
        self._bell = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.trouble = ""
        """Why rows cannot be moved at present; empty when all is well."""

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._thread.start()
        self.ring()

    def ring(self) -> None:
        """There are new rows."""
        self._bell.set()

    def flush(self) -> int:
        """Move all rows that are there now; how many batches. Raises what history raises."""
        moved = 0
        while taken := self._feed():
            moved += len(taken)
        return moved

    def stop(self) -> None:
        """Move what is left and end the thread."""
        self._stopping.set()
        self.ring()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        wait = RETRY
        while True:
            self._bell.wait()
            self._stopping.wait(self._gather)
            self._bell.clear()
            last = self._stopping.is_set()
            try:
                self.flush() if last else self._catch_up()
                self.trouble, wait = "", RETRY
            except Exception as fault:
                # The rows stay in the store; nothing is lost by trying later. Whatever it was,
                # this thread must live on: nobody would start it again.
                self.trouble = str(fault) or repr(fault)
                log.warning("history cannot take rows", fault=repr(fault), retry_in=wait)
                self._stopping.wait(wait)
                wait = min(2 * wait, LONGEST_RETRY)
                self.ring()
            if last:
                return
            if self._history.held():
                self._stopping.wait(RETRY)
                self.ring()

    def _catch_up(self) -> None:
        """Move rows while there are many; few gather first, since each commit has its price."""
        while sum(len(blob) for _, blob in self._feed()) > COMMIT_BYTES // 2:
            pass

    def _feed(self) -> list[tuple[int, bytes]]:
        with self._feeding:
            if self._history.held():
                return []
            upto = self._history.watermark()
            batches = self._store.history_rows(upto, COMMIT_BYTES)
            if not batches:
                return []
            # What history takes must never be lost again with the machine, or its number would
            # come twice: this commit, on a durable store, syncs the rows just read as well.
            self._store.history_done(upto)
            self._history.append(batches)
            return batches
