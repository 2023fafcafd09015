"""A broadcast's turn has come to a customer: whether it is their time, and whether they enter."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec.structs import replace

from harken.deciding.entering import enter, refuse
from harken.ids import fingerprint
from harken.inputs import Call
from harken.journeys.occurrences import instant_in
from harken.people.apply import marked_before, seen_before
from harken.people.place import zone_of
from harken.people.profile import Profile

if TYPE_CHECKING:
    from harken.deciding.reactions import Handling


def invite(handling: Handling, call: Call) -> None:
    """Let the customer enter the broadcast's journey, once, and not before their own time."""
    effects, profile, now = handling.effects, handling.profile, handling.now
    journey = handling.definitions.journeys.get(call.journey)
    if journey is None:
        effects.answer, effects.changed = "archived", False
        return
    event, due = call.event, call.event.at
    if call.local:
        zone = zone_of(profile, handling.definitions.zone)
        event = replace(event, at=instant_in(call.local, zone))
        if event.at > due:
            # History took them for being elsewhere: their own part comes, or at least the last.
            effects.answer, effects.changed = "later", not seen_before(profile, _later(call), now)
            return
    if marked_before(profile, _mark(event.broadcast), now):
        effects.answer, effects.changed = "twice", False
        return
    if call.since and event.at < due and not _was_elsewhere(profile, call):
        facts = {"local": call.local, "zone": zone.key, "at": event.at}
        effects.answer = refuse(handling, journey, event, "time_passed", facts)
    elif call.passes is not None and not call.passes(profile, event, now):
        effects.answer = refuse(handling, journey, event, "not_selected", {})
    else:
        effects.answer = enter(handling, journey, event)


@lru_cache(maxsize=8)
def _mark(broadcast: str) -> bytes:
    """What stands in the documents of those whose turn has been."""
    return fingerprint(f"$broadcast {broadcast}")


def _later(call: Call) -> str:
    return f"$later {call.event.broadcast}"


def _was_elsewhere(profile: Profile, call: Call) -> bool:
    """Whether the customer may have missed their own part by being in another zone then."""
    return profile.moved >= call.since or fingerprint(_later(call)) in profile.seen
