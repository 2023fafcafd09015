"""Rows that wait in numbers are written in whole groups, and come out as if taken one by one."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from history_kit import START, decision, event
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harken.history import duck
from harken.history.base import Batches
from harken.history.duck import DuckHistory
from harken.history.rows import Rekey, Snapshot, encode_batch

EVERYTHING = (
    "SELECT ts, profile_id, origin, name, message_id, props::JSON, batch FROM events ORDER BY ALL",
    "SELECT ts, profile_id, origin, journey FROM decisions ORDER BY ALL",
    "SELECT profile_id, attributes::JSON FROM profiles ORDER BY ALL",
    "SELECT absorbed, survivor FROM merges ORDER BY ALL",
)


def standing(id: int, at: int) -> Snapshot:
    return Snapshot(
        profile_id=id,
        user_id=None,
        created_at=START,
        attributes={"at": at},
        dates={},
        reachable=[],
        consent=[],
        lists=[],
    )


def owner(number: int, n: int) -> int:
    """Whose the event is: nobody's who was absorbed in the batch or before it."""
    return n % 5 if n % 2 else 10 + number + n % 3


def blob(number: int, events: int, what: str) -> bytes:
    """A batch of so many events, and what else there is in it."""
    at, known = number * 100, number % 5
    rows = [
        event(at + n, owner(number, n), message_id=f"m{number}-{n}", properties={"n": n})
        for n in range(events)
    ]
    return encode_batch(
        rows,
        [decision(at, known)] * (3 * events) if what == "decisions" else [],
        [Rekey(9 + number, known)] if what == "merge" else None,
        [known] if what == "forget" else None,
        [standing(known, at)] if what in ("people", "merge") else None,
    )


def fed(history: DuckHistory, batches: Batches, piece: int) -> None:
    """As the Feeder does it: pieces of so many batches, from where history stands."""

    def after(number: int) -> Batches:
        return [one for one in batches if one[0] > number][:piece]

    while first := after(history.watermark()):
        history.append(first, after)


WHAT = st.sampled_from(["", "", "", "people", "decisions", "merge", "forget"])
DRAWN = st.lists(st.tuples(st.integers(0, 9), WHAT), min_size=1, max_size=14)


@given(drawn=DRAWN, piece=st.integers(1, 4), together=st.integers(1, 40))
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_together_or_one_by_one_is_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    drawn: list[tuple[int, str]],
    piece: int,
    together: int,
) -> None:
    batches = [(n, blob(n, events, what)) for n, (events, what) in enumerate(drawn, 1)]
    folder = tmp_path_factory.mktemp("history")
    single = DuckHistory(folder / "single.duckdb")
    for batch in batches:
        single.append([batch])
    with monkeypatch.context() as small:
        small.setattr(duck, "TOGETHER", together)
        many = DuckHistory(folder / "many.duckdb")
        fed(many, batches, piece)
    assert many.watermark() == len(batches)
    assert [many.query(sql) for sql in EVERYTHING] == [single.query(sql) for sql in EVERYTHING]
    many.close()
    single.close()


def test_a_batch_may_be_parted_and_its_rest_be_offered_in_any_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duck, "TOGETHER", 50)
    batches = [(n, blob(n, 20, "people")) for n in range(1, 7)]
    history = DuckHistory(tmp_path / "history.duckdb")
    history.append(batches[:1], lambda after: batches[after : after + 5])
    assert history.watermark() == 1
    assert history.query("SELECT batch, count(*) FROM events GROUP BY 1 ORDER BY 1") == [
        (1, 20),
        (2, 20),
        (3, 10),
    ]
    history.close()
    history = DuckHistory(tmp_path / "history.duckdb")
    counted = "SELECT count(*), count(DISTINCT message_id) FROM events"
    history.append(batches[1:2])
    assert (history.watermark(), history.query(counted)) == (2, [(50, 50)])
    history.append(batches[2:3], lambda after: batches[after : after + 2])
    assert (history.watermark(), history.query(counted)) == (5, [(100, 100)])
    history.append(batches[5:])
    assert (history.watermark(), history.query(counted)) == (6, [(120, 120)])
    history.close()


def test_what_cannot_be_held_is_put_aside_among_those_that_follow_too(
    duck: DuckHistory,
) -> None:
    odd = encode_batch([event(1, properties={"x": msgspec.msgpack.Ext(5, b"")})], [])
    deep = encode_batch([event(1, properties={"x": 1})], []).replace(b'{"x":1}', b'{"x":-}')
    batches = [(1, blob(1, 3, "")), (2, odd), (3, deep), (4, blob(4, 3, ""))]
    fed(duck, batches, 1)
    assert duck.watermark() == 4
    assert duck.query('SELECT count(*), count(props."$unreadable") FROM events') == [(8, 2)]


KILLED = """
import os, sys
from pathlib import Path
from history_kit import event
from harken.history.duck import TOGETHER, DuckHistory
from harken.history.rows import encode_batch

rows = [event(n, n, message_id=f"m{n}", properties={"n": n}) for n in range(10_000)]
batches = [(number, encode_batch(rows, [])) for number in range(1, 15)]
history = DuckHistory(Path(sys.argv[1]))
history.append(batches[:2], lambda after: batches[after : after + 2])
assert history.query("SELECT count(*) FROM events") == [(TOGETHER,)]
print(history.watermark(), Path(sys.argv[1] + ".wal").stat().st_size < 1_000_000, flush=True)
os._exit(9)
"""


def test_a_whole_group_is_in_the_file_itself_and_outlives_its_process(tmp_path: Path) -> None:
    path = tmp_path / "history.duckdb"
    found = subprocess.run(
        [sys.executable, "-c", KILLED, str(path)],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert found.stdout == "12 True\n", found.stderr
    history = DuckHistory(path)
    rows = [event(n, n, message_id=f"m{n}", properties={"n": n}) for n in range(10_000)]
    history.append([(number, encode_batch(rows, [])) for number in (13, 14)])
    assert history.query("SELECT batch, count(*) FROM events GROUP BY 1 ORDER BY 1") == [
        (number, 10_000) for number in range(1, 15)
    ]
    history.close()
