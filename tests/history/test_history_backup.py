"""A copy of history, made while it is in use."""

import subprocess
import sys
from pathlib import Path

import pytest
from history_kit import EACH, batch_of

from harken.effects import Happening
from harken.errors import Unavailable
from harken.history.base import History
from harken.history.duck import DuckHistory
from harken.history.rows import encode_batch
from harken.history.worker import Feeder
from harken.store.sqlite import SqliteStore


def batch(name: str) -> bytes:
    return encode_batch([Happening(at=1, received_at=1, profile_id=7, name=name)], [])


def test_a_copy_holds_all_that_was_taken_and_the_original_goes_on(
    history: History, tmp_path: Path
) -> None:
    history.append([(1, batch("Before"))])
    history.backup(str(tmp_path / "copy.duckdb"))
    history.append([(2, batch("After"))])
    copy = DuckHistory(tmp_path / "copy.duckdb")
    try:
        assert copy.query("SELECT name FROM events") == [("Before",)]
        assert copy.watermark() == 1
    finally:
        copy.close()
    assert history.query("SELECT name FROM events ORDER BY name") == [("After",), ("Before",)]


def test_the_file_stays_held_by_its_process(duck: DuckHistory, tmp_path: Path) -> None:
    """Copying must not give up the lock that keeps other processes out."""
    duck.backup(str(tmp_path / "copy.duckdb"))
    code = "import duckdb, sys; duckdb.connect(sys.argv[1])"
    command = [sys.executable, "-c", code, str(tmp_path / "history.duckdb")]
    other = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert other.returncode != 0


def test_a_copy_that_cannot_be_written_is_told(history: History, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="could not be copied"):
        history.backup(str(tmp_path / "none" / "copy.duckdb"))


def test_a_history_that_is_held_takes_nothing_until_it_may(
    history: History, tmp_path: Path
) -> None:
    store = SqliteStore(tmp_path / "state.db", durable=True)
    feeder = Feeder(store, history)
    history.hold(60)
    store.commit(batch_of(1))
    assert (history.held(), feeder.flush()) == (True, 0)
    assert history.query("SELECT count(*) FROM events") == [(0,)]
    history.hold(0)
    assert (history.held(), feeder.flush()) == (False, 1)
    assert history.query("SELECT count(*) FROM events") == [(EACH,)]
    store.close()
