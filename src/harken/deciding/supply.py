"""Codes of coupons at hand: what `handle` draws from, so that it need not look for any itself.

`stocking.py` fills it between inputs. What was drawn is gone from it at once; it is committed with
the batch, and after a failure the whole of it is let go of and filled anew.
"""

from collections import deque


class Supply:
    """The next codes of each pool, in the order in which they are given out."""

    def __init__(self) -> None:
        self.stock: dict[str, deque[str]] = {}
        self.drawn: list[tuple[str, str]] = []
        """(pool, code) of this batch."""

    def draw(self, pool: str) -> str | None:
        """The pool's next code, which nobody else gets; None when there is none."""
        codes = self.stock.get(pool)
        if not codes:
            return None
        code = codes.popleft()
        self.drawn.append((pool, code))
        return code

    def put_back(self, to: int) -> None:
        """An input has failed: what was drawn after the first `to` codes is at hand again."""
        while len(self.drawn) > to:
            pool, code = self.drawn.pop()
            self.stock[pool].appendleft(code)
