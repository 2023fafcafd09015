"""What the child processes do: `python -m harken.running.roles history | engine | sender`."""

import fcntl
import gc
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from harken import logs
from harken.clock import SystemClock
from harken.config import Settings, link_secret
from harken.errors import Unavailable
from harken.logs import structlog
from harken.running import memory
from harken.running.bell import Bell
from harken.running.processes import Bells, Orders, follow_parent, take_orders

log = structlog.get_logger("roles")

LONGEST_WAIT = 1.0
"""Seconds between looks when nobody rings: a clock set forward is noticed so late."""
AFTER_FAILURE = 0.5
SWITCH = 0.0005
"""Seconds a thread may keep Python's lock that another waits for: each step of a commit does."""

COLLECT = (200_000, 50, 50)
"""After how much the processes look for garbage in cycles. Documents hold none, so what there is
comes to little, and each time all that a batch has made is looked through: 2 ms."""

HISTORY_SECONDS = 10.0
"""How long the engine waits for what it asks of history: events wait meanwhile."""

CACHE_MIB = 4
"""Of the store's pages, what each of the engine's threads keeps. More would be of no use: what a
thread has kept is void as soon as another has committed."""


def main(role: str) -> None:
    """Take orders and work until told to stop."""
    memory.keep_little()
    orders, bells = take_orders()
    logs.set_up(orders.settings.log_level, role)
    stopping = threading.Event()
    bell = {"history": bells.history, "engine": bells.engine, "sender": bells.sender}[role]

    reasons: list[str] = []

    def stop(why: str) -> None:
        # It may be a signal's handler: what it says is logged when nothing is half written.
        reasons.append(why)
        stopping.set()
        bell.ring()

    follow_parent(stop)
    place = orders.settings.run / f"{role}-{orders.number}.lock"
    if not alone(place, stopping):
        return
    gc.set_threshold(*COLLECT)
    sys.setswitchinterval(SWITCH)
    match role:
        case "history":
            run_history(orders.settings, bells, stopping)
        case "engine":
            run_engine(orders.settings, bells, stopping)
        case "sender":
            run_sender(orders, bells, stopping)
    log.info("stopped", reason=reasons[0])


def alone(place: Path, stopping: threading.Event) -> bool:
    """Wait until this process is the only one in its role; False when told to stop instead.

    After a crash of the parent the new one's children may start while the old ones, orphans now,
    still finish what they hold: two senders of one name would take each other's mail for lost.
    The lock is let go with the process.
    """
    lock = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    while not stopping.is_set():
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            stopping.wait(0.05)
    return False


def run_history(settings: Settings, bells: Bells, stopping: threading.Event) -> None:
    """Hold history's file: take what the engine leaves for it, and answer for it."""
    from harken.history import remote
    from harken.history.duck import DuckHistory
    from harken.history.worker import Feeder
    from harken.store.sqlite import SqliteStore

    store = SqliteStore(settings.state, cache_mib=CACHE_MIB)
    history = DuckHistory(
        settings.history, memory=settings.history_memory, threads=settings.history_threads
    )
    feeder = Feeder(store, history)
    server = remote.serve(history, settings.run / remote.ADDRESS)
    feeder.start()
    _each_second(history.settle, stopping)
    worked = 0.0
    while not stopping.is_set():
        if bells.history.wait(LONGEST_WAIT):
            feeder.ring()
            worked = time.monotonic()
        elif worked and time.monotonic() - worked > 2 * memory.REST:
            # The last rows were taken, and history has settled.
            memory.give_back()
            worked = 0.0
    feeder.stop()
    # This ends what is being prepared: only then can whoever asked for it be hung up on.
    history.close()
    server.close()
    store.close()


def run_engine(settings: Settings, bells: Bells, stopping: threading.Event) -> None:
    """Handle the log and wake-ups."""
    from harken.engine import Engine
    from harken.history.remote import ADDRESS, RemoteHistory
    from harken.running.writer import Writer
    from harken.store.log import LogReader
    from harken.store.sqlite import SqliteStore

    def connect() -> SqliteStore:
        return SqliteStore(settings.state, cache_mib=CACHE_MIB)

    writer, store = Writer(connect), connect()
    _each_second(store.database.checkpoint, stopping)
    engine = Engine(
        store,
        LogReader(settings.log),
        SystemClock(),
        on_messages=bells.sender.ring,
        on_history=bells.history.ring,
        on_filling=bells.engine.ring,
        history=RemoteHistory(settings.run / ADDRESS, answer_seconds=HISTORY_SECONDS),
        writer=writer,
        sender=settings.sender,
        secret=link_secret(settings.data),
    )
    for part in (engine.backfill, engine.broadcasts):
        threading.Thread(target=part.run, args=(stopping,), daemon=True).start()

    def wait() -> float:
        due = store.next_due()
        return (due - engine.clock.now()) / 1000 if due is not None else LONGEST_WAIT

    def rest() -> None:
        store.database.shrink()
        memory.give_back()

    _work(engine.turn, wait, bells.engine, stopping, rest)
    engine.close()
    writer.close()
    store.close()


def run_sender(orders: Orders, bells: Bells, stopping: threading.Event) -> None:
    """Send what the ledger holds."""
    from harken.loops.sending import Sender

    name = f"sender-{orders.number}"
    sender = Sender(orders.settings, SystemClock(), name, on_outcome=bells.engine.ring)
    sender.recover()
    _work(sender.turn, sender.wait, bells.sender, stopping, memory.give_back)
    sender.close()


def _work(
    turn: Callable[[], int],
    wait: Callable[[], float],
    bell: Bell,
    stopping: threading.Event,
    rest: Callable[[], None],
) -> None:
    """Turn while there is something to do; else wait for the bell or the next time due.

    `rest` is called once when there was nothing to do for a while.
    """
    worked: float | None = None
    while not stopping.is_set():
        try:
            if turn():
                worked = time.monotonic()
                continue
            if worked is not None and time.monotonic() - worked > memory.REST:
                rest()
                worked = None
            bell.wait(min(max(wait(), 0.0), LONGEST_WAIT))
        except Unavailable as fault:
            # Storage failed (disk full): nothing was committed. Try again until it is back.
            log.error("storage does not answer", fault=str(fault))
            time.sleep(AFTER_FAILURE)


def _each_second(do: Callable[[], None], stopping: threading.Event) -> None:
    """Keep a write-ahead log short, beside those who write it instead of within their commits."""

    def run() -> None:
        while not stopping.wait(1.0):
            try:
                do()
            except Unavailable as fault:
                log.warning("no checkpoint", fault=str(fault))

    threading.Thread(target=run, daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1])
