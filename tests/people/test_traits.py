"""Traits: what is kept of events, and that merging keeps to its laws."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harken.clock import DAY, HOUR
from harken.people.profile import Trigger
from harken.people.traits import (
    KEPT,
    SENT_KEPT,
    TOLD_KEPT,
    Kind,
    Trait,
    key_of,
    make_trait,
    merge_states,
    millionths,
    trait_id,
)
from harken.segments.rules import CalendarDays, Test
from harken.values import Duration

NOW = 1_772_445_600_000
KINDS: tuple[Kind, ...] = (
    "count", "times", "first", "last", "total", "min", "max", "values", "amounts", "seen",
    "items", "messages",
)  # fmt: skip

scalars = st.one_of(
    st.integers(-(10**16), 10**16),
    st.floats(-1e13, 1e13),
    st.sampled_from((0, 0.0, -0.0, 1, 1.0, True, False, None, "", "1", "x", "y" * 100)),
    st.lists(st.integers(0, 3), max_size=2),
)
happened = st.lists(
    st.builds(
        lambda name, at, value, message: Trigger(
            name=name, at=NOW - at * HOUR, properties={"v": value, "message": f"m{message}"}
        ),
        st.sampled_from(("$message_sent", "$message_opened")),
        st.integers(0, 100),
        scalars,
        st.integers(0, 90),
    ),
    max_size=12,
)


def trait(kind: Kind, **more: Any) -> Trait:
    path = "none[].message" if kind == "items" else "v"
    return make_trait(kind, ("$message_sent", "$message_opened"), path=path, **more)


def state(of: Trait, events: list[Trigger], now: int = NOW) -> Any:
    found = None
    for event in events:
        found = of.take(found, event, now)
    return found


def many(of: Trait, events: list[Trigger], times: int) -> Any:
    """The state of the events, again and again at other times: beyond what is kept."""
    found = None
    for number in range(times):
        for place, event in enumerate(events):
            moved = Trigger(
                name=event.name,
                at=event.at - number * 7,
                properties={"v": event.properties["v"], "message": f"{number} {place}"},
            )
            found = of.take(found, moved, NOW)
    return found


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None)
@given(happened, happened, happened)
def test_merging_is_associative_and_commutative_and_none_is_nothing(
    kind: Kind, one: list[Trigger], two: list[Trigger], three: list[Trigger]
) -> None:
    of = trait(kind)
    a, b, c = state(of, one), state(of, two), state(of, three)
    before = msgspec.msgpack.encode([a, b, c])
    assert of.merge(of.merge(a, b), c) == of.merge(a, of.merge(b, c))
    assert of.merge(a, b) == of.merge(b, a)
    assert of.merge(a, None) == a == of.merge(None, a)
    assert msgspec.msgpack.encode([a, b, c]) == before
    assert of.merge(of.merge(a, b), c) == state(of, one + two + three)


@pytest.mark.parametrize("kind", ["times", "values", "amounts", "seen", "items", "messages"])
@settings(max_examples=5, deadline=None)
@given(happened, happened, happened)
def test_the_laws_hold_beyond_what_is_kept(
    kind: Kind, one: list[Trigger], two: list[Trigger], three: list[Trigger]
) -> None:
    of = trait(kind)
    a, b, c = many(of, one, 90), many(of, two, 90), many(of, three, 90)
    assert of.merge(of.merge(a, b), c) == of.merge(a, of.merge(b, c))
    assert of.merge(a, b) == of.merge(b, a)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=100, deadline=None)
@given(happened, st.randoms(use_true_random=False))
def test_the_order_in_which_events_are_told_does_not_matter(
    kind: Kind, events: list[Trigger], random: Any
) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)
    assert state(trait(kind), events) == state(trait(kind), shuffled)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=100, deadline=None)
@given(happened)
def test_states_are_plain_messagepack(kind: Kind, events: list[Trigger]) -> None:
    found = state(trait(kind), events)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found)) == found


SAMPLE = [
    Trigger(name="$message_sent", at=5, properties={"v": 2.5, "message": "a"}),
    Trigger(name="$message_opened", at=3, properties={"v": 1, "message": "a"}),
    Trigger(name="$message_sent", at=4, properties={"v": "x", "message": "b"}),
    Trigger(name="$message_sent", at=4, properties={"v": True, "message": "b"}),
    Trigger(name="$message_sent", at=4, properties={}),
]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("count", 5),
        ("times", [3, 4, 4, 4, 5]),
        ("first", 3),
        ("last", 5),
        ("total", [2, 3_500_000]),
        ("min", 1_000_000),
        ("max", 2_500_000),
        ("values", ["btrue", "n1.0", "n2.5", "tx"]),
        ("amounts", [[3, 1_000_000], [5, 2_500_000]]),
        ("seen", [[3, "n1.0"], [4, "btrue"], [4, "tx"], [5, "n2.5"]]),
        ("messages", {"sent": {"b": 4, "a": 5}, "told": {"a": 3}}),
    ],
)
def test_what_each_kind_keeps(kind: Kind, expected: Any) -> None:
    found = state(trait(kind), SAMPLE, now=10)
    assert found == expected
    if kind == "messages":
        assert list(found["sent"]) == ["b", "a"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1_000_000),
        (0.1, 100_000),
        (0.1 + 0.2, 300_000),
        (-0.0000005, 0),
        (0.0000005, 1),
        (-1.5, -1_500_000),
        (9e12, 9 * 10**18),
        (-9e12, -9 * 10**18),
        (9.1e12, None),
        (10**400, None),
        (True, None),
        ("1", None),
        (None, None),
        ([1], None),
    ],
)
def test_numbers_in_millionths(value: Any, expected: int | None) -> None:
    assert millionths(value) == expected


@pytest.mark.parametrize(
    ("values", "different"),
    [
        ([1, 1.0, True, "1"], 3),
        ([0, 0.0, -0.0, False, ""], 3),
        ([2**53, 2**53 + 1], 1),
        (["a" * 64, "a" * 65, "a" * 66], 3),
        ([{"a": 1}, [1], None], 0),
        ([1e400, 10**400], 1),
    ],
)
def test_different_values(values: list[Any], different: int) -> None:
    assert len({key for value in values if (key := key_of(value)) is not None}) == different


def test_a_sum_may_pass_64_bits() -> None:
    of = trait("total")
    events = [Trigger(name="Go", at=1, properties={"v": 9e12})] * 3
    found = state(of, events)
    assert found == [3, "27000000000000000000"]
    assert of.merge(found, [1, -27 * 10**18]) == [4, 0]


@pytest.mark.parametrize(
    ("kind", "kept"), [("times", KEPT), ("values", KEPT), ("amounts", KEPT), ("seen", KEPT)]
)
def test_a_state_is_bounded(kind: Kind, kept: int) -> None:
    events = [
        Trigger(name="Go", at=NOW - place, properties={"v": place}) for place in range(kept + 50)
    ]
    found = state(trait(kind), events)
    assert len(found) == kept
    if kind != "values":
        newest = found[-1][0] if kind in ("amounts", "seen") else found[-1]
        assert newest == NOW


def test_messages_are_bounded() -> None:
    of = trait("messages")
    events = [
        Trigger(name=name, at=NOW + place, properties={"message": f"m{place}"})
        for place in range(300)
        for name in ("$message_sent", "$message_opened")
    ]
    found = state(of, events)
    assert (len(found["sent"]), len(found["told"])) == (SENT_KEPT, TOLD_KEPT)
    assert list(found["sent"])[-1] == "m299"


@pytest.mark.parametrize(
    ("within", "kept"),
    [
        (Duration(DAY), [NOW - DAY, NOW]),
        # Days of a calendar are cut where the rule is asked; here they only must not be too short.
        (CalendarDays(days=1, timezone="UTC"), [NOW - 2 * DAY, NOW - DAY - 1, NOW - DAY, NOW]),
        (None, [NOW - 9 * DAY, NOW - 2 * DAY, NOW - DAY - 1, NOW - DAY, NOW]),
    ],
)
def test_a_window_forgets(within: Any, kept: list[int]) -> None:
    events = [
        Trigger(name="Go", at=at)
        for at in (NOW - 9 * DAY, NOW - 2 * DAY, NOW - DAY - 1, NOW - DAY, NOW)
    ]
    assert state(trait("times", within=within), events) == kept


def test_an_event_makes_those_forgotten_that_have_left_the_window() -> None:
    for kind in ("times", "amounts"):
        of = trait(kind, within=Duration(DAY))
        old = of.take(None, Trigger(name="Go", at=1, properties={"v": 1}), 1)
        assert len(of.take(old, Trigger(name="Go", at=NOW, properties={"v": 1}), NOW)) == 1


def test_between_takes_the_first_time_and_not_the_last() -> None:
    of = trait("count", between=(5, 7))
    assert state(of, [Trigger(name="Go", at=at) for at in (4, 5, 6, 7)]) == 2


def test_conditions_on_messages_are_about_what_was_sent() -> None:
    of = trait("messages", passes=lambda properties: properties.get("ok") is True)
    events = [
        Trigger(name="$message_sent", at=1, properties={"message": "a", "ok": True}),
        Trigger(name="$message_sent", at=2, properties={"message": "b"}),
        Trigger(name="$message_opened", at=3, properties={"message": "a"}),
    ]
    assert state(of, events) == {"sent": {"a": 1}, "told": {"a": 3}}


def test_ids_tell_definitions_apart() -> None:
    def id(**change: Any) -> str:
        given: dict[str, Any] = {
            "kind": "times",
            "events": ("Go",),
            "where": (),
            "path": "",
            "within": None,
            "between": None,
        }
        return trait_id(**{**given, **change})

    ids = [
        id(),
        id(kind="count"),
        id(events=("Buy",)),
        id(where=({"a": Test(equals=1)},)),
        id(where=({"a": Test(equals=True)},)),
        id(where=({"a": Test(equals="1")},)),
        id(path="v"),
        id(within=Duration(DAY)),
        id(within=CalendarDays(days=1, timezone="UTC")),
        id(within=CalendarDays(days=1, timezone="Asia/Seoul")),
        id(between=(1, 2)),
    ]
    assert len(set(ids)) == len(ids)
    assert id(where=({"a": Test(equals=1), "b": Test(equals=2)},)) == id(
        where=({"b": Test(equals=2), "a": Test(equals=1)},)
    )
    # As it always was: under another id, what documents counted would be lost.
    assert id() == "times-32lalhp6rm5i"


def test_states_of_kinds_unknown_stay_as_they_are() -> None:
    assert merge_states("old", [1], [2]) == [1]
