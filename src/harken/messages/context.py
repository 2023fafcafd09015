"""What templates may use of a customer, as plain values, and what of it the ledger keeps."""

from email.utils import parseaddr
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from harken import clock
from harken.people.attributes import STANDARD
from harken.people.place import zone_of
from harken.people.profile import Profile, Trigger
from harken.workspace import Sender, Workspace

STANDARD_NAMES = frozenset(STANDARD)


def kept_of(profile: Profile, trigger: Trigger | None, now: int) -> dict[str, Any]:
    """What the ledger keeps for the words of one message: what is known of its customer now.

    Everybody's part, and what follows from this, is left to `values_of`.
    """
    kept: dict[str, Any] = {
        "now": clock.iso(now),
        "profile": {
            "id": profile.id,
            "user_id": profile.user_id,
            "attributes": profile.attributes,
            "learned": profile.learned,
        },
        "event": _event(trigger),
    }
    if trigger is not None:
        if trigger.broadcast:
            kept["broadcast"] = trigger.broadcast
        if trigger.answers:
            kept["answers"] = trigger.answers
            if trigger.coupon in trigger.answers:
                kept["coupon"] = trigger.answers[trigger.coupon]
    if profile.session is not None:
        kept["session"] = {
            "started": clock.iso(profile.session.started),
            "events": profile.session.events,
            "products": profile.session.products,
        }
    return kept


def values_of(
    kept: dict[str, Any], workspace: Workspace, sender: str | None = None
) -> dict[str, Any]:
    """What templates use, of what was kept: `profile`, `event`, `answers`, `coupon`, `session`,
    `sender`, `now`.

    `entry` is the properties of the event unless a caller sets it (an entry by API): `render`
    adds it. Language and time zone are always there (the workspace's when nobody knows better).
    `sender` names one of the workspace's senders. Times are ISO 8601 in UTC; templates show them
    in the recipient's zone by the `date` filter. Where more was kept, as it once was, that stays.
    """
    own = dict(kept["profile"])
    learned = own.pop("learned", {})
    person = Profile(id=own["id"], attributes=own["attributes"], learned=learned)
    # What was stated over what was learned.
    standard = {
        name: value
        for source in (learned, person.attributes)
        for name, value in source.items()
        if value is not None and name in STANDARD_NAMES
    }
    standard["language"] = _language(person) or workspace.language
    standard["timezone"] = zone_of(person, ZoneInfo(workspace.timezone)).key
    return {"sender": sender_facts(workspace, sender), **kept, "profile": {**standard, **own}}


def context_of(
    profile: Profile,
    trigger: Trigger | None,
    workspace: Workspace,
    now: int,
    sender: str | None = None,
) -> dict[str, Any]:
    """What templates would use of a customer now."""
    return values_of(kept_of(profile, trigger, now), workspace, sender)


def sender_facts(workspace: Workspace, name: str | None) -> dict[str, str]:
    """Who a message comes from, for templates and footers; empty when no sender is set up."""
    sender = workspace.senders.get(name or "default")
    return _sender(sender).copy() if sender is not None else {}


@lru_cache(maxsize=100)
def _sender(sender: Sender) -> dict[str, str]:
    # Each message asks it, and to read an address takes as long as all its gates.
    shown, address = parseaddr(sender.from_)
    facts = {
        "name": shown,
        "address": address,
        "postal_address": sender.postal_address,
        "phone": sender.phone,
    }
    return {key: value for key, value in facts.items() if value}


def _language(profile: Profile) -> str:
    for source in (profile.attributes, profile.learned):
        for name in ("language", "locale"):
            stated = source.get(name)
            if isinstance(stated, str) and stated.strip():
                return stated.strip().replace("_", "-")
    return ""


def _event(trigger: Trigger | None) -> dict[str, Any]:
    if trigger is None:
        return {"name": "", "timestamp": "", "properties": {}}
    return {
        "name": trigger.name,
        "timestamp": clock.iso(trigger.at),
        "properties": trigger.properties,
    }
