"""What an event changes about a person, before anything reacts to it."""

from collections.abc import Container, Mapping, Sequence
from heapq import nsmallest
from typing import Any

import msgspec

from harken.ids import fingerprint
from harken.ingest.protocol import Context, Event
from harken.inputs import Record
from harken.people.attributes import STANDARD, apply_traits
from harken.people.profile import Device, EventStat, Profile, Trigger, point_of
from harken.people.traits import Trait

_encode = msgspec.msgpack.Encoder().encode

TraitsByEvent = Mapping[str, Sequence[Trait]]

REMEMBERED_SECONDS = 2 * 86_400
"""How long a message id is remembered."""
SEEN_ENTRY = 12
SEEN_IDS = 10_000
"""Message ids remembered at most; no person does more in 48 h, and a robot must not fill a disk."""
ANONYMOUS_IDS = 100
"""Anonymous ids kept; the oldest are forgotten (identity itself keeps them all)."""
EVENT_NAMES = 1_000
"""Event names counted; of those that no rule asks for, the ones unused for longest are forgotten.
"""
DEVICES = 50
GROUPS = 200
ATTRIBUTES = 1_000
ATTRIBUTE_BYTES = 256 * 1024
"""Custom attributes beyond these are not taken up (history keeps what was stated)."""


def seen_before(profile: Profile, message_id: str, now: int) -> bool:
    """Whether the message id was seen within 48 h; remembers it if not."""
    return marked_before(profile, fingerprint(message_id), now)


def marked_before(profile: Profile, mark: bytes, now: int) -> bool:
    """The same by the message id's fingerprint.

    The ids stand in the document as eight bytes of hash and four of the time, oldest first, so
    that a customer's whole memory is one bytes search.
    """
    second = now // 1000
    seen = profile.seen
    if seen:
        if int.from_bytes(seen[8:12], "big") < second - REMEMBERED_SECONDS:
            seen = profile.seen = _without_old(seen, second - REMEMBERED_SECONDS)
        if mark in seen:
            return True
        if len(seen) >= SEEN_IDS * SEEN_ENTRY:
            seen = seen[SEEN_ENTRY - SEEN_IDS * SEEN_ENTRY :]
    profile.seen = seen + (mark + second.to_bytes(4, "big"))
    return False


def remembers(profile: Profile, message_id: str, now: int) -> bool:
    """Whether the message id was seen within 48 h; changes nothing."""
    seen = _without_old(profile.seen, now // 1000 - REMEMBERED_SECONDS)
    return fingerprint(message_id) in seen


def merge_seen(left: bytes, right: bytes) -> bytes:
    """Both memories of message ids as one, oldest first."""
    both = left + right
    entries = [both[at : at + SEEN_ENTRY] for at in range(0, len(both), SEEN_ENTRY)]
    entries.sort(key=lambda entry: entry[8:])
    return b"".join(entries[-SEEN_IDS:])


def _without_old(seen: bytes, edge: int) -> bytes:
    start = 0
    while start < len(seen) and int.from_bytes(seen[start + 8 : start + 12], "big") < edge:
        start += SEEN_ENTRY
    return seen[start:]


def only_counts(profile: Profile, event: Event) -> bool:
    """Whether the event can change nothing of the customer but what was counted, and when."""
    return (
        event.type != "identify"
        and bool(profile.created_at)
        and (not event.user_id or profile.user_id is not None)
        and (event.context is None or not _teaches(profile, event.context))
    )


def apply_event(profile: Profile, event: Event, record: Record, traits: TraitsByEvent) -> Trigger:
    """Change the document as the event says; the event as rules and templates see it.

    A page is the event `Page Viewed`, a screen `Screen Viewed`; `identify`, `group` and `alias`
    are `$identify`, `$group`, `$alias`, which nothing counts.
    """
    at = record.timestamp
    if at < profile.created_at or not profile.created_at:
        profile.created_at = at
    if record.received_at > profile.seen_at:
        profile.seen_at = record.received_at
    if event.user_id and profile.user_id is None:
        profile.user_id = event.user_id
    if event.anonymous_id and event.anonymous_id not in profile.anonymous_ids:
        profile.anonymous_ids = [*profile.anonymous_ids, event.anonymous_id][-ANONYMOUS_IDS:]
    if event.type == "identify":
        state_attributes(profile, event.traits or {})
    elif event.type == "group" and event.group_id:
        profile.groups[event.group_id] = max(profile.groups.get(event.group_id, 0), at)
        if len(profile.groups) > GROUPS:
            del profile.groups[min(profile.groups, key=profile.groups.__getitem__)]
    if event.context is not None and _teaches(profile, event.context):
        _learn(profile, event, event.context, record)
    trigger = Trigger(
        name=event_name(event),
        at=at,
        message_id=event.message_id or "",
        properties=_properties(event),
    )
    if trigger.name[0] != "$":
        count_event(profile, trigger, traits, record.received_at)
    return trigger


def state_attributes(profile: Profile, stated: dict[str, Any]) -> None:
    """Set attributes, as far as a document has room for them."""
    now = dict(profile.attributes)
    apply_traits(now, stated)
    profile.attributes = with_room(profile.attributes, now)


def with_room(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """The attributes `now`; where a document has no room for them, of the custom ones those of
    `before`. Standard ones always have."""
    if len(now) <= ATTRIBUTES and len(_encode(now)) <= ATTRIBUTE_BYTES:
        return now
    custom = {name: value for name, value in before.items() if name not in STANDARD}
    return custom | {name: now[name] for name in STANDARD if name in now}


def event_name(event: Event) -> str:
    """The name under which rules and history know a call."""
    if event.type == "track":
        return event.event or ""
    if event.type in ("page", "screen"):
        return "Page Viewed" if event.type == "page" else "Screen Viewed"
    return f"${event.type}"


def count_event(profile: Profile, event: Trigger, traits: TraitsByEvent, now: int) -> None:
    """Count an event in the totals and in the traits that its name moves."""
    stat = profile.events.get(event.name)
    if stat is None:
        let_go_of_names(profile.events, traits, EVENT_NAMES - 1)
        profile.events[event.name] = EventStat(1, event.at, event.at)
    else:
        stat.count += 1
        if event.at > stat.last:
            stat.last = event.at
        elif event.at < stat.first:
            stat.first = event.at
    states = profile.traits
    for trait in traits.get(event.name, ()):
        state = trait.take(states.get(trait.id), event, now)
        if state is not None:
            states[trait.id] = state


def let_go_of_names(
    events: dict[str, EventStat], asked: Container[str], most: int = EVENT_NAMES
) -> None:
    """Leave at most so many names: those that no rule asks for go first, the longest unused."""
    over = len(events) - most
    if over > 0:
        for name in nsmallest(over, events, key=lambda name: (name in asked, events[name].last)):
            del events[name]


def _properties(event: Event) -> dict[str, Any]:
    if event.type == "track":
        return event.properties or {}
    if event.type in ("page", "screen"):
        named = {"name": event.name} if event.name else {}
        category = {"category": event.category} if event.category else {}
        return {**named, **category, **(event.properties or {})}
    if event.type in ("identify", "group"):
        return event.traits or {}
    return event.properties or {}


def _teaches(profile: Profile, context: Context) -> bool:
    """Whether the client's context may say anything new: most say the same each time."""
    learned = profile.learned
    return bool(
        (context.locale and context.locale != learned.get("locale"))
        or (context.timezone and context.timezone != learned.get("timezone"))
        or context.location
        or context.device
        or context.traits
    )


def _learn(profile: Profile, event: Event, context: Context, record: Record) -> None:
    """Take language, locale, time zone, country, place and device from the client's context."""
    if context.locale and context.locale != profile.learned.get("locale"):
        profile.learned["locale"] = context.locale
        profile.learned["language"] = context.locale.replace("_", "-").split("-")[0].lower()
    if context.timezone:
        profile.learned["timezone"] = context.timezone
    if context.location:
        country = context.location.get("country")
        if isinstance(country, str) and country:
            profile.learned["country"] = country
        place = {name: context.location.get(name) for name in ("latitude", "longitude")}
        if point_of(place) is not None:
            profile.learned["location"] = place
    if event.type != "identify" and context.traits:
        state_attributes(profile, context.traits)
    if context.device:
        _learn_device(profile, context.device, record.received_at)


def _learn_device(profile: Profile, device: dict[str, Any], now: int) -> None:
    """What is not said of a device, as its token until it has asked for one, stays as it was."""
    id = _text(device.get("id"))
    if id:
        known = profile.devices.get(id, Device(id=id))
        profile.devices[id] = Device(
            id=id,
            type=_text(device.get("type", known.type)),
            token=_text(device.get("token", known.token)),
            model=_text(device.get("model", known.model)),
            last_seen=now,
        )
        if len(profile.devices) > DEVICES:
            del profile.devices[min(profile.devices, key=lambda d: profile.devices[d].last_seen)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
