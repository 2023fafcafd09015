"""What is noticed without an event of the customer's: a date has come, a message was ignored, they
are somewhere else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from harken.clock import to_datetime
from harken.deciding.entering import enter
from harken.deciding.issuing import expiring
from harken.definitions import InForce
from harken.effects import Effects
from harken.ids import fingerprint
from harken.inputs import Feedback, WakeUp
from harken.journeys.dates import next_awaited
from harken.journeys.entries import DATE_REACHED, IGNORED, PLACE_ENTERED, DateEntry
from harken.people.apply import seen_before
from harken.people.hours import with_hour
from harken.people.place import ZONE_FACTS, zone_of
from harken.people.profile import AwaitedDate, Profile, Trigger, Unheeded
from harken.segments.live import attribute_value
from harken.values import Duration

if TYPE_CHECKING:
    from harken.deciding.reactions import Handling

UNHEEDED = ("sent", "delivered", "unsure")
"""What may become of a message without its recipient's heeding it, while it may still be."""
MOST_UNHEEDED = 500
"""Messages of a customer that are followed at a time; the oldest are let go of."""


def standing(profile: Profile) -> Iterator[WakeUp]:
    """The wake-ups that the document has set for what is to be noticed, and for its coupons."""
    for journey, awaited in profile.dates.items():
        if awaited.due:
            yield WakeUp(awaited.due, profile.id, f"date:{journey}")
    yield from waking(profile, profile.unheeded)
    yield from expiring(profile, profile.coupons)


# -- dates


def dates_touched(definitions: InForce, attributes: set[str]) -> bool:
    """Whether a change of these attributes may move the dates that let customers in."""
    if not attributes or not definitions.dates:
        return False
    roots = {_root(entry) for entry in definitions.dates.values()}
    return not attributes.isdisjoint(roots | ZONE_FACTS)


def _root(entry: DateEntry) -> str:
    return entry.date.partition(".")[0]


class Expected(NamedTuple):
    """A journey's date as a document had it."""

    value: Any
    """Of the attribute that says the date."""
    zone: ZoneInfo
    awaited: AwaitedDate


def expected(profile: Profile, definitions: InForce) -> dict[str, Expected]:
    """What the document awaits, by journey, as it is now."""
    zone = zone_of(profile, definitions.zone)
    return {
        journey: Expected(
            attribute_value(profile, definitions.dates[journey].date), zone, replace(awaited)
        )
        for journey, awaited in profile.dates.items()
        if journey in definitions.dates
    }


def await_dates(
    effects: Effects,
    profile: Profile,
    definitions: InForce,
    now: int,
    touched: Collection[str] = (),
    before: Sequence[Mapping[str, Expected]] = (),
) -> bool:
    """Set each journey's next date of a customer, where it has changed; whether any has.

    A date that was due before `now` and is still to be handled stays. `touched` are the attributes
    that have changed: whoever only came into another zone neither misses the day nor has it twice.
    `before` is what documents awaited of which this one was made: where one had the same date, a
    zone that comes from the other is such a journey, too.
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
        value = attribute_value(profile, entry.date)
        travelled = not ZONE_FACTS.isdisjoint(touched) and _root(entry) not in touched
        was = awaited
        same = [one[journey] for one in before if journey in one and one[journey].value == value]
        if same:
            # Whoever came furthest speaks for both: the day that let them in is met.
            had = max(same, key=lambda one: (one.awaited.reached, one.awaited.due > 0))
            was, travelled = replace(had.awaited, reached=awaited.reached), had.zone != zone
        found = next_awaited(entry, value, zone, now, was, travelled=travelled)
        if found == awaited:
            continue
        _unset(effects, profile, journey)
        profile.dates[journey] = found
        if found.due:
            effects.wake.append(WakeUp(found.due, profile.id, f"date:{journey}"))
        changed = True
    return changed


def _unset(effects: Effects, profile: Profile, journey: str) -> None:
    awaited = profile.dates.get(journey)
    if awaited is not None and awaited.due:
        effects.take_back(WakeUp(awaited.due, profile.id, f"date:{journey}"))


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


# -- messages


def waking(profile: Profile, messages: Iterable[str]) -> Iterator[WakeUp]:
    """The wake-ups of these messages that are not opened yet."""
    for id in messages:
        yield WakeUp(profile.unheeded[id].due, profile.id, f"ignored:{id}")


def follow_message(handling: Handling, feedback: Feedback) -> None:
    """A message was sent, and somebody may want to know if it is ignored; or it will not be."""
    profile, id = handling.profile, feedback.message
    if feedback.what in UNHEEDED:
        if feedback.what == "sent":
            _await_opening(handling, feedback)
    elif feedback.machine:
        return
    elif id in profile.unheeded:
        handling.effects.cancel += waking(profile, [id])
        del profile.unheeded[id]
    elif handling.definitions.ignored_after(feedback.journey, feedback.step):
        # Told before the sender's loop has told that it was sent: it is not followed then.
        seen_before(profile, _heeded(id), handling.now)


def _heeded(message: str) -> str:
    return f"$heeded {message}"


def _await_opening(handling: Handling, feedback: Feedback) -> None:
    profile, id = handling.profile, feedback.message
    waits = handling.definitions.ignored_after(feedback.journey, feedback.step)
    if not waits or id in profile.unheeded or fingerprint(_heeded(id)) in profile.seen:
        return
    profile.unheeded[id] = Unheeded(
        journey=feedback.journey,
        step=feedback.step,
        variant=feedback.variant,
        channel=feedback.channel,
        sent_at=feedback.at,
        waits=waits,
    )
    handling.effects.wake += waking(profile, [id])
    while len(profile.unheeded) > MOST_UNHEEDED:
        oldest = next(iter(profile.unheeded))
        handling.effects.cancel += waking(profile, [oldest])
        del profile.unheeded[oldest]


def message_ignored(handling: Handling, id: str, due: int) -> None:
    """The wake-up of a message that was not opened: say so, and wait for the next who asks."""
    profile, found = handling.profile, handling.profile.unheeded.get(id)
    if found is None or found.due != due:
        return
    within, *found.waits = found.waits
    if found.waits:
        handling.effects.wake += waking(profile, [id])
    else:
        del profile.unheeded[id]
    if within not in handling.definitions.ignored_after(found.journey, found.step):
        return
    columns: dict[str, Any] = {
        "message": id,
        "journey": found.journey,
        "step": found.step,
        "variant": found.variant,
        "channel": found.channel,
    }
    properties = {**columns, "within": str(Duration(within))}
    handling.emit(IGNORED, properties, at=due, **columns)


def note_hour(handling: Handling, feedback: Feedback) -> None:
    """A person opened or clicked: that it was at this hour of their day."""
    if feedback.what in ("opened", "clicked") and not feedback.machine:
        profile = handling.profile
        zone = zone_of(profile, handling.definitions.zone)
        profile.hours = with_hour(profile.hours, to_datetime(feedback.at, zone).hour)


# -- places


def look_around(handling: Handling, *, silent: bool = False) -> None:
    """The customer's location has changed: the places that they have left, and come to."""
    profile, at = handling.profile, handling.upto
    inside = handling.definitions.places.around(profile.location())
    for name in profile.places.keys() - set(inside):
        del profile.places[name]
    for name in inside:
        if name not in profile.places:
            profile.places[name] = at
            if not silent:
                handling.emit(PLACE_ENTERED, {"place": name}, at=at)
