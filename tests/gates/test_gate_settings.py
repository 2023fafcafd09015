"""What a workspace or a step says wrongly is told before anything runs on it."""

from typing import Any

import pytest
from gates_kit import cap, message, quiet, sending, workspace

from harken.errors import BadDefinition
from harken.gates import compile_workspace, packs_off, step_faults, workspace_faults
from harken.journeys.kinds import Pace
from harken.values import Duration
from harken.workspace import Workspace


@pytest.mark.parametrize(
    ("fields", "path", "problem"),
    [
        ({"policy_packs": ["KR", "KOR"]}, "$.policy_packs[1]", "did you mean 'KR'?"),
        ({"policy_packs": ["zzz"]}, "$.policy_packs[0]", "known are KR"),
        ({"caps": [cap(-1, "1d")]}, "$.caps[0].at_most", "less than 0"),
        ({"caps": [cap(1, "0s")]}, "$.caps[0].per", "longer than nothing"),
        ({"caps": [cap(501, "1d")]}, "$.caps[0].at_most", "at most 500"),
        ({"caps": [cap(1, "46d")]}, "$.caps[0].per", "at most 45d"),
        ({"arbitration": Duration(0)}, "$.arbitration", "longer than nothing"),
        ({"arbitration": Duration.parse("61m")}, "$.arbitration", "at most 1h"),
        (
            {"caps": [cap(1, "1d"), cap(1, "1d", channel="e-mail")]},
            "$.caps[1].channel",
            "did you mean 'email'?",
        ),
        ({"holdout_percent": 101.0}, "$.holdout_percent", "between 0 and 100"),
        ({"holdout_percent": float("nan")}, "$.holdout_percent", "between 0 and 100"),
        ({"country": "Korea of the South"}, "$.country", "ISO 3166"),
        ({"quiet_hours": quiet("09:00", "09:00")}, "$.quiet_hours", "nothing could ever leave"),
        ({"quiet_hours": quiet("00:00", "24:00")}, "$.quiet_hours", "nothing could ever leave"),
        ({"sending_hours": sending("09:00", "09:00")}, "$.sending_hours", "same time of day"),
        (
            {"quiet_hours": quiet("08:00", "20:00"), "sending_hours": sending("09:00", "18:00")},
            "$.sending_hours",
            "quiet_hours leave none of them",
        ),
    ],
)
def test_workspace_faults(fields: dict[str, Any], path: str, problem: str) -> None:
    faults = workspace_faults(Workspace(**fields))
    assert [fault.path for fault in faults] == [path]
    assert problem in faults[0].problem
    with pytest.raises(BadDefinition) as raised:
        compile_workspace(Workspace(**fields))
    assert list(raised.value.faults) == faults


def test_a_sound_workspace_has_no_faults() -> None:
    sound = Workspace(
        country="Korea",
        quiet_hours=quiet("21:00", "09:00"),
        sending_hours=sending("00:00", "24:00"),
        caps=[cap(0, "1d"), cap(2, "calendar week", channel="email", tag="news")],
        policy_packs=["KR", "KR"],
        holdout_percent=100.0,
    )
    assert workspace_faults(sound) == []
    compiled = compile_workspace(sound)
    assert (compiled.country, len(compiled.packs)) == ("KR", 1)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"pace": Pace(0, Duration(1))}, "$.steps[0].pace.at_most"),
        ({"pace": Pace(1, Duration(0))}, "$.steps[0].pace.per"),
        ({"expires_after": Duration(0)}, "$.steps[0].expires_after"),
        ({"sending_hours": sending("09:00", "09:00")}, "$.steps[0].sending_hours"),
        ({"sending_hours": sending("22:00", "23:00")}, "$.steps[0].sending_hours"),
        ({"sending_hours": sending("22:00", "23:00"), "priority": "high"}, None),
        ({"sending_hours": sending("20:00", "23:00")}, None),
        ({}, None),
    ],
)
def test_step_faults(fields: dict[str, Any], path: str | None) -> None:
    where = workspace(quiet_hours=quiet("21:00", "09:00"), sending_hours=sending("06:00", "23:30"))
    faults = step_faults(message(**fields), "marketing", where, "$.steps[0]")
    assert [fault.path for fault in faults] == ([path] if path else [])


def test_packs_of_countries_where_customers_live_are_missed_when_off() -> None:
    assert packs_off(workspace(), ["US", "South Korea"]) == ["KR"]
    assert packs_off(workspace(policy_packs=["KR"]), ["KR"]) == []
    assert packs_off(workspace(), ["US"]) == []
