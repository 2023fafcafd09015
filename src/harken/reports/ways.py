"""What let customers in, or is still to come, in words: for entries that are no event of theirs."""

from typing import Any

from harken.effects import Decision
from harken.journeys.entries import (
    DATE_REACHED,
    IGNORED,
    PLACE_ENTERED,
    DateEntry,
    Entry,
    OutcomeEntry,
    PlaceEntry,
)
from harken.people.profile import Profile
from harken.reports.words import Words, length


def cause(facts: dict[str, Any]) -> str:
    """`because of the date in their birthday (2026-03-10)`; empty of a customer's own event."""
    seen, event = facts.get("properties") or {}, facts.get("event")
    if event == DATE_REACHED and "attribute" in seen:
        return f"because of the date in their {seen['attribute']} ({seen['date']})"
    if event == PLACE_ENTERED and "place" in seen:
        return f"because they came to the place {seen['place']}"
    if event == IGNORED and "within" in seen:
        message = f"the message {seen['step']} of {seen['journey']}"
        return f"because {message} was neither opened nor clicked within {length(seen['within'])}"
    return ""


def best_hour(decision: Decision, words: Words) -> str:
    """`at wait-1 they wait until 09:00: ...`, the hour that a wait chose and what it rests on."""
    facts = decision.facts
    text = f"their best hour is {facts['best']}, {RESTS[facts['whose']]}"
    if facts["opens"]:
        text += f" ({facts['opens']:,} opens and clicks)"
    if facts["hour"] != facts["best"]:
        text += f", and {facts['hour']} the best in reach"
    if not facts["waits"]:
        return f"at {decision.step} they went on at once: {text}"
    return f"at {decision.step} they wait until {words.moment(decision.until, decision.at)}: {text}"


RESTS = {
    "own": "by when they opened and clicked",
    "all": "as it is for all customers, because too little is known of them",
    "setting": "as the workspace has it, because too little is known of when anybody opens",
}
"""Whose hours they are."""


def not_yet(entry: Entry, profile: Profile, journey: str, words: Words) -> str:
    """What is still to come before they may enter; empty when that says nothing."""
    if isinstance(entry, PlaceEntry):
        return f"They were not seen to come to the place {entry.place}."
    if isinstance(entry, OutcomeEntry) and entry.outcome == "ignored":
        followed = [one for one in profile.unheeded.values() if one.journey == entry.journey]
        last = followed and f" The last was sent {words.on(followed[-1].sent_at)[3:]}."
        return f"No message of {entry.journey} was ignored by them long enough.{last or ''}"
    if not isinstance(entry, DateEntry):
        return ""
    awaited = profile.dates.get(journey)
    if awaited is None or not awaited.due:
        return f"No date that lies ahead is known of their {entry.date}."
    at = words.on(awaited.due)[3:]
    return f"Not yet: the date that lets them in comes on {at}."
