"""What is noticed without anybody doing it: a date that has come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harken.definitions import InForce
from harken.effects import Effects
from harken.entering import enter
from harken.inputs import WakeUp
from harken.journeys.dates import next_occasion
from harken.journeys.entries import DATE_REACHED
from harken.people.place import ZONE_FACTS, zone_of
from harken.people.profile import AwaitedDate, Profile, Trigger
from harken.segments.live import attribute_value

if TYPE_CHECKING:
    from harken.reactions import Handling


def standing(profile: Profile) -> Iterator[WakeUp]:
    """The wake-ups that the document has set for what is to be noticed."""
    for journey, awaited in profile.dates.items():
        if awaited.due:
            yield WakeUp(awaited.due, profile.id, f"date:{journey}")


def dates_touched(definitions: InForce, attributes: set[str]) -> bool:
    """Whether a change of these attributes may move the dates that let customers in."""
    if not attributes or not definitions.dates:
        return False
    roots = {entry.date.partition(".")[0] for entry in definitions.dates.values()}
    return not attributes.isdisjoint(roots | ZONE_FACTS)


def await_dates(effects: Effects, profile: Profile, definitions: InForce, now: int) -> bool:
    """Set each journey's next date of a customer, where it has changed; whether any has.

    A date that was due before `now` and is still to be handled stays.
    """
    if not definitions.dates and not profile.dates:
        return False
    changed = False
    zone = zone_of(profile, definitions.zone)
    for journey in [*profile.dates.keys() - definitions.dates.keys()]:
        _unset(effects, profile, journey)
        del profile.dates[journey]
        changed = True
    for journey, entry in definitions.dates.items():
        awaited = profile.dates.get(journey, AwaitedDate())
        after = min(now, awaited.due - 1) if awaited.due else now
        value = attribute_value(profile, entry.date)
        found = next_occasion(entry, value, zone, after, awaited.reached)
        due, date = found or (0, "")
        if (due, date) == (awaited.due, awaited.date):
            continue
        _unset(effects, profile, journey)
        profile.dates[journey] = AwaitedDate(due, date, awaited.reached)
        if due:
            effects.wake.append(WakeUp(due, profile.id, f"date:{journey}"))
        changed = True
    return changed


def _unset(effects: Effects, profile: Profile, journey: str) -> None:
    awaited = profile.dates.get(journey)
    if awaited is not None and awaited.due:
        effects.cancel.append(WakeUp(awaited.due, profile.id, f"date:{journey}"))


def date_reached(handling: Handling, name: str, due: int) -> None:
    """The wake-up of a date: the customer may enter, and the next date is awaited."""
    profile, definitions = handling.profile, handling.definitions
    awaited, entry = profile.dates.get(name), definitions.dates.get(name)
    if awaited is None or awaited.due != due:
        return
    date, awaited.due, awaited.date = awaited.date, 0, ""
    if entry is not None:
        awaited.reached = date
        about = {"attribute": entry.date, "date": date}
        handling.emit(DATE_REACHED, {**about, "journey": name}, at=due, journey=name)
        event = Trigger(
            name=DATE_REACHED, at=due, message_id=f"{entry.date} {date}", properties=about
        )
        enter(handling, definitions.journeys[name], event)
    await_dates(handling.effects, profile, definitions, handling.upto)
