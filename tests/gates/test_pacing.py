"""Slots: a burst, then evenly spaced, and never more in a window than the limit says."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from harken.clock import MINUTE
from harken.gates import Pacer

NOW = 1_773_000_000_000


def test_a_burst_leaves_at_once_and_the_rest_evenly_spaced_a_window_later() -> None:
    pacer = Pacer()
    slots = [pacer.slot("nudge", NOW, 3, MINUTE) - NOW for _ in range(8)]
    assert slots == [0, 0, 0, 60_000, 80_000, 100_000, 120_000, 140_000]


def test_after_a_rest_the_next_burst_is_free_again() -> None:
    pacer = Pacer()
    for _ in range(5):
        last = pacer.slot("nudge", NOW, 3, MINUTE)
    later = last + MINUTE
    assert [pacer.slot("nudge", later, 3, MINUTE) for _ in range(3)] == [later] * 3


def test_below_the_limit_nothing_waits() -> None:
    pacer = Pacer()
    times = [NOW + 20_001 * number for number in range(50)]
    assert [pacer.slot("nudge", time, 3, MINUTE) for time in times] == times


def test_a_slot_is_free_again_after_exactly_one_window() -> None:
    pacer = Pacer()
    assert pacer.slot("nudge", NOW, 1, MINUTE) == NOW
    assert pacer.slot("nudge", NOW + MINUTE - 1, 1, MINUTE) == NOW + MINUTE
    assert pacer.slot("nudge", NOW + 2 * MINUTE, 1, MINUTE) == NOW + 2 * MINUTE


def test_each_key_has_its_own_lane_and_idle_lanes_are_forgotten() -> None:
    pacer = Pacer()
    assert [pacer.slot(key, NOW, 1, MINUTE) for key in ("a", "b", "a")] == [NOW, NOW, NOW + MINUTE]
    pacer.slot("long", NOW, 1, 10 * MINUTE)
    pacer.slot("c", NOW + MINUTE, 1, MINUTE)
    assert list(pacer.lanes) == ["a", "long", "c"]
    pacer.slot("d", NOW + 2 * MINUTE, 1, MINUTE)
    assert list(pacer.lanes) == ["long", "d"]


def test_a_long_backlog_keeps_a_small_state_and_nearly_the_whole_rate() -> None:
    pacer = Pacer()
    slots = [pacer.slot("all", NOW, 1_000, MINUTE) for _ in range(20_000)]
    assert len(pacer.lanes["all"].recent) <= 130
    assert slots[-1] - NOW <= 20 * MINUTE * 1.02


@settings(max_examples=150, deadline=None)
@given(
    at_most=st.integers(1, 5) | st.integers(129, 200),
    per=st.integers(1, 100_000),
    gaps=st.lists(st.integers(-50, 20_000) | st.just(0), max_size=400),
)
def test_no_window_holds_more_than_the_limit_and_the_stored_state_goes_on_alike(
    at_most: int, per: int, gaps: list[int]
) -> None:
    now, slots, pacer, other = NOW, [], Pacer(), Pacer()
    for gap in gaps:
        now += gap
        slot = pacer.slot("k", now, at_most, per)
        other = msgspec.msgpack.decode(msgspec.msgpack.encode(other), type=Pacer)
        assert other.slot("k", now, at_most, per) == slot
        assert slot >= now
        slots.append(slot)
    assert slots == sorted(slots)
    for index in range(at_most, len(slots)):
        assert slots[index] - slots[index - at_most] >= per
