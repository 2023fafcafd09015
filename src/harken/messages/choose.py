"""Which wording a customer gets: a pure choice, made by the engine without touching a template."""

from collections.abc import Callable

from msgspec import Struct

from harken.ids import bucket
from harken.journeys.kinds import Message
from harken.people.profile import Profile, Trigger
from harken.segments.rules import Rule
from harken.segments.words import describe

Check = Callable[[Profile, Trigger | None, int], bool]
DEFAULT = "default"
BUCKETS = 10_000


class Choice(Struct, frozen=True):
    """The variant for a customer, and why in a sentence."""

    variant: str
    why: str


class Condition(Struct, frozen=True):
    """A variant with a rule."""

    variant: str
    check: Check
    said: str


class Share(Struct, frozen=True):
    """A variant of the A/B split: those with a bucket below `end` that no earlier one took."""

    variant: str
    end: int
    weight: float


class Chooser(Struct, frozen=True, kw_only=True):
    """Chooses among the variants of one message."""

    experiment: str
    """What the split is sticky to: journey and step, whatever the revision."""
    names: list[str]
    """Of the variants, in their order; the default is not among them."""
    conditions: list[Condition]
    shares: list[Share]

    def choose(
        self, profile: Profile, event: Trigger | None, now: int, test: str | None = None
    ) -> Choice:
        """The first variant whose rule holds, else the customer's of the split, else default.

        `test` names a variant to be seen in a preview or test send.
        """
        if test is not None and (test == DEFAULT or test in self.names):
            return Choice(test, f"{test} was asked for in a test")
        for condition in self.conditions:
            if condition.check(profile, event, now):
                return Choice(condition.variant, f"{condition.variant}: {condition.said}")
        if self.shares:
            place = bucket(profile.id, self.experiment)
            for share in self.shares:
                if place < share.end:
                    why = f"the A/B split gives {share.variant} to {share.weight:g} % of customers"
                    return Choice(share.variant, f"{why}, this one among them")
            return Choice(DEFAULT, "the A/B split leaves the default to this customer")
        if self.conditions:
            return Choice(DEFAULT, "no variant's rule holds for this customer")
        return Choice(DEFAULT, "the message has no variants")


def compile_choice(step: Message, journey: str, compile_rule: Callable[[Rule], Check]) -> Chooser:
    """The chooser of a message step."""
    names = [variant.name or f"variant-{place + 1}" for place, variant in enumerate(step.variants)]
    conditions: list[Condition] = []
    shares: list[Share] = []
    taken = 0.0
    for name, variant in zip(names, step.variants, strict=True):
        if variant.when is not None:
            said = f"its rule holds ({describe(variant.when)})"
            conditions.append(Condition(name, compile_rule(variant.when), said))
        elif variant.weight is not None:
            taken += variant.weight
            shares.append(Share(name, round(taken * BUCKETS / 100), variant.weight))
    return Chooser(
        experiment=f"{journey}/{step.message}", names=names, conditions=conditions, shares=shares
    )


def total_weight(step: Message) -> float:
    """Percent that the A/B split gives away; the default gets the rest."""
    return sum(one.weight for one in step.variants if one.when is None and one.weight is not None)
