"""The kinds of steps, as written in a journey file. The key that a step has tells which it is.

    - wait: 30m
    - wait: {best_hour: 24h}
    - message: nudge ...
    - branch:
        - when: {attribute: country, equals: KR}
          then: [...]
      otherwise: [...]
    - wait_for:
        - event: Order Completed
          then: [...]
        - outcome: opened
          message: nudge
      at_most: 24h
      otherwise: [...]
    - split: greeting
      arms: [{name: a, weight: 50, then: [...]}, {name: b, weight: 50, then: [...]}]
    - update: {vip: true}
    - coupon: trial-20
      otherwise: [...]
    - webhook: crm
      payload: {user: "{{ profile.user_id }}"}
      otherwise: [...]
    - enter: other-journey
    - go_to: nudge
    - exit: true

To add one: its struct here and in `Step`, what it does in `steps`, and an arm in `Handling._take`
of `deciding.reactions`. What it holds besides steps of its own (rules, templates) is named by
`compile.rules_of` and the checks.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, NamedTuple

from msgspec import Struct, field

from harken.channels.table import ChannelName
from harken.messages.content import Content, Variant
from harken.segments.rules import Rule, Where
from harken.values import Duration, LocalDateTime, Name, TimeOfDay

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


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
    """The local time on that day; without it, the property's own time, of a bare date 00:00."""


class BestHour(Struct, frozen=True):
    """Wait for the hour at which the customer best opens and clicks, within so long.

    Their own hours, else those of all customers, else the workspace's `best_hour`; never outside
    the workspace's sending hours or in its quiet hours.
    """

    key: ClassVar[str] = "best_hour"
    best_hour: Duration


class Wait(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Do nothing for a duration (`wait: 30m`) or until a local time, a date or a good hour."""

    key: ClassVar[str] = "wait"
    wait: Duration | Until | UntilDate | BestHour
    id: Name | None = None


class Winner(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """When all new customers get one arm: at a set time, or once it is shown to be the best."""

    at: Duration | LocalDateTime | None = None
    """So long after the first customer, or at a date and time in the workspace's zone."""
    evidence: float | None = None
    """How sure it must be that the arm is the best, such as 0.95: over the whole experiment,
    however often that is looked at."""


class Experiment(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How new customers are shared out among the arms. Who is in an arm stays in it."""

    allocation: Literal["fixed", "thompson"] = "fixed"
    """By the weights as written; or more and more to the arms that do better (Thompson sampling).
    """
    measure: Literal["goal", "opened", "clicked"] = "goal"
    """What counts as doing well: the journey's goal, or what became of the message."""
    at_least: int = 100
    """Runs that each arm must have measured to the end before anything moves."""
    winner: Winner | None = None

    @property
    def moves(self) -> bool:
        """Whether the shares may become others than those written."""
        return self.allocation != "fixed" or self.winner is not None


class Message(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Say something through a channel, if the gates let it pass."""

    key: ClassVar[str] = "message"
    message: Name
    channel: ChannelName | None = None
    """By which it goes; or give `channels`."""
    channels: list[ChannelName] = field(default_factory=list)
    """A chain: the first by which the customer can be reached and has not opted out of."""
    hook: Name | None = None
    """The workspace's webhook, of a message that may go by webhook; the one named `default`, or
    the only one, when not given."""
    default: Content
    variants: list[Variant] = field(default_factory=list)
    experiment: Experiment | None = None
    """How the variants with a `weight` are tried; by their weights when not given."""
    sender: str | None = None
    purpose: Literal["marketing", "transactional"] | None = None
    """The journey's purpose when not given."""
    tags: list[str] = field(default_factory=list)
    sending_hours: SendingHours | None = None
    priority: Literal["low", "normal", "high"] | int = "normal"
    """Who gets the last slot of a cap: `low` is 25, `normal` 50, or a number from 1 to 99. `high`
    passes caps and quiet hours, never consent or law."""
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

    @property
    def by(self) -> list[str]:
        """The channels that it may go by, in the order in which they are tried."""
        return [self.channel] if self.channel else list(self.channels)


class Exit(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """End the run, for those to whom the rule applies (everyone, when `exit: true`)."""

    key: ClassVar[str] = "exit"
    exit: Literal[True] | Rule
    id: Name | None = None


class Arm(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The steps for those for whom the rule holds."""

    when: Rule
    then: list["Step"] = field(default_factory=list)
    name: Name | None = None
    """How reports call it; `arm-1`, `arm-2` ... when not given."""


class Branch(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The first arm whose rule holds, else `otherwise`; then on to the step after the branch."""

    key: ClassVar[str] = "branch"
    branch: list[Arm]
    otherwise: list["Step"] = field(default_factory=list)
    id: Name | None = None


class AwaitedEvent(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An event whose properties pass `where`. Later steps may use them as `answers.<step id>`."""

    key: ClassVar[str] = "event"
    event: str
    where: Where = field(default_factory=dict)
    then: list["Step"] = field(default_factory=list)
    name: Name | None = None


class AwaitedOutcome(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What becomes of a message that this run sent.

    `failed`: it was tried, and the provider refused it or its time was over. `not_sent`: it never
    was, because a gate stopped it (true at once) or its words gave it up.
    """

    key: ClassVar[str] = "outcome"
    outcome: Literal["delivered", "opened", "clicked", "bounced", "failed", "not_sent"]
    message: Name
    then: list["Step"] = field(default_factory=list)
    name: Name | None = None


class WaitFor(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Wait for the first of several events; `otherwise` when none came within `at_most`.

    `{outcome: opened, message: nudge}` with `otherwise` is how "ignored my message" is said.
    """

    key: ClassVar[str] = "wait_for"
    wait_for: list[AwaitedEvent | AwaitedOutcome]
    at_most: Duration
    otherwise: list["Step"] = field(default_factory=list)
    id: Name | None = None


class SplitArm(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A share of the customers, in percent of those who are not in the control group."""

    name: Name
    weight: float
    then: list["Step"] = field(default_factory=list)


class Split(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An experiment: a customer always comes into the same arm of it.

    Its control group takes the first arm's steps, but what they would have been sent from here on
    is only noted, so that lift can be measured.
    """

    key: ClassVar[str] = "split"
    split: Name
    arms: list[SplitArm]
    control: float = 0.0
    """Percent."""
    experiment: Experiment | None = None
    """How the arms are tried; by their weights when not given."""


class FromEvent(Struct, frozen=True):
    """The value of a property (dotted path) of the event that the run began with."""

    key: ClassVar[str] = "event_property"
    event_property: str


class FromAnswer(Struct, frozen=True):
    """What an earlier step learned: `step-id.path`."""

    key: ClassVar[str] = "answer"
    answer: str


class Add(Struct, frozen=True):
    """What the attribute is now (0 when it is no number) and this."""

    key: ClassVar[str] = "add"
    add: float


class TimeNow(Struct, frozen=True):
    """The time at which the step is taken, ISO 8601 in UTC."""

    key: ClassVar[str] = "now"
    now: Literal[True]


class Removed(Struct, frozen=True):
    """Take the attribute away."""

    key: ClassVar[str] = "remove"
    remove: Literal[True]


Given = str | int | float | bool | list[Any] | FromEvent | FromAnswer
Value = Given | Add | TimeNow | Removed


class Update(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Set attributes of the customer."""

    key: ClassVar[str] = "update"
    update: dict[str, Value]
    id: Name | None = None


class IssueCoupon(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Give the customer a coupon of a pool.

    Later steps know it as `answers.<step id>`, templates also as `coupon` (the latest one).
    """

    key: ClassVar[str] = "coupon"
    coupon: Name
    otherwise: list["Step"] | None = None
    """When there is none to give; without it, the run ends then."""
    id: Name | None = None


class EnterJourney(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Put the customer into another journey, one with `entry: {api: true}`; this run goes on."""

    key: ClassVar[str] = "enter"
    enter: Name
    properties: dict[str, Given] = field(name="with", default_factory=dict)
    """The entry's properties there; those of this run's event when not given."""
    id: Name | None = None


class CallWebhook(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Call a webhook of the workspace and wait for its answer, at most so long.

    What it answers (JSON) is `answers.<step id>` for later steps; without an answer the run goes
    by `otherwise`, and the reason is `answers.<step id>.error`. It says nothing to the customer.
    """

    key: ClassVar[str] = "webhook"
    webhook: Name
    payload: dict[str, Any] = field(default_factory=dict)
    """JSON whose strings hold Liquid, as a message's `payload`."""
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    at_most: Duration = Duration.parse("1m")
    otherwise: list["Step"] = field(default_factory=list)
    id: Name | None = None


class GoTo(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Go on at another step, by its `id` or name. A loop needs a wait in it."""

    key: ClassVar[str] = "go_to"
    go_to: Name
    id: Name | None = None


Step = (
    Message
    | Wait
    | WaitFor
    | Branch
    | Split
    | Update
    | IssueCoupon
    | CallWebhook
    | EnterJourney
    | GoTo
    | Exit
)


class Limb(NamedTuple):
    """Steps inside a step: one of the ways that it may go."""

    name: str
    key: str
    """Where the steps stand under the step: `branch[0].then`, `otherwise`."""
    steps: list[Step]


def limbs(step: Step) -> list[Limb]:
    """The ways that a step may go besides on to the next one, in their order."""
    match step:
        case Branch(branch=arms):
            inner = [
                Limb(arm.name or f"arm-{place + 1}", f"branch[{place}].then", arm.then)
                for place, arm in enumerate(arms)
            ]
            return [*inner, Limb("otherwise", "otherwise", step.otherwise)]
        case WaitFor(wait_for=awaited):
            inner = [
                Limb(one.name or _awaited(one), f"wait_for[{place}].then", one.then)
                for place, one in enumerate(awaited)
            ]
            return [*inner, Limb("otherwise", "otherwise", step.otherwise)]
        case CallWebhook(otherwise=steps):
            return [Limb("otherwise", "otherwise", steps)]
        case Split(arms=shares):
            return [Limb(a.name, f"arms[{place}].then", a.then) for place, a in enumerate(shares)]
        case IssueCoupon(otherwise=steps) if steps is not None:
            return [Limb("otherwise", "otherwise", steps)]
    return []


def _awaited(one: AwaitedEvent | AwaitedOutcome) -> str:
    return one.event if isinstance(one, AwaitedEvent) else f"{one.message} {one.outcome}"


def walk(steps: list[Step], path: str = "$.steps") -> Iterator[tuple[str, Step]]:
    """Every step and where it stands, each before the steps inside it."""
    for index, step in enumerate(steps):
        place = f"{path}[{index}]"
        yield place, step
        for limb in limbs(step):
            yield from walk(limb.steps, f"{place}.{limb.key}")


def own_id(step: Step) -> str:
    """A message's or split's name, else the `id` that its author gave it, if any."""
    match step:
        case Message(message=name) | Split(split=name):
            return name
        case _:
            return step.id or ""


def step_id(step: Step, index: int) -> str:
    """Its own id, else its kind and place: `wait-1`."""
    return own_id(step) or f"{step.key}-{index + 1}"
