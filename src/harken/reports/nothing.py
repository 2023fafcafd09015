"""What there is to say of a customer about whom a journey has decided nothing."""

from collections.abc import Sequence

from msgspec import Struct, field

from harken.journeys.broadcasts import Broadcast
from harken.journeys.entries import (
    ApiEntry,
    DateEntry,
    Entry,
    OutcomeEntry,
    PlaceEntry,
    ScheduleEntry,
)
from harken.people.profile import Profile
from harken.reports.words import Words, counted

SENTENCES = {
    "unknown": "Nothing is known of this customer.",
    "undecided": "Nothing was decided about this customer in the journey.",
    "never": "The event {event} was never received from this customer.",
    "before": "The event {event} was received {times}, last {last}, before the journey was applied"
    " {applied}.",
    "paused": "The event {event} was received {times}, last {last}; the journey is paused.",
    "archived": "The event {event} was received {times}, last {last}; the journey is archived.",
    "not_kept": "The event {event} was received {times}, last {last}, but nothing that was decided"
    " about it is kept.",
    "broadcast.paused": "Not yet: the broadcast {id} is paused.",
    "broadcast.running": "Not yet: the broadcast {id} is under way, and their turn is to come.",
    "broadcast.planned": "Not yet: the broadcast {id} begins on {at}.",
    "occurrence.paused": "Not yet: the schedule's {id} is paused.",
    "occurrence.running": "Not yet: the schedule's {id} is under way, and their turn is to come.",
    "occurrence.planned": "No time of its schedule so far let them in; the next is {at}.",
    "place": "They were not seen to come to the place {place}.",
    "not_ignored": "No message of {journey} was ignored by them long enough.",
    "not_ignored_yet": "No message of {journey} was ignored by them long enough. The last was sent"
    " {last}.",
    "schedule": "They were not in its audience when its schedule came round, or it did not yet.",
    "api": "Nobody put them into the journey: neither the API nor another journey.",
    "no_date": "No date that lies ahead is known of their {attribute}.",
    "date": "Not yet: the date that lets them in comes on {at}.",
}
"""By what it is; other languages have the same, as `nothing.KEY`."""


class Nothing(Struct, frozen=True):
    """What is said, with its names, and its times in ms."""

    key: str
    names: dict[str, str] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)
    count: int = 0

    def in_english(self, words: Words) -> str:
        """The sentence."""
        times = {name: words.on(at)[3:] for name, at in self.times.items()}
        return SENTENCES[self.key].format(**self.names, **times, times=counted(self.count, "time"))


def nothing(
    journey: str,
    entry: Entry | None,
    profile: Profile | None,
    broadcasts: Sequence[Broadcast],
    *,
    event: str,
    applied_at: int,
    state: str,
) -> Nothing:
    """Why nothing was decided, as far as is known; the parameters are those of `why`."""
    if profile is None:
        return Nothing("unknown")
    waiting = None
    if entry is not None:
        under_way = [one for one in broadcasts if one.journey == journey]
        waiting = _not_reached(under_way) or _not_yet(entry, profile, journey)
    return waiting or _of_event(event, profile, applied_at, state)


def _not_reached(broadcasts: Sequence[Broadcast]) -> Nothing | None:
    """Of the journey's broadcasts that are not over, the one that may still come to them."""
    for one in sorted(broadcasts, key=lambda one: one.instants):
        kind = "occurrence" if one.occurrence else "broadcast"
        state = "paused" if one.paused else "running" if one.state != "planned" else "planned"
        names = {"id": one.occurrence or one.id}
        return Nothing(f"{kind}.{state}", names, {"at": one.instants[one.part]})
    return None


def _not_yet(entry: Entry, profile: Profile, journey: str) -> Nothing | None:
    """What is still to come before they may enter; None when that says nothing."""
    match entry:
        case PlaceEntry(place=place):
            return Nothing("place", {"place": place})
        case OutcomeEntry(outcome="ignored", journey=of):
            followed = [one for one in profile.unheeded.values() if one.journey == of]
            if not followed:
                return Nothing("not_ignored", {"journey": of})
            return Nothing("not_ignored_yet", {"journey": of}, {"last": followed[-1].sent_at})
        case ScheduleEntry():
            return Nothing("schedule")
        case ApiEntry():
            return Nothing("api")
        case DateEntry(date=attribute):
            awaited = profile.dates.get(journey)
            if awaited is None or not awaited.due:
                return Nothing("no_date", {"attribute": attribute})
            return Nothing("date", times={"at": awaited.due})
    return None


def _of_event(event: str, profile: Profile, applied_at: int, state: str) -> Nothing:
    if not event:
        return Nothing("undecided")
    stat = profile.events.get(event)
    if stat is None or not stat.count:
        return Nothing("never", {"event": event})
    times = {"last": stat.last}
    if applied_at and stat.last < applied_at:
        times["applied"] = applied_at
        return Nothing("before", {"event": event}, times, stat.count)
    key = state if state in ("paused", "archived") else "not_kept"
    return Nothing(key, {"event": event}, times, stat.count)
