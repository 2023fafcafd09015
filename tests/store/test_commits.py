"""A batch that is being written is known already; its writer and the engine end together."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from harken.effects import Happening, Outgoing
from harken.errors import Unavailable
from harken.history.rows import Gathering, Rekey, pack
from harken.loops.commits import Commits
from harken.people.profile import Profile, encode
from harken.running.writer import Writer
from harken.store.base import Batch
from harken.store.sqlite import SqliteStore


class Place:
    """A store, and a writer to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer = Writer(lambda: SqliteStore(path))
        self.store = SqliteStore(path)
        self.commits = Commits(self.store, self.writer)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path / "state.db")
    yield place
    place.writer.close()
    place.store.close()


def batch(*people: Profile) -> Batch:
    profiles = [(one.id, encode(one)) for one in people]
    return Batch(0, profiles, [], [], [], [], [], [], b"", {})


def nothing() -> None:
    pass


def test_documents_under_way(place: Place) -> None:
    commits, store = place.commits, place.store
    before, beside, after = Profile(id=1, user_id="a"), Profile(id=2), Profile(id=1, user_id="b")
    commits.now(batch(before, beside), [], nothing)
    lock = sqlite3.connect(place.path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    landed: list[str] = []
    commits.beside(batch(after), [], lambda: landed.append("after"))
    assert commits.profiles({1, 2, 3}) == {1: after, 2: beside}
    assert (store.profiles([1]), landed) == ({1: before}, [])
    lock.execute("ROLLBACK")
    lock.close()
    commits.land()
    assert commits.profiles({1, 2, 3}) == {1: after, 2: beside} == store.profiles([1, 2])
    assert landed == ["after"]


def test_what_cannot_be_written_is_told_as_it_lands(place: Place) -> None:
    place.commits.beside(batch(Profile(id=2**63)), [], nothing)
    with pytest.raises(RuntimeError, match="too large"):
        place.commits.land()
    place.store.database.connection.execute("ALTER TABLE profiles RENAME TO gone")
    place.commits.beside(batch(Profile(id=1)), [], nothing)
    with pytest.raises(Unavailable, match="no such table"):
        place.commits.land()
    place.store.database.connection.execute("ALTER TABLE gone RENAME TO profiles")
    place.commits.beside(batch(Profile(id=1)), [], nothing)
    place.commits.land()
    assert place.store.existing([1]) == {1}


@pytest.mark.parametrize("value", [1, 2**70, float("inf"), "\ud800", {"a": [None, 1.0, "x"]}, ()])
def test_rows_of_history_are_packed_as_the_engine_would(place: Place, value: object) -> None:
    event = Happening(at=1, received_at=1, profile_id=1, name="e", properties={"value": value})
    rows = [Gathering([event], rekey=[Rekey(2, 1)]), Gathering(forget=[1])]
    place.commits.beside(batch(Profile(id=1)), rows, nothing)
    place.commits.land()
    assert [blob for _, blob in place.store.history_rows(0, 1_000)] == [pack(rows)]


def test_who_has_lost_the_writer_ends(place: Place) -> None:
    place.commits.beside(batch(Profile(id=1)), [], nothing)
    place.commits.land()
    os.kill(place.writer.pid, signal.SIGKILL)
    os.waitid(os.P_PID, place.writer.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(SystemExit):
        place.commits.beside(batch(Profile(id=2)), [], nothing)


def test_a_batch_that_was_given_is_written_though_the_engine_is_gone(place: Place) -> None:
    id = "m" * 26
    message = Outgoing(
        id=id, profile_id=1, journey="j", revision=1, step="s", run="r", channel="email",
        purpose="marketing", address="a@x.test", queued_at=1, not_before=1,
    )  # fmt: skip
    whole = batch(Profile(id=1))
    whole.messages = [message]
    lock = sqlite3.connect(place.path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    place.writer.begin(whole, [])
    place.writer._give.close()
    lock.execute("ROLLBACK")
    lock.close()
    os.waitpid(place.writer.pid, 0)
    assert place.store.message(id) is not None
    place.writer = Writer(lambda: SqliteStore(place.path))
