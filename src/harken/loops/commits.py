"""A batch is committed while the next one is handled: SQLite and Python on a core each.

Until it is written, the store does not know of it: what it changes is looked up here (wake-ups) or
in the engine's cache (documents). One batch at most is under way, so batches are committed in
order, and after a failure everything behind the last one that was written is handled again.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from harken.history.rows import Gathering, pack
from harken.inputs import WakeUp
from harken.people.profile import Profile, decode
from harken.store.base import Batch, Store


class Writer(Protocol):
    """Whoever commits batches beside the engine, one at a time."""

    def begin(self, batch: Batch, rows: Sequence[Gathering]) -> None:
        """Pack the rows for history, and commit the batch with them, beside."""

    def wait(self) -> None:
        """Wait until it is committed. Raises what it has failed for."""


class Commits:
    """Commits the batches of one engine."""

    def __init__(self, store: Store, writer: Writer | None = None) -> None:
        """Without a writer, no batch is committed beside another."""
        self._store = store
        self._writer = writer
        self._done: Callable[[], None] | None = None
        """Of the batch under way."""
        self._gone: set[tuple[int, int, str]] = set()
        self._wake: list[WakeUp] = []
        self._documents: dict[int, bytes] = {}

    def now(self, batch: Batch, rows: Sequence[Gathering], done: Callable[[], None]) -> None:
        """Commit with the rows for history, and call `done`. Raises also what an earlier batch has
        failed for."""
        self.land()
        batch.history = pack(rows)
        self._store.commit(batch)
        done()

    def beside(self, batch: Batch, rows: Sequence[Gathering], done: Callable[[], None]) -> None:
        """Commit beside, and then, as it lands, call `done`. Raises what an earlier batch has
        failed for."""
        if self._writer is None:
            self.now(batch, rows, done)
            return
        self.land()
        self._writer.begin(batch, rows)
        self._gone = {_place(wakeup) for wakeup in (*batch.woken, *batch.cancel)}
        self._wake, self._documents = batch.wake, dict(batch.profiles)
        self._done = done

    def land(self) -> None:
        """Wait for the batch that is under way. Raises what it has failed for."""
        done, self._done = self._done, None
        self._gone, self._wake, self._documents = set(), [], {}
        if done is not None and self._writer is not None:
            self._writer.wait()
            done()

    def due(self, now: int, limit: int) -> list[WakeUp]:
        """The earliest wake-ups due at `now`, as if everything were written."""
        found = {_place(one): one for one in self._store.due(now, limit + len(self._gone))}
        for place in self._gone & found.keys():
            del found[place]
        found.update((_place(one), one) for one in self._wake if one.due <= now)
        return sorted(found.values(), key=_due)[:limit]

    def profiles(self, ids: AbstractSet[int]) -> dict[int, Profile]:
        """The documents that exist, likewise."""
        under_way = self._documents
        found = {id: decode(under_way[id]) for id in ids & under_way.keys()}
        missing = sorted(ids - found.keys())
        return found | self._store.profiles(missing) if missing else found


def _place(wakeup: WakeUp) -> tuple[int, int, str]:
    return wakeup.due, wakeup.profile_id, wakeup.key


def _due(wakeup: WakeUp) -> int:
    return wakeup.due
