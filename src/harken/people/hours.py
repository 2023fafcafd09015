"""At which hours of their day customers open and click: a small histogram, and what is best in it.

Twenty-four counts, one for each local hour; empty when there is nothing yet. They are mergeable
(counts add) and bounded: when they come to more than `MOST`, all are halved, so that what was
lately counts for more and a document never grows.
"""

from collections.abc import Sequence

HOURS = 24
MOST = 240
ENOUGH = 3
"""Opens and clicks from which on a customer has hours of their own."""
ENOUGH_OF_ALL = 50
"""The same of all customers together."""


def with_hour(counts: Sequence[int], hour: int) -> list[int]:
    """The counts with one more open or click in a local hour."""
    more = list(counts) or [0] * HOURS
    more[hour] += 1
    return bounded(more)


def joined(left: Sequence[int], right: Sequence[int]) -> list[int]:
    """The counts of two documents that become one."""
    if not left or not right:
        return list(left or right)
    return bounded([one + other for one, other in zip(left, right, strict=True)])


def parted(counts: Sequence[int], theirs: Sequence[int]) -> list[int]:
    """The counts without those that another document had brought."""
    if not counts or not theirs:
        return list(counts)
    left = [max(0, one - other) for one, other in zip(counts, theirs, strict=True)]
    return left if any(left) else []


def bounded(counts: list[int]) -> list[int]:
    """The counts, halved until they are few enough."""
    while sum(counts) > MOST:
        counts = [count // 2 for count in counts]
    return counts


def liking(counts: Sequence[int]) -> list[int]:
    """How much each hour is liked: its own count twice, and once those beside it.

    A few opens fall to either side of a habit: 08:55 and 09:10 speak for one another.
    """
    return [
        counts[hour - 1] + 2 * counts[hour] + counts[(hour + 1) % HOURS] for hour in range(HOURS)
    ]


def best_hour(counts: Sequence[int]) -> int:
    """The hour that is liked most; of equals the one with more of its own, then the earlier."""
    liked = liking(counts)
    return max(range(HOURS), key=lambda hour: (liked[hour], counts[hour], -hour))


def apart(left: int, right: int) -> int:
    """Hours between two hours of the day, the short way round."""
    ahead = (left - right) % HOURS
    return min(ahead, HOURS - ahead)
