"""Rows get from the store to history once each, whatever dies on the way."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from history_kit import EACH, batch_of, decision, event

from harken.errors import Unavailable
from harken.history import worker
from harken.history.base import Batches, no_more
from harken.history.duck import DuckHistory
from harken.history.rows import encode_batch
from harken.history.worker import Feeder
from harken.store.sqlite import SqliteStore

COUNT = "SELECT count(*), count(DISTINCT message_id) FROM events"


def until(holds: object, seconds: float = 30) -> None:
    """Wait until `holds()`; the test fails by its own check when it never does."""
    assert callable(holds)
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)


def test_all_rows_are_moved_and_then_leave_the_store(duck: DuckHistory, tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db", durable=True)
    for number in range(1, 41):
        store.commit(batch_of(number))
    feeder = Feeder(store, duck)
    assert feeder.flush() == 40
    assert feeder.flush() == 0
    assert duck.query(COUNT) == [(40 * EACH, 40 * EACH)]
    store.commit(batch_of(41))
    assert feeder.flush() == 1
    assert [number for number, _ in store.history_rows(0, 1_000)] == [41]
    store.close()


def test_rows_are_read_as_far_as_one_commit_takes_them(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db", durable=True)
    size = max(len(batch_of(number).history) for number in range(1, 6))
    for number in range(1, 6):
        store.commit(batch_of(number))

    def read(after: int, most_bytes: int) -> list[int]:
        return [number for number, _ in store.history_rows(after, most_bytes)]

    assert read(0, 3 * size) == [1, 2, 3]
    assert read(3, 3 * size) == [4, 5]
    assert read(3, 1) == [4], "however large, one is read"
    assert read(5, 3 * size) == []
    store.close()


def test_the_doorbell_moves_rows_and_stopping_moves_the_rest(
    duck: DuckHistory, tmp_path: Path
) -> None:
    store = SqliteStore(tmp_path / "state.db", durable=True)
    feeder = Feeder(store, duck, gather=0.01)
    feeder.start()
    store.commit(batch_of(1))
    feeder.ring()
    until(lambda: duck.watermark() == 1)
    assert duck.query(COUNT) == [(EACH, EACH)]
    store.commit(batch_of(2))
    feeder.stop()
    assert duck.query(COUNT) == [(2 * EACH, 2 * EACH)]
    store.close()


class Counting(DuckHistory):
    """Counts its commits."""

    commits = 0

    def append(self, batches: Batches, more: Callable[[int], Batches] = no_more) -> None:
        self.commits += 1
        super().append(batches, more)


@pytest.mark.parametrize(
    ("at_most", "whole", "commits"),
    [(1.0, 1_000_000, 2), (3_600.0, 3, 3)],
    ids=["a while", "a whole group"],
)
def test_in_a_stream_rows_are_waited_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    at_most: float,
    whole: int,
    commits: int,
) -> None:
    monkeypatch.setattr(worker, "LARGE", 100)
    monkeypatch.setattr(worker, "STREAM", at_most)
    monkeypatch.setattr(worker, "WHOLE", whole * len(batch_of(1).history))
    store = SqliteStore(tmp_path / "state.db", durable=True)
    history = Counting(tmp_path / "history.duckdb")
    feeder = Feeder(store, history, gather=0.01)
    feeder.start()
    store.commit(batch_of(1))
    feeder.ring()
    until(lambda: feeder._stream)
    for number in range(2, 7):
        store.commit(batch_of(number))
    until(lambda: history.watermark() >= 4)
    assert history.watermark() >= 4, "before it is told to stop"
    feeder.stop()
    assert history.watermark() == 6
    assert history.commits <= commits
    history.close()
    store.close()


def test_rows_that_are_committed_alone_wait_for_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of new customers, of whom history is told more than events."""
    alone = [decision(1, 1)] * (2 * EACH)
    batches = [batch_of(number) for number in range(1, 6)]
    for batch in batches:
        happened = [event(n, 1, message_id=f"m{batch.offset}-{n}") for n in range(EACH)]
        batch.history = encode_batch(happened, alone)
    monkeypatch.setattr(worker, "LARGE", 100)
    monkeypatch.setattr(worker, "STREAM", 3_600.0)
    monkeypatch.setattr(worker, "PIECE_BYTES", len(batches[0].history) + 10)
    store = SqliteStore(tmp_path / "state.db", durable=True)
    for batch in batches:
        store.commit(batch)
    history = DuckHistory(tmp_path / "history.duckdb")
    feeder = Feeder(store, history, gather=0.01)
    feeder.start()
    until(lambda: history.watermark() == 5)
    assert history.watermark() == 5, "before it is told to stop"
    feeder.stop()
    history.close()
    store.close()


def test_a_history_that_is_away_loses_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db", durable=True)
    history = DuckHistory(tmp_path / "away.duckdb")
    history.close()
    store.commit(batch_of(1))
    feeder = Feeder(store, history, gather=0.01)
    feeder.start()
    until(lambda: bool(feeder.trouble))
    assert feeder.trouble
    feeder.stop()
    with pytest.raises(Unavailable):
        feeder.flush()
    back = DuckHistory(tmp_path / "away.duckdb")
    assert Feeder(store, back).flush() == 1
    assert back.query(COUNT) == [(EACH, EACH)]
    back.close()
    store.close()


def test_kill_9_while_feeding_doubles_and_loses_nothing(tmp_path: Path) -> None:
    lots = random.Random(7)
    program = Path(__file__).with_name("feeding_process.py")
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, str(program), str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(lots.uniform(0.05, 0.6))
        process.kill()
        process.wait()
        process.stdout.close()
    store = SqliteStore(tmp_path / "state.db", durable=True)
    history = DuckHistory(tmp_path / "history.duckdb")
    taken = history.watermark()
    Feeder(store, history).flush()
    offset = store.offset()
    assert 0 < taken <= offset
    assert history.query(COUNT) == [(offset * EACH, offset * EACH)]
    history.close()
    store.close()


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from history_kit import event
from harken.errors import Unavailable
from harken.history.duck import DuckHistory
from harken.history.rows import encode_batch

def blob(first):
    rows = [event(n, n, message_id=f"m{n}", properties={"x": f"{n}" * 500}) for n in
            range(first, first + 500)]
    return encode_batch(rows, [])

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
history = DuckHistory(Path(sys.argv[1]))
history.append([(1, blob(0))])
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
refused = 0
for number in range(2, 4):
    try:
        assert history.watermark() == 1
        history.append([(number, blob(500 * (number - 1)))])
    except Unavailable:
        refused += 1
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
upto = history.watermark()
for number in range(upto + 1, 6):
    history.append([(number, blob(500 * (number - 1)))])
print(refused > 0, history.query("SELECT count(*), count(DISTINCT message_id) FROM events"))
history.close()
"""


def test_a_full_disk_refuses_rows_and_goes_on_when_there_is_space(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "history.duckdb")],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert found.stdout == "True [(2500, 2500)]\n", found.stderr


def test_a_second_process_is_told_that_the_file_is_taken(duck: DuckHistory, tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from harken.history.duck import DuckHistory;"
    program += "DuckHistory(Path(sys.argv[1]))"
    found = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "history.duckdb")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Unavailable" in found.stderr


def test_many_threads_read_while_one_writes(duck: DuckHistory) -> None:
    faults: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(10):
                [(count,)] = duck.query("SELECT count(*) FROM events")
                assert count % EACH == 0
                duck.timeline([1], limit=5)
        except BaseException as fault:
            faults.append(fault)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(1, 11):
        duck.append([(number, encode_batch([event(n, n % 3) for n in range(EACH)], []))])
    for reader in readers:
        reader.join()
    assert faults == []
    assert duck.query("SELECT count(*) FROM events") == [(10 * EACH,)]


def test_no_fault_ends_the_thread(
    duck: DuckHistory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harken.history.worker.RETRY", 0.01)
    store = SqliteStore(tmp_path / "state.db")
    feeder = Feeder(store, duck, gather=0.01)
    store.commit(batch_of(1))

    def broken(batches: object) -> None:
        raise RuntimeError("of nobody's making")

    with monkeypatch.context() as trouble:
        trouble.setattr(duck, "append", broken)
        feeder.start()
        until(lambda: feeder.trouble)
    until(lambda: duck.watermark() == 1)
    feeder.stop()
    assert duck.query(COUNT) == [(EACH, EACH)]
    store.close()
