"""Which wording a customer gets: a pure choice, made by the engine without touching a template."""

from collections.abc import Callable

from msgspec import Struct

from harken.inputs import Allocation
from harken.journeys.experiments import DEFAULT, Drawn, Weights, draw, variant_names, weights_of
from harken.journeys.kinds import Experiment, Message
from harken.people.profile import Profile, Trigger
from harken.segments.rules import Rule
from harken.segments.words import describe

Check = Callable[[Profile, Trigger | None, int], bool]


class Choice(Struct, frozen=True):
    """The variant for a customer, and why in a sentence: empty when there was nothing to choose."""

    variant: str
    why: str
    drawn: Drawn | None = None
    """How it was found, when no rule decided but the A/B split."""


class Condition(Struct, frozen=True):
    """A variant with a rule."""

    variant: str
    check: Check
    said: str


class Chooser(Struct, frozen=True, kw_only=True):
    """Chooses among the variants of one message."""

    key: str
    """What the split is sticky to: journey and step, whatever the revision."""
    experiment: Experiment | None
    names: list[str]
    """Of the variants, in their order; the default is not among them."""
    conditions: list[Condition]
    weights: Weights
    """Of the A/B split, the default's among them; empty when there is none."""

    def choose(
        self,
        profile: Profile,
        event: Trigger | None,
        now: int,
        test: str | None = None,
        allocation: Allocation | None = None,
    ) -> Choice:
        """The first variant whose rule holds, else the customer's of the split, else default.

        `test` names a variant to be seen in a preview or test send; `allocation` is how the
        experiment shares out new customers at present.
        """
        if test is not None and (test == DEFAULT or test in self.names):
            return Choice(test, f"{test} was asked for in a test")
        for condition in self.conditions:
            if condition.check(profile, event, now):
                return Choice(condition.variant, f"{condition.variant}: {condition.said}")
        if self.weights:
            drawn = draw(profile, self.key, self.weights, self.experiment, allocation)
            return Choice(drawn.arm, f"the A/B split gave {drawn.arm}: {drawn.said()}", drawn)
        if self.conditions:
            return Choice(DEFAULT, "no variant's rule holds for this customer")
        return Choice(DEFAULT, "")


def compile_choice(step: Message, journey: str, compile_rule: Callable[[Rule], Check]) -> Chooser:
    """The chooser of a message step."""
    names = variant_names(step)
    conditions: list[Condition] = []
    for name, variant in zip(names, step.variants, strict=True):
        if variant.when is not None:
            said = f"its rule holds ({describe(variant.when)})"
            conditions.append(Condition(name, compile_rule(variant.when), said))
    return Chooser(
        key=f"{journey}/{step.message}",
        experiment=step.experiment,
        names=names,
        conditions=conditions,
        weights=weights_of(step),
    )


def total_weight(step: Message) -> float:
    """Percent that the A/B split gives away; the default gets the rest."""
    return sum(one.weight for one in step.variants if one.when is None and one.weight is not None)
