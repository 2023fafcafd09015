"""The lanes of one channel: threads that send, and the batches that wait for them.

Each channel has its own, so that one whose provider is slow holds up no other.
"""

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct

from harken.channels.base import Channel
from harken.store.base import LedgerRow


class Chunk(Struct):
    """Rows that one lane sends together."""

    rows: list[LedgerRow]
    deadline: float
    suppressed: Mapping[str, str]


class Lanes:
    """Used by the thread of the delivery alone, but for the threads in it."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.count = max(1, channel.lanes)
        self.waiting: deque[Chunk] = deque()
        self.rows_under_way = 0
        self._chunks_under_way = 0
        self._pool = ThreadPoolExecutor(self.count, thread_name_prefix="lane")

    @property
    def rows_waiting(self) -> int:
        return sum(len(chunk.rows) for chunk in self.waiting)

    def wanted(self, most: int) -> int:
        """How many rows to claim: a batch while few wait, within what the channel has room for."""
        waiting, room = self.rows_waiting, self.channel.room()
        if waiting > most // 4:
            return 0
        return most if room is None else max(0, min(most, room - waiting - self.rows_under_way))

    def dispatch(self, work: Callable[["Lanes", Chunk], None]) -> None:
        """Give the lanes what waits: a second batch each, so that none idles during a commit."""
        while self.waiting and self._chunks_under_way < 2 * self.count:
            chunk = self.waiting.popleft()
            self.rows_under_way += len(chunk.rows)
            self._chunks_under_way += 1
            self._pool.submit(work, self, chunk)

    def done(self, rows: int) -> None:
        """A batch of so many rows is finished."""
        self.rows_under_way -= rows
        self._chunks_under_way -= 1

    def shut(self, *, wait: bool) -> None:
        """Take no more; `wait` for what is under way, or let go of it."""
        self._pool.shutdown(wait=wait, cancel_futures=not wait)
