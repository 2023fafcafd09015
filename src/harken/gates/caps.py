"""Gate 8: how many messages a customer gets in so long."""

from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

from harken.gates.arbitration import (
    ahead,
    decided_at,
    may_leave,
    names,
    names_of_rivals,
    own_bid,
    takes_part,
)
from harken.gates.base import Candidate, Verdict
from harken.gates.hours import local_span
from harken.gates.policy import CompiledCap, CompiledWorkspace
from harken.gates.who import holdout
from harken.people.place import zone_of
from harken.people.profile import Profile, Send

GATE = "frequency_cap"
FREE = Verdict("pass", GATE)
# A rule's own slots free up one after the other; this many turns are only needed by nonsense.
_TURNS = 1_000


def frequency_cap(
    candidate: Candidate, profile: Profile, now: int, workspace: CompiledWorkspace
) -> Verdict:
    """Every rule that names this message must have a slot left."""
    caps = caps_for(candidate, profile, workspace) if workspace.caps else []
    if not caps:
        return FREE
    zone = zone_of(profile, workspace.zone)
    sends = sends_for(candidate, profile, workspace)
    bid = own_bid(candidate)
    capped = _capped(candidate, caps, sends, zone, now, bid.at if bid else None)
    if capped is not None or not takes_part(candidate, workspace):
        return capped or FREE
    until = decided_at(candidate, profile, now, workspace)
    if until <= now:
        return FREE
    if may_leave(candidate, profile, until, workspace):
        facts = {"cap": _written(caps[0]), "rivals": names_of_rivals(candidate, profile, workspace)}
        return Verdict("hold", GATE, "arbitration", until, facts)
    # It goes at once rather than miss its time, but not in the place of a better one that waits.
    waiting = ahead(candidate, profile, now, workspace)
    return _capped(candidate, caps, [*sends, *waiting], zone, now, now) or FREE


def _capped(
    candidate: Candidate,
    caps: list[CompiledCap],
    sends: list[Send],
    zone: ZoneInfo,
    now: int,
    since: int | None,
) -> Verdict | None:
    """The refusal by the first rule without a free slot; names what took slots `since` a time."""
    for cap in caps:
        used = _used(cap, sends, zone, now)
        if len(used) >= cap.at_most:
            facts: dict[str, Any] = {
                "cap": _written(cap),
                "sent": [[send.id, send.at] for send in used[-max(cap.at_most, 1) :]],
            }
            if any(send.control for send in used):
                facts["control"] = True
            if since is not None and (won := [send for send in used if send.at >= since]):
                facts["won"] = [
                    {"journey": send.journey, "step": send.step, "message": send.id} for send in won
                ]
            holds = candidate.step.when_capped == "hold"
            return Verdict("hold" if holds else "drop", GATE, "frequency_cap", facts=facts)
    return None


def _written(cap: CompiledCap) -> dict[str, Any]:
    return {
        "channel": cap.channel,
        "tag": cap.tag,
        "at_most": cap.at_most,
        "per": cap.written,
    }


def caps_for(
    candidate: Candidate, profile: Profile, workspace: CompiledWorkspace
) -> list[CompiledCap]:
    """The rules that bind this message: none, once it has its slot or when it has priority."""
    if candidate.step.priority == "high":
        return []
    caps = [cap for cap in workspace.caps if names(cap, candidate.channel, candidate.tags)]
    # A retry keeps the slot that it took, even where others have filled the rest since.
    if caps and any(send.id == candidate.message_id for send in profile.sends):
        return []
    return caps


def sends_for(candidate: Candidate, profile: Profile, workspace: CompiledWorkspace) -> list[Send]:
    """What may fill the rules for this message.

    What a member of a control group would have been sent keeps back only what else they would
    have been sent: then as many are left out of both groups, and no real message is lost to one
    that never was.
    """
    if not any(send.control for send in profile.sends):
        return profile.sends
    if holdout(candidate, profile, 0, workspace).outcome == "control":
        return profile.sends
    return [send for send in profile.sends if not send.control]


def free_from(
    caps: Iterable[CompiledCap], sends: list[Send], zone: ZoneInfo, at: int
) -> int | None:
    """The first instant from `at` on at which every rule has a free slot, or None."""
    rules = list(caps)
    for _ in range(_TURNS):
        start = at
        for cap in rules:
            slot = _slot(cap, sends, zone, at)
            if slot is None:
                return None
            at = slot
        if at == start:
            return at
    return None


def _slot(cap: CompiledCap, sends: list[Send], zone: ZoneInfo, at: int) -> int | None:
    if cap.at_most < 1:
        return None
    used = _used(cap, sends, zone, at)
    if len(used) < cap.at_most:
        return at
    if not cap.per:
        return local_span(zone, at, cap.week)[1]
    return used[len(used) - cap.at_most].at + cap.per


def _used(cap: CompiledCap, sends: list[Send], zone: ZoneInfo, at: int) -> list[Send]:
    """The messages that fill the rule's window as it stands at `at`, oldest first.

    A rolling window ends now and leaves out what is exactly its length old. Messages dated after
    `at` (a clock set back) fill it too: the next one must not slip in before them.
    """
    if cap.per:
        found = [send for send in sends if send.at > at - cap.per and _counts(cap, send)]
    else:
        start, end = local_span(zone, at, cap.week)
        found = [send for send in sends if start <= send.at < end and _counts(cap, send)]
    found.sort(key=lambda send: send.at)
    return found


def _counts(cap: CompiledCap, send: Send) -> bool:
    return send.counts and names(cap, send.channel, send.tags)
