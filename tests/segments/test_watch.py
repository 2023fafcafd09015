"""Time alone changes an answer at the said ms, and never before it."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_kit import (
    NOW,
    SEGMENTS,
    ZONES,
    bounds,
    counts,
    customer,
    dates,
    dids,
    durations,
    events,
    happenings,
    instants,
    known,
    leaves,
    measures,
    occasions,
    people,
    trees,
    windows,
)

from harken.clock import DAY, HOUR, from_local, iso
from harken.files.reader import read
from harken.people.apply import count_event
from harken.people.profile import Profile, Trigger
from harken.segments.calendar import local, midnight
from harken.segments.compare import instant
from harken.segments.live import Traits, compile_rule
from harken.segments.reads import reads
from harken.segments.rules import Rule
from harken.segments.watch import NEVER, compile_watch, joined
from harken.values import Duration

FAR = NOW + 800 * DAY
timed = st.one_of(dids, measures, occasions, dates)


@settings(max_examples=1_000, deadline=None)
@given(trees(leaves) | timed, people, happenings, st.data())
def test_nothing_changes_before_the_said_time(
    written: dict[str, Any], person: dict[str, Any], past: list[Any], data: st.DataObject
) -> None:
    rule, traits = read(written, Rule), known()
    watch, check = compile_watch(rule, traits), compile_rule(rule, traits)
    profile = customer(person, past, traits)
    holds, until = watch(profile, NOW)
    assert holds == check(profile, None, NOW)
    assert until == NEVER or until > NOW
    if until != NEVER:
        assert reads(rule, SEGMENTS).timed
    end = until or FAR
    for _ in range(8):
        at = data.draw(st.integers(NOW, end - 1))
        assert check(profile, None, at) == holds, iso(at)
    for edge in (HOUR, 3 * HOUR, DAY, 60 * HOUR):
        for _, happened, _ in past:
            for at in (happened + edge, happened + edge + 1):
                if NOW <= at < end:
                    assert check(profile, None, at) == holds, iso(at)


@settings(max_examples=1_000, deadline=None)
@given(timed, people, happenings)
def test_at_the_said_time_a_condition_changes(
    written: dict[str, Any], person: dict[str, Any], past: list[Any]
) -> None:
    rule, traits = read(written, Rule), known()
    watch, check = compile_watch(rule, traits), compile_rule(rule, traits)
    profile = customer(person, past, traits)
    now = NOW
    for _ in range(30):
        holds, until = watch(profile, now)
        if until == NEVER or until > FAR:
            break
        parts = sum(key in written for key in ("within", "longer_ago", "in_next", "anniversary"))
        if parts < 2:
            assert check(profile, None, until) != holds, (iso(now), iso(until))
        now = until


@settings(max_examples=300, deadline=None)
@given(trees(leaves), people, happenings)
def test_following_the_watch_meets_every_change(
    written: dict[str, Any], person: dict[str, Any], past: list[Any]
) -> None:
    """An hour at a time for a week: the answer by the watch is the answer."""
    rule, traits = read(written, Rule), known()
    watch, check = compile_watch(rule, traits), compile_rule(rule, traits)
    profile = customer(person, past, traits)
    holds, until = watch(profile, NOW)
    for at in range(NOW, NOW + 7 * DAY, HOUR):
        while until and until <= at:
            holds, until = watch(profile, until)
        assert check(profile, None, at) == holds, iso(at)


busy = st.lists(
    st.tuples(events, instants, st.sampled_from(({}, {"a": 1}, {"a": 2.5}, {"a": -3}))),
    min_size=2,
    max_size=6,
)
bounded = st.builds(
    lambda did, span, count, then: {"did": did} | span | count | then,
    events,
    windows,
    counts,
    st.sampled_from(({}, {"then": {"did": "Buy"}}, {"then": {"did": "Buy", "in": "3h"}})),
)
waiting = st.builds(
    lambda span, count, wait: {"did": "Go", "then_not": {"did": "Buy", "in": wait}} | span | count,
    st.just({}) | windows,
    counts,
    durations,
)
sums = st.builds(
    lambda key, span, bound: {key: "a", "of": "Go"} | span | bound,
    st.sampled_from(("sum", "average", "min", "max", "distinct")),
    windows,
    bounds,
)


@pytest.mark.parametrize("rules", [bounded, waiting, sums], ids=["counts", "waits", "sums"])
@settings(max_examples=400, deadline=None)
@given(st.data(), busy)
def test_the_said_time_is_the_first_change(
    rules: st.SearchStrategy[Any], data: st.DataObject, past: list[Any]
) -> None:
    """Asked at every ms at which anything could change."""
    rule, traits = read(data.draw(rules), Rule), known()
    watch, check = compile_watch(rule, traits), compile_rule(rule, traits)
    profile = Profile(id=1)
    for name, at, properties in past:
        event = Trigger(name=name, at=at, properties=properties)
        count_event(profile, event, traits.by_event, NOW)
    edges = {
        at + Duration.parse(span) + more
        for _, at, _ in past
        for span in ("1h", "3h", "1d", "2d12h")
        for more in (0, 1)
    } | {
        midnight(local(NOW, ZoneInfo(zone)), days, ZoneInfo(zone))
        for zone in ZONES
        for days in range(1, 5)
    }
    holds, until = watch(profile, NOW)
    changes = [at for at in sorted(edges) if at > NOW and check(profile, None, at) != holds]
    assert until == (changes[0] if changes else NEVER)


def test_what_leaves_together_may_change_nothing() -> None:
    """Of 3, and -3 and 3 of the same ms, the sum stays as the two leave."""
    rule, traits = read({"sum": "a", "of": "Go", "within": "1h", "equals": 3}, Rule), Traits()
    watch = compile_watch(rule, traits)
    pairs = [[NOW - 9, -3_000_000], [NOW - 9, 3_000_000], [NOW - 5, 3_000_000]]
    profile = Profile(id=1, traits={next(iter(traits.by_id)): pairs})
    assert watch(profile, NOW) == (True, NOW - 5 + HOUR + 1)


def in_zone(text: str, zone: str) -> int:
    return from_local(datetime.fromisoformat(text), ZoneInfo(zone))


@pytest.mark.parametrize(
    ("happened", "days", "zone", "leaves"),
    [
        ("2026-03-01T00:00", 1, "Asia/Seoul", "2026-03-02T00:00"),
        ("2026-03-01T23:59", 2, "Asia/Seoul", "2026-03-03T00:00"),
        ("2026-03-07T12:00", 2, "America/New_York", "2026-03-09T00:00"),
        ("2026-10-31T23:30", 1, "America/New_York", "2026-11-01T00:00"),
        ("2026-11-01T12:00", 1, "America/New_York", "2026-11-02T00:00"),
        # In Santiago the clocks go forward at midnight: that day begins at one.
        ("2026-09-05T12:00", 1, "America/Santiago", "2026-09-06T01:00"),
        ("2026-04-04T12:00", 1, "America/Santiago", "2026-04-05T00:00"),
        # Samoa left out 30 December 2011.
        ("2011-12-29T12:00", 1, "Pacific/Apia", "2011-12-31T00:00"),
    ],
)
def test_calendar_days_end_at_local_midnight(
    happened: str, days: int, zone: str, leaves: str
) -> None:
    rule = read({"did": "Go", "within": {"days": days, "timezone": zone}}, Rule)
    traits = Traits()
    watch, check = compile_watch(rule, traits), compile_rule(rule, traits)
    at, end = in_zone(happened, zone), in_zone(leaves, zone)
    profile = Profile(id=1, traits={next(iter(traits.by_id)): [at]})
    assert watch(profile, at) == (True, end)
    assert check(profile, None, end - 1)
    assert not check(profile, None, end)
    assert watch(profile, end) == (False, NEVER)


@pytest.mark.parametrize(
    ("birthday", "in_next", "zone", "now", "comes", "goes"),
    [
        ("1990-03-10", 7, "Asia/Seoul", "2026-03-01T12:00", "2026-03-04", "2026-03-11"),
        ("1990-03-10", 1, "America/New_York", "2026-03-01T12:00", "2026-03-10", "2026-03-11"),
        ("1990-01-02", 7, "UTC", "2026-12-01T12:00", "2026-12-27", "2027-01-03"),
        ("2000-02-29", 1, "UTC", "2026-02-01T00:00", "2026-02-28", "2026-03-01"),
        ("2000-02-29", 1, "UTC", "2028-02-01T00:00", "2028-02-29", "2028-03-01"),
        ("2000-02-28", 1, "UTC", "2028-02-01T00:00", "2028-02-28", "2028-02-29"),
        ("1990-09-06", 1, "America/Santiago", "2026-09-01T00:00", "2026-09-06", "2026-09-07"),
    ],
)
def test_anniversaries(
    birthday: str, in_next: int, zone: str, now: str, comes: str, goes: str
) -> None:
    written = {
        "attribute": "birthday",
        "anniversary": {"in_next": in_next, "timezone": zone},
    }
    watch = compile_watch(read(written, Rule), Traits())
    profile = Profile(id=1, attributes={"birthday": birthday})
    enters, exits = in_zone(comes, zone), in_zone(goes, zone)
    assert watch(profile, in_zone(now, zone)) == (False, enters)
    assert watch(profile, enters) == (True, exits)
    assert not watch(profile, exits)[0]


@pytest.mark.parametrize("zone", ZONES)
def test_a_whole_year_ahead_holds_for_ever(zone: str) -> None:
    written = {"attribute": "date", "anniversary": {"in_next": 366, "timezone": zone}}
    watch = compile_watch(read(written, Rule), Traits())
    profile = Profile(id=1, attributes={"date": "2000-02-29"})
    assert all(watch(profile, NOW + day * DAY)[0] for day in range(0, 1_500, 7))


@pytest.mark.parametrize(
    ("born", "out"), [("2000-03-01", "2027-03-02"), ("2000-02-01", "2028-02-02")]
)
def test_365_days_ahead_are_a_day_short_of_a_year_with_a_leap_day(born: str, out: str) -> None:
    written = {"attribute": "date", "anniversary": {"in_next": 365, "timezone": "UTC"}}
    watch = compile_watch(read(written, Rule), Traits())
    profile = Profile(id=1, attributes={"date": born})
    left = instant(out)
    assert watch(profile, NOW) == (True, left)
    assert watch(profile, left) == (False, left + DAY)


@pytest.mark.parametrize(
    ("answers", "decides", "expected"),
    [
        ([], False, (True, 0)),
        ([], True, (False, 0)),
        ([(True, 5), (True, 3)], False, (True, 3)),
        ([(True, 5), (True, 0)], False, (True, 5)),
        ([(False, 5), (True, 3)], False, (False, 5)),
        ([(False, 5), (False, 9)], False, (False, 9)),
        ([(False, 5), (False, 0)], False, (False, 0)),
        ([(True, 5), (True, 9), (False, 2)], True, (True, 9)),
        ([(False, 5), (False, 3)], True, (False, 3)),
        ([(True, 0), (True, 9)], True, (True, 0)),
    ],
)
def test_a_tree_leaves_out_what_cannot_matter(
    answers: list[tuple[bool, int]], decides: bool, expected: tuple[bool, int]
) -> None:
    assert joined(answers, decides=decides) == expected


@pytest.mark.parametrize(
    ("written", "events", "attributes", "facts", "timed"),
    [
        ({"attribute": "geo.city", "equals": "x"}, set(), {"geo.city", "geo"}, set(), False),
        ({"attribute": "date", "within": "1d"}, set(), {"date"}, set(), True),
        ({"did": "Go"}, {"Go"}, set(), set(), False),
        ({"did": "Go", "within": "1d", "then": {"did": "Buy"}}, {"Go", "Buy"}, set(), set(), True),
        ({"did": "Go", "then_not": {"did": "Buy", "in": "1d"}}, {"Go", "Buy"}, set(), set(), True),
        ({"sum": "a", "of": "Go", "gt": 1}, {"Go"}, set(), set(), False),
        ({"last": "Go", "longer_ago": "1d"}, {"Go"}, set(), set(), True),
        (
            {"messages": "opened", "of_last": 5},
            {"$message_sent", "$message_opened"}, set(), set(), False,
        ),
        ({"in_segment": "lately"}, {"Go", "Buy"}, set(), set(), True),
        ({"in_segment": "gone"}, set(), set(), set(), False),
        ({"in_list": "guests"}, set(), set(), {"lists"}, False),
        ({"reachable": "email"}, set(), {"email"}, {"reach"}, False),
        ({"consent": "email", "is": "opted_in"}, set(), set(), {"consent"}, False),
        (
            {"near": {"latitude": 1, "longitude": 2}, "radius": 5},
            set(), {"location"}, {"location"}, False,
        ),
        ({"bucket": "x"}, set(), set(), set(), False),
        ({"all": [{"did": "Go"}, {"not": {"did": "Buy"}}]}, {"Go", "Buy"}, set(), set(), False),
    ],
)  # fmt: skip
def test_what_a_rule_reads(
    written: dict[str, Any], events: set[str], attributes: set[str], facts: set[str], timed: bool
) -> None:
    found = reads(read(written, Rule), SEGMENTS)
    assert (found.events, found.attributes, found.facts) == (events, attributes, facts)
    assert found.timed == timed
