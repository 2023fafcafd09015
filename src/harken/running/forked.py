"""Processes forked from this one: they share the memory of all that it has loaded."""

import gc
import os
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def forked(name: str, run: Callable[[], None]) -> int:
    """Fork a process that ends when `run` does; its id. Its exit code is 1 when `run` raises.

    Raises OSError when the system has no room for another.

    For a process that has no threads yet: what another thread holds locked would stay so.
    """
    # Else the first look for garbage would write to every page that is shared.
    gc.freeze()
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        # What `top` and `ps -o comm` show; the command line stays that of `harken serve`.
        with suppress(OSError):  # Not every kernel of containers lets itself be told.
            Path("/proc/self/comm").write_text(f"harken {name}")
        run()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        # Not through what this process was doing when it was forked.
        os._exit(code)


class Lifeline:
    """A pipe that one process holds open while it lives; those that it forks wait for its end."""

    def __init__(self, *descriptors: int) -> None:
        """`descriptors` are others that only the holder may have."""
        self._read, write = os.pipe()
        self._holders = (write, *descriptors)

    def follow(self, gone: Callable[[], None]) -> None:
        """In a process just forked from the holder: call `gone` when that has ended, however."""
        for descriptor in self._holders:
            os.close(descriptor)

        def wait() -> None:
            os.read(self._read, 1)
            gone()

        threading.Thread(target=wait, name="parent", daemon=True).start()
