"""A log that a power cut or a bad disk left unsound: mended where nobody was told, else refused."""

import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from crash_kit import Books, Customers, Harken
from mailserver import MailServer

SEED = 19


class Left(Harken):
    """A folder that was served, and what its customers did."""

    customers: Customers


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    folder = tmp_path_factory.mktemp("left")
    mail = MailServer(folder)
    harken = Left(folder / "data", mail)
    try:
        harken.start()
        harken.apply()
        harken.customers = Customers(harken, SEED)
        harken.customers.act(["one", "two"], 20)
        Books(harken, harken.customers).balance()
        harken.kill("all")
        yield harken
    finally:
        harken.close()
        mail.close()


def segment(log: Path) -> Path:
    return max(log.glob("*.log"))


def append(log: Path, data: bytes) -> None:
    with segment(log).open("ab") as file:
        file.write(data)


def torn_record(log: Path) -> None:
    """The first half of a record whose write was under way."""
    append(log, segment(log).read_bytes()[:40])


def garbage(log: Path) -> None:
    append(log, bytes(range(256)) * 20)


def zeros(log: Path) -> None:
    """Some file systems leave zeros where a write was under way."""
    append(log, bytes(8192))


def mark_behind(log: Path) -> None:
    """The mark is a page of its own, which may reach the disk later than the records."""
    (log / "durable").write_bytes(struct.pack("<Q", 100))
    torn_record(log)


def flipped(log: Path) -> None:
    data = bytearray(segment(log).read_bytes())
    data[len(data) // 2] ^= 1
    segment(log).write_bytes(data)


def cut_off(log: Path) -> None:
    with segment(log).open("r+b") as file:
        file.truncate(segment(log).stat().st_size - 50)


def gone(log: Path) -> None:
    shutil.rmtree(log)


def cut_off_unmarked(log: Path) -> None:
    """Without the mark a cut looks like a torn write; the engine's place tells that it is not."""
    cut_off(log)
    (log / "durable").unlink()


@pytest.mark.parametrize("damage", [torn_record, garbage, zeros, mark_behind])
def test_what_was_never_acknowledged_is_cut_off(
    left: Left, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    copy = Harken(shutil.copytree(left.data, tmp_path / "data"), left.mail)
    damage(copy.data / "log")
    copy.starts = left.starts
    customers = Customers(copy, SEED, "after")
    customers.done = {user: [*done] for user, done in left.customers.done.items()}
    try:
        copy.start()
        Books(copy, customers).balance(damage.__name__)
        events = copy.get("/people/one")["events"]
        before = sum(event == "Song Played" for event, _ in customers.done["one"])
        customers.does("Song Played", "one")
        Books(copy, customers).balance(damage.__name__)
        assert events["Song Played"]["count"] == before
        assert copy.stop() == 0
    finally:
        copy.close()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (flipped, "is damaged at byte"),
        (cut_off, "is damaged at byte"),
        (gone, "the log ends at"),
        (cut_off_unmarked, "the log ends at"),
    ],
)
def test_a_log_that_lacks_what_was_acknowledged_is_refused(
    left: Left, tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    data = shutil.copytree(left.data, tmp_path / "data")
    damage(data / "log")
    done = subprocess.run(
        [sys.executable, "-m", "harken", "serve", "--data", str(data), "--port", "0"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("harken: ")
    assert said in last
