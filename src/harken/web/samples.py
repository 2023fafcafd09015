"""The events that a message is tried on: what let customers in lately, or would."""

from typing import Any, TypeGuard

import msgspec

from harken.clock import parse_time
from harken.effects import Happening
from harken.journeys.compile import LiveJourney
from harken.journeys.dates import local_day, next_occasion
from harken.journeys.entries import DateEntry, Entry, EventEntry, OutcomeEntry
from harken.journeys.own_events import example_of
from harken.people.place import zone_of
from harken.people.profile import Profile, Trigger
from harken.segments.live import attribute_value
from harken.segments.rules import Attribute
from harken.web.api import Api

LATEST = 20
"""A customer's events that are looked through for one that fits."""
# One for each customer, the latest first: those who are put in have no event of their own.
ENTERED = """
SELECT profile_id, facts FROM (
    SELECT * FROM decisions WHERE journey = $1 AND outcome = 'entered'
    ORDER BY ts DESC LIMIT 10 * $2
)
QUALIFY row_number() OVER (PARTITION BY profile_id ORDER BY ts DESC) = 1
ORDER BY ts DESC LIMIT $2
"""


def latest_triggers(api: Api, journey: LiveJourney, limit: int) -> list[tuple[int, Trigger]]:
    """(profile id, event): what would start the journey, or started it, one a customer."""
    history = api.services.history
    if journey.by_hand:
        rows = history.query(ENTERED, [journey.name, limit], limit=limit)
        return [(id, trigger_of_run(json_object(facts))) for id, facts in rows]
    entry = journey.source.entry
    if isinstance(entry, DateEntry):
        having = api.segments.sample(Attribute(attribute=entry.date, exists=True), limit)
        profiles = api.services.store.profiles([one.profile_id for one in having])
        triggers = ((id, _date_of(api, one, entry)) for id, one in profiles.items())
        return [(id, trigger) for id, trigger in triggers if trigger is not None]
    if _of_ignored(entry):
        # Whoever was sent the message may ignore it.
        found = history.recent_triggers("$message_sent", limit)
        events = [(id, _ignored(event, entry)) for id, event in found]
    else:
        found = history.recent_triggers(entry.event, limit)
        events = [(id, trigger_of(event)) for id, event in found]
    return [(id, event) for id, event in events if not journey.unmet(event.properties)]


def trigger_for(api: Api, profile: Profile, journey: LiveJourney) -> Trigger | None:
    """The event that a preview for the customer is made of: of a run in flight, else the latest
    that let them in, or would."""
    for run in profile.runs.values():
        if run.journey == journey.name:
            return run.event
    history = api.services.history
    if journey.by_hand:
        decided = history.decisions(profile.id, journey.name)
        entered = [one for one in decided if one.outcome == "entered"]
        return trigger_of_run(entered[-1].facts) if entered else None
    entry = journey.source.entry
    if isinstance(entry, DateEntry):
        return _date_of(api, profile, entry)
    happened = history.latest(profile.id, entry.event, LATEST)
    fitting = [event for event in happened if not journey.unmet(event.properties)]
    if fitting or (happened and isinstance(entry, EventEntry)):
        return trigger_of((fitting or happened)[0])
    if isinstance(entry, EventEntry):
        return None
    return Trigger(name=entry.event, at=api.now, properties=example_of(entry))


def _date_of(api: Api, profile: Profile, entry: DateEntry) -> Trigger | None:
    """The date that lets the customer in next; when none does, the one that they have."""
    zone = zone_of(profile, api.services.in_force.zone)
    value = attribute_value(profile, entry.date)
    day, found = local_day(value, zone), next_occasion(entry, value, zone, api.now)
    if day is None:
        return None
    due, date = found or (api.now, day.isoformat())
    properties = {"attribute": entry.date, "date": date}
    return Trigger(name=entry.event, at=due, properties=properties)


def _of_ignored(entry: Entry) -> TypeGuard[OutcomeEntry]:
    return isinstance(entry, OutcomeEntry) and entry.outcome == "ignored"


def _ignored(sent: Happening, entry: OutcomeEntry) -> Trigger:
    properties = {**sent.properties, "within": str(entry.within)}
    return Trigger(name=entry.event, at=sent.at, properties=properties)


def trigger_of(happening: Happening) -> Trigger:
    """An event of history as rules and templates see it."""
    return Trigger(
        name=happening.name,
        at=happening.at,
        message_id=happening.message_id,
        properties=happening.properties,
    )


def trigger_of_run(facts: dict[str, Any]) -> Trigger:
    """The event that started a run, as its `entered` decision keeps it."""
    at, properties = facts.get("at"), facts.get("properties")
    return Trigger(
        name=str(facts.get("event", "")),
        at=at if isinstance(at, int) else parse_time(str(at)) or 0,
        properties=properties if isinstance(properties, dict) else {},
    )


def json_object(text: Any) -> dict[str, Any]:
    """A column of JSON as the object that it holds."""
    found = msgspec.json.decode(text) if isinstance(text, str) else text
    return found if isinstance(found, dict) else {}
