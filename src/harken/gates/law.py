"""Gate 6: the policy pack of the recipient's country, where the workspace lists it."""

from collections.abc import Sequence
from typing import Any

from harken.channels.table import BY_PHONE
from harken.gates.base import Candidate, Pack, Verdict
from harken.gates.hours import next_open, wall_clock
from harken.gates.policy import CompiledWorkspace
from harken.people.countries import country_of
from harken.people.place import zone_of
from harken.people.profile import Profile

GATE = "policy_pack"
NO_PACK = Verdict("pass", GATE)


def policy_pack(
    candidate: Candidate, profile: Profile, now: int, workspace: CompiledWorkspace
) -> Verdict:
    """What the law refuses is dropped, what it delays is held; what it demands goes along."""
    pack = pack_for(candidate, profile, workspace) if workspace.packs else None
    if pack is None:
        return NO_PACK
    refusal = pack.refusal(candidate, profile, now)
    if refusal is not None:
        return refusal
    hours = pack.hours(candidate, profile, now)
    if hours is not None:
        zone = zone_of(profile, workspace.zone)
        if next_open(hours, zone, now) != now:
            facts = {"zone": zone.key, "local": wall_clock(now, zone), "allowed": str(hours)}
            return Verdict("hold", GATE, "ad_hours", facts={"pack": pack.key} | facts)
    facts_of_pass: dict[str, Any] = {"pack": pack.key}
    demands = pack.demands(candidate)
    if demands:
        facts_of_pass["demands"] = demands
    return Verdict("pass", GATE, facts=facts_of_pass)


def pack_for(candidate: Candidate, profile: Profile, workspace: CompiledWorkspace) -> Pack | None:
    """The listed pack of the recipient's country, or None.

    The country is the one stated, else learned from a client, else told by the code at the front
    of a phone number, else the workspace's.
    """
    stated = country_of(profile)
    country = stated or _dialled(candidate, profile, workspace.packs) or workspace.country
    return next((pack for pack in workspace.packs if pack.country == country), None)


def _dialled(candidate: Candidate, profile: Profile, packs: Sequence[Pack]) -> str | None:
    phone = candidate.address if candidate.channel in BY_PHONE else profile.attribute("phone")
    if not isinstance(phone, str) or not phone:
        return None
    digits = "".join(letter for letter in phone if letter in "+0123456789")
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    return next((pack.country for pack in packs if digits.startswith(pack.dialling)), None)
