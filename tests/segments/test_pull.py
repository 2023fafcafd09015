"""Which segments need not be asked when an event came, and that those indeed stay as they were."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from set_kit import NOW

from harken.clock import HOUR
from harken.files.reader import read
from harken.people.apply import count_event
from harken.people.profile import Profile, Trigger
from harken.people.traits import KEPT
from harken.segments.live import Traits
from harken.segments.members import LiveSegment, LiveSegments, moves
from harken.segments.model import Segment
from harken.segments.pull import Pull, pull
from harken.segments.rules import Rule

VIEWED = {"did": "Viewed", "within": "30d"}
SUM = {"sum": "price", "of": "Viewed"}
OTHER = {"did": "Bought", "exactly": 2}


@pytest.mark.parametrize(
    ("written", "way"),
    [
        (OTHER, "none"),
        (VIEWED, "in"),
        ({"did": "Viewed", "where": {"a": {"equals": 1}}}, "in"),
        ({**VIEWED, "at_least": 1, "at_most": 2}, "both"),
        ({**VIEWED, "exactly": 1}, "both"),
        ({**VIEWED, "at_most": 2}, "out"),
        ({**VIEWED, "then": {"did": "Bought", "in": "1d"}}, "both"),
        ({**VIEWED, "then_not": {"did": "Bought", "in": "1d"}}, "both"),
        ({"did": "Bought", "then_not": {"did": "Viewed", "in": "1d"}}, "both"),
        ({"distinct": "id", "of": "Viewed", "gte": 3}, "in"),
        ({"distinct": "id", "of": "Viewed", "lt": 3}, "both"),
        ({"distinct": "id", "of": "Viewed", "gte": 3, "within": "7d"}, "both"),
        ({**SUM, "gte": 200}, "both"),
        ({"last": "Viewed"}, "in"),
        ({"last": "Viewed", "within": "7d"}, "in"),
        ({"last": "Viewed", "longer_ago": "7d"}, "out"),
        ({"last": "Viewed", "within": "30d", "longer_ago": "7d"}, "both"),
        ({"last": "Viewed", "where": {"a": {"equals": 1}}, "longer_ago": "7d"}, "both"),
        ({"last": "Viewed", "is": {"a": {"equals": 1}}, "within": "7d"}, "both"),
        ({"last": "Viewed", "after": "2026-01-01"}, "both"),
        ({"first": "Viewed", "within": "7d"}, "none"),
        ({"not": VIEWED}, "out"),
        ({"not": {"last": "Viewed", "longer_ago": "7d"}}, "in"),
        ({"all": [VIEWED, OTHER]}, "in"),
        ({"any": [VIEWED, {"not": VIEWED}]}, "both"),
        ({"in_segment": "often"}, "in"),
        ({"not": {"in_segment": "often"}}, "out"),
    ],
)
def test_which_way_an_event_moves_customers(written: dict[str, Any], way: str) -> None:
    traits = Traits({"often": read({**VIEWED, "at_least": 4}, Rule)})
    rule = read(written, Rule)
    found = pull(rule, "Viewed", traits)
    assert found == Pull(into=way in ("in", "both"), out=way in ("out", "both"))


names = st.sampled_from(("Go", "Buy"))
wheres = st.sampled_from(({}, {}, {"a": {"equals": 1}}))
counts = st.sampled_from(({}, {"at_least": 2}, {"at_most": 1}, {"exactly": 1}, {"at_most": 0}))
spans = st.sampled_from(({}, {"within": "1d"}, {"within": {"days": 2, "timezone": "UTC"}}))
ages = st.sampled_from(({}, {"within": "1d"}, {"longer_ago": "1d"}))
bounds = st.sampled_from(({"gte": 2}, {"lt": 2}, {"gt": 0, "lte": 3}))
follows = st.one_of(
    st.just({}),
    st.just({}),
    names.map(lambda name: {"then": {"did": name, "in": "3h"}}),
    names.map(lambda name: {"then_not": {"did": name, "in": "3h"}}),
)
kinds = st.sampled_from(("sum", "average", "min", "max", "distinct"))
doings = st.one_of(
    st.builds(
        lambda name, where, count, span, follow: {
            "did": name, "where": where, **count, **span, **follow
        },
        names, wheres, counts, spans, follows,
    ),
    st.builds(
        lambda kind, name, where, span, bound: {
            kind: "a", "of": name, "where": where, **span, **bound
        },
        kinds, names, wheres, spans, bounds,
    ),
    st.builds(
        lambda kind, name, where, like, age: {kind: name, "where": where, "is": like, **age},
        st.sampled_from(("first", "last")), names, wheres, wheres, ages,
    ),
)  # fmt: skip
trees = st.recursive(
    doings,
    lambda inner: (
        inner.map(lambda rule: {"not": rule})
        | st.lists(inner, min_size=2, max_size=2).map(lambda parts: {"all": parts})
        | st.lists(inner, min_size=2, max_size=2).map(lambda parts: {"any": parts})
    ),
    max_leaves=2,
)
happened = st.builds(
    lambda name, hours, a: Trigger(name=name, at=NOW + hours * HOUR, properties={"a": a}),
    names, st.integers(0, 72), st.sampled_from((1, 2, -1)),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    written=st.lists(trees, min_size=10, max_size=10),
    events=st.lists(happened, min_size=3, max_size=12),
    ordered=st.booleans(),
)
def test_who_is_not_asked_stays(
    written: list[dict[str, Any]], events: list[Trigger], ordered: bool
) -> None:
    """Whoever is not asked at an event is in the segment as before, and time alone does not change
    that earlier than before."""
    known = {f"rule-{place}": read(rule, Rule) for place, rule in enumerate(written)}
    traits = Traits(known)
    live = LiveSegments(
        {name: Segment(segment=name, rule=rule) for name, rule in known.items()}, traits
    )
    every, profile, now = live.by_name, Profile(id=1), NOW
    for event in sorted(events, key=lambda one: one.at) if ordered else events:
        now = max(event.at, now)
        moves(profile, every.values(), now)
        before = {name: asked_of(profile, one, now) for name, one in every.items()}
        count_event(profile, event, traits.by_event, now)
        asked = live.by_event(event, profile, now)
        for name in every.keys() - asked.keys():
            (was, until), (holds, then) = before[name], asked_of(profile, every[name], now)
            assert holds == was, (known[name], event)
            assert not then or (until and until <= then), (known[name], event)


@pytest.mark.parametrize("span", [{}, {"within": "30d"}])
def test_who_spends_is_asked_about_where_the_sum_may_come_or_go(span: dict[str, Any]) -> None:
    live, traits = spending(span)
    profile = Profile(id=1)
    assert spend(profile, 10, live, traits) == {"big"}
    assert spend(profile, 10, live, traits) == set()
    assert spend(profile, 500, live, traits) == {"big"}
    assert "big" in profile.segments
    # Amounts below 0 take away.
    assert spend(profile, -500, live, traits) == {"big"}
    assert "big" not in profile.segments


def test_an_amount_that_drives_out_an_older_one_is_asked_about() -> None:
    live, traits = spending({"within": "30d"})
    profile = Profile(id=1)
    for price in (500, *[0] * (KEPT - 1)):
        spend(profile, price, live, traits)
    assert "big" in profile.segments
    assert spend(profile, 0, live, traits) == {"big"}
    assert "big" not in profile.segments


def spending(span: dict[str, Any]) -> tuple[LiveSegments, Traits]:
    rule = read({**SUM, **span, "gte": 200}, Rule)
    traits = Traits({"big": rule})
    return LiveSegments({"big": Segment(segment="big", rule=rule)}, traits), traits


def spend(profile: Profile, price: int, live: LiveSegments, traits: Traits) -> set[str]:
    """The segments asked at another event, and then whoever moves has moved."""
    stat = profile.events.get("Viewed")
    event = Trigger(name="Viewed", at=stat.last + 1 if stat else NOW, properties={"price": price})
    count_event(profile, event, traits.by_event, event.at)
    asked = live.by_event(event, profile, event.at)
    moves(profile, asked.values(), event.at)
    return set(asked)


def asked_of(profile: Profile, segment: LiveSegment, now: int) -> tuple[bool, int]:
    """Whether the customer is in it, and when at the earliest time may change that (0: never)."""
    if segment.watch is None:
        return segment.check(profile, None, now), 0
    return segment.watch(profile, now)
