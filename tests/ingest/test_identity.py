"""Who an event belongs to, who is joined with whom, and that a crash forgets none of it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harken import ids
from harken.clock import SettableClock
from harken.errors import BadInput
from harken.ingest.collector import Collector, open_collector
from harken.ingest.identity import Identities, Lookup
from harken.ingest.intake import connect
from harken.ingest.protocol import Accepted, decode_event
from harken.inputs import Forget, Kind, Merge, Record, Unmerge, decode_command
from harken.store.log import Log, LogReader

NOW = 1_780_000_000_000


def user(value: str) -> int:
    return ids.profile_id("user", value)


def anonymous(value: str) -> int:
    return ids.profile_id("anonymous", value)


class House:
    """A collector of a directory, and what it wrote."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.open()

    def open(self) -> None:
        self.collector: Collector = open_collector(
            Log(self.directory / "log"),
            self.directory / "intake.db",
            SettableClock(NOW),
            lambda: None,
        )
        self.lookup = Lookup(connect(self.directory / "intake.db"))

    def send(self, *events: tuple[str | None, str | None] | tuple[str, None, str]) -> None:
        """Events of (user id, anonymous id[, previous id])."""
        self.collector.submit([made(*event) for event in events], received_at=NOW).result(10)

    def lines(self) -> list[object]:
        """The log in short: the profile of each event, (survivor, absorbed) of each merge."""
        return [short(record) for record in self.records()]

    def records(self) -> list[Record]:
        with LogReader(self.directory / "log") as reader:
            return list(reader.records(0))

    def lose_table(self) -> None:
        """What a crash between the log and the table leaves, at its worst."""
        self.collector.close()
        (self.directory / "intake.db").unlink()
        self.open()


def made(who: str | None, alone: str | None, previous: str | None = None) -> Accepted:
    kind = "track" if previous is None else "alias"
    parts = {"type": kind, "userId": who, "anonymousId": alone, "previousId": previous}
    body = ",".join(f'"{key}":"{value}"' for key, value in parts.items() if value is not None)
    return Accepted(kind, who, alone, previous, NOW, b'{%s,"messageId":"m"}' % body.encode())  # type: ignore[arg-type]


def short(record: Record) -> object:
    if record.kind == Kind.EVENT:
        return record.profile_id
    command = decode_command(record.body)
    return (record.profile_id, command.absorbed) if isinstance(command, Merge) else command


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    built = House(tmp_path)
    yield built
    built.collector.close()


def test_an_id_names_its_profile_by_itself(house: House) -> None:
    house.send(("u", None), (None, "a"))
    assert house.lines() == [user("u"), anonymous("a")]


def test_identifying_joins_the_history_of_before_once(house: House) -> None:
    house.send((None, "a"), (None, "a"), ("u", "a"), ("u", "a"), (None, "a"))
    merge = (user("u"), anonymous("a"))
    assert house.lines() == [anonymous("a")] * 2 + [merge] + [user("u")] * 3
    assert house.lookup.resolve(anonymous_id="a") == user("u")
    assert house.lookup.forward(anonymous("a")) == user("u")
    assert house.lookup.anonymous_ids_of(user("u")) == ["a"]


def test_without_a_history_of_before_nothing_is_joined(house: House) -> None:
    house.send(("u", "a"), (None, "a"))
    assert house.lines() == [user("u"), user("u")]


def test_on_a_shared_device_nothing_is_joined_and_the_last_user_counts(house: House) -> None:
    house.send((None, "tv"), ("mum", "tv"), (None, "tv"), ("kid", "tv"), (None, "tv"))
    merge = (user("mum"), anonymous("tv"))
    assert house.lines() == [
        anonymous("tv"), merge, user("mum"), user("mum"), user("kid"), user("kid")
    ]  # fmt: skip
    house.send(("mum", "tv"), (None, "tv"))
    assert house.lines()[-2:] == [user("mum"), user("mum")]


def test_alias_of_an_anonymous_id(house: House) -> None:
    house.send((None, "a"), ("u", None, "a"), (None, "a"))
    assert house.lines() == [anonymous("a"), (user("u"), anonymous("a")), user("u"), user("u")]


def test_alias_of_a_user_id(house: House) -> None:
    house.send(("old", None), ("new", None, "old"), ("old", None), ("new", None, "old"))
    merge = (user("new"), user("old"))
    assert house.lines() == [user("old"), merge, *[user("new")] * 3]
    assert house.lookup.resolve(user_id="old") == user("new")


def test_aliases_make_no_circle(house: House) -> None:
    house.send(("b", None, "a"), ("c", None, "b"), ("a", None, "c"), ("a", None), ("b", None))
    assert house.lines()[-2:] == [user("c"), user("c")]
    assert house.lookup.resolve(user_id="a") == user("c")


def test_an_operator_merges_and_undoes_it(house: House) -> None:
    house.send(("u", None), (None, "a"))
    merge = house.collector.append_commands([(user("u"), Merge(anonymous("a"), "operator"))])
    merge.result(10)
    house.send((None, "a"))
    assert house.lines()[-1] == user("u")
    house.collector.append_commands([(user("u"), Unmerge(anonymous("a"), "eve"))]).result(10)
    house.send((None, "a"))
    assert house.lines()[-1] == anonymous("a")


def test_a_merge_undone_is_not_done_again_by_itself(house: House) -> None:
    house.send((None, "a"), ("u", "a"))
    house.collector.append_commands([(user("u"), Unmerge(anonymous("a"), "eve"))]).result(10)
    house.send((None, "a"), ("u", "a"), (None, "a"))
    assert house.lines()[-3:] == [anonymous("a"), user("u"), user("u")]
    house.lose_table()
    house.send(("u", "a"))
    assert house.lines()[-1] == user("u")
    assert isinstance(house.lines()[-5], Unmerge)


def test_commands_go_to_the_profile_that_absorbed(house: House) -> None:
    house.send(("new", None, "old"))
    house.collector.append_commands([(user("old"), Forget("eve"))]).result(10)
    assert house.records()[-1].profile_id == user("new")


def test_a_merge_into_itself_is_nothing(house: House) -> None:
    house.collector.append_commands([(user("u"), Merge(user("u"), "operator"))]).result(10)
    assert house.lines() == []


def test_an_operators_merge_does_not_pass_for_an_events(house: House) -> None:
    with pytest.raises(BadInput):
        house.collector.append_commands([(1, Merge(2, "identify"))])


def test_forgetting_someone_frees_their_identifiers(house: House) -> None:
    house.send((None, "a"), ("u", "a"), ("u", "b"))
    house.collector.append_commands([(user("u"), Forget("eve"))]).result(10)
    assert house.lookup.anonymous_ids_of(user("u")) == []
    house.send((None, "a"), (None, "b"))
    assert house.lines()[-2:] == [anonymous("a"), anonymous("b")]


def test_identity_is_decided_in_the_order_of_the_log(house: House) -> None:
    futures = [
        house.collector.submit([made(None, "a") if n % 2 else made("u", "a")], received_at=NOW)
        for n in range(1, 60)
    ]
    offsets = [future.result(10) for future in futures]
    assert offsets == sorted(offsets)
    assert house.lines() == [anonymous("a"), (user("u"), anonymous("a")), *[user("u")] * 58]


people = st.sampled_from(["u", "v", "w"])
devices = st.sampled_from(["a", "b", "c"])
calls = st.one_of(
    st.tuples(people, st.none()),
    st.tuples(st.none(), devices),
    st.tuples(people, devices),
    st.tuples(people, st.none(), st.one_of(people, devices)),
)


@settings(max_examples=40, deadline=None)
@given(groups=st.lists(st.lists(calls, min_size=1, max_size=6), min_size=1, max_size=6))
def test_the_table_made_from_the_log_is_the_table(
    tmp_path_factory: pytest.TempPathFactory, groups: list
) -> None:
    house = House(tmp_path_factory.mktemp("house"))
    try:
        for group in groups:
            house.send(*group)
        before = tables(house.directory)
        house.lose_table()
        assert tables(house.directory) == before
    finally:
        house.collector.close()


def tables(directory: Path) -> list[list[tuple]]:
    with sqlite3.connect(directory / "intake.db") as db:
        names = ("SELECT * FROM anonymous ORDER BY 1", "SELECT * FROM redirects ORDER BY 1")
        return [db.execute(query).fetchall() for query in names]


def test_what_the_table_did_not_take_is_held_and_written_later(tmp_path: Path) -> None:
    house = House(tmp_path)
    with sqlite3.connect(tmp_path / "intake.db", isolation_level=None) as other:
        house.collector._identities._db.execute("PRAGMA busy_timeout=10")
        other.execute("BEGIN IMMEDIATE")
        house.send((None, "a"))
        house.send(("u", "a"), (None, "a"))
        other.execute("ROLLBACK")
    house.send((None, "a"))
    assert house.lines() == [anonymous("a"), (user("u"), anonymous("a")), *[user("u")] * 3]
    assert house.lookup.resolve(anonymous_id="a") == user("u")
    house.collector.close()


def test_a_small_cache_answers_as_a_large_one(tmp_path: Path) -> None:
    identities = Identities(connect(tmp_path / "intake.db"), cached=4)
    events = [made(f"u{n % 5}" if n % 3 == 0 else None, f"a{n % 7}") for n in range(60)]
    whole = Identities(connect(tmp_path / "whole.db"))
    for offset, event in enumerate(events, start=1):
        for table in (identities, whole):
            table.prefetch([event])
        assert identities.resolve(event) == whole.resolve(event)
        for table in (identities, whole):
            table.keep(offset)
            table.save()
    assert decode_event(events[0].body).user_id == "u0"
