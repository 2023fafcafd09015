"""Whom a back-fill has to look at, where that is not everybody.

Of most customers a new trait has counted nothing, and most rules fail for all of those
(`segments.nothing`): their documents need not even be read. Who is left are those of whom history
counted something, and those of whom the trait itself has since it came.
"""

from heapq import heappop, heappush

from harken.history.base import History

AHEAD = 10_000
"""Ids that are read at once."""
MOST_CHANGED = 500_000
"""Customers remembered of whom something was counted: 50 MB."""
LAST = (1 << 63) - 1
"""No id is above it."""


class Concerned:
    """The customers concerned by the passes that are planned."""

    def __init__(self, *, known: bool = True) -> None:
        self.known = known
        """Whether all are known here of whom something was counted since the oldest pass."""
        self._changed: set[int] = set()
        self._waiting: list[int] = []
        """A heap of those of them who were not taken yet."""
        self._pass = -1
        """The number of the pass that is being made."""
        self._ids: list[int] = []
        """Of whom history counted something, the next one last."""
        self._upto = -1
        """How far those were read."""

    def note(self, id: int) -> None:
        """A new trait has counted something of this customer."""
        if not self.known or id in self._changed:
            return
        self._changed.add(id)
        heappush(self._waiting, id)
        if len(self._changed) > MOST_CHANGED:
            self.known, self._changed, self._waiting = False, set(), []

    def again(self) -> None:
        """Some that were taken are to be taken again."""
        self._pass = -1

    def take(
        self, number: int, history: History | None, tables: list[str], after: int, limit: int
    ) -> tuple[list[int], int]:
        """The next customers above `after`, of each kind at most `limit`; in order.

        `tables` of history have those of whom something was counted for the pass of that number.
        Also up to which id these are all that are concerned: `LAST` at the end.
        """
        if number != self._pass:
            self._pass, self._ids, self._upto = number, [], after
            self._waiting = sorted(self._changed)
        if not self._ids and self._upto < LAST:
            self._read(history, tables)
        ids = [self._ids.pop() for _ in range(min(limit, len(self._ids)))]
        upto = ids[-1] if self._ids else self._upto
        changed: list[int] = []
        while self._waiting and self._waiting[0] <= upto and len(changed) < limit:
            if (id := heappop(self._waiting)) > after:
                changed.append(id)
        if self._waiting and self._waiting[0] <= upto:
            upto = changed[-1]
            while ids and ids[-1] > upto:
                self._ids.append(ids.pop())
        return sorted({*ids, *changed}), upto

    def _read(self, history: History | None, tables: list[str]) -> None:
        pages = [history.filled_ids(one, self._upto, AHEAD) for one in tables] if history else []
        # As far as a table's page goes that has more behind it.
        self._upto = min((page[-1] for page in pages if len(page) == AHEAD), default=LAST)
        self._ids = sorted({id for page in pages for id in page if id <= self._upto}, reverse=True)
