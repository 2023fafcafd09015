"""What the processes do not hold on to: libraries for terminals, and memory when work is done."""

import ctypes
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harken.running import memory, roles
from harken.running.bell import Bell
from harken.store.connection import Database


def test_what_sends_loads_nothing_for_a_terminal() -> None:
    code = (
        "import sys, harken.loops.sending as _, harken.outside.feeds as _;"
        "print([one for one in ('click', 'rich', 'pygments', 'httpx') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['httpx']\n"


def test_who_has_nothing_to_do_for_a_while_rests_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "REST", 0.0)
    monkeypatch.setattr(roles, "LONGEST_WAIT", 0.01)
    bell, stopping = Bell.new(), threading.Event()
    turns = iter([0, 0, 3, 1, 0, 0, 0, 2, 0, 0])
    done: list[object] = []

    def turn() -> int:
        found = next(turns, None)
        if found is None:
            stopping.set()
            return 0
        done.append(found)
        return found

    roles._work(turn, lambda: 1.0, bell, stopping, lambda: done.append("rest"))
    assert done == [0, 0, 3, 1, 0, "rest", 0, 0, 2, 0, "rest", 0]


def test_pages_that_connections_keep_are_let_go_of(tmp_path: Path) -> None:
    database = Database(tmp_path / "rows.sqlite", "CREATE TABLE t (x)", durable=False, cache_mib=16)
    with database.transaction() as sql:
        sql.executemany("INSERT INTO t VALUES (?)", [("x" * 1_000,)] * 5_000)
    database.connection.execute("SELECT sum(length(x)) FROM t").fetchall()
    # sqlite3_memory_used of the library that Python's module is linked with.
    used = ctypes.CDLL(sys.modules["_sqlite3"].__file__).sqlite3_memory_used
    used.restype = ctypes.c_int64
    before = used()
    database.shrink()
    assert used() < before - 4_000_000
    database.close()


def test_memory_that_is_free_goes_back_to_the_system() -> None:
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    blocks = [ctypes.c_void_p(library.malloc(1_000)) for _ in range(40_000)]
    for block in blocks:
        ctypes.memset(block, 1, 1_000)
    last = ctypes.c_void_p(library.malloc(1_000))
    for block in blocks:
        library.free(block)
    before = resident()
    memory.give_back()
    assert resident() < before - 20_000_000
    library.free(last)


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
