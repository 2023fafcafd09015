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

    def undo(self, survivor: int, absorbed: int) -> None:
        """Take the merge back, as an operator does."""
        self.collector.append_commands([(survivor, Unmerge(absorbed, "eve"))]).result(10)

    def forget(self, profile: int) -> None:
        self.collector.append_commands([(profile, Forget("eve"))]).result(10)

    def merges(self) -> list[tuple[int, int]]:
        """(survivor, absorbed) of the merges that stand, the latest last."""
        found: dict[int, int] = {}
        for record in self.records():
            command = decode_command(record.body) if record.kind == Kind.COMMAND else None
            if isinstance(command, Merge):
                found.pop(command.absorbed, None)
                found[command.absorbed] = record.profile_id
            elif isinstance(command, Unmerge):
                found.pop(command.absorbed, None)
        return [(survivor, absorbed) for absorbed, survivor in found.items()]

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
    house.undo(user("u"), anonymous("a"))
    house.send((None, "a"))
    assert house.lines()[-1] == anonymous("a")


def test_who_was_joined_by_way_of_another_is_not_parted_alone(house: House) -> None:
    house.send(("b", None, "a"), ("c", None, "b"))
    house.undo(user("c"), user("a"))
    house.send(("a", None))
    assert house.lines()[-1] == user("c")
    house.undo(user("c"), user("b"))
    house.undo(user("b"), user("a"))
    house.send(("a", None), ("b", None), ("c", None))
    assert house.lines()[-3:] == [user("a"), user("b"), user("c")]


def test_a_merge_undone_is_not_done_again_by_itself(house: House) -> None:
    house.send((None, "a"), ("u", "a"))
    house.undo(user("u"), anonymous("a"))
    house.send((None, "a"), ("u", "a"), (None, "a"))
    assert house.lines()[-3:] == [anonymous("a"), user("u"), user("u")]
    house.lose_table()
    house.send(("u", "a"))
    assert house.lines()[-1] == user("u")
    assert isinstance(house.lines()[-5], Unmerge)


@pytest.mark.parametrize("seen", [False, True])
def test_the_alias_of_a_user_undone(house: House, seen: bool) -> None:
    """The id is that user's again, also where it stands as an anonymous one."""
    if seen:
        house.send(("old", None))
    house.send(("new", None, "old"), (None, "old"))
    assert house.lines()[-1] == user("new")
    house.undo(user("new"), user("old"))
    for _ in range(2):
        house.send((None, "old"), ("old", None), ("new", None))
        assert house.lines()[-3:] == [user("old"), user("old"), user("new")]
        house.lose_table()
    assert house.lookup.resolve(anonymous_id="old") == user("old")
    assert house.lookup.anonymous_ids_of(user("new")) == []
    house.send(("new", None, "old"), (None, "old"))
    assert house.lines()[-1] == user("new")


def test_the_alias_of_an_anonymous_id_undone(house: House) -> None:
    house.send((None, "a"), ("u", None, "a"))
    house.undo(user("u"), anonymous("a"))
    house.send((None, "a"))
    assert house.lines()[-1] == anonymous("a")


def test_a_device_of_whom_a_merge_is_undone_stays_theirs(house: House) -> None:
    """Who was seen last on it under their own name, be it while both were one."""
    house.send(("old", "before"), ("new", "other"), ("new", None, "old"))
    house.send(("old", "since"), ("new", "taken"), ("old", "taken"), ("old", "given"))
    house.send(("new", "given"))
    house.send((None, "aliased"), ("old", None, "aliased"))
    devices = ("before", "since", "taken", "aliased", "other", "given")
    house.send(*((None, device) for device in devices))
    assert house.lines()[-6:] == [user("new")] * 6
    house.undo(user("new"), user("old"))
    house.send(*((None, device) for device in devices))
    assert house.lines()[-6:] == [user("old")] * 4 + [user("new")] * 2


def test_commands_go_to_the_profile_that_absorbed(house: House) -> None:
    house.send(("new", None, "old"))
    house.forget(user("old"))
    assert house.records()[-1].profile_id == user("new")


def test_a_merge_into_itself_is_nothing(house: House) -> None:
    house.collector.append_commands([(user("u"), Merge(user("u"), "operator"))]).result(10)
    assert house.lines() == []


def test_an_operators_merge_does_not_pass_for_an_events(house: House) -> None:
    with pytest.raises(BadInput):
        house.collector.append_commands([(1, Merge(2, "identify"))])


def test_forgetting_someone_frees_their_identifiers(house: House) -> None:
    house.send((None, "a"), ("u", "a"), ("u", "b"))
    house.forget(user("u"))
    assert house.lookup.anonymous_ids_of(user("u")) == []
    house.send((None, "a"), (None, "b"))
    assert house.lines()[-2:] == [anonymous("a"), anonymous("b")]


def test_forgetting_someone_takes_nothing_from_who_came_after_them(house: House) -> None:
    house.send((None, "tv"), ("mum", "tv"), ("kid", "tv"))
    house.forget(user("mum"))
    house.send((None, "tv"), ("mum", None))
    assert house.lines()[-2:] == [user("kid"), user("mum")]


def test_forgetting_someone_frees_what_was_joined_with_them(house: House) -> None:
    house.send(("old", "a"), ("new", None, "old"), ("old", "b"))
    house.forget(user("new"))
    house.send((None, "a"), (None, "b"), (None, "old"), ("old", None))
    assert house.lines()[-4:] == [anonymous("a"), anonymous("b"), anonymous("old"), user("old")]


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


groups_of_calls = st.lists(st.lists(calls, min_size=1, max_size=6), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(
    groups=st.lists(
        st.tuples(
            st.lists(calls, min_size=1, max_size=6),
            st.sampled_from(["", "undo", "forget u", "forget v"]),
        ),
        max_size=6,
    )
)
def test_the_table_made_from_the_log_is_the_table(
    tmp_path_factory: pytest.TempPathFactory, groups: list
) -> None:
    house = House(tmp_path_factory.mktemp("house"))
    try:
        for group, then in groups:
            house.send(*group)
            for survivor, absorbed in house.merges()[-1:] if then == "undo" else ():
                house.undo(survivor, absorbed)
            if then.startswith("forget"):
                house.forget(user(then[-1]))
        before = tables(house.directory)
        house.lose_table()
        assert tables(house.directory) == before
    finally:
        house.collector.close()


@settings(max_examples=60, deadline=None)
@given(
    groups=groups_of_calls,
    alias=st.tuples(people, st.none(), st.one_of(people, devices)),
    later=st.lists(st.tuples(people, st.none()), max_size=2),
)
def test_what_is_undone_leads_where_it_led(
    tmp_path_factory: pytest.TempPathFactory, groups: list, alias: tuple, later: list
) -> None:
    house = House(tmp_path_factory.mktemp("house"))
    try:
        for group in groups:
            house.send(*group)
        before, stood = ways(house, alias[2]), house.merges()
        house.send(alias, *later)
        for survivor, absorbed in house.merges()[len(stood) :]:
            house.undo(survivor, absorbed)
        assert ways(house, alias[2]) == before
    finally:
        house.collector.close()


def ways(house: House, previous: str) -> dict[str, int]:
    """Whom each identifier names, but for the aliased id as an anonymous one."""
    found = {f"user {id}": house.lookup.resolve(user_id=id) for id in "uvw"}
    devices = {id: house.lookup.resolve(anonymous_id=id) for id in "abcuvw" if id != previous}
    return found | devices


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
