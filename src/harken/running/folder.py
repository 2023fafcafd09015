"""Who uses a data folder: one Harken at a time."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harken.errors import BadInput, Conflict


@contextmanager
def held(data: Path) -> Iterator[int]:
    """Use the folder alone, making it if it is not there.

    The lock is the kernel's: it ends with the process, however that ended, if no other has the
    descriptor that is given. Raises Conflict when another process has it, BadInput when the folder
    cannot be used.
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
        yield lock
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
