"""Killed between any two steps of the way of an event, Harken goes on as if nothing had been."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_kit import Books, Customers, Harken, until
from mailserver import MailServer

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
ENGINE = (
    "log read",
    "wake-ups read",
    "handled",
    "not committed",
    "committed, bell not rung",
    "history not told",
    "history not committed",
    "history told",
    "rows not forgotten",
    "rows forgotten",
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
    ("engine", "history told"),
    ("sender", "claimed"),
    ("sender", "provider accepted"),
    ("sender", "not settled"),
)
# In turns, because a child that dies again and again is started again later and later.
TABLE = [
    row
    for rows in itertools.zip_longest(
        [*(("web", seam, "alone") for seam in WEB), *((*seam, "family") for seam in FAMILY)],
        [("engine", seam, "alone") for seam in ENGINE],
        [("sender", seam, "alone") for seam in SENDER],
    )
    for row in rows
    if row is not None
]


class Seams:
    """One Harken for the whole table: each row leaves it as the next one finds it."""

    def __init__(self, folder: Path) -> None:
        self.armed = folder / "armed"
        self.armed.mkdir()
        self.mail = MailServer(folder)
        self.harken = Harken(
            folder / "data",
            self.mail,
            KILL_AT=str(self.armed),
            PYTHONPATH=str(Path(__file__).parent / "at_seams"),
        )
        self.harken.start()
        self.harken.apply()
        self.waves = 0

    def close(self) -> None:
        self.harken.close()
        self.mail.close()


@pytest.fixture(scope="module")
def seams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seams]:
    made = Seams(tmp_path_factory.mktemp("seams"))
    yield made
    made.close()


@pytest.mark.parametrize(("role", "seam", "who"), TABLE, ids=[" - ".join(row) for row in TABLE])
def test_killed_at(seams: Seams, role: str, seam: str, who: str) -> None:
    seams.waves += 1
    harken, customers = seams.harken, Customers(seams.harken, SEED, f"w{seams.waves}-")
    note = f"{role} killed ({who}) at {seam!r}, seed {SEED}"
    with customers.busy(f"w{seams.waves}", threads=1):
        (seams.armed / seam).write_text(who)
        until(lambda: not (seams.armed / seam).exists(), f"{note}: it never came there", 20)
        if role == "web" or who == "family":
            assert harken.process is not None
            harken.process.wait(10)
            harken.start()
    Books(harken, customers).balance(note)
