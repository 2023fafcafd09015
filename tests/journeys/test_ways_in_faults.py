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
    segments = {"loyal": {"segment": "loyal", "rule": {"did": "A"}}}
    written = Definitions(
        1, 0, "", workspace=workspace or WORKSPACE, journeys=journeys, segments=segments
    )
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
        ({"segment": "loyall", "on": "exit"}, "segment", "there is no segment `loyall`", "loyal"),
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


def settings(workspace: dict[str, Any], **message: Any) -> list[str]:
    """The faults of a journey whose message has these settings."""
    written = {"journey": "cart", "entry": {"event": "Go"}, "steps": [{**MESSAGE, **message}]}
    of_cart = Definitions(
        1, 0, "", workspace=workspace, journeys={"cart": JourneySource(1, written)}
    )
    return [f"{kind} {one.path}: {one.problem}" for kind, _, one in check(of_cart)]


HOURS = "$.steps[0].sending_hours"
NOON = {"from": "12:00", "to": "13:00"}


@pytest.mark.parametrize(
    ("workspace", "message", "fault"),
    [
        ({}, {"sending_hours": {"from": "10:00", "to": "10:00"}},
         f"journey {HOURS}: `from` and `to` are the same time of day: they hold no hour"),
        ({"sending_hours": {"from": "14:00", "to": "18:00"}}, {"sending_hours": NOON},
         (f"journey {HOURS}: nothing could ever leave: "
          "the workspace's own hours leave none of them")),
        ({}, {"expires_after": "0s"},
         "journey $.steps[0].expires_after: must be longer than nothing"),
        ({}, {"pace": {"at_most": 0, "per": "1h"}},
         "journey $.steps[0].pace.at_most: must be at least 1"),
        ({"language": "english"}, {},
         "workspace $.language: 'english' is no language tag; write one such as ko or pt-BR"),
        ({"language": "pt-BR"}, {"sending_hours": NOON}, ""),
        ({"sending_hours": {"from": "9:00", "to": "9:00"}}, {"sending_hours": NOON},
         "workspace $.sending_hours: `from` and `to` are the same time of day: they hold no hour"),
    ],
)  # fmt: skip
def test_a_message_that_could_never_leave_is_refused(
    workspace: dict[str, Any], message: dict[str, Any], fault: str
) -> None:
    assert settings(workspace, **message) == ([fault] if fault else [])
