"""A batch that is being written is known already."""

import sqlite3
from pathlib import Path

from harken.loops.commits import Commits
from harken.people.profile import Profile, encode
from harken.store.base import Batch
from harken.store.sqlite import SqliteStore


def batch(*people: Profile) -> Batch:
    profiles = [(one.id, encode(one)) for one in people]
    return Batch(0, profiles, [], [], [], [], [], [], b"", {})


def test_documents_under_way(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    commits = Commits(store)
    before, beside, after = Profile(id=1, user_id="a"), Profile(id=2), Profile(id=1, user_id="b")
    commits.now(batch(before, beside), lambda: None)
    lock = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    commits.beside(batch(after), lambda: None)
    assert commits.profiles({1, 2, 3}) == {1: after, 2: beside}
    assert store.profiles([1]) == {1: before}
    lock.execute("ROLLBACK")
    commits.land()
    assert commits.profiles({1, 2, 3}) == {1: after, 2: beside} == store.profiles([1, 2])
    commits.close()
    lock.close()
    store.close()
