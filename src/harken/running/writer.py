"""The engine's writer: a process forked from it, which commits a batch while the next is handled.

A thread would do the same, but each step of a statement gives up Python's lock, and whoever wants
it back waits. This one shares with the engine what both have loaded, and no lock. They end
together: the writer when the engine is gone, the engine when its writer is.
"""

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from fcntl import F_SETPIPE_SZ, fcntl
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import msgspec

from harken.errors import Unavailable
from harken.history.rows import Gathering, pack
from harken.running import memory
from harken.running.forked import forked
from harken.store.base import Batch, Store

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[Batch, list[Gathering]]).decode
_decode_answer = msgspec.msgpack.Decoder(tuple[str, str]).decode

ROOM = 1 << 20
"""Bytes that wait for the writer to take them: of all but the largest batches each. With less the
engine waits, and loses its core to whoever runs meanwhile."""


class Writer:
    """`loops.commits.Writer` in a process of its own."""

    def __init__(self, connect: Callable[[], Store]) -> None:
        """Fork, before there are threads that hold locks; `connect` opens the store there, with the
        first batch."""
        given, self._give = Pipe(duplex=False)
        self._answers, answer = Pipe(duplex=False)
        with suppress(OSError):  # More than this user may have: it works with less.
            fcntl(self._give.fileno(), F_SETPIPE_SZ, ROOM)

        def run() -> None:
            self._give.close()
            self._answers.close()
            _serve(given, answer, connect)

        self.pid = forked("writer", run)
        given.close()
        answer.close()

    def begin(self, batch: Batch, rows: Sequence[Gathering]) -> None:
        try:
            body = _encode((batch, rows))
        except Exception:
            # Rows may hold what only packing makes fit (integers of more than 64 bits).
            batch.history = pack(rows)
            body = _encode((batch, ()))
        try:
            self._give.send_bytes(body)
        except OSError as fault:
            raise SystemExit("the engine's writer is gone") from fault

    def wait(self) -> None:
        """Raises Unavailable when the store is, RuntimeError for anything else, and SystemExit when
        the process is gone: whether the batch is written, only a new start can tell."""
        try:
            failure, text = _decode_answer(self._answers.recv_bytes())
        except (EOFError, OSError) as fault:
            raise SystemExit("the engine's writer is gone") from fault
        if failure:
            raise Unavailable(text) if failure == "Unavailable" else RuntimeError(text)

    def close(self) -> None:
        """Let it end, and wait for that."""
        self._give.close()
        os.waitpid(self.pid, 0)
        self._answers.close()


def _serve(given: Connection, answer: Connection, connect: Callable[[], Store]) -> None:
    # It is told to end by the engine's going: not before what that has begun is written.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Opened when it is needed: not while the engine makes the file, on the first start.
    store: Store | None = None
    while True:
        try:
            if not given.poll(memory.REST):
                memory.give_back()
                given.poll(None)
            body = given.recv_bytes()
        except (EOFError, OSError):
            return
        failure = ("", "")
        try:
            store = store or connect()
            batch, rows = _decode(body)
            batch.history = batch.history or pack(rows)
            store.commit(batch)
        except Unavailable as fault:
            failure = ("Unavailable", str(fault))
        except Exception as fault:
            failure = (type(fault).__name__, str(fault))
        try:
            answer.send_bytes(_encode(failure))
        except OSError:
            return
