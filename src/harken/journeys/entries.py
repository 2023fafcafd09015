"""The ways into a journey, as written in its file. The key that stands in `entry` tells which.

    {event: Cart Abandoned, where: {cart_value: {gte: 100}}}
    {segment: big-carts}   {segment: big-carts, on: exit}
    {outcome: clicked, journey: welcome, message: hello}
    {api: true}

Each comes down to one event name and conditions on its properties, which is all that the engine
looks at; `audience`, `reentry` and `key` are the same for all.
"""

from typing import ClassVar, Literal

from msgspec import Struct, field

from harken.segments.rules import Rule, Test, Where
from harken.values import Duration, Name

ENTERED = "$entered"
"""The event of who is put into a journey, by the API or by another journey."""


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
    """Who does this with a message of another journey enters."""

    key: ClassVar[str] = "outcome"
    outcome: Literal["sent", "delivered", "opened", "clicked", "bounced", "failed"]
    journey: Name
    message: Name | None = None
    """One message step of it; any when not given."""

    @property
    def event(self) -> str:
        return f"$message_{self.outcome}"

    @property
    def where(self) -> Where:
        step: Where = {"step": Test(equals=self.message)} if self.message else {}
        return {"journey": Test(equals=self.journey), **step}


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


Entry = EventEntry | SegmentEntry | OutcomeEntry | ApiEntry


def way_in(entry: Entry) -> str:
    """What lets customers in, in words: `the event Cart Abandoned`."""
    match entry:
        case SegmentEntry(segment=segment, on=on):
            return f"{'entering' if on == 'enter' else 'leaving'} the segment {segment}"
        case OutcomeEntry(journey=journey, outcome=outcome):
            return f"a message of {journey} that was {outcome}"
        case ApiEntry():
            return "the API and other journeys"
        case _:
            return f"the event {entry.event}"
