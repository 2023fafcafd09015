"""What applying would change, and the definitions that follow."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harken.errors import BadDefinition, Fault
from harken.files.plan import Change, bundle, differences, plan
from harken.files.project import JourneyFiles, Project
from harken.inputs import Definitions, JourneySource

EMPTY = Definitions(revision=0, applied_at=0, applied_by="")
SOURCE: dict[str, Any] = {"journey": "a", "steps": [{"wait": "1d"}, {"message": "m", "tags": []}]}


def project(**journeys: JourneyFiles) -> Project:
    return Project(journeys=journeys)


def test_a_first_apply_makes_everything_new() -> None:
    first = Project(
        workspace={"workspace": "shop"},
        has_workspace=True,
        journeys={"b": JourneyFiles(SOURCE, {}), "a": JourneyFiles(SOURCE, {"x.mjml": "1"})},
        segments={"s": {"segment": "s"}},
    )
    assert plan(EMPTY, first) == [
        Change("workspace", "shop", "new"),
        Change("journey", "a", "new"),
        Change("journey", "b", "new"),
        Change("segment", "s", "new"),
    ]
    made = bundle(EMPTY, first, 5, "ann")
    assert made == Definitions(
        revision=1,
        applied_at=5,
        applied_by="ann",
        workspace={"workspace": "shop"},
        journeys={"a": JourneySource(1, SOURCE, {"x.mjml": "1"}), "b": JourneySource(1, SOURCE)},
        segments={"s": {"segment": "s"}},
    )
    assert list(made.journeys) == ["a", "b"]
    assert {change.action for change in plan(made, first)} == {"unchanged"}
    again = bundle(made, first, 6, "bob")
    assert (again.revision, again.journeys) == (2, made.journeys)


def test_a_revision_goes_up_only_when_the_source_or_a_file_changed() -> None:
    made = bundle(EMPTY, project(a=JourneyFiles(SOURCE, {"x": "1\n2\n"})), 1, "")
    reordered = JourneyFiles(dict(reversed(SOURCE.items())), {"x": "1\n2\n"})
    assert bundle(made, project(a=reordered), 2, "").journeys["a"].revision == 1
    new_text = JourneyFiles(SOURCE, {"x": "1\n3\n4\n"})
    assert bundle(made, project(a=new_text), 2, "").journeys["a"].revision == 2
    assert plan(made, project(a=new_text)) == [
        Change("journey", "a", "changed", ["x: content changed (+2 -1 lines)"])
    ]
    new_step = JourneyFiles({**SOURCE, "steps": [{"wait": "2d"}]}, {"x": "1\n2\n"})
    assert bundle(made, project(a=new_step), 2, "").journeys["a"].revision == 2


def test_an_absent_journey_is_archived_and_comes_back() -> None:
    made = bundle(EMPTY, project(a=JourneyFiles(SOURCE, {}), b=JourneyFiles(SOURCE, {})), 1, "")
    without = project(b=JourneyFiles(SOURCE, {}))
    assert plan(made, without)[0] == Change("journey", "a", "archived")
    gone = bundle(made, without, 2, "")
    assert gone.journeys["a"] == JourneySource(1, SOURCE, archived=True)
    assert plan(gone, without)[0] == Change("journey", "a", "unchanged")
    back = project(a=JourneyFiles(SOURCE, {}), b=JourneyFiles(SOURCE, {}))
    assert plan(gone, back)[0] == Change("journey", "a", "changed", ["no longer archived"])
    assert bundle(gone, back, 3, "").journeys["a"] == JourneySource(1, SOURCE)
    changed = project(a=JourneyFiles({"journey": "a"}, {}))
    assert bundle(gone, changed, 3, "").journeys["a"] == JourneySource(2, {"journey": "a"})


def test_without_a_workspace_file_the_workspace_stays_and_segments_go() -> None:
    current = msgspec.structs.replace(EMPTY, workspace={"language": "ko"}, segments={"s": {}})
    assert plan(current, Project()) == [Change("segment", "s", "archived")]
    made = bundle(current, Project(), 1, "")
    assert made.workspace == {"language": "ko"}
    assert made.segments == {}


def test_changes_of_the_workspace_and_of_segments_are_told() -> None:
    current = Definitions(1, 0, "", {"language": "ko"}, {}, {"s": {"rule": {"did": "A"}}})
    changed = Project(
        workspace={"language": "en", "workspace": "w"},
        has_workspace=True,
        segments={"s": {"rule": {"did": "B"}}},
    )
    assert plan(current, changed) == [
        Change("workspace", "w", "changed", ["language: 'ko' -> 'en'", "workspace: 'w' added"]),
        Change("segment", "s", "changed", ["rule.did: 'A' -> 'B'"]),
    ]


def test_a_project_with_faults_makes_no_definitions() -> None:
    with pytest.raises(BadDefinition):
        bundle(EMPTY, Project(faults=[Fault("$", "is bad")]), 1, "")
    assert bundle(EMPTY, Project(faults=[Fault("$", "odd", warning=True)]), 1, "").revision == 1


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
        ({"a": 1}, {"a": True}, ["a: 1 -> true"]),
        ({"a": 1}, {}, ["a: 1 removed"]),
        ({}, {"a": None}, ["a: null added"]),
        ({"s": [{"m": "x", "subject": "a"}]}, {"s": [{"m": "x", "subject": "b"}]},
         ["s[0].subject: 'a' -> 'b'"]),
        ({"s": [1, 2, 3]}, {"s": [9, 1, 2, 3]}, ["s[0]: 9 added"]),
        ({"s": [1, 2, 3]}, {"s": [1, 3]}, ["s[1]: 2 removed"]),
        ({"s": [{"message": "a", "d": 1}, {"wait": "1h", "id": "w"}, {"message": "b"}]},
         {"s": [{"update": {"x": 1}}, {"message": "a", "d": 2}, {"wait": "2h", "id": "w"},
                {"update": {"y": 1}, "id": "v"}, {"message": "b"}]},
         ['s[0]: {"update":{"x":1}} added', "s[1].d: 1 -> 2", "s[2].wait: '1h' -> '2h'",
          's[3]: {"update":{"y":1},"id":"v"} added']),
        ({"s": [{"wait": "1h"}]}, {"s": [{"message": "a"}]},
         ['s[0]: {"wait":"1h"} removed', 's[0]: {"message":"a"} added']),
        ({"s": [{"message": "a", "d": 1}]}, {"s": [{"message": "b", "d": 1}]},
         ["s[0].message: 'a' -> 'b'"]),
        ({"s": [1, 2]}, {"s": {"a": 1}}, ['s: [1,2] -> {"a":1}']),
        ({"s": "x" * 100}, {"s": "y"}, [f"s: '{'x' * 56}... -> 'y'"]),
        (1, 2, ["all: 1 -> 2"]),
    ],
)  # fmt: skip
def test_differences_are_told_by_path(was: object, now: object, told: list[str]) -> None:
    assert differences(was, now) == told


json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-2, 2) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab"), inner, max_size=4),
)


@given(json, json)
def test_no_difference_is_told_only_of_what_reads_the_same(was: object, now: object) -> None:
    assert differences(was, was) == []
    if not differences(was, now):
        assert was == now
