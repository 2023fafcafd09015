"""The histogram of hours: bounded, mergeable, and what is best in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harken.people.hours import (
    HOURS,
    MOST,
    apart,
    best_hour,
    joined,
    liking,
    parted,
    with_hour,
)


def counts(**by_hour: int) -> list[int]:
    """`counts(h9=3)`."""
    found = [0] * HOURS
    for name, count in by_hour.items():
        found[int(name[1:])] = count
    return found


@pytest.mark.parametrize(
    ("given_", "best"),
    [
        (counts(h9=1), 9),
        (counts(h9=1, h20=2), 20),
        (counts(h8=2, h9=2, h10=2, h20=3), 9),  # a habit around nine outweighs one lone hour
        (counts(h9=2, h20=2), 9),
        (counts(h23=2, h0=1, h12=2), 23),  # midnight does not divide a habit
        (counts(h8=1, h10=1), 8),  # none was opened between the two
        ([0] * HOURS, 0),
    ],
)
def test_the_best_hour(given_: list[int], best: int) -> None:
    assert best_hour(given_) == best


@pytest.mark.parametrize(
    ("left", "right", "hours"), [(9, 9, 0), (23, 1, 2), (0, 12, 12), (7, 3, 4)]
)
def test_hours_apart(left: int, right: int, hours: int) -> None:
    assert apart(left, right) == apart(right, left) == hours


histograms = st.just([]) | st.lists(st.integers(0, 10), min_size=HOURS, max_size=HOURS)


@given(histograms, histograms)
def test_joining_commutes_and_stays_bounded(left: list[int], right: list[int]) -> None:
    both = joined(left, right)
    assert both == joined(right, left)
    assert sum(both) <= MOST
    assert len(both) in (0, HOURS)
    assert joined(left, []) == left


@given(st.lists(st.integers(0, 4), min_size=HOURS, max_size=HOURS), histograms)
def test_what_was_joined_can_be_parted(left: list[int], right: list[int]) -> None:
    small = [min(one, 4) for one in right]
    assert sum(joined(left, small)) == sum(left) + sum(small)
    assert (parted(joined(left, small), small) or [0] * HOURS) == left


@given(st.lists(st.integers(0, HOURS - 1), max_size=1_000))
def test_however_much_one_opens_the_document_stays_small(opened: list[int]) -> None:
    found: list[int] = []
    for hour in opened:
        found = with_hour(found, hour)
    assert sum(found) <= MOST
    assert sum(liking(found)) == 4 * sum(found) if found else opened == []


def test_a_new_habit_takes_over() -> None:
    found: list[int] = []
    for hour in [9] * 1_000 + [21] * 240:
        found = with_hour(found, hour)
    assert best_hour(found) == 21
