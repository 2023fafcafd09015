"""What the child processes do: history, the engine, the senders.

What stands here at the top is loaded once, before they are forked; what only history needs, there.
"""

import fcntl
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from msgspec import Struct

from harken import logs
from harken.clock import SystemClock
from harken.config import Settings, link_secret
from harken.engine import Engine
from harken.errors import Unavailable
from harken.history.remote import ADDRESS, RemoteHistory
from harken.logs import structlog
from harken.loops.sending import Sender
from harken.running import memory
from harken.running.bell import Bell, Bells
from harken.running.forked import Lifeline
from harken.running.writer import Writer
from harken.store.log import LogReader
from harken.store.sqlite import SqliteStore

log = structlog.get_logger("roles")

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What asks a process to end. Of these, children take the first, and as soon as they can."""

LONGEST_WAIT = 1.0
"""Seconds between looks when nobody rings: a clock set forward is noticed so late."""
AFTER_FAILURE = 0.5
SWITCH = 0.0005
"""Seconds a thread may keep Python's lock that another waits for: each step of a commit does."""

COLLECT = (200_000, 50, 50)
"""After how much the processes look for garbage in cycles. Documents hold none, so what there is
comes to little, and each time all that a batch has made is looked through: 2 ms."""

GIVES_WAY = 5
"""How nice history is: a heavy question takes every core that nobody else wants, and no other."""
HISTORY_SECONDS = 10.0
"""How long the engine waits for what it asks of history: events wait meanwhile."""

CACHE_MIB = 4
"""Of the store's pages, what each of the engine's threads keeps. More would be of no use: what a
thread has kept is void as soon as another has committed."""


class Orders(Struct):
    """What a child is told."""

    settings: Settings
    bells: Bells
    parent: Lifeline
    number: int


def main(role: str, orders: Orders) -> None:
    """Work until told to stop, or until the parent is gone."""
    logs.set_up(orders.settings.log_level, role)
    stopping = threading.Event()
    bell = {
        "history": orders.bells.history,
        "engine": orders.bells.engine,
        "sender": orders.bells.sender,
    }[role]

    reasons: list[str] = []

    def stop(why: str) -> None:
        # It may be a signal's handler: what it says is logged when nothing is half written.
        reasons.append(why)
        stopping.set()
        bell.ring()

    def asked(signal_number: int, frame: FrameType | None) -> None:
        stop(signal.Signals(signal_number).name)

    orders.parent.follow(lambda: stop("the parent is gone"))
    signal.signal(signal.SIGTERM, asked)
    # Whatever was sent since the fork comes now.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    place = orders.settings.run / f"{role}-{orders.number}.lock"
    if not alone(place, stopping):
        return
    gc.set_threshold(*COLLECT)
    sys.setswitchinterval(SWITCH)
    match role:
        case "history":
            run_history(orders.settings, orders.bells, stopping)
        case "engine":
            run_engine(orders.settings, orders.bells, stopping)
        case "sender":
            run_sender(orders, stopping)
    log.info("stopped", reason=reasons[0])


def alone(place: Path, stopping: threading.Event) -> bool:
    """Wait until this process is the only one in its role; False when told to stop instead.

    After a crash of the parent the new one's children may start while the old ones, orphans now,
    still finish what they hold: two senders of one name would take each other's mail for lost.
    The lock is let go with the process, and the engine's with its writer: what that has begun is
    written before another engine reads. Who takes over a sender's mail (`channels.begun`) knows
    by it that the sender is dead.
    """
    lock = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    while not stopping.is_set():
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            # Not `stopping.wait`: a signal's handler sets it, which would wait for that for ever.
            time.sleep(0.05)
    return False


def run_history(settings: Settings, bells: Bells, stopping: threading.Event) -> None:
    """Hold history's file: take what the engine leaves for it, and answer for it."""
    from harken.history import remote
    from harken.history.duck import DuckHistory
    from harken.history.worker import Feeder

    os.nice(GIVES_WAY)
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


def run_sender(orders: Orders, stopping: threading.Event) -> None:
    """Send what the ledger holds."""
    bells, name = orders.bells, f"sender-{orders.number}"
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
