"""How new customers are shared out: by what was measured, and never by noise."""

import random
from typing import Any

import pytest

from harken.inputs import Allocation
from harken.journeys.experiments import Trial
from harken.journeys.kinds import Experiment, Split, SplitArm, Winner
from harken.loops.allocating import FLOOR, floored, needed, share_out
from harken.reports.experiments import Counted, Counts
from harken.values import Name

NOW = 1_772_445_600_000


def trial(*names: str) -> Trial:
    arms = [SplitArm(name=Name(name), weight=100 / len(names)) for name in names]
    step = Split(split=Name("greeting"), arms=arms)
    return Trial("cart", step, {arm.name: arm.weight for arm in arms})


def counted(**measured: tuple[int, int]) -> Counted:
    return Counted(
        name="greeting",
        kind="split",
        measure="goal",
        within=0,
        arms=[
            Counts(arm=arm, measured=runs, measured_converted=hits)
            for arm, (runs, hits) in measured.items()
        ],
        expected={},
        started_at=1,
    )


def shared(
    experiment: Experiment,
    last: Allocation | None = None,
    ends: int = 0,
    **measured: tuple[int, int],
) -> Allocation:
    return share_out(trial(*measured), experiment, counted(**measured), last, ends, NOW)


THOMPSON = Experiment(allocation="thompson")


@pytest.mark.parametrize(
    ("measured", "how", "shares"),
    [
        # Too few in one arm: as written.
        ({"a": (99, 0), "b": (1000, 900)}, "weights", {"a": 50, "b": 50}),
        ({"a": (100, 10), "b": (100, 10)}, "thompson", {"a": 50, "b": 50}),
        # Nobody is ever shut out.
        ({"a": (1000, 10), "b": (1000, 500)}, "thompson", {"a": 5, "b": 95}),
        ({"a": (100, 10), "b": (100, 15)}, "thompson", {"a": 18.2, "b": 81.8}),
        (
            {"a": (1000, 500), "b": (1000, 10), "c": (1000, 10)},
            "thompson",
            {"a": 90, "b": 5, "c": 5},
        ),
    ],
)
def test_shares_follow_how_probable_an_arm_is_to_be_best(
    measured: dict[str, tuple[int, int]], how: str, shares: dict[str, float]
) -> None:
    found = shared(THOMPSON, **measured)
    assert found.how == how
    assert found.shares == pytest.approx(shares, abs=0.15)
    assert found.measured == {arm: list(one) for arm, one in measured.items()}
    assert sum(found.shares.values()) == pytest.approx(100, abs=0.05)


def test_many_arms_keep_room_to_move() -> None:
    found = floored({f"arm-{place}": 1.0 if place == 0 else 0.0 for place in range(20)})
    assert min(found.values()) == 2.5 < FLOOR
    assert found["arm-0"] == 52.5


@pytest.mark.parametrize(
    ("winner", "ends", "measured", "expected"),
    [
        ({"evidence": 0.95}, 0, {"a": (1000, 100), "b": (1000, 150)}, ("b", "evidence")),
        ({"evidence": 0.95}, 0, {"a": (1000, 100), "b": (1000, 120)}, ("", "")),
        # Sure enough, but not of enough.
        ({"evidence": 0.95}, 0, {"a": (50, 0), "b": (50, 40)}, ("", "")),
        ({}, NOW, {"a": (1000, 100), "b": (1000, 101)}, ("b", "time")),
        ({}, NOW + 1, {"a": (1000, 100), "b": (1000, 400)}, ("", "")),
        # A set time does not make up for runs that are missing.
        ({}, NOW, {"a": (1000, 100), "b": (99, 40)}, ("", "")),
        ({"evidence": 0.95}, NOW, {"a": (1000, 100), "b": (1000, 150)}, ("b", "evidence")),
        ({"evidence": 0.95}, NOW, {"a": (1000, 110), "b": (1000, 100)}, ("a", "time")),
    ],
)
@pytest.mark.parametrize("allocation", ["fixed", "thompson"])
def test_a_winner(
    allocation: Any,
    winner: dict[str, float],
    ends: int,
    measured: dict[str, tuple[int, int]],
    expected: tuple[str, str],
) -> None:
    found = shared(
        Experiment(allocation=allocation, winner=Winner(**winner)),  # type: ignore[arg-type]
        ends=ends,
        **measured,
    )
    assert (found.winner, found.because) == expected
    if found.winner:
        assert found.shares == {arm: 100.0 * (arm == found.winner) for arm in measured}
        assert found.chance > 0.5


def test_a_look_is_taken_only_when_runs_have_doubled() -> None:
    rules = Experiment(winner=Winner(evidence=0.95))
    first = shared(rules, a=(100, 10), b=(100, 10))
    assert (first.looks, first.looked_at) == (1, 100)
    # By now b is well ahead, but this is no time to look.
    again = shared(rules, first, a=(199, 10), b=(199, 60))
    assert (again.looks, again.looked_at, again.winner) == (1, 100, "")
    then = shared(rules, again, a=(200, 10), b=(200, 60))
    assert then.winner == "b"


def test_what_all_looks_may_do_wrong_adds_up_to_what_was_asked() -> None:
    total = sum(2 * (1 - needed(0.95, 2, look)) for look in range(1, 10_000))
    assert total == pytest.approx(0.05, abs=0.0001)


def test_equal_arms_seldom_have_a_winner_however_long_it_is_looked() -> None:
    """200 experiments of two equal arms, looked at after each 50 runs an arm up to 3,200."""
    chance, rules = random.Random(7), Experiment(winner=Winner(evidence=0.95))
    wrong = 0
    for _ in range(200):
        hits, last = [0, 0], None
        for runs in range(50, 3_201, 50):
            for arm in (0, 1):
                hits[arm] += sum(chance.random() < 0.1 for _ in range(50))
            if runs < 100 or (last is not None and runs < 2 * last.looked_at):
                continue
            last = shared(rules, last, a=(runs, hits[0]), b=(runs, hits[1]))
            if last.winner:
                wrong += 1
                break
    assert wrong <= 0.05 * 200
