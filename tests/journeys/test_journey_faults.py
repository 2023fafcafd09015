"""A journey is validated whole; local times are found on every night of the year."""

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from harken.clock import from_local, to_datetime
from harken.files.reader import read
from harken.journeys.faults import journey_faults
from harken.journeys.model import Journey
from harken.journeys.own_events import HAPPEN
from harken.journeys.steps import next_local
from harken.values import TimeOfDay

MESSAGE = {
    "message": "nudge", "channel": "email", "default": {"subject": "Hi", "html": "<p>Hi</p>"},
}  # fmt: skip


def faults(**parts: Any) -> list[str]:
    source = {"journey": "cart", "entry": {"event": "Go"}, "steps": [MESSAGE], **parts}
    return [f"{fault.path}: {fault.problem}" for fault in journey_faults(read(source, Journey))]


@pytest.mark.parametrize(
    ("parts", "path", "problem"),
    [
        ({"steps": []}, "$.steps", "at least one step"),
        ({"steps": [MESSAGE, MESSAGE]}, "$.steps[1]", "called `nudge` too"),
        ({"steps": [{"exit": True}, MESSAGE]}, "$.steps[0]", "can never run"),
        ({"window": {"starts_at": "2026-02-01", "ends_at": "2026-01-01"}}, "$.window", "before"),
        ({"control_percent": 101}, "$.control_percent", "0 to 100"),
        (
            {"exceptions": [{"event": "Buy", "same_key": True}]},
            "$.exceptions[0].same_key",
            "the entry has no `key`",
        ),
        ({"goal": {"event": "Buy", "within": "31d"}}, "$.goal.within", "30d"),
        ({"entry": {"event": "  "}}, "$.entry.event", "needs a name"),
        ({"entry": {"event": "$price_drop"}}, "$.entry.event", "did you mean `$price_dropped`?"),
        ({"entry": {"event": "$identify"}}, "$.entry.event", "none of Harken's own events"),
        ({"exceptions": [{"event": "$buy"}]}, "$.exceptions[0].event", "own events"),
        ({"goal": {"event": "$message_open"}}, "$.goal.event", "`$message_opened`?"),
        ({"goal": {"event": " "}}, "$.goal.event", "needs a name"),
        (
            {"steps": [{"wait_for": [{"event": "$coupon"}], "at_most": "1d"}]},
            "$.steps[0].wait_for[0].event",
            "own events",
        ),
        ({"steps": [{"wait": {"best_hour": "8d"}}]}, "$.steps[0].wait.best_hour", "at most 7d"),
        ({"steps": [{"wait": {"best_hour": "0h"}}]}, "$.steps[0].wait.best_hour", "more than"),
        ({"entry": {"outcome": "ignored", "journey": "a"}}, "$.entry", "`within: 24h`"),
        (
            {"entry": {"outcome": "ignored", "journey": "a", "within": "91d"}},
            "$.entry.within",
            "90d",
        ),
        (
            {"entry": {"outcome": "opened", "journey": "a", "within": "1d"}},
            "$.entry.within",
            "only `ignored`",
        ),
        ({"entry": {"date": " "}}, "$.entry.date", "name the attribute"),
        ({"entry": {"date": "b", "before": "36h"}}, "$.entry.before", "whole days"),
        ({"entry": {"date": "b", "after": "0d"}}, "$.entry.after", "whole days"),
        ({"entry": {"date": "b", "before": "1d", "after": "1d"}}, "$.entry", "not both"),
        ({"entry": {"date": "b", "yearly": True, "after": "366d"}}, "$.entry.after", "365d"),
        (
            {"steps": [{"wait": {"event_property": "d", "before": "1d", "after": "1d"}}]},
            "$.steps[0].wait",
            "not both",
        ),
        ({"steps": [{**MESSAGE, "priority": 100}]}, "$.steps[0].priority", "from 1 to 99"),
    ],
)
def test_faults_name_the_place_and_the_problem(parts: dict, path: str, problem: str) -> None:
    [fault] = faults(**parts)
    assert fault.startswith(path)
    assert problem in fault


def test_the_page_on_journeys_names_every_event_of_our_own() -> None:
    page = (Path(__file__).parents[2] / "docs/journeys.md").read_text()
    told = page[page.index("**Harken's own events**") : page.index("**Dates.**")]
    for name in HAPPEN:
        family = "$message_"
        assert f"`{name.removeprefix(family) if name.startswith(family) else name}`" in told


WEIGHTS = [{"name": name, "weight": 50, "subject": name} for name in "ab"]
GOAL = {"event": "Bought"}


@pytest.mark.parametrize(
    ("experiment", "parts", "path", "problem"),
    [
        ({}, {}, ".measure", "has no `goal`"),
        ({"at_least": 9}, {"goal": GOAL}, ".at_least", "at least 10"),
        ({"winner": {}}, {"goal": GOAL}, ".winner", "`at`, `evidence`, or both"),
        ({"winner": {"evidence": 0.5}}, {"goal": GOAL}, ".winner.evidence", "more than 0.5"),
        ({"winner": {"evidence": 95}}, {"goal": GOAL}, ".winner.evidence", "less than 1"),
    ],
)
def test_faults_of_experiments(experiment: dict, parts: dict, path: str, problem: str) -> None:
    [fault] = faults(steps=[{**MESSAGE, "variants": WEIGHTS, "experiment": experiment}], **parts)
    assert fault.startswith(f"$.steps[0].experiment{path}: ")
    assert problem in fault


def test_an_experiment_needs_arms_and_what_it_measures() -> None:
    [fault] = faults(steps=[{**MESSAGE, "experiment": {}}], goal=GOAL)
    assert "at least two variants with a `weight`" in fault
    silent = {**MESSAGE, "variants": WEIGHTS, "track_clicks": False}
    [fault] = faults(steps=[{**silent, "experiment": {"measure": "clicked"}}])
    assert "not tracked (`track_clicks: false`)" in fault


def test_a_sound_journey_has_no_faults() -> None:
    steps = [{"wait": "1h"}, {"exit": {"attribute": "vip", "equals": True}}, MESSAGE]
    assert faults(steps=steps) == []


@pytest.mark.parametrize(
    ("zone", "after", "time", "days", "found"),
    [
        ("Europe/Berlin", "2026-03-28 12:00", "02:30", [], "2026-03-29 03:00"),
        ("Europe/Berlin", "2026-03-29 03:00", "02:30", [], "2026-03-30 02:30"),
        ("Europe/Berlin", "2026-10-25 01:00", "02:30", [], "2026-10-25 02:30"),
        ("America/Santiago", "2026-09-05 12:00", "00:00", [], "2026-09-06 01:00"),
        ("Pacific/Apia", "2011-12-29 12:00", "12:00", [], "2011-12-31 00:00"),
        ("Asia/Seoul", "2026-03-02 10:00", "10:00", [], "2026-03-03 10:00"),
        ("Asia/Seoul", "2026-03-02 10:00", "09:00", ["sun"], "2026-03-08 09:00"),
        ("Asia/Seoul", "2026-03-02 10:00", "24:00", [], "2026-03-03 00:00"),
    ],
)
def test_the_next_local_time(zone: str, after: str, time: str, days: list, found: str) -> None:
    where = ZoneInfo(zone)
    start = from_local(datetime.fromisoformat(after), where)
    at = next_local(start, TimeOfDay.parse(time), days, where)
    assert f"{to_datetime(at, where):%Y-%m-%d %H:%M}" == found


def test_every_local_day_of_a_year_has_one_such_time() -> None:
    for zone in ("America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Tehran"):
        where = ZoneInfo(zone)
        at = from_local(datetime(2026, 1, 1), where)
        dates = []
        for _ in range(365):
            at = next_local(at, TimeOfDay.parse("02:15"), [], where)
            dates.append(to_datetime(at, where).date())
        assert len(set(dates)) == 365
