"""Which messages a provider may have: noted in a file just before it can take them.

The ledger says of a whole batch that it is handed, durably, before any of it leaves. When the
sender is killed, this file says which of the batch had come so far: the others surely did not
leave, and may be sent after all. What a process wrote outlives it, not the machine, so a note
counts only while the machine has not been started anew; it costs no fsync.
"""

import fcntl
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from harken.store.base import LedgerRow

MOST = 50_000
"""Lines after which the file is written anew, with what is still open."""
BOOT = Path("/proc/sys/kernel/random/boot_id")
"""Another each time that the machine is started (Linux: random(4))."""

Claim = tuple[int, str]
"""When (ms) rows of which channel were claimed."""


class Left:
    """The notes that a sender left behind; none that count when they are of another start of the
    machine, or nobody knows of which."""

    def __init__(self, path: Path, boot: Path = BOOT) -> None:
        self.boot = _read(boot)
        lines = _read(path).split("\n")
        self.counts = bool(self.boot) and lines[0] == self.boot
        self.lines = frozenset(lines if self.counts else ())

    def untouched(self, row: LedgerRow) -> bool:
        """Whether a row that the sender claimed, and holds, surely did not leave."""
        return _line((row.handed_at, row.channel)) in self.lines and row.id not in self.lines


def left_by_dead(lock: Path, notes: Path, boot: Path = BOOT) -> Left | None:
    """The notes of a sender that holds the lock for as long as it lives, or None when it may live.

    They are final: none of the sender's threads runs any more, and a next sender of its name only
    settles what this one left, or adds to them.
    """
    try:
        held = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # While the lock is held, none begins that might write the file anew.
        return Left(notes, boot)
    except OSError:
        return None
    finally:
        os.close(held)


class Begun:
    """The notes of one sender. A line is the time and channel of a claim, or a message's id."""

    def __init__(self, path: Path, boot: Path = BOOT) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._open: dict[str, Claim] = {}
        """Messages that are claimed and not settled."""
        self._marked: set[str] = set()
        """Those of them that were begun."""
        self.left = Left(path, boot)
        """What an earlier process wrote."""
        if not self.left.counts:
            path.unlink(missing_ok=True)
        self._lines = len(self.left.lines)
        self._file = self._opened()

    def claimed(self, rows: Iterable[LedgerRow]) -> None:
        """Rows were claimed whose messages will each be marked."""
        claims = {row.id: (row.handed_at, row.channel) for row in rows}
        # Without the note they are unsure after a crash, as if there were no such file.
        with self._lock, suppress(OSError):
            self._open |= claims
            if self._lines > MOST:
                self._write_anew()
            for claim in set(claims.values()):
                self._write(_line(claim))

    def mark(self, id: str) -> None:
        """The message may have left from now on. Raises OSError, and then it must not leave."""
        with self._lock:
            self._write(id)
            if id in self._open:
                self._marked.add(id)

    def settled(self, ids: Iterable[str]) -> None:
        """What came of the messages is in the ledger."""
        with self._lock:
            for id in ids:
                self._open.pop(id, None)
                self._marked.discard(id)

    def close(self) -> None:
        """Close the file; what is in it stays. Nothing can be marked any more."""
        with self._lock:
            os.close(self._file)
            self._file = -1

    def _opened(self) -> int:
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if os.fstat(file).st_size == 0:
            # On a full disk there is no first line, so that nothing in the file counts.
            with suppress(OSError):
                os.write(file, self.left.boot.encode())
        return file

    def _write(self, line: str) -> None:
        # The line's end comes first: what a full disk cut short spoils no other line.
        written = f"\n{line}".encode()
        if os.write(self._file, written) != len(written):
            raise OSError(f"{self._path.name} could not be written: the disk is full")
        self._lines += 1

    def _write_anew(self) -> None:
        claims = map(_line, set(self._open.values()))
        lines = [self.left.boot, *claims, *self._marked]
        beside = self._path.with_suffix(".new")
        beside.write_text("\n".join(lines))
        beside.replace(self._path)
        old, self._file, self._lines = self._file, self._opened(), len(lines)
        os.close(old)


def _line(claim: Claim) -> str:
    return f"@{claim[0]} {claim[1]}"


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip("\n")
    except OSError:
        return ""
