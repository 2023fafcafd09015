"""Moves the engine's rows from its store to history, a little behind and never twice."""

import threading
from time import monotonic
from typing import Protocol

from harken.history.base import History
from harken.logs import structlog

GATHER = 0.2
"""Seconds to wait for more rows: a commit costs an fsync however small it is."""
STREAM = 2.0
"""The same at most while many come: whole groups of rows are written once, straight to their place.
"""
RETRY = 1.0
LONGEST_RETRY = 30.0
PIECE_BYTES = 2_500_000
"""Blobs that are in memory at once, of 10,000 to 20,000 rows."""
LARGE = PIECE_BYTES // 10
"""A commit of more says that many come."""
WHOLE = 24_000_000
"""So much is a whole group, or nearly."""
MOST_PIECES = 12
"""Pieces of one commit. A second or two: who is to change history, or hold it, waits so long."""

log = structlog.get_logger()


class Rows(Protocol):
    """The part of the store that is needed here."""

    def history_rows(self, after: int, most_bytes: int) -> list[tuple[int, bytes]]: ...

    def history_waiting(self, after: int) -> int: ...

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
        self._stream = False
        """Whether many rows came just now."""
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
        before = self._history.watermark()
        while self._feed():
            pass
        return self._history.watermark() - before

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
            try:
                self._wait_for_more()
                self._bell.clear()
                last = self._stopping.is_set()
                if self.flush() if last else self._feed():
                    self.ring()  # what one commit could not take, or came meanwhile
                self.trouble, wait = "", RETRY
            except Exception as fault:
                # The rows stay in the store; nothing is lost by trying later. Whatever it was,
                # this thread must live on: nobody would start it again.
                self.trouble = str(fault) or repr(fault)
                log.warning("history cannot take rows", fault=repr(fault), retry_in=wait)
                last = self._stopping.is_set()
                self._stopping.wait(wait)
                wait = min(2 * wait, LONGEST_RETRY)
                self.ring()
            if last:
                return
            if self._history.held():
                self._stopping.wait(RETRY)
                self.ring()

    def _wait_for_more(self) -> None:
        """Each commit has its price: let rows gather, and in a stream a whole group."""
        until = monotonic() + (STREAM if self._stream else self._gather)
        while monotonic() < until and not self._stopping.is_set():
            if self._stream and self._store.history_waiting(self._history.watermark()) > WHOLE:
                return
            self._stopping.wait(self._gather)

    def _feed(self) -> int:
        """Move what one commit takes; how many pieces."""
        with self._feeding:
            if self._history.held():
                return 0
            backlog, upto = Backlog(self._store), self._history.watermark()
            first = backlog.read(upto)
            alone = False
            if first:
                self._store.history_done(upto)
                self._history.append(first, backlog.follow)
                alone = backlog.pieces > 1 and self._history.watermark() == first[-1][0]
            # Where each piece is a commit of its own, as new customers are, waiting is of no use.
            self._stream = backlog.bytes > LARGE and not alone
            return backlog.pieces


class Backlog:
    """Rows that wait in the store, read a piece at a time for one commit."""

    def __init__(self, store: Rows) -> None:
        self._store = store
        self.pieces = 0
        """How many were read that hold something."""
        self.bytes = 0
        """How much they held together."""
        self._more = False

    def read(self, after: int) -> list[tuple[int, bytes]]:
        """The next piece."""
        # Durable when read: what history takes must never be lost again with the machine, or its
        # number would come twice.
        found = self._store.history_rows(after, PIECE_BYTES)
        size = sum(len(blob) for _, blob in found)
        self.pieces += bool(found)
        self.bytes += size
        self._more = size > PIECE_BYTES // 2
        return found

    def follow(self, after: int) -> list[tuple[int, bytes]]:
        """The next piece while there are many, and room for it in the commit."""
        return self.read(after) if self._more and self.pieces < MOST_PIECES else []
