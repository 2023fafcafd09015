"""Which of several messages gets the last slot of a cap, when they come within a short time.

A message that finds a slot does not take it at once: it waits for `arbitration`, and what it is
known by (its `Bid`) stands in its run. Those that come meanwhile and fall under a cap with it wait
until the same time. Then they are taken in the order of their ranks, each asking the gates anew:
the slots that are left go to the first of them, and the others are told who had them.
"""

from collections.abc import Iterable

from harken.channels.table import UNCOUNTED
from harken.gates.base import Candidate
from harken.gates.hours import next_open
from harken.gates.law import pack_for
from harken.gates.policy import CompiledCap, CompiledWorkspace
from harken.gates.quiet import hours_rules
from harken.gates.who import holdout, past_its_time
from harken.journeys.kinds import Message
from harken.people.place import zone_of
from harken.people.profile import Bid, Profile, Run, Send

RANKS = {"low": 25, "normal": 50, "high": 100}


def rank(step: Message) -> int:
    """How important a message is: the greater goes first."""
    return RANKS[step.priority] if isinstance(step.priority, str) else step.priority


def names(cap: CompiledCap, channel: str, tags: list[str]) -> bool:
    """Whether a rule is about messages of this channel with these tags."""
    if cap.channel is None:
        if channel in UNCOUNTED:
            return False
    elif cap.channel != channel:
        return False
    return cap.tag is None or cap.tag in tags


def takes_part(candidate: Candidate, workspace: CompiledWorkspace) -> bool:
    """Whether a message that falls under a cap has to wait for others: not what is owed to the
    customer, nor what takes no slot. What has priority falls under no cap."""
    marketing = candidate.purpose == "marketing"
    return bool(workspace.arbitration) and marketing and candidate.step.counts


def own_bid(candidate: Candidate) -> Bid | None:
    """What the message is known by, when it waits or has waited."""
    bid = candidate.run.bid
    return bid if bid is not None and bid.message == candidate.message_id else None


def decided_at(
    candidate: Candidate, profile: Profile, now: int, workspace: CompiledWorkspace
) -> int:
    """When it is decided who gets the slot: the time of those that wait already, if any do.

    `now` or earlier when it has waited.
    """
    bid = own_bid(candidate)
    if bid is not None:
        return bid.until
    times = [other.until for _, other in _rivals(candidate, profile, workspace)]
    return min((at for at in times if at > now), default=now + workspace.arbitration)


def bid_of(
    candidate: Candidate, profile: Profile, now: int, until: int, workspace: CompiledWorkspace
) -> Bid:
    """What the message is known by while it waits."""
    return Bid(
        message=candidate.message_id,
        step=candidate.step.message,
        channel=candidate.channel,
        tags=candidate.tags,
        rank=rank(candidate.step),
        at=now,
        until=until,
        control=_is_control(candidate, profile, workspace),
    )


def may_leave(
    candidate: Candidate, profile: Profile, at: int, workspace: CompiledWorkspace
) -> bool:
    """Whether the message could still leave then, by its own end and the hours of the day."""
    if past_its_time(candidate, at) is not None:
        return False
    hours = [rule.hours for rule in hours_rules(candidate, workspace)]
    pack = pack_for(candidate, profile, workspace)
    lawful = pack.hours(candidate, profile, at) if pack is not None else None
    zone = zone_of(profile, workspace.zone)
    return all(next_open(one, zone, at) == at for one in ([*hours, lawful] if lawful else hours))


def ahead(
    candidate: Candidate, profile: Profile, now: int, workspace: CompiledWorkspace
) -> list[Send]:
    """The messages that wait and go before this one, as if they were sent now."""
    control = _is_control(candidate, profile, workspace)
    return [
        Send(
            id=bid.message,
            at=now,
            channel=bid.channel,
            journey=run.journey,
            step=bid.step,
            tags=bid.tags,
            control=bid.control,
        )
        for run, bid in _rivals(candidate, profile, workspace)
        if bid.rank >= rank(candidate.step) and (control or not bid.control)
    ]


def names_of_rivals(
    candidate: Candidate, profile: Profile, workspace: CompiledWorkspace
) -> list[dict[str, str]]:
    """The messages that wait for the same slots."""
    return [
        {"journey": run.journey, "step": bid.step}
        for run, bid in _rivals(candidate, profile, workspace)
    ]


def in_order(run: Run, profile: Profile, workspace: CompiledWorkspace) -> list[Run]:
    """The run, and all that compete with it or with one another of them, the first to be first."""
    waiting = [(other, other.bid) for other in profile.runs.values() if other.bid is not None]
    found = {run.id: run}
    left = [bid for one, bid in waiting if one.id == run.id]
    while left:
        bid = left.pop()
        for other, its in waiting:
            if other.id not in found and _compete(bid.channel, bid.tags, its, workspace.caps):
                found[other.id] = other
                left.append(its)
    return sorted(found.values(), key=_place)


def _place(run: Run) -> tuple[int, int, str]:
    return (-run.bid.rank, run.bid.at, run.id) if run.bid else (0, 0, run.id)


def _rivals(
    candidate: Candidate, profile: Profile, workspace: CompiledWorkspace
) -> list[tuple[Run, Bid]]:
    return [
        (run, run.bid)
        for run in profile.runs.values()
        if run.bid is not None
        and run.id != candidate.run.id
        and _compete(candidate.channel, candidate.tags, run.bid, workspace.caps)
    ]


def _compete(channel: str, tags: list[str], bid: Bid, caps: Iterable[CompiledCap]) -> bool:
    return any(names(cap, channel, tags) and names(cap, bid.channel, bid.tags) for cap in caps)


def _is_control(candidate: Candidate, profile: Profile, workspace: CompiledWorkspace) -> bool:
    return holdout(candidate, profile, 0, workspace).outcome == "control"
