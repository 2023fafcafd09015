"""The Segment tracking API's messages: their shape, their limits, and what becomes of odd ones.

What is accepted here is exactly what `decode_event` can read again: the collector decodes each
event once to check it and then logs the client's own bytes. Only an event that needs mending (a
number as id, a NUL, a batch-level context) is written anew.

Source: https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/
"""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta, Raw, Struct

from harken import clock, ids
from harken.decoding import in_words
from harken.ingest import mending

Type = Literal["identify", "track", "page", "screen", "group", "alias"]
CALLS = ", ".join(get_args(Type))

EVENT_BYTES = 32 * 1024
BATCH_BYTES = 500 * 1024
BATCH_EVENTS = 2500
NAME_LENGTH = 200
ID_LENGTH = 256
EXCERPT_BYTES = 2048
BLOCKED_IDS = frozenset(
    {
        "", "0", "-1", "null", "undefined", "anonymous", "none",
        "00000000-0000-0000-0000-000000000000", "00000000000000000000000000000000",
    }
)  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are no such event."""
_NUL = b"\\u0000"
_BACKSLASH = ord("\\")
# More accepted names than this are checked again each time; it only bounds memory.
_NAMES_REMEMBERED = 10_000
_USERS_REMEMBERED = 20_000
_BARE = frozenset({"identify", "page", "screen"})
"""Calls that need nothing but somebody."""


class Context(Struct, rename="camel", omit_defaults=True, gc=False):
    """The parts of `context` that Harken reads; the rest stays in the log's bytes."""

    locale: str | None = None
    timezone: str | None = None
    ip: str | None = None
    user_agent: str | None = None
    device: dict[str, Any] | None = None
    app: dict[str, Any] | None = None
    os: dict[str, Any] | None = None
    library: dict[str, Any] | None = None
    page: dict[str, Any] | None = None
    campaign: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    location: dict[str, Any] | None = None


class Event(Struct, rename="camel", omit_defaults=True, gc=False):
    """One Segment call. Ids that identify nobody have been taken out."""

    type: Type | None = None
    """Never None in the log."""
    user_id: str | None = None
    anonymous_id: str | None = None
    previous_id: str | None = None
    """Of an `alias`."""
    group_id: str | None = None
    """Of a `group`."""
    message_id: str | None = None
    """Never None in the log."""
    event: str | None = None
    """The name of a `track`."""
    name: str | None = None
    """The name of a `page` or `screen`."""
    category: str | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: Context | None = None
    timestamp: str | None = None
    original_timestamp: str | None = None
    sent_at: str | None = None
    write_key: str | None = None
    integrations: dict[str, Any] | None = None


class Envelope(Struct, rename="camel"):
    """The body of a batch."""

    batch: list[Raw]
    sent_at: str | None = None
    context: dict[str, Any] | None = None
    integrations: dict[str, Any] | None = None
    write_key: str | None = None


class Accepted(Struct, frozen=True, gc=False):
    """An event to be logged: who, when, and the bytes."""

    type: Type
    user_id: str | None
    anonymous_id: str | None
    previous_id: str | None
    timestamp: int
    body: bytes | Raw
    profile_id: int = 0
    """The profile that `user_id` names by itself, if that is known already."""


class Rejected(Struct, frozen=True):
    """An event refused, and why."""

    index: int
    reason: str
    path: str
    excerpt: bytes


class Refused(Exception):
    """This event cannot be taken: the reason, and where in the event."""

    def __init__(self, reason: str, path: str = "$") -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path


decode_event: Callable[[bytes | Raw], Event] = msgspec.json.Decoder(Event).decode
"""An event from `Record.body`. Cannot fail on what the collector logged."""


def _levels(more: int) -> Any:
    """The type of JSON without numbers beyond 64 bits that nests so many levels."""
    scalar = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)] | float | str | bool | None
    value: Any = scalar
    for _ in range(more):
        value = scalar | list[value] | dict[str, value]
    return value


def _plain(kind: type[Struct], **other: Any) -> Any:
    """`kind` as most are: its open objects (of any keys) hold nothing large, nor deep."""
    fields = [
        (name, dict[str, _levels(3)] | None, None)  # type: ignore[misc]
        for name, hint in get_type_hints(kind).items()
        if hint == dict[str, Any] | None
    ]
    fields += [(name, hint, None) for name, hint in other.items()]
    return msgspec.defstruct(
        f"Plain{kind.__name__}", fields, bases=(kind,), rename="camel", gc=False
    )


# Decoding into types that say it is far faster than a look at the text; msgspec has no recursive
# ones but structs, so a few levels are written out.
_decode_plain: Callable[[bytes | Raw], Event] = msgspec.json.Decoder(
    _plain(Event, context=_plain(Context) | None)
).decode
"""As `decode_event`, but fails on what may have to be mended."""

decode_envelope: Callable[[bytes], Envelope] = msgspec.json.Decoder(Envelope).decode

_known_names: set[str] = set()
_profiles: dict[str, int] = {}
"""User ids that may be taken as they are, with the profile that each names by itself."""


class Reader:
    """Checks the events of one request, all received at one time.

    `call` is what the route says (`/v1/track`), None for a batch, where each item says it itself.
    """

    def __init__(
        self, received_at: int, call: Type | None = None, envelope: Envelope | None = None
    ) -> None:
        self._received_at = received_at
        self._call = call
        self._sent_at: str | None = None
        self._skew = 0
        self._common: dict[str, dict[str, Any]] = {}
        if envelope is not None:
            self._sent_at = envelope.sent_at
            self._skew = self._skew_of(envelope.sent_at) if envelope.sent_at else 0
            common = {"context": envelope.context, "integrations": envelope.integrations}
            self._common = {key: value for key, value in common.items() if value}

    def read(
        self, items: list[Raw] | list[bytes], request: bytes | None = None
    ) -> tuple[list[Accepted], list[Rejected]]:
        """Each event either accepted, in order, or refused with its reason.

        `request` is the text that they stand in: it is looked through once instead of each. What
        is accepted as it is has the item for its body, so that nothing is copied.
        """
        accepted: list[Accepted] = []
        rejected: list[Rejected] = []
        if request is None:
            request = b"".join(map(bytes, items))
        plain = not (self._common or (_BACKSLASH in request and _NUL in request))
        add, usual = accepted.append, self._usual
        for index, item in enumerate(items):
            event = None
            if plain and len(item) <= EVENT_BYTES:
                try:
                    event = _decode_plain(item)
                except UNREADABLE:
                    pass
                else:
                    if found := usual(event, item):
                        add(found)
                        continue
            body = bytes(item)
            try:
                add(self._accept(body, index, event))
            except Refused as refusal:
                excerpt = body[:EXCERPT_BYTES]
                rejected.append(Rejected(index, refusal.reason, refusal.path, excerpt))
        return accepted, rejected

    def _usual(self, event: Event, body: bytes | Raw) -> Accepted | None:
        """The event when nothing of it must be changed or told, as with most; else None.

        What is right about it is `_accept`'s to say. This runs for every event, so it asks only
        for what is plainly right, and calls as little as it can.
        """
        kind, user, anonymous = event.type, event.user_id, event.anonymous_id
        message, text = event.message_id, event.original_timestamp or event.timestamp
        if (
            kind is None
            or not (event.event in _known_names if kind == "track" else kind in _BARE)
            or (kind != self._call and self._call is not None)
            or not message
            or not text
            or len(message) > ID_LENGTH
            or event.sent_at
        ):
            return None
        profile = 0
        if user is not None:
            profile = _profiles.get(user, 0) or _learn(user)
            if not profile:
                return None
        elif anonymous is None:
            return None
        if anonymous is not None and not _identifies(anonymous):
            return None
        at = clock.parse_time(text)
        if at is None or not clock.EARLIEST <= at <= clock.LATEST:
            return None
        at += self._skew
        received_at = self._received_at
        if at > received_at:
            at = received_at
        return Accepted(kind, user, anonymous, None, at, body, profile)

    def _accept(self, body: bytes, index: int, event: Event | None) -> Accepted:
        if len(body) > EVENT_BYTES:
            raise Refused(f"the event has {len(body)} bytes; {EVENT_BYTES} is the most")
        if event is None:
            body, event = self._look_closer(body)
        changes: dict[str, object] = {}
        kind = event.type
        if self._call is not None and kind != self._call:
            changes["type"] = kind = self._call
        if kind is None:
            raise Refused("`type` is missing: identify, track, page, screen, group or alias")
        user, anonymous = event.user_id, event.anonymous_id
        if user is not None:
            user = _usable(user, "userId", changes)
        if anonymous is not None:
            anonymous = _usable(anonymous, "anonymousId", changes)
        previous = None
        if kind == "track":
            _check_name(event.event)
        elif kind == "alias":
            previous = _usable(event.previous_id or "", "previousId", changes)
            if previous is None or user is None:
                missing = "userId" if previous else "previousId"
                raise Refused("an alias needs `previousId` and `userId`", f"$.{missing}")
        elif kind == "group" and _usable(event.group_id or "", "groupId", changes) is None:
            raise Refused("a group call needs `groupId`", "$.groupId")
        if user is None and anonymous is None:
            raise Refused("neither `userId` nor `anonymousId` identifies anyone", "$.userId")
        timestamp = self._received_at
        if event.original_timestamp or event.timestamp:
            timestamp = min(timestamp, self._corrected(event))
        message = event.message_id
        if not message:
            changes["messageId"] = self._derived(body, index, event)
        elif len(message) > ID_LENGTH:
            raise Refused(f"a message id has at most {ID_LENGTH} characters", "$.messageId")
        if changes:
            body = mending.override(body, changes)
        return Accepted(kind, user, anonymous, previous, timestamp, body)

    def _look_closer(self, body: bytes) -> tuple[bytes, Event]:
        """What is logged of an event that is not plain: often itself, else mended."""
        deep = body.count(b"{") + body.count(b"[") > mending.DEPTH
        if not (deep or self._common or mending.odd(body)):
            try:
                return body, decode_event(body)
            except UNREADABLE:
                pass  # a number as id, or a true fault: the mended form tells
        mended = _mended(body, self._common)
        return mended, _decode(mended)

    def _corrected(self, event: Event) -> int:
        """By our clock: receivedAt - (sentAt - originalTimestamp), with the event's own sentAt."""
        if event.original_timestamp:
            at = _time(event.original_timestamp, "$.originalTimestamp")
        else:
            at = _time(event.timestamp or "", "$.timestamp")
        return at + (self._skew_of(event.sent_at) if event.sent_at else self._skew)

    def _skew_of(self, sent_at: str) -> int:
        return self._received_at - _time(sent_at, "$.sentAt")

    def _derived(self, body: bytes, index: int, event: Event) -> str:
        """An id from the content, so that a client's retry is known as one.

        Without any time of the client's in it, two equal events can as well be two that
        happened: then the time of receipt tells them apart.
        """
        said = event.timestamp or event.original_timestamp or event.sent_at or self._sent_at
        return ids.derived_id(
            "message", body.hex(), index, self._sent_at or "", "" if said else self._received_at
        )


def _time(text: str, path: str) -> int:
    at = clock.parse_time(text)
    if at is None or not clock.EARLIEST <= at <= clock.LATEST:
        raise Refused(f"{text[:40]!r} is no ISO 8601 time", path)
    return at


def _identifies(value: str) -> bool:
    """Whether an id may be taken as it is."""
    return (
        value.isprintable() and len(value) <= ID_LENGTH and value.strip().lower() not in BLOCKED_IDS
    )


def _learn(user: str) -> int:
    """The profile that a user id names by itself, or 0 when it must be looked at more closely."""
    if not _identifies(user):
        return 0
    if len(_profiles) >= _USERS_REMEMBERED:
        _profiles.clear()
    profile = _profiles[user] = ids.profile_id("user", user)
    return profile


def _usable(value: str, key: str, changes: dict[str, object]) -> str | None:
    """The id, or None when it identifies nobody (and is then taken out of the event)."""
    if value.strip().lower() in BLOCKED_IDS:
        changes[key] = None
        return None
    if len(value) > ID_LENGTH:
        raise Refused(f"an id has at most {ID_LENGTH} characters", f"$.{key}")
    if not value.isprintable() and _CONTROL.search(value):
        raise Refused("an id holds no control characters", f"$.{key}")
    return value


def _check_name(name: str | None) -> None:
    if not name or not name.strip():
        raise Refused("a track call needs `event`, the event's name", "$.event")
    if len(name) > NAME_LENGTH:
        raise Refused(f"an event's name has at most {NAME_LENGTH} characters", "$.event")
    if _CONTROL.search(name):
        raise Refused("an event's name holds no control characters", "$.event")
    if name.startswith("$"):
        raise Refused("names that begin with `$` are reserved for Harken's own events", "$.event")
    if len(_known_names) < _NAMES_REMEMBERED:
        _known_names.add(name)


def _mended(body: bytes, common: dict[str, dict[str, Any]]) -> bytes:
    try:
        return mending.mend(body, common)
    except ValueError as error:
        raise Refused(str(error)) from None


def _decode(body: bytes) -> Event:
    try:
        return decode_event(body)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `")
        path = path.rstrip("`") or "$"
        if path == "$.type":
            reason = f"{reason.removeprefix('Invalid enum value ')} is no call; there are {CALLS}"
        raise Refused(in_words(reason), path) from None
    except UNREADABLE as error:
        raise Refused(f"bad JSON: {error}") from None
