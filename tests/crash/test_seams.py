"""Killed between any two steps of the way of an event, Harken goes on as if nothing had been."""

import itertools
from collections.abc import Iterator

import pytest
from crash_kit import Books, Customers, Mortal, mortal

SEED = 7
WEB = (
    "nothing written",
    "torn",
    "written, not synced",
    "synced, not marked",
    "durable, nobody told",
    "identities not saved",
    "identities saved",
    "answered, bell not rung",
    "bell rung",
)
HISTORY = (
    "history not told",
    "history not committed",
    "history told",
    "rows not forgotten",
    "rows forgotten",
)
ENGINE = (
    "log read",
    "wake-ups read",
    "handled",
    "not committed",
    "committed, bell not rung",
)
SENDER = (
    "claim or outcome not committed",
    "claimed",
    "provider not called",
    "provider accepted",
    "not settled",
    "settled",
)
FAMILY = (
    ("engine", "handled"),
    ("engine", "committed, bell not rung"),
    ("history", "history told"),
    ("sender", "claimed"),
    ("sender", "provider accepted"),
    ("sender", "not settled"),
)
# In turns, because a child that dies again and again is started again later and later.
TABLE = [
    row
    for rows in itertools.zip_longest(
        [*(("web", seam, "alone") for seam in WEB), *((*seam, "family") for seam in FAMILY)],
        [("history", seam, "alone") for seam in HISTORY],
        [("engine", seam, "alone") for seam in ENGINE],
        [("sender", seam, "alone") for seam in SENDER],
    )
    for row in rows
    if row is not None
]


WAVES = itertools.count()


@pytest.fixture(scope="module")
def harken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    """One for the whole table: each row leaves it as the next one finds it."""
    with mortal(tmp_path_factory.mktemp("seams")) as made:
        made.apply()
        yield made


@pytest.mark.parametrize(("role", "seam", "who"), TABLE, ids=[" - ".join(row) for row in TABLE])
def test_killed_at(harken: Mortal, role: str, seam: str, who: str) -> None:
    wave = f"w{next(WAVES)}"
    customers = Customers(harken, SEED, f"{wave}-")
    note = f"{role} killed ({who}) at {seam!r}, seed {SEED}"
    with customers.busy(wave, threads=1):
        harken.dies_at(seam, who)
        harken.came_to(seam, note)
        if role == "web" or who == "family":
            harken.rise()
    Books(harken, customers).balance(note)
