"""What an experiment has shown: rates with their intervals, and whether it is enough to decide."""

from msgspec import Struct

from harken.clock import iso
from harken.inputs import Allocation
from harken.journeys.experiments import CONTROL
from harken.reports import rates
from harken.reports.experiments import Counted, Counts, Kind, Measure
from harken.values import Duration

FEWEST = 100
"""Runs of each arm below which nothing is said to be shown."""
MISMATCH = 0.001
"""How improbable the arms' sizes must be for the shares to count as not kept."""
OFTEN = 1.2
"""Runs a customer above which the intervals are narrower than they should be."""
LEVEL = rates.LEVEL


class Estimate(Struct, kw_only=True):
    """A number, and between what the true one lies with 95 %."""

    value: float
    low: float
    high: float


class Arm(Struct, kw_only=True):
    """One arm: sent, held, dropped and control add up to what was considered."""

    name: str
    share: float | None
    """Percent of new customers who come into it at present; null of the control group."""
    assigned: int
    considered: int
    sent: int
    held: int
    dropped: dict[str, int]
    control: int
    runs: int
    customers: int
    converted: int
    open: int
    """Runs that have not converted but still have time to."""
    rate: Estimate | None
    difference: Estimate | None
    """From the rate of `compared_with`; null of that arm itself."""
    ratio: Estimate | None
    best: float | None
    """How probable it is that its true rate is the highest; null of a control group beside several
    arms."""


class Mismatch(Struct, kw_only=True):
    """Whether the arms got the customers that the shares would have given them."""

    expected: dict[str, float]
    chi_square: float
    probability: float
    """How probable sizes as far off are, when all is well."""
    found: bool


class Allotted(Struct, kw_only=True):
    """How new customers are shared out, where that moves."""

    how: str
    at: str
    shares: dict[str, float]
    measured: dict[str, list[int]]
    """By arm: runs whose time to convert was over, and how many of them had."""
    winner: str
    because: str
    chance: float


class Experiment(Struct, kw_only=True):
    """An experiment and what it has shown."""

    name: str
    kind: Kind
    measure: Measure
    within: str
    started_at: str | None
    compared_with: str
    arms: list[Arm]
    mismatch: Mismatch | None
    allocation: Allotted | None
    decided: bool
    """Whether it is enough to decide."""
    verdict: str
    """The same as a sentence."""


def experiment(
    counted: Counted, allocation: Allocation | None, shares: dict[str, float]
) -> Experiment:
    """The report of an experiment; `shares` are what its arms get at present, in percent."""
    base = counted.arms[0]
    chances = _chances(counted)
    mismatch = _mismatch(counted)
    decided, verdict = _verdict(counted, base, mismatch, allocation)
    return Experiment(
        name=counted.name,
        kind=counted.kind,
        measure=counted.measure,
        within=str(Duration(counted.within)),
        started_at=iso(counted.started_at) if counted.started_at else None,
        compared_with=base.arm,
        arms=[_arm(one, base, chances, shares) for one in counted.arms],
        mismatch=mismatch,
        allocation=_allotted(allocation),
        decided=decided,
        verdict=verdict,
    )


def contenders(counted: Counted) -> list[Counts]:
    """The arms of which one may win: all but the control group, unless there is but one other."""
    arms = [one for one in counted.arms if one.arm != CONTROL]
    return arms if len(arms) > 1 else counted.arms


def _arm(one: Counts, base: Counts, chances: dict[str, float], shares: dict[str, float]) -> Arm:
    both = (one.converted, one.runs, base.converted, base.runs)
    compare = one is not base and one.runs > 0 and base.runs > 0
    return Arm(
        name=one.arm,
        share=shares.get(one.arm),
        assigned=one.assigned,
        considered=one.considered,
        sent=one.sent,
        held=one.held,
        dropped=one.dropped,
        control=one.control,
        runs=one.runs,
        customers=one.customers,
        converted=one.converted,
        open=one.runs - one.measured - (one.converted - one.measured_converted),
        rate=_estimate(rates.wilson(one.converted, one.runs)) if one.runs else None,
        difference=_estimate(rates.difference(*both)) if compare else None,
        ratio=_estimate(rates.ratio(*both)) if compare else None,
        best=chances.get(one.arm),
    )


def _estimate(found: rates.Interval | None) -> Estimate | None:
    return Estimate(value=found.value, low=found.low, high=found.high) if found else None


def _chances(counted: Counted) -> dict[str, float]:
    arms = contenders(counted)
    if len(arms) < 2 or not any(one.runs for one in arms):
        return {}
    found = rates.best([(one.runs, one.converted) for one in arms])
    return {one.arm: chance for one, chance in zip(arms, found, strict=True)}


def _mismatch(counted: Counted) -> Mismatch | None:
    """Of the arms that the shares name; too few customers tell nothing."""
    arms = [one for one in counted.arms if counted.expected.get(one.arm)]
    expected = [counted.expected[one.arm] for one in arms]
    if len(arms) < 2 or min(expected) < 5:
        return None
    found, probability = rates.chi_square([one.assigned for one in arms], expected)
    return Mismatch(
        expected={one.arm: round(wanted, 1) for one, wanted in zip(arms, expected, strict=True)},
        chi_square=found,
        probability=probability,
        found=probability < MISMATCH,
    )


def _allotted(allocation: Allocation | None) -> Allotted | None:
    if allocation is None:
        return None
    return Allotted(
        how=allocation.how,
        at=iso(allocation.at),
        shares=allocation.shares,
        measured=allocation.measured,
        winner=allocation.winner,
        because=allocation.because,
        chance=allocation.chance,
    )


def _verdict(
    counted: Counted, base: Counts, mismatch: Mismatch | None, allocation: Allocation | None
) -> tuple[bool, str]:
    """Whether it is enough to decide, and why in a sentence."""
    if mismatch is not None and mismatch.found:
        sizes = ", ".join(
            f"{one.arm} {one.assigned} instead of {mismatch.expected[one.arm]:.0f}"
            for one in counted.arms
            if one.arm in mismatch.expected
        )
        return False, (
            f"The arms did not get the customers that they should have ({sizes}): something other"
            " than chance decides who is in which, so the rates must not be compared."
        )
    others = [one for one in counted.arms if one is not base]
    fewest = min(counted.arms, key=lambda one: one.runs)
    if not others:
        return False, "There is nothing to compare with yet."
    if counted.measure != "goal" and base.arm == CONTROL:
        return False, (
            f"A control group has nothing that could be {counted.measure}; give the journey a"
            " `goal` to compare with it."
        )
    if fewest.runs < FEWEST and allocation is not None and allocation.because == "evidence":
        return True, (
            f"Enough to decide for {allocation.winner}, by the evidence that was asked for; too few"
            f" yet to say by how much: {fewest.arm} has {fewest.runs} runs of {FEWEST}."
        )
    if fewest.runs < FEWEST:
        return False, (
            f"Too few yet: {fewest.arm} has {fewest.runs} runs, and each arm needs at least"
            f" {FEWEST}."
        )
    one = max(others, key=lambda arm: arm.converted / arm.runs)
    # So many comparisons, so much less may each go wrong.
    level = 1 - (1 - LEVEL) / len(others)
    found = rates.difference(one.converted, one.runs, base.converted, base.runs, level)
    spread = f"{_points(found.low)} to {_points(found.high)} points"
    pair = f"{_percent(one)} of {one.arm} converted, {_percent(base)} of {base.arm}"
    if found.low > 0 or found.high < 0:
        better = one if found.low > 0 else base
        return True, f"Enough to decide for {better.arm}: {pair} ({spread}).{_caution(counted)}"
    needed = ""
    if one.converted * base.runs != base.converted * one.runs:
        more = rates.runs_needed(one.converted / one.runs, base.converted / base.runs)
        needed = f" About {more:,} runs an arm would show a difference of this size."
    return False, f"Not enough to decide: {pair} ({spread}).{needed}{_caution(counted)}"


def _caution(counted: Counted) -> str:
    runs = sum(one.runs for one in counted.arms)
    customers = sum(one.customers for one in counted.arms)
    if runs <= OFTEN * customers:
        return ""
    return f" Customers entered {runs / customers:.1f} times each, so it is less sure than that."


def _percent(one: Counts) -> str:
    return f"{100 * one.converted / one.runs:.1f} %"


def _points(part: float) -> str:
    return f"{100 * part:+.1f}"
