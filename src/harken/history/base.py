"""What is asked of history: every event and decision, in columns. DuckDB answers it.

`remote.RemoteHistory` is the same interface over a socket, for processes that do not hold the file.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from harken.effects import Decision, Happening

Row = tuple[Any, ...]
Batches = Sequence[tuple[int, bytes]]
"""Numbered blobs (`rows.encode_batch`), in order."""

TIMELINE_LIMIT = 100
"""Entries of a page of the time line, when no other number is asked for."""
QUERY_LIMIT = 10_000
"""Rows that a query answers at most, when no other number is asked for."""
QUERY_SECONDS = 30.0


class Table(NamedTuple):
    """What a query answers."""

    columns: list[str]
    rows: list[Row]


def no_more(_after: int) -> Batches:
    """Nothing follows."""
    return ()


class History(Protocol):
    """Events and decisions of all customers. Times are ms. Safe to call from many threads.

    Every verb raises `Unavailable` when history cannot be read or written now.
    """

    def append(self, batches: Batches, more: Callable[[int], Batches] = no_more) -> None:
        """Take batches durably and all or none.

        A merge in them gives one customer's past to the other, an undone one gives it back, and of
        who is forgotten every row is erased, in what was prepared too.
        A batch that was taken before (its number is not above the watermark) is left out, so a
        batch may be offered again after a crash. `more` is asked for those that follow a number,
        a few at a time, for as long as history wants to write them together with the first.
        """

    def watermark(self) -> int:
        """The number of the last batch taken; 0 at the beginning."""

    def query(
        self,
        sql: str,
        params: Sequence[Any] = (),
        *,
        limit: int = QUERY_LIMIT,
        seconds: float = QUERY_SECONDS,
    ) -> list[Row]:
        """Rows of one SELECT over the tables of docs/history.md, at most `limit`; see `table`."""
        return self.table(sql, params, limit=limit, seconds=seconds).rows

    def table(
        self,
        sql: str,
        params: Sequence[Any] = (),
        *,
        limit: int = QUERY_LIMIT,
        seconds: float = QUERY_SECONDS,
    ) -> Table:
        """The same with the names of the columns.

        Raises BadInput for SQL that is wrong, is not one SELECT, would write, or takes too long.
        Values come as JSON has them; a decimal becomes a number, a time or UUID text.
        """

    def timeline(
        self,
        profile_ids: Sequence[int],
        *,
        before: int | None = None,
        limit: int = TIMELINE_LIMIT,
    ) -> list[dict[str, Any]]:
        """Events and decisions of a customer, newest first; `before` is the page's last `at`.

        Each has `kind` (`event` or `decision`), `at`, and the fields of `Happening` or `Decision`.
        A page may be longer than `limit`: it never ends between two entries of the same ms.
        """

    def decisions(self, profile_id: int, journey: str) -> list[Decision]:
        """What was decided about the customer in the journey, in order."""

    def events_since(self, profile_id: int, since: int) -> dict[str, list[int]]:
        """By name, [count, first, last] of the profile's own events received at `since` or later.

        Events that came to it by a merge are left out: this is what a survivor keeps when a merge
        is undone.
        """

    def recent_triggers(self, event_name: str, limit: int) -> list[tuple[int, Happening]]:
        """(profile id, event): the latest events of that name, one for each customer."""

    def latest(self, profile_id: int, event_name: str, limit: int) -> list[Happening]:
        """A customer's latest events of one name, newest first."""

    def prune(self, before: int) -> int:
        """Erase rows that happened before this time; answers how many."""

    def record_size(self, segment: str, at: int, size: int) -> None:
        """Keep that the segment had so many members."""

    def sizes(self, segment: str, since: int) -> list[tuple[int, int]]:
        """(time, members) as recorded at `since` or later, oldest first."""

    def prepare_filling(self, trait_id: str, sql: str, params: Sequence[Any] = ()) -> int:
        """Keep what one SELECT of (profile_id, state) answers until `drop_filling`; how many rows.

        All as of one moment, durably. May take minutes, in which rows are taken and questions
        answered as ever. One that was prepared before is not prepared again. Raises Unavailable
        when it is dropped meanwhile.
        """

    def filling(self, trait_ids: Sequence[str], after: int, upto: int) -> dict[int, dict[str, Any]]:
        """What was prepared: states by profile id and trait, with `after` < id <= `upto`.

        Who has none of the traits is left out. Raises Unavailable when one is not prepared.
        """

    def filled_ids(self, trait_id: str, after: int, limit: int) -> list[int]:
        """The next customers above `after` for whom something was prepared, in order.

        Raises Unavailable when nothing is prepared under that name.
        """

    def drop_filling(self, trait_ids: Sequence[str]) -> None:
        """Let go of what was prepared, or is being prepared, for these traits."""

    def export(self, folder: str) -> dict[str, int]:
        """Write every table to a Parquet file in `folder`, which is made; rows by table.

        A path on the machine that holds history; needs room there for a copy of it meanwhile.
        Raises BadInput when the folder is there and not empty.
        """

    def hold(self, seconds: float) -> None:
        """Take no more rows for so long (0: take them again), so that a copy of them and one of
        the store are of one moment. What is being taken is taken before this returns."""

    def held(self) -> bool:
        """Whether no rows are taken at present."""

    def backup(self, to: str) -> None:
        """Copy all of it to a new file at `to`, a path on the machine that holds history."""

    def close(self) -> None:
        """Let go of the file."""
