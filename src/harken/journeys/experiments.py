"""Into which arm of an experiment a customer comes: drawn from who they are, so it is repeatable.

A customer's bucket is a number from 0 to 9999 that is the same each time; the arms share those
numbers out. Where shares move (`Experiment.moves`) the customer's document remembers the arm that
they came into, so that a later share moves nobody.
"""

from typing import Literal

from msgspec import Struct

from harken.ids import bucket
from harken.inputs import Allocation
from harken.journeys.kinds import Experiment, Message, Split, Step, walk
from harken.people.profile import Assigned, Profile

BUCKETS = 10_000
CONTROL = "control group"
"""What those from whom something is held back are called among the arms: no arm's own name."""
TREATED = "treated"
"""The others, where a whole journey is held back from some."""
DEFAULT = "default"
LEAST = 0.000_001
"""Percent: less is what adding decimal fractions leaves over."""

Weights = dict[str, float]
"""By arm, in their order: percent of those who are not in the control group."""


class Trial(Struct, frozen=True):
    """An experiment as a journey has it: a split, or a message whose variants have weights."""

    journey: str
    step: Message | Split
    weights: Weights

    @property
    def name(self) -> str:
        return self.step.message if isinstance(self.step, Message) else self.step.split

    @property
    def key(self) -> str:
        """What it is sticky to: journey and step, whatever the revision."""
        return f"{self.journey}/{self.name}"

    @property
    def moves(self) -> bool:
        return self.step.experiment is not None and self.step.experiment.moves


def trials(journey: str, steps: list[Step]) -> list[Trial]:
    """The experiments of a journey, in the order of its steps."""
    return [
        Trial(journey, step, weights)
        for _, step in walk(steps)
        if isinstance(step, Message | Split) and (weights := weights_of(step))
    ]


def weights_of(step: Message | Split) -> Weights:
    """The arms as written; of a message, the default gets what its variants leave over."""
    if isinstance(step, Split):
        return {arm.name: arm.weight for arm in step.arms}
    weights: Weights = {
        name: variant.weight
        for name, variant in zip(variant_names(step), step.variants, strict=True)
        if variant.when is None and variant.weight is not None
    }
    left = 100 - sum(weights.values())
    return weights | {DEFAULT: left} if weights and left > LEAST else weights


def variant_names(step: Message) -> list[str]:
    """How reports call its variants; the default is not among them."""
    return [variant.name or f"variant-{place + 1}" for place, variant in enumerate(step.variants)]


class Drawn(Struct, frozen=True):
    """The arm, and why."""

    arm: str
    shares: Weights
    """Percent that each arm gets of those who come now, the control group's among them."""
    how: Literal["weights", "thompson", "winner", "kept"]

    def facts(self) -> dict[str, object]:
        """What a decision keeps of it."""
        return {"arm": self.arm, "shares": self.shares, "how": self.how}

    def said(self) -> str:
        """Who comes into this arm, in words."""
        share = f"{self.shares[self.arm]:.3g} %"
        match self.how:
            case "weights":
                return f"{share} of customers"
            case "thompson":
                return f"{share} of new customers at that time, by what was measured"
            case "winner":
                return "the winner, which all new customers get"
            case "kept":
                return "where they have been since they first came"


def draw(
    profile: Profile,
    key: str,
    weights: Weights,
    experiment: Experiment | None = None,
    allocation: Allocation | None = None,
    control: float = 0.0,
) -> Drawn:
    """The arm of a customer in the experiment `key`; `control` is the control group's percent."""
    place = bucket(profile.id, key)
    if place < control * 100:
        return Drawn(CONTROL, _of_all(weights, control), "weights")
    if experiment is None or not experiment.moves:
        return Drawn(_arm_at(place, weights, control), _of_all(weights, control), "weights")
    kept = profile.assigned.get(key)
    if kept is not None and kept.arm in weights:
        return Drawn(kept.arm, _of_all(weights, control), "kept")
    shares, how = in_force(weights, allocation)
    return Drawn(_arm_at(place, shares, control), _of_all(shares, control), how)


def in_force(
    weights: Weights, allocation: Allocation | None
) -> tuple[Weights, Literal["weights", "thompson", "winner"]]:
    """The shares that hold now: those written, until others were worked out for these arms."""
    if allocation is None or allocation.shares.keys() != weights.keys():
        return weights, "weights"
    return {arm: allocation.shares[arm] for arm in weights}, allocation.how


def remember(
    profile: Profile, key: str, drawn: Drawn, experiment: Experiment | None, now: int
) -> None:
    """Keep the customer in the arm that they came into, where shares may move."""
    moves = experiment is not None and experiment.moves
    if moves and drawn.how != "kept" and drawn.arm != CONTROL:
        profile.assigned[key] = Assigned(drawn.arm, now)


def _arm_at(place: int, shares: Weights, control: float) -> str:
    taken, start = 0.0, control * BUCKETS / 100
    for arm, share in shares.items():
        taken += share
        if place < round(start + taken * (BUCKETS - start) / 100):
            return arm
    return next(reversed(shares))


def _of_all(shares: Weights, control: float) -> Weights:
    if not control:
        return shares
    return {CONTROL: control} | {arm: one * (100 - control) / 100 for arm, one in shares.items()}
