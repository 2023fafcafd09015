"""All gates in their order, and when a held message is to ask again."""

from collections.abc import Callable, Sequence
from typing import Any

from harken.gates.agree import consent
from harken.gates.base import Candidate, Verdict
from harken.gates.caps import caps_for, free_from, frequency_cap, sends_for
from harken.gates.hours import all_open
from harken.gates.law import pack_for, policy_pack
from harken.gates.pace import pace
from harken.gates.policy import CompiledWorkspace
from harken.gates.quiet import hours_rules, quiet_hours
from harken.gates.reach import reachable
from harken.gates.who import audience, holdout, journey_live, past_its_time
from harken.people.place import zone_of
from harken.people.profile import Profile

Gate = Callable[[Candidate, Profile, int, CompiledWorkspace], Verdict]

NO = frozenset({"hold", "drop"})

# Hours and caps agree at once unless messages are dated in the future.
_TURNS = 100

GATES: tuple[Gate, ...] = (
    journey_live,
    audience,
    holdout,
    reachable,
    consent,
    policy_pack,
    quiet_hours,
    frequency_cap,
    pace,
)


def check(
    candidate: Candidate, profile: Profile, now: int, workspace: CompiledWorkspace
) -> list[Verdict]:
    """What each gate said, in order, up to the first that said no. `decision` sums it up."""
    verdicts: list[Verdict] = []
    for gate in GATES:
        verdict = gate(candidate, profile, now, workspace)
        if verdict.outcome in NO:
            if verdict.outcome == "hold" and not verdict.until:
                verdict = _held(verdict, candidate, profile, now, workspace)
            return [*verdicts, verdict]
        verdicts.append(verdict)
    return verdicts


def decision(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict that decides: the no, else the control group's, else the last gate's pass."""
    last = verdicts[-1]
    # Not `next(...)`, here and below: every message asks this, and a generator takes longer.
    for verdict in verdicts if last.outcome not in NO else ():
        if verdict.outcome == "control":
            return verdict
    return last


def demands(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """What the law wants the message to show, for `Outgoing.context["demands"]`."""
    for verdict in verdicts:
        if "demands" in verdict.facts:
            found: dict[str, Any] = verdict.facts["demands"]
            return found
    return {}


def open_from(
    candidate: Candidate, profile: Profile, at: int, workspace: CompiledWorkspace
) -> int | None:
    """The first instant from `at` on that law, hours and (where they hold) caps leave open.

    Rules that drop have no say in it: what they do is found when the time has come.
    """
    zone = zone_of(profile, workspace.zone)
    at = max(at, candidate.starts_at)
    rules = [rule.hours for rule in hours_rules(candidate, workspace) if rule.hold]
    pack = pack_for(candidate, profile, workspace)
    lawful = pack.hours(candidate, profile, at) if pack is not None else None
    if lawful is not None:
        rules.append(lawful)
    holds = candidate.step.when_capped == "hold"
    caps = caps_for(candidate, profile, workspace) if holds else []
    sends = sends_for(candidate, profile, workspace) if caps else []
    for _ in range(_TURNS):
        free = free_from(caps, sends, zone, at)
        opening = all_open(rules, zone, free) if free is not None else None
        if opening is None or opening == free:
            return opening
        at = opening
    return None


def _held(
    verdict: Verdict,
    candidate: Candidate,
    profile: Profile,
    now: int,
    workspace: CompiledWorkspace,
) -> Verdict:
    """The hold with its time, or a drop when that never comes or comes too late."""
    gate, reason = verdict.gate, verdict.reason
    until = open_from(candidate, profile, now, workspace)
    if until is None:
        return Verdict("drop", gate, reason, facts=verdict.facts | {"never": True})
    late = past_its_time(candidate, until)
    if late is not None:
        facts = verdict.facts | late[1] | {"held_by": reason, "until": until}
        return Verdict("drop", gate, late[0], facts=facts)
    return Verdict("hold", gate, reason, until, verdict.facts)
