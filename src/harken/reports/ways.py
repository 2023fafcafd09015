"""What let customers in, or is still to come, in words: for entries that are no event of theirs."""

from typing import Any

from harken.journeys.entries import DATE_REACHED, DateEntry, Entry
from harken.people.profile import Profile
from harken.reports.words import Words


def cause(facts: dict[str, Any]) -> str:
    """`because of the date in their birthday (2026-03-10)`; empty of a customer's own event."""
    properties = facts.get("properties") or {}
    match facts.get("event"):
        case str(event) if event == DATE_REACHED:
            return f"because of the date in their {properties['attribute']} ({properties['date']})"
    return ""


def not_yet(entry: Entry, profile: Profile, journey: str, words: Words) -> str:
    """What is still to come before they may enter; empty when that says nothing."""
    if not isinstance(entry, DateEntry):
        return ""
    awaited = profile.dates.get(journey)
    if awaited is None or not awaited.due:
        return f"No date that lies ahead is known of their {entry.date}."
    at = words.on(awaited.due)[3:]
    return f"Not yet: the date that lets them in comes on {at}."
