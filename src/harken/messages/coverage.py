"""Which variants of a draft customers would get, and why the default: told when it is saved."""

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct, field

from harken.journeys.experiments import DEFAULT
from harken.messages.compile import CompiledMessage
from harken.messages.context import context_of
from harken.messages.evaluate import Aborted
from harken.messages.outside import Outside, Unasked
from harken.messages.render import render
from harken.people.profile import Profile, Trigger
from harken.workspace import Workspace


class Coverage(Struct, kw_only=True):
    """What an audience would be sent."""

    total: int = 0
    by_variant: dict[str, int] = field(default_factory=dict)
    """How many get each variant, `default` among them; the aborted are in none."""
    to_default: int = 0
    """How many of the default's were chosen for another variant, but lack data for it."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Why they fall to the default, and how many for each reason, the most frequent first."""
    aborted: dict[str, int] = field(default_factory=dict)
    """Who would get nothing, by reason."""

    @property
    def share_to_default(self) -> float:
        """The share of the audience that falls to the default, 0 to 1."""
        return self.to_default / self.total if self.total else 0.0


def coverage(
    message: CompiledMessage,
    audience: Iterable[tuple[Profile, Trigger | None]],
    workspace: Workspace,
    now: int,
    outside: Outside | None = None,
) -> Coverage:
    """Render the message for each customer of an audience (or a sample of it) and count.

    Customers for whom more would have to be fetched than a trial may are left out.
    """
    found = Coverage()
    variants: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    aborted: Counter[str] = Counter()
    for profile, trigger in audience:
        choice = message.chooser.choose(profile, trigger, now)
        try:
            rendered = render(
                message,
                choice.variant,
                context_of(profile, trigger, workspace, now),
                None,
                outside=outside,
            )
        except Unasked:
            continue
        except Aborted as abort:
            found.total += 1
            aborted[abort.reason] += 1
            continue
        found.total += 1
        variants[rendered.variant] += 1
        if rendered.variant == DEFAULT != choice.variant:
            found.to_default += 1
            reasons[rendered.why_variant] += 1
    found.by_variant = dict(variants)
    found.reasons = dict(reasons.most_common())
    found.aborted = dict(aborted.most_common())
    return found


def would_say(
    message: CompiledMessage,
    profile: Profile,
    trigger: Trigger | None,
    workspace: Workspace,
    now: int,
    outside: Outside | None = None,
) -> str | None:
    """The variant that a customer would be sent now; None of whom would be sent nothing.

    Where more would have to be fetched to know than a trial may, the one chosen for them.
    """
    choice = message.chooser.choose(profile, trigger, now)
    context = context_of(profile, trigger, workspace, now)
    try:
        return render(message, choice.variant, context, None, outside=outside).variant
    except Unasked:
        return choice.variant
    except Aborted:
        return None
