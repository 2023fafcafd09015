"""Gate 4: is there an address, can it be one, and has it not been found dead."""

from typing import Any

from harken.channels.table import PULLED
from harken.gates.base import Candidate, Verdict
from harken.gates.policy import CompiledWorkspace
from harken.people.address import LONGEST, form_problem, found_dead
from harken.people.profile import Profile

REACHABLE = Verdict("pass", "reachable")


def reachable(
    candidate: Candidate, profile: Profile, now: int, workspace: CompiledWorkspace
) -> Verdict:
    """There is an address that can be one, and nothing says that it is dead."""
    address = candidate.address
    if not address:
        if candidate.channel in PULLED:
            return REACHABLE
        return Verdict("drop", "reachable", "no_address", facts={"channel": candidate.channel})
    problem = form_problem(candidate.channel, address)
    if problem:
        shown = {"address": address[:LONGEST], "problem": problem}
        return Verdict("drop", "reachable", "bad_address", facts=shown)
    dead = found_dead(profile, candidate.channel, address)
    if dead is not None:
        facts: dict[str, Any] = {"why": dead.why, "since": dead.at, "detail": dead.detail}
        return Verdict("drop", "reachable", "unreachable", facts=facts)
    return REACHABLE
