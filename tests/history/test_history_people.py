"""How customers stand: one row each, the last that was told, gone with who was absorbed."""

from typing import Any

import pytest
from history_kit import START, event

from harken.effects import Effects
from harken.history.base import History
from harken.history.duck import DuckHistory
from harken.history.rows import Collector, Rekey, Snapshot, encode_batch, pack
from harken.people.profile import ConsentChange, Profile, Reach, Tombstone
from harken.people.snapshot import snapshot_of

CHANNELS = ("email", "sms")
WHO = "SELECT profile_id, attributes.city::VARCHAR FROM profiles ORDER BY 1"


def stands(id: int, city: str = "Seoul", **fields: Any) -> Snapshot:
    return snapshot_of(Profile(id=id, attributes={"city": city}, **fields), CHANNELS)


def choice(channel: str, purpose: str, state: Any, at: int = 1) -> ConsentChange:
    return ConsentChange(
        channel=channel, purpose=purpose, state=state, at=at, by="customer", how="form"
    )


def test_a_row_holds_what_rules_ask(history: History) -> None:
    profile = Profile(
        id=7,
        user_id="mina",
        created_at=START,
        attributes={
            "email": "mina@example.com",
            "language": "ko",
            "signed_up": "2026-01-31",
            "plan": {"ends": "2026-02-28T12:00:00+09:00", "name": "gold"},
            "location": {"latitude": 37.5, "longitude": 127},
        },
        learned={"language": "en", "timezone": "Asia/Seoul"},
        lists={"vip": 1, "guests": 2},
        consent={
            "all:marketing": choice("all", "marketing", "opted_out", 5),
            "email:marketing": choice("email", "marketing", "opted_in", 3),
            "sms:marketing": choice("sms", "marketing", "opted_in", 8),
            "email:night": choice("email", "night", "implied"),
        },
    )
    history.append([(1, encode_batch([], [], people=[snapshot_of(profile, CHANNELS)]))])
    sql = """SELECT user_id, created_at, attributes.language::VARCHAR,
        attributes.timezone::VARCHAR, dates.signed_up::BIGINT, dates.plan.ends::BIGINT,
        reachable, lists, latitude, longitude, consent FROM profiles"""
    [row] = history.query(sql)
    assert [list(part) if isinstance(part, tuple) else part for part in row] == [
        "mina",
        START,
        "ko",
        "Asia/Seoul",
        1_769_817_600_000,
        1_772_247_600_000,
        ["email", "webhook"],
        ["guests", "vip"],
        37.5,
        127.0,
        [
            "email:marketing:opted_out",
            "sms:marketing:opted_in",
            "all:marketing:opted_out",
        ],
    ]


def test_what_is_not_known_is_null(history: History) -> None:
    history.append([(1, encode_batch([], [], people=[snapshot_of(Profile(id=7), CHANNELS)]))])
    sql = "SELECT user_id, latitude, longitude, reachable, attributes.x::VARCHAR FROM profiles"
    [row] = history.query(sql)
    assert row[:3] == (None, None, None)
    assert list(row[3]) == []
    assert row[4] is None


@pytest.mark.parametrize(
    ("email", "dead", "reached"),
    [
        ("mina@example.com", "", ["email"]),
        ("mina@example.com", "Mina@example.com", []),
        ("mina@example.com", "old@example.com", ["email"]),
        ("mina", "", []),
        (5, "", []),
        (None, "", []),
    ],
)
def test_who_can_be_reached(email: Any, dead: str, reached: list[str]) -> None:
    unreachable = {"email": Reach(address=dead, why="hard bounce", at=1)} if dead else {}
    profile = Profile(id=1, attributes={"email": email}, unreachable=unreachable)
    assert snapshot_of(profile, CHANNELS).reachable == reached


def test_a_later_snapshot_takes_the_place_of_the_one_before(history: History) -> None:
    both = [stands(1), stands(2), stands(1, "Busan")]
    history.append([(1, encode_batch([], [], people=both))])
    assert history.query(WHO) == [(1, "Busan"), (2, "Seoul")]
    history.append(
        [
            (2, encode_batch([], [], people=[stands(2, "Jeju")])),
            (3, encode_batch([], [], people=[stands(2, "Daegu"), stands(3)])),
        ]
    )
    assert history.query(WHO) == [(1, "Busan"), (2, "Daegu"), (3, "Seoul")]


def test_who_is_absorbed_has_no_row_until_the_merge_is_undone(history: History) -> None:
    history.append([(1, encode_batch([], [], people=[stands(1), stands(2)]))])
    history.append([(2, encode_batch([], [], [Rekey(2, 1)], people=[stands(1, "Busan")]))])
    assert history.query(WHO) == [(1, "Busan")]
    undone = encode_batch([], [], [Rekey(2, 1, undo=True)], people=[stands(1), stands(2)])
    history.append([(3, undone)])
    assert history.query(WHO) == [(1, "Seoul"), (2, "Seoul")]


def test_a_snapshot_and_a_merge_taken_together_keep_their_order(history: History) -> None:
    history.append(
        [
            (1, encode_batch([], [], people=[stands(2), stands(3)])),
            (2, encode_batch([], [], [Rekey(2, 1)], people=[stands(1)])),
            (3, encode_batch([], [], forget=[3])),
        ]
    )
    assert history.query(WHO) == [(1, "Seoul")]


def test_the_collector_leaves_out_who_is_absorbed_later_in_the_batch(history: History) -> None:
    collector = Collector()
    collector.people([stands(2)])
    grave = Profile(id=2, tombstone=Tombstone(into=1, at=1, how="merge"))
    collector.add(Effects(Profile(id=1), others=[grave]))
    collector.people([stands(1)])
    collector.add(Effects(Profile(id=3), forgotten=[3]))
    collector.people([stands(3)])
    history.append([(1, pack(collector.gathered()))])
    assert history.query(WHO) == [(1, "Seoul"), (3, "Seoul")]


def test_who_is_forgotten_has_no_row(history: History) -> None:
    history.append([(1, encode_batch([], [], people=[stands(1), stands(2)]))])
    history.append([(2, encode_batch([], [], forget=[1, 2]))])
    assert history.query(WHO) == []


def test_every_event_says_in_which_batch_it_came(history: History) -> None:
    history.append([(4, encode_batch([event(0)], [])), (9, encode_batch([event(1)], []))])
    assert history.query("SELECT batch FROM events ORDER BY ts") == [(4,), (9,)]


def test_sizes_of_a_segment_come_back_in_order(history: History) -> None:
    for at, size in ((1, 10), (3, 12), (5, 11)):
        history.record_size("lapsed", at, size)
    history.record_size("loyal", 3, 7)
    assert [tuple(one) for one in history.sizes("lapsed", 3)] == [(3, 12), (5, 11)]
    assert history.sizes("none", 0) == []


def test_a_file_from_before_is_taken_up(duck: DuckHistory) -> None:
    duck.append([(1, encode_batch([event(0)], []))])
    connection = duck._connection
    connection.execute("ALTER TABLE events DROP COLUMN batch")
    connection.execute("DROP TABLE profiles; DROP TABLE segment_sizes")
    duck.close()
    again = DuckHistory(duck._path)
    try:
        again.append([(2, encode_batch([event(1)], [], people=[stands(1)]))])
        assert again.query("SELECT batch FROM events ORDER BY ts") == [(0,), (2,)]
        assert again.query(WHO) == [(1, "Seoul")]
    finally:
        again.close()
