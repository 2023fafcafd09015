"""Traits: how behaviour lives in the document.

A behavioural condition with property conditions or a window compiles to a trait: the times of
the events that it counts. Its id is the hash of its definition, so equal conditions share one
(`segments.live` makes them). Two states of a trait merge into one by merging their times.
"""

from bisect import bisect_left, insort
from collections.abc import Callable
from heapq import merge as merge_sorted
from typing import Any

from msgspec import Struct

KEPT = 1_000
"""Times kept at most; a count beyond it reads as this many. Bounds a document."""


class Trait(Struct, frozen=True):
    """What to count of one event name."""

    id: str
    event: str
    passes: Callable[[dict[str, Any]], bool] | None
    """Conditions on the event's properties; None when there are none."""
    within: int
    """Window in ms; 0 for all time."""

    def count(self, times: list[int], at: int, now: int) -> None:
        """Add one event that happened at `at`, forgetting what has left the window."""
        if self.within and at < now - self.within:
            return
        if times and at < times[-1]:
            insort(times, at)
        else:
            times.append(at)
        if self.within and times[0] < now - self.within:
            del times[: bisect_left(times, now - self.within)]
        if len(times) > KEPT:
            del times[: len(times) - KEPT]


def inside(times: list[int], within: int, now: int) -> int:
    """How many of the times lie in the window that ends now."""
    return len(times) - (bisect_left(times, now - within) if within else 0)


def merge_times(left: list[int], right: list[int]) -> list[int]:
    """The state of a trait whose events were counted in two documents."""
    return list(merge_sorted(left, right))[-KEPT:]
