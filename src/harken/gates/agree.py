"""Gate 5: consent, per channel and purpose."""

from typing import Any

from harken.gates.base import Candidate, Verdict
from harken.gates.policy import CompiledWorkspace
from harken.people.consent import ALL, standing
from harken.people.profile import ConsentChange, Profile

IMPLIED = Verdict("pass", "consent", facts={"state": "implied"})
OPTED_IN = Verdict("pass", "consent", facts={"state": "opted_in"})


def consent(
    candidate: Candidate, profile: Profile, now: int, workspace: CompiledWorkspace
) -> Verdict:
    """Not opted out, and opted in where the workspace asks for that.

    Who gave an address (the gate before has seen it) and made no choice is `implied`.
    """
    choice = standing(profile, candidate.channel, candidate.purpose)
    state = choice.state if choice is not None else "implied"
    if state == "opted_in":
        return OPTED_IN
    if state == "opted_out":
        return Verdict("drop", "consent", "opted_out", facts=consent_facts(candidate, choice))
    if workspace.needs_opt_in[candidate.purpose]:
        facts = consent_facts(candidate, choice) | {"needs": "opted_in"}
        return Verdict("drop", "consent", "no_consent", facts=facts)
    return IMPLIED


def consent_facts(candidate: Candidate, choice: ConsentChange | None) -> dict[str, Any]:
    """The choice as facts of a verdict; without one, `implied`."""
    facts: dict[str, Any] = {"purpose": candidate.purpose, "channel": candidate.channel}
    if choice is None:
        return facts | {"state": "implied"}
    facts |= {"state": choice.state, "since": choice.at, "by": choice.by, "how": choice.how}
    return facts | ({"channel": ALL} if choice.channel == ALL else {})
