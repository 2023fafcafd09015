"""Gate 7: the hours of the recipient's day in which messages leave."""

from typing import NamedTuple

from harken.gates.base import Candidate, Verdict
from harken.gates.hours import Hours, next_open, open_hours, wall_clock
from harken.gates.policy import CompiledWorkspace
from harken.people.place import zone_of
from harken.people.profile import Profile

GATE = "quiet_hours"
OPEN = Verdict("pass", GATE)


class HoursRule(NamedTuple):
    """Hours to keep, which rule says so, and what becomes of a message outside them."""

    reason: str
    hours: Hours
    hold: bool


def quiet_hours(
    candidate: Candidate, profile: Profile, now: int, workspace: CompiledWorkspace
) -> Verdict:
    """Every rule must be open. One that is closed and drops wins over those that hold."""
    # Every message asks, and mostly there are none: no list of rules is made to find that out.
    own = candidate.step.sending_hours
    if workspace.quiet is None and workspace.sending is None and own is None:
        return OPEN
    rules = hours_rules(candidate, workspace)
    if not rules:
        return OPEN
    zone = zone_of(profile, workspace.zone)
    closed = [rule for rule in rules if next_open(rule.hours, zone, now) != now]
    if not closed:
        return OPEN
    decides = next((rule for rule in closed if not rule.hold), closed[0])
    facts = {"zone": zone.key, "local": wall_clock(now, zone), "allowed": str(decides.hours)}
    return Verdict("hold" if decides.hold else "drop", GATE, decides.reason, facts=facts)


def hours_rules(candidate: Candidate, workspace: CompiledWorkspace) -> list[HoursRule]:
    """The rules that bind this message: quiet hours bind marketing, sending hours everything.

    `priority: high` passes those of the workspace; the step's own were written for this message.
    """
    rules: list[HoursRule] = []
    own = candidate.step.sending_hours
    if candidate.step.priority != "high":
        if workspace.quiet is not None and candidate.purpose == "marketing":
            rules.append(HoursRule("quiet_hours", workspace.quiet, workspace.quiet_hold))
        if workspace.sending is not None:
            rules.append(HoursRule("sending_hours", workspace.sending, workspace.sending_hold))
    if own is not None:
        rules.append(HoursRule("step_sending_hours", open_hours(own), own.outside == "hold"))
    return rules
