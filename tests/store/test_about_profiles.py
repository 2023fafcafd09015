"""How many customers there are, told without reading every page."""

from pathlib import Path

import pytest

from harken.ids import profile_id
from harken.people.profile import Profile, encode
from harken.store import census
from harken.store.base import Batch
from harken.store.sqlite import SqliteStore


def test_few_are_counted_and_many_estimated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census, "FIRST", 400)
    store = SqliteStore(tmp_path / "state.db")
    assert store.about_profiles() == 0
    for start, end in ((0, 399), (399, 5_000)):
        ids = sorted(profile_id("user", f"u{number}") for number in range(start, end))
        people = [(id, encode(Profile(id=id))) for id in ids]
        store.commit(Batch(0, people, [], [], [], [], [], [], b"", {}))
        if end < 400:
            assert store.about_profiles() == 399
    assert store.about_profiles() == pytest.approx(5_000, rel=0.2)
    store.close()
