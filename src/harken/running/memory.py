"""How the C library of a process keeps memory that is free: little of it, and less after work."""

import ctypes
from collections.abc import Callable

# Numbers of <malloc.h>.
_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
ARENAS = 2
"""An arena a thread would hold on to what bursts needed, many times over."""
REST = 3.0
"""Seconds without work after which memory is given back that only work needs."""
LARGE = 256 * 1024
"""Bytes of a block (a batch, a page of history) that is given back as soon as it is free."""


def keep_little() -> None:
    """Set the process up, before it has threads."""
    set_option = _function("mallopt")
    if set_option is not None:
        set_option(_ARENA_MAX, ARENAS)
        set_option(_MMAP_THRESHOLD, LARGE)


def give_back() -> None:
    """Give the system back what is free; takes a few ms, in which nobody else can allocate."""
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)


def _function(name: str) -> Callable[..., int] | None:
    """One of glibc's own, which other C libraries lack."""
    return getattr(ctypes.CDLL(None), name, None)
