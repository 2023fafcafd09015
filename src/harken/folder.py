"""Who uses a data folder: one Harken at a time."""

import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harken.errors import BadInput, Conflict

LOOK_EVERY = 0.05
"""Seconds between looks at a lock that another process has."""


@contextmanager
def held(data: Path) -> Iterator[None]:
    """Use the folder alone, making it if it is not there.

    The lock is the kernel's: it ends with the process, however that ended. Raises Conflict when
    another process has it, BadInput when the folder cannot be used.
    """
    try:
        (data / "run").mkdir(parents=True, exist_ok=True)
        lock = os.open(data / "run" / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BadInput(f"{data} cannot be used as a data folder: {error.strerror}") from None
    try:
        _take(lock, data)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(lock)


@contextmanager
def only_one(path: Path, stopping: threading.Event) -> Iterator[bool]:
    """Be the one process that holds the lock at `path`, waiting until it is; whether it came to it.

    After a kill of the web process its children finish what they have begun, beside those of the
    next one: these wait. False when `stopping` was set before.
    """
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not stopping.is_set():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                stopping.wait(LOOK_EVERY)
            else:
                yield True
                return
        yield False
    finally:
        os.close(lock)


def _take(lock: int, data: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise BadInput(f"{data} cannot be locked: {error.strerror}") from None
        holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
        raise Conflict(f"another Harken runs on {data} (pid {holder})") from None
