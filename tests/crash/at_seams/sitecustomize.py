"""Kills a process of Harken at a seam of its work: on the path of Python when a test wants it.

Nothing of what Harken does is changed. Methods at the seams are wrapped, and before or after one
runs, the process kills itself if the test has put a file of the seam's name into KILL_AT.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ARMED = Path(os.environ.get("KILL_AT", "/nowhere"))
WEB = os.getpid()
"""The web process, in all that are forked from it."""
# "alone" lets the web process live and start the child again; "family" takes it along.
Test = Callable[..., bool]


def always(*_: Any) -> bool:
    return True


def at(seam: str) -> None:
    """Die here, once, if this seam is armed."""
    try:
        whom = (ARMED / seam).read_text()
        (ARMED / seam).unlink()
    except FileNotFoundError:
        return
    if whom == "family":
        os.kill(WEB, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def wrap(owner: Any, name: str, *, before: str = "", after: str = "", if_: Test = always) -> None:
    """Seams before and after a call; `if_` is asked with its arguments, and after it its result."""
    whole = getattr(owner, name)

    def wrapped(*args: Any, **options: Any) -> Any:
        if before and if_(*args):
            at(before)
        answer = whole(*args, **options)
        if after and if_(answer, *args):
            at(after)
        return answer

    setattr(owner, name, wrapped)


def web() -> None:
    from harken.ingest.collector import Collector
    from harken.ingest.identity import Identities
    from harken.store.log import Log

    write = os.write

    def torn(descriptor: int, data: Any) -> int:
        if len(data) > 100 and (ARMED / "torn").exists():
            write(descriptor, data[: len(data) // 2])
            at("torn")
        return write(descriptor, data)

    os.write = torn
    wrap(Log, "write", before="nothing written", after="durable, nobody told")
    wrap(os, "fdatasync", before="written, not synced", after="synced, not marked")
    wrap(Identities, "save", before="identities not saved", after="identities saved")
    wrap(Collector, "_ring", before="answered, bell not rung", after="bell rung")


def history() -> None:
    from harken.history import duck_write, filling
    from harken.history.duck import DuckHistory
    from harken.store.sqlite import SqliteStore

    wrap(DuckHistory, "append", before="history not told", after="history told")
    wrap(duck_write, "take", after="history not committed")
    wrap(SqliteStore, "history_done", before="rows not forgotten", after="rows forgotten",
         if_=lambda *args: args[-1] > 0)  # fmt: skip

    def selects(*args: Any) -> bool:
        return any(isinstance(arg, str) and arg.startswith("broadcast_") for arg in args)

    wrap(filling, "prepare", after="selection not committed", if_=lambda _, *args: selects(*args))
    wrap(DuckHistory, "prepare_filling", after="selected, nobody told",
         if_=lambda _, *args: selects(*args))  # fmt: skip
    wrap(DuckHistory, "filled_ids", before="ids not read", after="ids read, nobody told",
         if_=lambda *args: selects(*args))  # fmt: skip
    wrap(DuckHistory, "drop_filling", before="selection not let go", after="selection let go")


def engine() -> None:
    from harken.store.connection import Database
    from harken.store.log import LogReader
    from harken.store.sqlite import SqliteStore

    wrap(LogReader, "read", after="log read", if_=lambda answer, *_: bool(answer[0]))
    within_a_transaction(Database, "not committed")
    wrap(SqliteStore, "commit", before="handled", if_=lambda _, batch: bool(batch.messages))
    wrap(SqliteStore, "commit", after="committed, bell not rung",
         if_=lambda _, store, batch: bool(batch.messages))  # fmt: skip
    wrap(SqliteStore, "due", after="wake-ups read", if_=lambda answer, *_: bool(answer))
    broadcasts()


def broadcasts() -> None:
    from harken.loops.broadcasts import NOW, Runner
    from harken.store.sqlite import SqliteStore

    def tells(batch: Any) -> bool:
        return NOW in batch.notes

    wrap(Runner, "steer", after="wish decided")
    wrap(Runner, "due", after="called up")
    wrap(Runner, "selected", after="selection told", if_=lambda answer, *_: answer is not None)
    wrap(Runner, "slice", after="slice read", if_=lambda answer, *_: answer is not None)
    wrap(Runner, "taken", after="slice handled")
    wrap(SqliteStore, "commit", after="slice committed",
         if_=lambda _, store, batch: tells(batch) and bool(batch.messages))  # fmt: skip


def sender() -> None:
    from harken.channels.smtp import Connection
    from harken.store.connection import Database
    from harken.store.sqlite import SqliteStore

    within_a_transaction(Database, "claim or outcome not committed")
    wrap(SqliteStore, "claim", after="claimed", if_=lambda answer, *_: bool(answer))
    wrap(Connection, "send", before="provider not called", after="provider accepted")
    wrap(SqliteStore, "settle", before="not settled", after="settled",
         if_=lambda *args: bool(args[-1]))  # fmt: skip


def within_a_transaction(owner: Any, seam: str) -> None:
    whole = owner.transaction

    @contextmanager
    def transaction(self: Any) -> Iterator[Any]:
        with whole(self) as connection:
            yield connection
            at(seam)

    owner.transaction = transaction


def begin(owner: Any, name: str, seams: Callable[..., Callable[[], None]]) -> None:
    """Wrap the seams of a process as it begins its work."""
    whole = getattr(owner, name)

    def wrapped(*args: Any) -> None:
        seams(*args)()
        whole(*args)

    setattr(owner, name, wrapped)


if "KILL_AT" in os.environ and sys.orig_argv[1:4] == ["-m", "harken", "serve"]:
    # As late as `serve` does it itself, or counters would not know their folder: see there.
    from harken.running import serve

    share = serve._share_metrics

    def shared(settings: Any) -> None:
        share(settings)
        from harken.running import roles

        children = {"history": history, "engine": engine, "sender": sender}
        begin(roles, "main", lambda role, orders: children[role])

    serve._share_metrics = shared
    begin(serve, "_answer", lambda *_: web)
