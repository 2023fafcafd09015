"""A journey as written in its file. `compile.py` turns it into what the engine runs."""

from typing import ClassVar, Literal

from msgspec import Struct, field

from harken.messages.content import Content, Variant
from harken.segments.rules import Rule, Where
from harken.values import Duration, LocalDateTime, Name, TimeOfDay

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Reentry(Struct, frozen=True):
    """Enter again once so long has passed since the last entry."""

    key: ClassVar[str] = "after"
    after: Duration


class Entry(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Who enters: those who do `event` (`where` its properties pass) and are in the `audience`."""

    event: str
    where: Where = field(default_factory=dict)
    audience: Rule | None = None
    reentry: Literal["never", "always"] | Reentry = "never"
    key: str | None = None
    """An event property: one run for each of its values (per cart, per order)."""


class ExceptionEvent(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An event that ends the run at once and frees the customer to enter again."""

    event: str
    where: Where = field(default_factory=dict)


class Window(Struct, frozen=True, omit_defaults=True):
    """When the journey runs, in the workspace's zone. Nothing leaves at or after `ends_at`."""

    starts_at: LocalDateTime | None = None
    ends_at: LocalDateTime | None = None


class Goal(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the journey is for: the event, within so long after a send."""

    event: str
    where: Where = field(default_factory=dict)
    within: Duration = Duration.parse("3d")


class SendingHours(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Local hours in which a message may leave; `from` after `to` spans midnight."""

    from_: TimeOfDay = field(name="from")
    to: TimeOfDay
    on: list[Weekday] = field(default_factory=list)
    """Days it may leave on (the day the hours begin); empty means every day."""
    outside: Literal["hold", "drop"] = "hold"


class Pace(Struct, frozen=True):
    """At most so many messages of the step in so long."""

    at_most: int
    per: Duration


class Until(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Wait until the next local `time` (on one of the days `on`)."""

    key: ClassVar[str] = "time"
    time: TimeOfDay
    on: list[Weekday] = field(default_factory=list)


class UntilDate(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Wait until the date in a property of the triggering event, or `before` / `after` it."""

    key: ClassVar[str] = "event_property"
    event_property: str
    before: Duration | None = None
    after: Duration | None = None
    at: TimeOfDay | None = None
    """The local time on that day; without it, the property's own time."""


class Wait(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Do nothing for a duration (`wait: 30m`) or until a local time or date."""

    key: ClassVar[str] = "wait"
    wait: Duration | Until | UntilDate
    id: Name | None = None


class Message(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Say something through a channel, if the gates let it pass."""

    key: ClassVar[str] = "message"
    message: Name
    channel: Literal["email"]
    default: Content
    variants: list[Variant] = field(default_factory=list)
    sender: str | None = None
    purpose: Literal["marketing", "transactional"] | None = None
    """The journey's purpose when not given."""
    tags: list[str] = field(default_factory=list)
    sending_hours: SendingHours | None = None
    priority: Literal["normal", "high"] = "normal"
    """`high` passes caps and quiet hours, never consent or law."""
    counts: bool = True
    """Whether it takes a slot of the caps."""
    when_capped: Literal["drop", "hold"] = "drop"
    recheck_audience: bool | None = None
    """Check the audience again before sending; by default when the message was delayed."""
    expires_after: Duration | None = None
    """Give up when it could not leave within so long of its step."""
    pace: Pace | None = None
    track_opens: bool = True
    track_clicks: bool = True


class Exit(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """End the run, for those to whom the rule applies (everyone, when `exit: true`)."""

    key: ClassVar[str] = "exit"
    exit: Literal[True] | Rule
    id: Name | None = None


Step = Message | Wait | Exit


class Journey(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A journey file."""

    journey: Name
    description: str = ""
    purpose: Literal["marketing", "transactional"] = "marketing"
    state: Literal["live", "paused"] = "live"
    entry: Entry
    exceptions: list[ExceptionEvent] = field(default_factory=list)
    exit_when: Rule | None = None
    """Ends the run when it holds, looked at with each event and at each step."""
    window: Window = Window()
    goal: Goal | None = None
    control_percent: float = 0.0
    """Share of those who enter who get nothing, to measure lift against."""
    tags: list[str] = field(default_factory=list)
    steps: list[Step]
