"""Anyone may be killed at any moment: what was acknowledged is there once, mail leaves once."""

import random
import time
from collections.abc import Callable

from crash_kit import Books, Customers, Harken

SEED = 20_260_301
ROUNDS = 18


def test_kills_at_random_under_load(serving: Callable[..., Harken]) -> None:
    chance = random.Random(SEED)
    harken = serving()
    harken.start()
    harken.apply()
    customers = Customers(harken, SEED)
    for round in range(ROUNDS):
        whom = chance.choice(["web", "history", "engine", "writer", "sender", "all"])
        with customers.busy(f"r{round}"):
            time.sleep(chance.uniform(0.05, 0.8))
            harken.kill(whom)
            if whom in ("web", "all"):
                harken.start()
            else:
                time.sleep(0.2)
    states = Books(harken, customers).balance(f"seed {SEED}")
    assert states["sent"] > 200, states
    # Only what was under way when the sender was killed may be unsure.
    assert states["unsure"] < states["sent"] / 2, states
    assert customers.unanswered > 0
    assert harken.stop() == 0
    assert harken.left_behind() == []
