"""How new customers of experiments are to be shared out, from what history holds.

Worked out now and then beside the engine, and brought to it through the log, so that every replay
shares out the same customers in the same way (`inputs.Allocations`).

What it takes for true: an arm's rate is one number, so that what was measured last week speaks for
next week; runs are independent; and the time to convert is the same for every arm (only runs whose
time is over are counted, so that an arm with many new runs does not look worse than it is).
"""

from collections.abc import Mapping
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from harken.definitions import InForce
from harken.history.base import History
from harken.inputs import Allocation, Allocations
from harken.journeys.experiments import Trial, Weights, in_force
from harken.journeys.kinds import Experiment
from harken.reports.experiments import Counted, count_trial, questions_of
from harken.reports.rates import best
from harken.reports.trials import contenders
from harken.segments.sql_writing import Asked
from harken.values import Duration

FLOOR = 5.0
"""Percent that every arm keeps until there is a winner: who is never tried cannot show better."""
STEP = 0.5
"""Percent by which a share must move to be worth telling the engine."""


def allocate(definitions: InForce, history: History, now: int) -> Allocations | None:
    """The shares from now on; None when nothing has changed. Raises Unavailable without history."""
    before = definitions.allocations
    found: dict[str, Allocation] = {}
    for key, trial in definitions.trials.items():
        journey = definitions.journeys[trial.journey]
        experiment = trial.step.experiment
        if experiment is None or not experiment.moves or journey.archived:
            continue
        last = before.get(key)
        last = last if last and last.shares.keys() == trial.weights.keys() else None
        if last is not None and last.winner and experiment.winner is not None:
            found[key] = last
            continue
        asked = Asked(now=now, zone=definitions.zone, segments=definitions.known.segments)
        counted = count_trial(questions_of(history), journey.source, trial, asked)
        ends = _ends(experiment, counted, definitions.zone)
        found[key] = share_out(trial, experiment, counted, last, ends, now)
    return Allocations(found) if _differs(before, found) else None


def share_out(
    trial: Trial,
    experiment: Experiment,
    counted: Counted,
    last: Allocation | None,
    ends: int,
    now: int,
) -> Allocation:
    """The shares of one experiment, after what was counted of it. `ends` is the set time at which
    the arm that does best then wins, 0 for none."""
    known = {one.arm: [one.measured, one.measured_converted] for one in contenders(counted)}
    measured = {arm: known.get(arm, [0, 0]) for arm in trial.weights}
    looks, looked_at = (last.looks, last.looked_at) if last else (0, 0)
    fewest = min(runs for runs, _ in measured.values())
    made = Allocation(
        shares=trial.weights, at=now, measured=measured, looks=looks, looked_at=looked_at
    )
    if fewest < experiment.at_least:
        return made
    found = best([(runs, hits) for runs, hits in measured.values()])
    chances = dict(zip(measured, found, strict=True))
    evidence = experiment.winner.evidence if experiment.winner else None
    if evidence is not None and fewest >= 2 * looked_at:
        made = replace(made, looks=looks + 1, looked_at=fewest)
        if max(found) >= needed(evidence, len(found), made.looks):
            return _won(made, chances, "evidence")
    if 0 < ends <= now:
        return _won(made, chances, "time")
    if experiment.allocation == "thompson":
        return replace(made, shares=floored(chances), how="thompson")
    return made


def needed(evidence: float, arms: int, look: int) -> float:
    """How probably best an arm must be at the so manieth look, to be the winner.

    Who looks often enough finds a winner among equals. Each look may go wrong with a part of what
    the whole may: 1/2, 1/6, 1/12 ..., which add up to one (Bonferroni). A look is taken whenever
    the runs have doubled, so there are few.
    """
    return 1 - (1 - evidence) / (arms * look * (look + 1))


def floored(chances: Mapping[str, float]) -> Weights:
    """Each arm's share is how probable it is to be the best (Thompson, Biometrika 25 (1933)
    285-294), but none gets less than `FLOOR`."""
    floor = min(FLOOR, 50 / len(chances))
    rest = 100 - floor * len(chances)
    return {arm: round(floor + rest * chance, 2) for arm, chance in chances.items()}


def _ends(experiment: Experiment, counted: Counted, zone: ZoneInfo) -> int:
    at = experiment.winner.at if experiment.winner else None
    if isinstance(at, Duration):
        return counted.started_at + at if counted.started_at else 0
    return at.instant(zone) if at is not None else 0


def _won(
    made: Allocation, chances: Mapping[str, float], because: Literal["evidence", "time"]
) -> Allocation:
    winner = max(chances, key=lambda arm: chances[arm])
    return replace(
        made,
        shares={arm: 100.0 if arm == winner else 0.0 for arm in chances},
        how="winner",
        winner=winner,
        because=because,
        chance=chances[winner],
    )


def _differs(before: Mapping[str, Allocation], found: Mapping[str, Allocation]) -> bool:
    return before.keys() != found.keys() or any(
        _moved(before[key], one) for key, one in found.items()
    )


def _moved(before: Allocation, now: Allocation) -> bool:
    if (before.how, before.winner, before.looks) != (now.how, now.winner, now.looks):
        return True
    shares = in_force(before.shares, now)[0]
    return before.shares.keys() != now.shares.keys() or any(
        abs(shares[arm] - share) >= STEP for arm, share in before.shares.items()
    )
