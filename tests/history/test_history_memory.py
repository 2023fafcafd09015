"""History lets go of memory when nothing comes in."""

from pathlib import Path

import pytest
from history_kit import event

from harken.errors import BadInput
from harken.history import duck
from harken.history.duck import DuckHistory
from harken.history.rows import encode_batch

IN_MEMORY = """
SELECT memory_usage_bytes FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE'
"""


def test_rows_that_wait_for_a_checkpoint_leave_memory_when_no_more_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = DuckHistory(tmp_path / "history.duckdb")
    wal = Path(f"{tmp_path / 'history.duckdb'}.wal")

    def append(number: int, rows: int) -> None:
        many = [event(n, n, properties={"text": f"{n}" * 100}) for n in range(rows)]
        history.append([(number, encode_batch(many, []))])

    append(1, 40_000)
    waiting = wal.stat().st_size
    assert waiting > duck.LITTLE
    history.settle()
    assert wal.stat().st_size == waiting, "more may be coming"

    monkeypatch.setattr(duck, "QUIET", 0.0)
    held = history.query(IN_MEMORY)[0][0]
    history.settle()
    assert not wal.exists() or wal.stat().st_size < 1_000
    assert history.query(IN_MEMORY)[0][0] < held / 4

    append(2, 100)
    waiting = wal.stat().st_size
    history.settle()
    assert wal.stat().st_size == waiting, "a checkpoint costs more than so few rows"
    assert history.query("SELECT count(*) FROM events") == [(40_100,)]
    history.close()


def test_a_question_under_way_does_not_mind_and_is_not_minded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duck, "QUIET", 0.0)
    monkeypatch.setattr(duck, "LITTLE", 0)
    history = DuckHistory(tmp_path / "history.duckdb")
    history.append([(1, encode_batch([event(0)], []))])
    writing = history._new_cursor()
    writing.execute("BEGIN")
    writing.execute("INSERT INTO segment_sizes VALUES ('a', 1, 1)")
    history.settle()
    writing.execute("COMMIT")
    history.settle()
    history.append([(2, encode_batch([event(1)], []))])
    assert history.query("SELECT count(*) FROM events") == [(2,)]
    history.close()


def test_history_gives_back_what_a_burst_needed(tmp_path: Path) -> None:
    history = DuckHistory(tmp_path / "history.duckdb")
    asked = "SELECT current_setting('allocator_background_threads')"
    assert history.query(asked) == [(True,)]
    history.close()


def test_a_question_that_needs_too_much_memory_is_told_what_would_give_it_more(
    tmp_path: Path,
) -> None:
    history = DuckHistory(tmp_path / "history.duckdb", memory="20MB")
    with pytest.raises(BadInput, match=r"within the 20MB .* \(HARKEN_HISTORY_MEMORY\)"):
        history.query("SELECT list(range) FROM range(30000000)")
    assert history.query("SELECT 1") == [(1,)]
    history.close()
