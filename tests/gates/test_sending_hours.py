"""Quiet hours and sending hours in the recipient's zone, on every kind of night."""

from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from gates_kit import at, candidate, cap, decide, profile, quiet, said, send, sending, workspace
from hypothesis import given, settings
from hypothesis import strategies as st

from harken.clock import DAY, HOUR, MINUTE, from_local
from harken.gates import CompiledWorkspace
from harken.gates.hours import EVERY_DAY, Hours, all_open, local_span, next_open
from harken.values import zone

SEOUL = {"timezone": "Asia/Seoul"}
# Zone, and a day around which its clocks change (or one on which they do not).
NIGHTS = [
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Australia/Lord_Howe", "2026-10-04"),
    ("America/Santiago", "2026-04-05"),
    ("America/Santiago", "2026-09-06"),
    ("Africa/Cairo", "2026-04-24"),
    ("Africa/Cairo", "2026-10-30"),
    ("Pacific/Chatham", "2026-04-05"),
    ("Pacific/Chatham", "2026-09-27"),
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("Europe/London", "2026-03-29"),
    ("Europe/London", "2026-10-25"),
    ("Africa/Casablanca", "2026-02-15"),
    ("Africa/Casablanca", "2026-03-22"),
    ("America/Havana", "2026-11-01"),
    ("America/Scoresbysund", "2026-10-25"),
    ("Pacific/Apia", "2011-12-30"),
    ("Asia/Seoul", "2026-03-08"),
    ("Asia/Kolkata", "2026-03-08"),
]


@pytest.mark.parametrize(
    ("hours", "now", "expected"),
    [
        (("09:00", "21:00"), "2026-03-10 08:59", "2026-03-10 09:00"),
        (("09:00", "21:00"), "2026-03-10 09:00", "2026-03-10 09:00"),
        (("09:00", "21:00"), "2026-03-10 20:59", "2026-03-10 20:59"),
        (("09:00", "21:00"), "2026-03-10 21:00", "2026-03-11 09:00"),
        (("22:00", "02:00"), "2026-03-10 01:59", "2026-03-10 01:59"),
        (("22:00", "02:00"), "2026-03-10 02:00", "2026-03-10 22:00"),
        (("22:00", "02:00"), "2026-03-10 23:30", "2026-03-10 23:30"),
        (("22:00", "20:00"), "2026-03-10 19:59", "2026-03-10 19:59"),
        (("22:00", "20:00"), "2026-03-10 20:00", "2026-03-10 22:00"),
        (("00:00", "24:00"), "2026-03-10 00:00", "2026-03-10 00:00"),
        (("18:00", "24:00"), "2026-03-10 23:59", "2026-03-10 23:59"),
        (("18:00", "24:00"), "2026-03-11 00:00", "2026-03-11 18:00"),
        (("18:00", "00:00"), "2026-03-11 00:00", "2026-03-11 18:00"),
    ],
)
@pytest.mark.parametrize("name", ["Asia/Seoul", "UTC", "Pacific/Kiritimati", "Pacific/Niue"])
def test_sending_hours_table(hours: tuple[str, str], now: str, expected: str, name: str) -> None:
    where = workspace(sending_hours=sending(*hours))
    verdict = decide(candidate(), profile(attributes={"timezone": name}), at(now, name), where)
    if now == expected:
        assert verdict.outcome == "pass"
    else:
        assert said(verdict) == ("hold", "quiet_hours", "sending_hours")
        assert verdict.until == at(expected, name)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-03-13 23:00", "2026-03-13 23:00"),  # Friday
        ("2026-03-14 01:00", "2026-03-14 01:00"),  # Saturday, in the hours that Friday began
        ("2026-03-14 02:00", "2026-03-16 22:00"),
        ("2026-03-15 23:00", "2026-03-16 22:00"),  # Sunday
        ("2026-03-16 01:00", "2026-03-16 22:00"),  # Monday, but Sunday has no hours
    ],
)
def test_hours_belong_to_the_day_on_which_they_begin(now: str, expected: str) -> None:
    hours = sending("22:00", "02:00", on=["mon", "fri"])
    where = workspace(sending_hours=hours)
    verdict = decide(candidate(), profile(attributes=SEOUL), at(now, "Asia/Seoul"), where)
    assert (verdict.until or at(now, "Asia/Seoul")) == at(expected, "Asia/Seoul")


QUIET = {"quiet_hours": quiet("21:00", "09:00")}
SENDING = {"sending_hours": sending("09:00", "21:00")}
STEP = sending("09:00", "21:00")


@pytest.mark.parametrize(
    ("where", "what", "reason"),
    [
        (QUIET, {}, "quiet_hours"),
        (QUIET, {"purpose": "transactional"}, ""),
        (QUIET, {"priority": "high"}, ""),
        (SENDING, {}, "sending_hours"),
        (SENDING, {"purpose": "transactional"}, "sending_hours"),
        (SENDING, {"priority": "high"}, ""),
        ({}, {"sending_hours": STEP}, "step_sending_hours"),
        ({}, {"sending_hours": STEP, "purpose": "transactional"}, "step_sending_hours"),
        ({}, {"sending_hours": STEP, "priority": "high"}, "step_sending_hours"),
        ({}, {}, ""),
    ],
)
def test_whom_each_rule_binds(where: dict[str, Any], what: dict[str, Any], reason: str) -> None:
    verdict = decide(candidate(**what), profile(), at("2026-03-10 22:14"), workspace(**where))
    assert verdict.reason == reason
    if reason:
        assert verdict.until == at("2026-03-11 09:00")


def test_a_hold_says_the_zone_the_local_time_and_the_hours() -> None:
    now = at("2026-03-10 22:14", "Asia/Seoul")
    verdict = decide(candidate(), profile(attributes=SEOUL), now, workspace(**QUIET))
    assert verdict.facts == {"zone": "Asia/Seoul", "local": "22:14", "allowed": "09:00-21:00"}


def test_a_held_message_waits_until_all_rules_are_open() -> None:
    where = workspace(
        quiet_hours=quiet("21:00", "09:00"),
        sending_hours=sending("08:00", "20:00", on=["mon", "tue", "wed", "thu", "fri"]),
        caps=[cap(1, "1d")],
    )
    what = candidate(sending_hours=sending("10:00", "12:00"), when_capped="hold")
    friday = at("2026-03-13 22:00")
    verdict = decide(what, profile(), friday, where)
    assert said(verdict) == ("hold", "quiet_hours", "quiet_hours")
    assert verdict.until == at("2026-03-16 10:00")
    later = profile(sends=[send("x", at("2026-03-15 11:00"))])
    assert decide(what, later, friday, where).until == at("2026-03-16 11:00")


def test_a_rule_that_drops_wins_over_one_that_holds() -> None:
    where = workspace(quiet_hours=quiet("21:00", "09:00"))
    what = candidate(sending_hours=sending("10:00", "12:00", outside="drop"))
    night, dawn, noon = at("2026-03-10 22:00"), at("2026-03-10 09:30"), at("2026-03-10 11:00")
    answers = [said(decide(what, profile(), when, where))[::2] for when in (night, dawn, noon)]
    assert answers == [("drop", "step_sending_hours")] * 2 + [("pass", "")]
    where = workspace(quiet_hours=quiet("21:00", "09:00", outside="drop"))
    assert said(decide(candidate(), profile(), night, where))[::2] == ("drop", "quiet_hours")


def test_a_message_dated_in_the_future_fills_the_day_that_the_hours_open_on() -> None:
    where = workspace(quiet_hours=quiet("21:00", "09:00"), caps=[cap(1, "calendar day")])
    who = profile(sends=[send("ahead", at("2026-03-11 15:00"))])
    held = decide(candidate(when_capped="hold"), who, at("2026-03-10 22:00"), where)
    assert held.until == at("2026-03-12 09:00")


def test_a_weekly_opening_that_falls_into_the_missing_hour_comes_a_week_later() -> None:
    sundays = Hours(120, 180, 0b1000000)
    name = "America/New_York"
    found = next_open(sundays, zone(name), at("2026-03-01 03:00", name))  # type: ignore[arg-type]
    assert found == at("2026-03-15 02:00", name)


def test_hours_that_never_meet_drop() -> None:
    where = workspace(sending_hours=sending("09:00", "12:00", on=["mon"]))
    what = candidate(sending_hours=sending("09:00", "12:00", on=["tue"]))
    verdict = decide(what, profile(), at("2026-03-10 10:00"), where)
    assert verdict.outcome == "drop"
    assert verdict.facts["never"] is True


@pytest.mark.parametrize(
    ("stated", "learned", "expected"),
    [
        ({"timezone": "Asia/Seoul"}, {"timezone": "Asia/Tokyo"}, "Asia/Seoul"),
        ({}, {"timezone": "Asia/Jakarta"}, "Asia/Jakarta"),
        ({"timezone": "Mars/Base"}, {"timezone": "Asia/Jakarta"}, "Asia/Jakarta"),
        ({"timezone": ["Asia/Seoul"]}, {}, "America/Lima"),
        ({"country": "KR"}, {}, "Asia/Seoul"),
        ({"country": "US"}, {}, "America/Lima"),
        ({}, {}, "America/Lima"),
    ],
)
def test_whose_clock_counts(stated: dict[str, Any], learned: dict[str, Any], expected: str) -> None:
    where = workspace(timezone="America/Lima", sending_hours=sending("03:00", "03:01"))
    who = profile(attributes=stated, learned=learned)
    verdict = decide(candidate(), who, at("2026-03-10 12:00"), where)
    assert verdict.facts["zone"] == expected
    assert verdict.until == next_open(Hours(180, 181), zone(expected), at("2026-03-10 12:00"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "hours", "now", "expected"),
    [
        # 02:30 does not exist: the next instant that does is 03:00
        ("America/New_York", (150, 300), "2026-03-08T06:00:00Z", "2026-03-08T07:00:00Z"),
        # hours that lie wholly in the gap do not open that day
        ("America/New_York", (120, 180), "2026-03-08T06:00:00Z", "2026-03-09T06:00:00Z"),
        # 01:30 occurs twice: open at the first ...
        ("America/New_York", (90, 300), "2026-11-01T05:00:00Z", "2026-11-01T05:30:00Z"),
        # ... and stays open while the clocks show 01:10 again
        ("America/New_York", (90, 300), "2026-11-01T06:10:00Z", "2026-11-01T06:10:00Z"),
        # closes at the first 01:30 and does not open a second time
        ("America/New_York", (60, 90), "2026-11-01T06:10:00Z", "2026-11-02T06:00:00Z"),
        # half an hour only
        ("Australia/Lord_Howe", (135, 300), "2026-10-03T15:00:00Z", "2026-10-03T15:30:00Z"),
        # midnight does not exist
        ("Africa/Cairo", (0, 300), "2026-04-23T21:30:00Z", "2026-04-23T22:00:00Z"),
        # a day that never was
        ("Pacific/Apia", (540, 600), "2011-12-30T00:00:00Z", "2011-12-30T19:00:00Z"),
    ],
)
def test_nights_on_which_clocks_change(
    name: str, hours: tuple[int, int], now: str, expected: str
) -> None:
    found = next_open(Hours(*hours), zone(name), at(now))  # type: ignore[arg-type]
    assert found == at(expected)


@cache
def instant(day: date, minute: int, name: str) -> int:
    found = zone(name)
    assert found is not None
    midnight = datetime(day.year, day.month, day.day)
    return from_local(midnight + timedelta(minutes=minute), found)


def plainly_open(hours: Hours, name: str, when: int) -> bool:
    """The definition, said with dates alone: some day's opening reaches over the moment."""
    middle = date(1970, 1, 1) + timedelta(days=when // DAY)
    end = hours.closes if hours.closes > hours.opens else hours.closes + 1440
    return any(
        hours.days >> day.weekday() & 1
        and instant(day, hours.opens, name) <= when < instant(day, end, name)
        for day in (middle + timedelta(days=offset) for offset in range(-3, 4))
    )


minutes = st.integers(0, 95).map(lambda quarter: quarter * 15) | st.integers(0, 1440)
hours_of_day = st.builds(
    Hours, minutes, minutes, st.just(EVERY_DAY) | st.integers(0b0100001, EVERY_DAY)
)


@settings(max_examples=150, deadline=None)
@given(
    night=st.sampled_from(NIGHTS),
    minute=st.integers(-30 * 60, 30 * 60),
    rules=st.lists(hours_of_day, min_size=1, max_size=3),
)
def test_the_next_opening_is_open_and_there_is_none_before_it(
    night: tuple[str, str], minute: int, rules: list[Hours]
) -> None:
    name, day = night
    now = at(day) + minute * MINUTE
    found = all_open(rules, zone(name), now)  # type: ignore[arg-type]
    limit = now + 3 * DAY if found is None else min(found, now + 3 * DAY)
    if found is not None:
        assert all(plainly_open(rule, name, found) for rule in rules)
    # Openings begin at whole quarters or at minutes of the rules, all on the minute grid.
    steps = range(now, limit, 15 * MINUTE if minute % 15 == 0 else 7 * MINUTE)
    for moment in [*steps, limit - MINUTE, limit - 1]:
        if now <= moment < limit:
            assert not all(plainly_open(rule, name, moment) for rule in rules)


@pytest.mark.parametrize(("name", "day"), NIGHTS)
@pytest.mark.parametrize(
    "hours", [Hours(540, 1260), Hours(1350, 130), Hours(90, 150), Hours(0, 30)]
)
def test_every_minute_of_the_night_agrees_with_the_definition(
    name: str, day: str, hours: Hours
) -> None:
    found = zone(name)
    assert found is not None
    start = at(day) - 16 * HOUR
    expected = None
    for moment in reversed(range(start, start + 48 * HOUR, MINUTE)):
        if plainly_open(hours, name, moment):
            expected = moment
        if expected is not None:
            assert next_open(hours, found, moment) == expected


def where_for(name: str, seed: int) -> CompiledWorkspace:
    shift = seed % 20
    return workspace(
        timezone=name,
        quiet_hours=quiet(f"{(shift + 20) % 24:02d}:30", f"{(shift + 1) % 24:02d}:10"),
        sending_hours=sending(f"{shift:02d}:00", f"{(shift + 9) % 24:02d}:00"),
        caps=[cap(2, "1d"), cap(3, "calendar day"), cap(4, "calendar week", tag="news")],
    )


@settings(max_examples=100, deadline=None)
@given(
    night=st.sampled_from(NIGHTS),
    minute=st.integers(-40 * 60, 40 * 60),
    seed=st.integers(0, 40),
    ages=st.lists(st.integers(0, 6 * 24 * 60), max_size=8),
)
def test_a_held_message_passes_when_it_asks_again_and_not_a_minute_before(
    night: tuple[str, str], minute: int, seed: int, ages: list[int]
) -> None:
    name, day = night
    now = at(day) + minute * MINUTE
    where = where_for(name, seed)
    who = profile(
        sends=[send(f"s{age}", now - age * MINUTE, tags=["news"]) for age in sorted(set(ages))]
    )
    what = candidate(when_capped="hold", tags=["news"])
    verdict = decide(what, who, now, where)
    if verdict.outcome == "pass":
        return
    assert verdict.outcome == "hold"
    assert decide(what, who, verdict.until, where).outcome == "pass"
    grid = range(now, verdict.until, max(MINUTE, (verdict.until - now) // 200 // MINUTE * MINUTE))
    for moment in [*grid, verdict.until - 1]:
        earlier = decide(what, who, moment, where)
        assert (earlier.outcome, earlier.until) == ("hold", verdict.until)


@pytest.mark.parametrize(("name", "day"), NIGHTS)
@pytest.mark.parametrize("week", [False, True])
def test_local_days_and_weeks_follow_each_other_without_gap(
    name: str, day: str, week: bool
) -> None:
    found = zone(name)
    assert found is not None
    start, end = local_span(found, at(day) - 8 * DAY, week)
    while end < at(day) + 8 * DAY:
        assert local_span(found, end - 1, week) == (start, end)
        assert local_span(found, start, week) == (start, end)
        start, after = local_span(found, end, week)
        assert start == end
        end = after
