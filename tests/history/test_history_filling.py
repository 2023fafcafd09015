"""What is prepared for a back-fill: as of one moment, kept, and never in anyone's way."""

import threading
from pathlib import Path
from typing import Any

import pytest
from history_kit import START, event

from harken.errors import BadInput, Unavailable
from harken.history.base import History
from harken.history.duck import DuckHistory
from harken.history.rows import Rekey, encode_batch

COUNTS = """
SELECT profile_id, count(*)::BIGINT AS state FROM events WHERE batch <= $1 AND name = $2
GROUP BY profile_id
"""
TIMES = "SELECT profile_id, list(ts ORDER BY ts) AS state FROM events GROUP BY profile_id"
HALF = 1 << 62


@pytest.fixture
def filled(history: History) -> History:
    rows = [event(n, id) for id in (1, 2, HALF + 5) for n in range(id % 7)]
    history.append([(1, encode_batch(rows, [])), (2, encode_batch([event(9, 3)], []))])
    return history


def test_states_are_read_by_range_and_trait(filled: History) -> None:
    assert filled.prepare_filling("counts", COUNTS, [1, "Product Viewed"]) == 3
    assert filled.prepare_filling("times", TIMES) == 4
    known = filled.filling(["counts", "times"], 0, 3)
    assert known == {
        1: {"counts": 1, "times": [START]},
        2: {"counts": 2, "times": [START, START + 1]},
        3: {"times": [START + 9]},
    }
    assert filled.filling(["counts"], 1, 2) == {2: {"counts": 2}}
    assert filled.filling(["counts"], 2, 2**63 - 1) == {HALF + 5: {"counts": (HALF + 5) % 7}}


def test_it_stays_as_it_was_when_it_was_prepared(filled: History) -> None:
    filled.prepare_filling("counts", COUNTS, [9, "Product Viewed"])
    filled.append([(3, encode_batch([event(1, 1)], [], [Rekey(2, 1)]))])
    assert filled.prepare_filling("counts", COUNTS, [9, "Product Viewed"]) == 4
    assert filled.filling(["counts"], 0, 2) == {1: {"counts": 1}, 2: {"counts": 2}}


def test_a_restart_does_not_lose_it(duck: DuckHistory) -> None:
    duck.append([(1, encode_batch([event(0)], []))])
    duck.prepare_filling("counts", COUNTS, [1, "Product Viewed"])
    duck.close()
    again = DuckHistory(duck._path)
    try:
        assert again.filling(["counts"], 0, 9) == {1: {"counts": 1}}
    finally:
        again.close()


def test_what_is_dropped_is_gone_and_may_be_prepared_anew(filled: History) -> None:
    filled.prepare_filling("counts", COUNTS, [1, "Product Viewed"])
    filled.drop_filling(["counts", "never"])
    with pytest.raises(Unavailable):
        filled.filling(["counts"], 0, 9)
    assert filled.prepare_filling("counts", COUNTS, [2, "Product Viewed"]) == 4


def test_the_forgotten_are_in_no_state(filled: History) -> None:
    filled.prepare_filling("counts", COUNTS, [1, "Product Viewed"])
    filled.append([(3, encode_batch([], [], forget=[1, 2]))])
    assert filled.filling(["counts"], 0, 9) == {}


SLOW = """
SELECT e.profile_id, count(*) AS state FROM events AS e, range(30000) AS a, range(20000) AS b
WHERE hash(a.range, b.range) % 7 <> 1 GROUP BY e.profile_id
"""


class Slow:
    """A preparation that takes long, in a thread of its own."""

    def __init__(self, history: DuckHistory, sql: str) -> None:
        self.answer: Any = None
        self._thread = threading.Thread(target=self._run, args=(history, sql))
        self._thread.start()
        while history._preparing is None and self._thread.is_alive():
            self._thread.join(0.01)

    def _run(self, history: DuckHistory, sql: str) -> None:
        try:
            self.answer = history.prepare_filling("slow", sql)
        except Unavailable as fault:
            self.answer = fault

    def end(self) -> Any:
        self._thread.join(120)
        return self.answer


def test_rows_are_taken_and_questions_answered_meanwhile(duck: DuckHistory) -> None:
    duck.append([(1, encode_batch([event(0, 1), event(1, 2)], []))])
    slow = Slow(duck, SLOW)
    duck.append([(2, encode_batch([event(2, 3)], []))])
    assert duck.query("SELECT count(*) FROM events") == [(3,)]
    assert slow.answer is None
    duck.drop_filling(["slow"])
    assert isinstance(slow.end(), Unavailable)
    with pytest.raises(Unavailable):
        duck.filling(["slow"], 0, 9)
    assert duck.prepare_filling("slow", "SELECT 1 AS profile_id, 2 AS state") == 1


QUICKER = SLOW.replace("30000", "3000")


def test_who_is_forgotten_while_it_is_prepared_is_in_no_state(duck: DuckHistory) -> None:
    duck.append([(1, encode_batch([event(0, 1), event(1, 2)], []))])
    slow = Slow(duck, QUICKER)
    duck.append([(2, encode_batch([], [], forget=[1]))])
    assert slow.answer is None
    assert slow.end() == 1
    assert list(duck.filling(["slow"], 0, 9)) == [2]


def test_closing_ends_a_preparation(duck: DuckHistory) -> None:
    duck.append([(1, encode_batch([event(0, 1)], []))])
    slow = Slow(duck, SLOW)
    duck.close()
    assert isinstance(slow.end(), Unavailable)


@pytest.mark.parametrize("id", ["", 'a"b', "a b", "x" * 61])
def test_an_id_that_is_none(history: History, id: str) -> None:
    with pytest.raises(BadInput, match="is no trait"):
        history.prepare_filling(id, TIMES)


def test_only_a_select_prepares(history: History) -> None:
    with pytest.raises(BadInput):
        history.prepare_filling("x", "DELETE FROM events")


def test_lists_larger_than_memory_are_filled_in_slices(tmp_path: Path) -> None:
    history = DuckHistory(tmp_path / "history.duckdb", memory="64MB")
    try:
        sql = """SELECT (i % 200000) * 46116860184273 AS profile_id, list(i ORDER BY i) AS state
            FROM range(6000000) AS t(i) GROUP BY 1"""
        assert history.prepare_filling("many", sql) == 200_000
        [(id, state)] = history.filling(["many"], 0, 46116860184273).items()
        assert (id, len(state["many"])) == (46116860184273, 30)
    finally:
        history.close()
