"""Whom a back-fill looks at, a slice after the other."""

from pathlib import Path

import pytest

from harken.history.duck import DuckHistory
from harken.loops import concerned
from harken.loops.concerned import LAST, Concerned


@pytest.fixture
def history(tmp_path: Path) -> DuckHistory:
    """What was prepared: `a` of ids 10, 20 ... 90, `b` of 5 and 50."""
    history = DuckHistory(tmp_path / "history.duckdb")
    history.prepare_filling("a", "SELECT i * 10 AS profile_id, i AS state FROM range(1, 10) r(i)")
    history.prepare_filling("b", "SELECT unnest([5, 50]) AS profile_id, 1 AS state")
    return history


def note(those: Concerned, *ids: int) -> None:
    for id in ids:
        those.note(id)


def slices(
    those: Concerned, history: DuckHistory | None, tables: list[str], limit: int, number: int = 1
) -> list[list[int]]:
    """All slices of a pass; each id once, in order, none above what its slice promises."""
    found, upto = [], -1
    while upto < LAST:
        ids, next_upto = those.take(number, history, tables, upto, limit)
        assert next_upto > upto
        assert all(upto < id <= next_upto for id in ids)
        found.append(ids)
        upto = next_upto
    return found


@pytest.mark.parametrize("ahead", [1, 3, 4, 100])
@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_each_comes_once_and_in_order(
    history: DuckHistory, monkeypatch: pytest.MonkeyPatch, ahead: int, limit: int
) -> None:
    monkeypatch.setattr(concerned, "AHEAD", ahead)
    those = Concerned()
    note(those, 7, 30, 31, 32, 33, 34, 95, 96)
    wanted = sorted({*range(10, 100, 10), 5, 7, 30, 31, 32, 33, 34, 95, 96})
    found = slices(those, history, ["a", "b"], limit)
    assert [id for ids in found for id in ids] == wanted
    assert max(map(len, found)) <= 3 * limit
    history.close()


def test_who_changes_behind_is_not_waited_for_and_who_changes_ahead_is(
    history: DuckHistory,
) -> None:
    those = Concerned()
    ids, upto = those.take(1, history, ["a"], -1, 3)
    assert (ids, upto) == ([10, 20, 30], 30)
    note(those, 15, 35)
    ids, upto = those.take(1, history, ["a"], upto, 3)
    assert (ids, upto) == ([35, 40, 50, 60], 60)
    # The next pass began before either changed.
    assert slices(those, None, [], 5, number=2) == [[15, 35]]
    history.close()


def test_what_was_not_committed_is_taken_again(history: DuckHistory) -> None:
    those = Concerned()
    note(those, 15)
    first = those.take(1, history, ["a"], -1, 3)
    those.again()
    assert those.take(1, history, ["a"], -1, 3) == first
    history.close()


def test_more_changes_than_can_be_remembered_are_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(concerned, "MOST_CHANGED", 3)
    those = Concerned()
    note(those, 1, 2, 3)
    assert those.known
    note(those, 4)
    assert not those.known
