"""A claim of 500 wake-ups while a million are parked.

    ./run bench wakeups [--parked N]

Prints the time of a claim (the due ones read, and deleted in a commit) and its ratio to the floor:
the same with nothing parked.
"""

import argparse
import random
import statistics
import time

from bench.engine import NOW, batch
from bench.kit import scratch
from harken.clock import DAY, MINUTE
from harken.inputs import WakeUp
from harken.store.sqlite import SqliteStore

CLAIM = 500
ROUNDS = 40


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--parked", type=int, default=1_000_000)
    given = arguments.parse_args()
    floor = claims(0)
    took = claims(given.parked)
    print(
        f"claim of {CLAIM} wake-ups with {given.parked:,} parked: median"
        f" {statistics.median(took):.1f} ms, worst {max(took):.1f} ms;"
        f" floor (none parked) {statistics.median(floor):.1f} ms;"
        f" ratio {statistics.median(took) / statistics.median(floor):.2f}"
    )


def claims(parked: int) -> list[float]:
    """Milliseconds of each claim."""
    chance = random.Random(1)
    with scratch() as folder:
        store = SqliteStore(folder / "state.db", cache_mib=32)
        for start in range(0, parked, 50_000):
            some = min(50_000, parked - start)
            park(store, [NOW + MINUTE + chance.randrange(60 * DAY) for _ in range(some)], chance)
        park(store, [NOW - chance.randrange(DAY) for _ in range(CLAIM * ROUNDS)], chance)
        store.database.checkpoint()
        took = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            due = store.due(NOW, CLAIM)
            claimed = batch([])
            claimed.woken = due
            store.commit(claimed)
            took.append((time.perf_counter() - began) * 1000)
            assert len(due) == CLAIM
        store.close()
        return took


def park(store: SqliteStore, times: list[int], chance: random.Random) -> None:
    parked = batch([])
    parked.wake = [WakeUp(at, chance.getrandbits(63), f"run:{at}") for at in times]
    store.commit(parked)


if __name__ == "__main__":
    main()
