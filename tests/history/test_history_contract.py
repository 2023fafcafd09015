"""What every history promises, asked of the embedded one and over the socket."""

from typing import Any

import pytest
from history_kit import START, decision, event

from harken.errors import BadInput
from harken.history.base import History
from harken.history.rows import Rekey, encode_batch

NAMES = "SELECT profile_id, name FROM events ORDER BY ts, name"


def test_a_batch_offered_again_is_left_out(history: History) -> None:
    first = (3, encode_batch([event(0)], [decision(1)]))
    assert history.watermark() == 0
    history.append([first])
    history.append([first])
    history.append([first, (4, encode_batch([event(2)], [])), (9, b"")])
    history.append([])
    assert history.watermark() == 9
    assert history.query("SELECT count(*) FROM events") == [(2,)]
    assert history.query("SELECT count(*) FROM decisions") == [(1,)]


def test_rows_come_back_as_they_went_in(history: History) -> None:
    seen = event(
        5,
        2**62,
        "주문 완료",
        message_id="m-1",
        properties={"cart_value": 250, "brand": "한", "deep": {"list": [1, None, {"x": 1.5}]}},
        journey="cart",
        step="nudge",
        variant="b",
        channel="email",
        message="abc",
        anonymous_id="a-1",
        imported=True,
    )
    held = decision(6, 2**62, run="r", step="nudge", gate="g", message="m", until=9, facts={"a": 1})
    history.append([(1, encode_batch([seen], [held]))])
    assert history.decisions(2**62, "cart") == [held]
    assert history.decisions(2**62, "other") == []
    assert history.recent_triggers("주문 완료", 5) == [(2**62, seen)]
    told, happened = history.timeline([2**62])
    assert (told["kind"], told["reason"], told["until"]) == ("decision", "quiet_hours", 9)
    assert (happened["kind"], happened["properties"]) == ("event", seen.properties)
    assert happened["anonymous_id"] == "a-1"


ODD: list[Any] = [
    {},
    {"": 1},
    {"A": 1, "a": 2},
    {"a.b": 1, "a": {"b": 2}, "$x": None, "__proto__": []},
    {'quo"te\\': "new\nline", "nul\x00key": "nul\x00value"},
    {"large": 2**53 + 1, "larger": 2**64 - 1, "least": -(2**63)},
    {"tiny": 5e-324, "huge": 1.7e308, "zero": -0.0, "tenth": 0.1},
    {"long": "é" * 300_000, "k" * 5_000: True},
    {"many": {f"k{n}": n for n in range(3_000)}},
    {"date": "2026-01-01T00:00:00Z", "emoji": "😀", "sep": "\u2028", "json": '{"a": 1}'},
    {"mixed": [1, "x", None, {"b": [True]}, [[]], {}]},
]


@pytest.mark.parametrize("properties", ODD, ids=range(len(ODD)))
def test_odd_properties_are_kept(history: History, properties: dict[str, Any]) -> None:
    history.append([(1, encode_batch([event(0, properties=properties)], []))])
    [(_, seen)] = history.recent_triggers("Product Viewed", 1)
    assert seen.properties == properties


UNFIT: list[Any] = [
    ({"n": float("nan"), "i": float("inf")}, {"n": None, "i": None}),
    ({"n": 2**70, "in": [-(2**80)]}, {"n": float(2**70), "in": [-float(2**80)]}),
    ({"n": 10**400}, {"n": str(10**400)}),
]


@pytest.mark.parametrize(("given", "kept"), UNFIT, ids=range(len(UNFIT)))
def test_numbers_that_json_or_64_bits_cannot_hold(
    history: History, given: dict[str, Any], kept: dict[str, Any]
) -> None:
    history.append([(1, encode_batch([event(0, properties=given)], []))])
    [(_, seen)] = history.recent_triggers("Product Viewed", 1)
    assert seen.properties == kept


def test_properties_are_queried_by_type(history: History) -> None:
    rows = [event(n, n, properties={"value": n, "brand": f"b{n % 2}"}) for n in range(10)]
    history.append([(1, encode_batch(rows, []))])
    sql = "SELECT props.brand::VARCHAR, sum(props.value::DOUBLE) FROM events GROUP BY 1 ORDER BY 1"
    assert history.query(sql) == [("b0", 20.0), ("b1", 25.0)]
    assert history.query("SELECT count(*) FROM events WHERE ts > ?", [START + 4]) == [(5,)]


def test_answers_are_plain_values(history: History) -> None:
    sql = """SELECT 1.5::DECIMAL(4,1), DATE '2026-01-02', TIMESTAMP '2026-01-02 03:04:05', [1, 2],
        {'a': 1}, NULL, sum(1), (2::HUGEINT << 80), uuid '00000000-0000-0000-0000-000000000001'"""
    [row] = history.query(sql)
    assert [list(part) if isinstance(part, tuple) else part for part in row] == [
        1.5,
        "2026-01-02",
        "2026-01-02T03:04:05",
        [1, 2],
        {"a": 1},
        None,
        1,
        float(2**81),
        "00000000-0000-0000-0000-000000000001",
    ]


def test_a_query_answers_at_most_its_limit(history: History) -> None:
    assert len(history.query("SELECT * FROM range(100)", limit=7)) == 7


REFUSED = [
    "",
    "SELECT 1; SELECT 2",
    "SELECT FROM",
    "SELECT nothing FROM events",
    "INSERT INTO events (ts) VALUES (1)",
    "WITH gone AS (DELETE FROM events RETURNING ts) SELECT * FROM gone",
    "WITH new AS (INSERT INTO taken VALUES (7) RETURNING upto) SELECT * FROM new",
    "UPDATE taken SET upto = 99",
    "DROP TABLE events",
    "CREATE TABLE more (x INT)",
    "COPY events TO 'stolen.csv'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/*')",
    "ATTACH 'other.duckdb'",
    "SET threads = 8",
    "PRAGMA version",
    "CHECKPOINT",
    "EXPLAIN SELECT 1",
    "INSTALL httpfs",
    "SELECT * FROM rows",
    "SELECT $1",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_a_query_only_reads(history: History, sql: str) -> None:
    rows = [(1,)]  # a variable must not be readable as a table
    history.append([(1, encode_batch([event(0)], []))])
    with pytest.raises(BadInput):
        history.query(sql)
    assert history.query("SELECT count(*) FROM events") == rows
    assert history.watermark() == 1


def test_a_query_that_takes_too_long_is_stopped(history: History) -> None:
    with pytest.raises(BadInput, match="longer than"):
        history.query("SELECT count(*) FROM range(1000000000) a, range(1000000) b", seconds=0.3)
    assert history.query("SELECT 1") == [(1,)]


def test_the_time_line_is_newest_first_and_pages_never_split_a_moment(history: History) -> None:
    rows = [event(n // 3, name=f"e{n}") for n in range(12)]
    history.append([(1, encode_batch([*rows, event(1, 2, "theirs")], [decision(2)]))])
    page = history.timeline([1], limit=2)
    assert [entry.get("name", entry["kind"]) for entry in page] == ["e11", "e10", "e9"]
    page = history.timeline([1], before=page[-1]["at"], limit=2)
    assert [entry.get("name", entry["kind"]) for entry in page] == ["decision", "e8", "e7", "e6"]
    page = history.timeline([1], before=page[-1]["at"], limit=100)
    assert [entry["name"] for entry in page] == ["e5", "e4", "e3", "e2", "e1", "e0"]
    assert history.timeline([1], before=page[-1]["at"]) == []
    assert len(history.timeline([1, 2])) == 14


def test_samples_of_a_trigger_are_the_latest_of_each_customer(history: History) -> None:
    rows = [event(n, n % 3, properties={"n": n}) for n in range(9)]
    history.append([(1, encode_batch([*rows, event(20, 9, "Other")], []))])
    found = history.recent_triggers("Product Viewed", 2)
    assert [(id, happened.properties) for id, happened in found] == [(2, {"n": 8}), (1, {"n": 7})]


def test_a_merge_moves_the_past_and_can_be_undone(history: History) -> None:
    rows = [event(0, 1, "a"), event(1, 2, "b"), event(2, 3, "c")]
    history.append([(1, encode_batch(rows, [decision(1, 2)], [Rekey(2, 1), Rekey(1, 3)]))])
    assert [id for id, _ in history.query(NAMES)] == [3, 3, 3]
    assert len(history.decisions(3, "cart")) == 1
    history.append([(2, encode_batch([event(3, 3, "d")], [], [Rekey(1, 3, undo=True)]))])
    assert history.query(NAMES) == [(1, "a"), (1, "b"), (3, "c"), (3, "d")]
    history.append([(3, encode_batch([], [], [Rekey(2, 1, undo=True)]))])
    assert history.query(NAMES) == [(1, "a"), (2, "b"), (3, "c"), (3, "d")]
    history.append([(4, encode_batch([], [], [Rekey(3, 2)]))])
    assert history.query(NAMES) == [(1, "a"), (2, "b"), (2, "c"), (2, "d")]
    history.append([(5, encode_batch([], [], [Rekey(3, 2, undo=True)]))])
    assert history.query(NAMES) == [(1, "a"), (2, "b"), (3, "c"), (3, "d")]


def test_the_survivors_own_events_since_a_merge(history: History) -> None:
    rows = [event(0, 1, "a"), event(5, 1, "a"), event(6, 1, "b"), event(7, 1, "b")]
    history.append([(1, encode_batch([*rows, event(8, 2, "a")], [], [Rekey(2, 1)]))])
    assert history.events_since(1, START + 5) == {
        "a": [1, START + 5, START + 5],
        "b": [2, START + 6, START + 7],
    }


def test_forgetting_erases_a_customer_and_who_was_joined_into_them(history: History) -> None:
    rows = [event(0, 1, "a"), event(1, 2, "b"), event(2, 3, "c")]
    history.append([(1, encode_batch(rows, [decision(1, 1)], [Rekey(2, 1)], [1]))])
    assert history.query(NAMES) == [(3, "c")]
    assert history.decisions(1, "cart") == []
    history.append([(2, encode_batch([event(4, 1, "again")], []))])
    history.append([(3, encode_batch([], [], forget=[3]))])
    assert history.query(NAMES) == [(1, "again")]


def test_old_rows_are_pruned(history: History) -> None:
    history.append([(1, encode_batch([event(0), event(5)], [decision(0), decision(9)]))])
    assert history.prune(START + 5) == 2
    assert len(history.timeline([1])) == 2
