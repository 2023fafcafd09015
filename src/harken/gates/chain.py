"""A chain of channels: the first that is open to the customer is taken."""

from collections.abc import Sequence
from typing import Any

from harken.gates.agree import consent
from harken.gates.base import Candidate
from harken.gates.policy import CompiledWorkspace
from harken.gates.reach import reachable
from harken.people.profile import Profile


def first_open(
    candidates: Sequence[Candidate], profile: Profile, now: int, workspace: CompiledWorkspace
) -> tuple[Candidate, list[dict[str, Any]]]:
    """The message by the first channel with an address and consent, and the channels before it.

    `candidates` are the same message, one for each channel. Each that is passed over is told as
    `{"channel", "reason", "facts"}`. When none is open it is the last: its own gates say why not.
    """
    over: list[dict[str, Any]] = []
    for candidate in candidates:
        said = (gate(candidate, profile, now, workspace) for gate in (reachable, consent))
        no = next((verdict for verdict in said if verdict.outcome != "pass"), None)
        if no is None:
            return candidate, over
        over.append({"channel": candidate.channel, "reason": no.reason, "facts": no.facts})
    return candidates[-1], over[:-1]
