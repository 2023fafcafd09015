"""The ways into a journey, as written in its file. The key that stands in `entry` tells which.

    {event: Cart Abandoned, where: {cart_value: {gte: 100}}}
    {segment: big-carts}   {segment: big-carts, on: exit}
    {outcome: clicked, journey: welcome, message: hello}
    {outcome: ignored, journey: welcome, message: hello, within: 24h}
    {date: birthday, before: 3d, yearly: true, at: "09:00"}
    {place: seoul-store}
    {schedule: 2026-12-01T10:00, audience: {in_segment: loyal}}
    {api: true}

Each comes down to one event name and conditions on its properties, which is all that the engine
looks at; `audience`, `reentry` and `key` are the same for all.
"""

from typing import ClassVar, Literal

from msgspec import Struct, field

from harken.segments.rules import Rule, Test, Where
from harken.values import Duration, LocalDateTime, Name, TimeOfDay

ENTERED = "$entered"
"""The event of who is put into a journey, by the API or by another journey."""
SCHEDULED = "$scheduled"
"""The event of whom a schedule puts in; its property `occurrence` is the local time."""


PLACE_ENTERED = "$place_entered"
"""The event of who comes to a place; its property is `place`."""
IGNORED = "$message_ignored"
"""The event of a message that nobody opened in time; `within` says what was in time."""
DATE_REACHED = "$date_reached"
"""The event of whom a date attribute puts in: `attribute`, and the `date` that it is about."""


class Reentry(Struct, frozen=True):
    """Enter again once so long has passed since the last entry."""

    key: ClassVar[str] = "after"
    after: Duration


class EntryBase(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What every way in has."""

    audience: Rule | None = None
    reentry: Literal["never", "always"] | Reentry = "never"
    key_property: str | None = field(name="key", default=None)
    """A property of the event: one run for each of its values (per cart, per order)."""


class EventEntry(EntryBase, frozen=True, omit_defaults=True, kw_only=True):
    """Who does `event` (`where` its properties pass) and is in the `audience` enters."""

    key: ClassVar[str] = "event"
    event: str
    where: Where = field(default_factory=dict)


class SegmentEntry(EntryBase, frozen=True, omit_defaults=True, kw_only=True):
    """Who enters or leaves the segment enters the journey."""

    key: ClassVar[str] = "segment"
    segment: Name
    on: Literal["enter", "exit"] = "enter"

    @property
    def event(self) -> str:
        return "$segment_entered" if self.on == "enter" else "$segment_exited"

    @property
    def where(self) -> Where:
        return {"segment": Test(equals=self.segment)}


class OutcomeEntry(EntryBase, frozen=True, omit_defaults=True, kw_only=True):
    """Who does this with a message of another journey enters.

    `ignored`: neither opened nor clicked by a person so long (`within`) after it was sent.
    """

    key: ClassVar[str] = "outcome"
    outcome: Literal["sent", "delivered", "opened", "clicked", "bounced", "failed", "ignored"]
    journey: Name
    message: Name | None = None
    """One message step of it; any when not given."""
    within: Duration | None = None
    """Of `ignored`: how long it may take."""

    @property
    def event(self) -> str:
        return f"$message_{self.outcome}"

    @property
    def where(self) -> Where:
        where: Where = {"journey": Test(equals=self.journey)}
        if self.message:
            where["step"] = Test(equals=self.message)
        if self.within:
            where["within"] = Test(equals=str(self.within))
        return where


class PlaceEntry(EntryBase, frozen=True, omit_defaults=True, kw_only=True):
    """Who comes to one of the workspace's `places` enters."""

    key: ClassVar[str] = "place"
    place: Name

    @property
    def event(self) -> str:
        return PLACE_ENTERED

    @property
    def where(self) -> Where:
        return {"place": Test(equals=self.place)}


class DateEntry(EntryBase, frozen=True, omit_defaults=True, kw_only=True):
    """Whose attribute `date` (dotted path) holds a date enters on that day, in their own zone.

    A day that was past when it became known lets nobody in. Each date counts once, so `reentry`
    is `always` unless it says otherwise.
    """

    key: ClassVar[str] = "date"
    date: str
    before: Duration | None = None
    """So many days earlier."""
    after: Duration | None = None
    """So many days later."""
    yearly: bool = False
    """Every year from the date on; 29 February is the 28th in a year that has none."""
    at: TimeOfDay = TimeOfDay.parse("09:00")
    """The local time of that day."""
    reentry: Literal["never", "always"] | Reentry = "always"

    @property
    def event(self) -> str:
        return DATE_REACHED

    @property
    def where(self) -> Where:
        return {}


class Recurring(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Again and again: `rrule` as RFC 5545 has it, counted from `starts_at`.

    `FREQ=WEEKLY;BYDAY=MO` is every Monday at the time of day of `starts_at`.
    """

    key: ClassVar[str] = "rrule"
    rrule: str
    starts_at: LocalDateTime


class ScheduleEntry(EntryBase, frozen=True, omit_defaults=True, kw_only=True):
    """Who is in the `audience` when the time comes enters: once, or again and again."""

    key: ClassVar[str] = "schedule"
    schedule: LocalDateTime | Recurring
    zone: Literal["workspace", "recipient"] = "workspace"
    """Whose clock shows the time: one moment for all, or each customer's own."""
    per_second: int | None = None
    """At most so many customers a second."""

    @property
    def event(self) -> str:
        return SCHEDULED

    @property
    def where(self) -> Where:
        return {}


class ApiEntry(EntryBase, frozen=True, omit_defaults=True, kw_only=True):
    """Whom the API or another journey puts in enters, with the properties that come along."""

    key: ClassVar[str] = "api"
    api: Literal[True]

    @property
    def event(self) -> str:
        return ENTERED

    @property
    def where(self) -> Where:
        return {}


Entry = EventEntry | SegmentEntry | OutcomeEntry | PlaceEntry | DateEntry | ScheduleEntry | ApiEntry


def way_in(entry: Entry) -> str:
    """What lets customers in, in words: `the event Cart Abandoned`."""
    match entry:
        case SegmentEntry(segment=segment, on=on):
            return f"{'entering' if on == 'enter' else 'leaving'} the segment {segment}"
        case OutcomeEntry(journey=journey, outcome=outcome):
            return f"a message of {journey} that was {outcome}"
        case PlaceEntry(place=place):
            return f"coming to the place {place}"
        case DateEntry(date=attribute):
            return f"the date in the attribute {attribute}"
        case ScheduleEntry():
            return "its schedule"
        case ApiEntry():
            return "the API and other journeys"
        case _:
            return f"the event {entry.event}"
