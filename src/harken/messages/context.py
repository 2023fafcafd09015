"""What templates may use of a customer, as plain values that go into the ledger's row."""

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


def context_of(
    profile: Profile,
    trigger: Trigger | None,
    workspace: Workspace,
    now: int,
    sender: str | None = None,
) -> dict[str, Any]:
    """The values for one message: `profile`, `event`, `answers`, `coupon`, `session`, `sender`,
    `now`.

    `entry` is the properties of the event unless a caller sets it (an entry by API): `render`
    adds it, so that the ledger need not hold them twice.
    Language and time zone are always there (the workspace's when nobody knows better). `sender`
    names one of the workspace's senders. Times are ISO 8601 in UTC; templates show them in the
    recipient's zone by the `date` filter.
    """
    context: dict[str, Any] = {
        "now": clock.iso(now),
        "profile": _profile(profile, workspace),
        "event": _event(trigger),
        "sender": sender_facts(workspace, sender),
    }
    if trigger is not None and trigger.broadcast:
        context["broadcast"] = trigger.broadcast
    if trigger is not None and trigger.answers:
        context["answers"] = trigger.answers
        if trigger.coupon in trigger.answers:
            context["coupon"] = trigger.answers[trigger.coupon]
    if profile.session is not None:
        context["session"] = {
            "started": clock.iso(profile.session.started),
            "events": profile.session.events,
            "products": profile.session.products,
        }
    return context


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


def _profile(profile: Profile, workspace: Workspace) -> dict[str, Any]:
    attributes = profile.attributes
    # What was stated over what was learned; one look at each that there is, for every message.
    values: dict[str, Any] = {
        name: value
        for source in (profile.learned, attributes)
        for name, value in source.items()
        if value is not None and name in STANDARD_NAMES
    }
    values["id"] = profile.id
    values["user_id"] = profile.user_id
    values["attributes"] = attributes
    values["language"] = _language(profile) or workspace.language
    values["timezone"] = zone_of(profile, ZoneInfo(workspace.timezone)).key
    return values


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
