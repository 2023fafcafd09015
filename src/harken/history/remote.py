"""History asked from another process, over a Unix socket.

DuckDB lets one process hold the file. That one serves it here; its address and a random key stand
in a file that only the same user can read.
"""

import os
import socket
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import (
    Client,
    Connection,
    Listener,
    answer_challenge,
    deliver_challenge,
)
from multiprocessing.context import AuthenticationError
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from harken.effects import Decision, Happening
from harken.errors import BadInput, HarkenError, Unavailable
from harken.history.base import (
    QUERY_LIMIT,
    QUERY_SECONDS,
    TIMELINE_LIMIT,
    Batches,
    History,
    Table,
    no_more,
)
from harken.logs import structlog

ADDRESS = "history.address"
"""The address file, in the folder of what runs."""
VERBS = frozenset(verb for verb in vars(History) if verb[0] != "_") - {"query", "close"}
"""What may be asked; `query` is asked as `table`, and whoever holds the file closes it."""
LONG_VERBS = frozenset({"prepare_filling", "export"})
ANSWER_SECONDS = 60.0
"""How long an answer may take before history counts as away; longer than a query may run."""
LONG_ANSWER_SECONDS = 4 * 3600.0
"""The same for what goes through all rows."""

HANG_UP_SECONDS = 5.0
"""How long closing waits for a question that is being answered."""

Answer = TypeVar("Answer")
log = structlog.get_logger()


class Address(Struct):
    """What the address file holds."""

    socket: str
    key: bytes


class Server:
    """Answers for `history` until it is closed. One thread a client."""

    def __init__(self, history: History, address_file: Path) -> None:
        self._history = history
        self._key = os.urandom(32)
        # Short, whatever the data folder is called, and only this user may enter.
        self._folder = TemporaryDirectory(prefix="harken-")
        self._listener = Listener(f"{self._folder.name}/history", "AF_UNIX", backlog=16)
        self._closed = False
        self._clients: dict[threading.Thread, Connection] = {}
        self._lock = threading.Lock()
        _write_privately(address_file, Address(str(self._listener.address), self._key))
        self._thread = threading.Thread(target=self._accept, name="history server", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more clients and hang up on those that are there."""
        self._closed = True
        # Closing a listener does not wake the thread that waits in accept; a client does.
        try:
            Client(self._listener.address, "AF_UNIX").close()
        except OSError:
            pass
        self._thread.join()
        self._listener.close()
        with self._lock:
            clients = dict(self._clients)
            for client in clients.values():
                _hang_up(client)
        for thread in clients:
            thread.join(HANG_UP_SECONDS)
        self._folder.cleanup()

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()
            except OSError as fault:
                log.warning("history server: a client could not be taken", fault=str(fault))
                continue
            if self._closed:
                client.close()
                return
            threading.Thread(
                target=self._answer, args=(client,), name="history client", daemon=True
            ).start()

    def _answer(self, client: Connection) -> None:
        with self._lock:
            self._clients[threading.current_thread()] = client
        try:
            # Here and not in accept, so that a client that says nothing holds up nobody else.
            deliver_challenge(client, self._key)
            answer_challenge(client, self._key)
            while True:
                client.send_bytes(_reply(self._history, client.recv_bytes()))
        except (EOFError, OSError, AuthenticationError):
            pass
        finally:
            with self._lock:
                del self._clients[threading.current_thread()]
                client.close()


def serve(history: History, address_file: Path) -> Server:
    """Answer for `history` in the background; `address_file` tells others where."""
    return Server(history, address_file)


class RemoteHistory(History):
    """`History` in the process that wrote `address_file`. A connection a thread."""

    def __init__(self, address_file: Path, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._address_file = address_file
        self._seconds = answer_seconds
        self._mine = threading.local()

    def append(self, batches: Batches, more: Callable[[int], Batches] = no_more) -> None:
        self._ask("append", [list(batches)], type(None))

    def watermark(self) -> int:
        return self._ask("watermark", [], int)

    def table(
        self,
        sql: str,
        params: Sequence[Any] = (),
        *,
        limit: int = QUERY_LIMIT,
        seconds: float = QUERY_SECONDS,
    ) -> Table:
        return self._ask("table", [sql, list(params)], Table, limit=limit, seconds=seconds)

    def timeline(
        self,
        profile_ids: Sequence[int],
        *,
        before: int | None = None,
        limit: int = TIMELINE_LIMIT,
    ) -> list[dict[str, Any]]:
        answer = list[dict[str, Any]]
        return self._ask("timeline", [list(profile_ids)], answer, before=before, limit=limit)

    def decisions(self, profile_id: int, journey: str) -> list[Decision]:
        return self._ask("decisions", [profile_id, journey], list[Decision])

    def events_since(self, profile_id: int, since: int) -> dict[str, list[int]]:
        return self._ask("events_since", [profile_id, since], dict[str, list[int]])

    def recent_triggers(self, event_name: str, limit: int) -> list[tuple[int, Happening]]:
        return self._ask("recent_triggers", [event_name, limit], list[tuple[int, Happening]])

    def latest(self, profile_id: int, event_name: str, limit: int) -> list[Happening]:
        return self._ask("latest", [profile_id, event_name, limit], list[Happening])

    def prune(self, before: int) -> int:
        return self._ask("prune", [before], int)

    def record_size(self, segment: str, at: int, size: int) -> None:
        self._ask("record_size", [segment, at, size], type(None))

    def sizes(self, segment: str, since: int) -> list[tuple[int, int]]:
        return self._ask("sizes", [segment, since], list[tuple[int, int]])

    def prepare_filling(self, trait_id: str, sql: str, params: Sequence[Any] = ()) -> int:
        return self._ask("prepare_filling", [trait_id, sql, list(params)], int)

    def filling(self, trait_ids: Sequence[str], after: int, upto: int) -> dict[int, dict[str, Any]]:
        return self._ask("filling", [list(trait_ids), after, upto], dict[int, dict[str, Any]])

    def filled_ids(self, trait_id: str, after: int, limit: int) -> list[int]:
        return self._ask("filled_ids", [trait_id, after, limit], list[int])

    def drop_filling(self, trait_ids: Sequence[str]) -> None:
        self._ask("drop_filling", [list(trait_ids)], type(None))

    def export(self, folder: str) -> dict[str, int]:
        return self._ask("export", [folder], dict[str, int])

    def hold(self, seconds: float) -> None:
        self._ask("hold", [seconds], type(None))

    def held(self) -> bool:
        return self._ask("held", [], bool)

    def backup(self, to: str) -> None:
        self._ask("backup", [to], type(None))

    def close(self) -> None:
        """Hang up, for this thread."""
        connection = self._mine.__dict__.pop("connection", None)
        if connection is not None:
            connection.close()

    def _ask(self, verb: str, args: list[Any], answer: type[Answer], **options: Any) -> Answer:
        try:
            request = msgspec.msgpack.encode([verb, args, options])
        except (TypeError, OverflowError) as fault:
            raise BadInput(str(fault)) from None
        seconds = LONG_ANSWER_SECONDS if verb in LONG_VERBS else self._seconds
        reply = self._exchange(request, seconds)
        error, value = msgspec.msgpack.decode(reply, type=tuple[str, Any])
        if error:
            raise BadInput(value) if error == BadInput.__name__ else Unavailable(value)
        return msgspec.convert(value, answer)

    def _exchange(self, request: bytes, seconds: float) -> bytes:
        """Send and receive. A kept connection whose server was restarted is made anew once;
        every verb may be asked twice, for asking again changes nothing more.
        """
        kept = getattr(self._mine, "connection", None)
        if kept is not None:
            try:
                return self._over(kept, request, seconds)
            except (EOFError, OSError):
                self.close()
        try:
            return self._over(self._connect(), request, seconds)
        except (EOFError, OSError, AuthenticationError, msgspec.DecodeError) as fault:
            self.close()
            raise Unavailable("history does not answer") from fault

    def _connect(self) -> Connection:
        address = msgspec.json.decode(self._address_file.read_bytes(), type=Address)
        connection = self._mine.connection = Client(address.socket, "AF_UNIX")
        # Client would wait for ever for the challenge of a process that is stopped.
        if not connection.poll(self._seconds):
            raise EOFError
        answer_challenge(connection, address.key)
        deliver_challenge(connection, address.key)
        return connection

    def _over(self, connection: Connection, request: bytes, seconds: float) -> bytes:
        connection.send_bytes(request)
        if not connection.poll(seconds):
            # An answer that comes later would be taken for the next question's.
            self.close()
            raise Unavailable(f"history: no answer in {seconds:g} s")
        return connection.recv_bytes()


def _reply(history: History, request: bytes) -> bytes:
    """(name of the error, its message) or ("", the answer)."""
    try:
        verb, args, options = msgspec.msgpack.decode(request)
        if verb not in VERBS:
            return _packed(("BadInput", f"history knows no {verb!r}"))
        ask: Callable[..., Any] = getattr(history, verb)
        return _packed(("", ask(*args, **options)))
    except HarkenError as fault:
        known = "BadInput" if isinstance(fault, BadInput) else "Unavailable"
        return _packed((known, str(fault)))
    except Exception as fault:
        # A fault of ours: the client is told, and the thread goes on with the next question.
        log.exception("history server")
        return _packed(("Unavailable", f"history: {type(fault).__name__}"))


def _hang_up(client: Connection) -> None:
    """End a connection that another thread waits on; that thread closes it.

    Closing it here would free its number for another file while the thread still reads from it.
    """
    with socket.socket(fileno=os.dup(client.fileno())) as shared:
        try:
            shared.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def _packed(answer: tuple[str, Any]) -> bytes:
    return msgspec.msgpack.encode(answer)


def _write_privately(path: Path, address: Address) -> None:
    """Appear whole or not at all, readable by this user alone."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(address))
    draft.replace(path)
