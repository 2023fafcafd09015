"""What a journey names must be there, and what the workspace says of it must make sense."""

from typing import Any

import pytest

from harken.checking import check
from harken.inputs import Definitions, JourneySource

MESSAGE = {
    "message": "hello", "channel": "email", "default": {"subject": "Hi", "html": "<p>Hi</p>"},
}  # fmt: skip
WORKSPACE = {
    "places": {"seoul-store": {"latitude": 37.5, "longitude": 127.0, "radius": 200}},
}


def source(name: str, entry: dict[str, Any], *, archived: bool = False) -> JourneySource:
    written = {"journey": name, "entry": entry, "steps": [MESSAGE]}
    return JourneySource(1, written, archived=archived)


def faults(
    entry: dict[str, Any], workspace: dict[str, Any] | None = None, *, archived: bool = False
) -> list[str]:
    journeys = {
        "cart": source("cart", entry, archived=archived),
        "welcome": source("welcome", {"event": "Go"}),
    }
    written = Definitions(1, 0, "", workspace=workspace or WORKSPACE, journeys=journeys)
    return [f"{kind} {name} {one.path}: {one.problem}" for kind, name, one in check(written)]


@pytest.mark.parametrize(
    "entry",
    [
        {"place": "seoul-store"},
        {"outcome": "opened", "journey": "welcome", "message": "hello"},
        {"outcome": "ignored", "journey": "cart", "within": "1d"},
        {"date": "birthday", "before": "3d", "yearly": True, "at": "09:00"},
    ],
)
def test_what_is_there_may_be_named(entry: dict[str, Any]) -> None:
    assert faults(entry) == []


@pytest.mark.parametrize(
    ("entry", "key", "problem", "near"),
    [
        ({"place": "seoul-stor"}, "place", "the workspace has no place `seoul-stor`",
         "seoul-store"),
        ({"outcome": "opened", "journey": "welcom"}, "journey", "there is no journey `welcom`",
         "welcome"),
        ({"outcome": "opened", "journey": "welcome", "message": "helo"}, "message",
         "`welcome` has no message `helo`", "hello"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_with_the_nearest(
    entry: dict[str, Any], key: str, problem: str, near: str
) -> None:
    assert faults(entry) == [f"journey cart $.entry.{key}: {problem}; did you mean `{near}`?"]
    assert faults(entry, archived=True) == []


@pytest.mark.parametrize("hour", ["10:30", "24:00"])
def test_a_best_hour_is_a_full_one(hour: str) -> None:
    [fault] = faults({"event": "Go"}, {"best_hour": hour})
    assert fault == 'workspace  $.best_hour: must be a full hour, "00:00" to "23:00"'


@pytest.mark.parametrize(
    ("place", "path", "problem"),
    [
        ({"latitude": 91, "longitude": 0, "radius": 1}, "latitude", "from -90 to 90"),
        ({"latitude": 0, "longitude": -181, "radius": 1}, "longitude", "from -180 to 180"),
        ({"latitude": 0, "longitude": 0, "radius": 0}, "radius", "more than 0"),
    ],
)
def test_a_broken_place_is_told_and_not_called_unknown(
    place: dict[str, float], path: str, problem: str
) -> None:
    [fault] = faults({"place": "here"}, {"places": {"here": place}})
    assert fault.startswith(f"workspace  $.places.here.{path}: ")
    assert problem in fault
