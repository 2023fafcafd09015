"""All of history as Parquet files, which any tool reads."""

from pathlib import Path

import duckdb
import pytest
from history_kit import decision, event

from harken.errors import BadInput, Unavailable
from harken.history.base import History
from harken.history.duck import MAKING, DuckHistory
from harken.history.rows import encode_batch
from harken.people.profile import Profile
from harken.people.snapshot import snapshot_of


def test_each_table_becomes_a_file(history: History, tmp_path: Path) -> None:
    one = event(0, 7, properties={"value": 5, "deep": {"x": [1]}})
    who = snapshot_of(Profile(id=7, attributes={"city": "Seoul"}), ["email"])
    history.append([(1, encode_batch([one, event(1)], [decision(2)], people=[who]))])
    history.record_size("loyal", 1, 7)
    folder = tmp_path / "it's out"
    rows = history.export(str(folder))
    assert rows == {"events": 2, "decisions": 1, "profiles": 1, "segment_sizes": 1}
    assert sorted(file.name for file in folder.iterdir()) == [f"{t}.parquet" for t in sorted(rows)]
    with duckdb.connect() as reader:
        reader.execute("SET python_enable_replacements = false")
        [row] = reader.execute(
            "SELECT profile_id, props->>'$.deep.x[0]', batch FROM read_parquet($1) ORDER BY ts",
            [str(folder / "events.parquet")],
        ).fetchmany(1)
        assert row == (7, "1", 1)
        who_is = "SELECT attributes->>'city' FROM read_parquet($1)"
        profiles = str(folder / "profiles.parquet")
        assert reader.execute(who_is, [profiles]).fetchall() == [("Seoul",)]
    history.append([(2, encode_batch([event(3)], []))])
    assert history.query("SELECT count(*) FROM events") == [(3,)]


def test_nothing_is_written_over(history: History, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    with pytest.raises(BadInput, match="not empty"):
        history.export(str(tmp_path / "mine"))


def test_a_folder_that_cannot_be_made_is_told(history: History, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="could not be exported"):
        history.export(str(tmp_path / "file" / "below"))


def test_an_export_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """What a killed one left, a copy of all history among it, goes with the next."""
    history = DuckHistory(tmp_path / "history.duckdb")
    left = tmp_path / "exports" / f"{MAKING}killed"
    left.mkdir(parents=True)
    (left / "history.duckdb").write_bytes(b"copy")
    # The last table that is written: all others are when it fails.
    history._writer.execute("ALTER TABLE segment_sizes RENAME TO away")
    with pytest.raises(Unavailable, match="segment_sizes"):
        history.export(str(tmp_path / "exports" / "mine"))
    assert list((tmp_path / "exports").iterdir()) == []
    history._writer.execute("ALTER TABLE away RENAME TO segment_sizes")
    history.export(str(tmp_path / "exports" / "mine"))
    assert [one.name for one in (tmp_path / "exports").iterdir()] == ["mine"]
    history.close()
