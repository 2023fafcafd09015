"""From a journey as written to what the engine runs: its steps laid out in one row."""

from collections.abc import Callable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from harken.journeys.entries import ApiEntry
from harken.journeys.kinds import (
    AwaitedEvent,
    AwaitedOutcome,
    Branch,
    CallWebhook,
    Exit,
    GoTo,
    IssueCoupon,
    Message,
    Split,
    Step,
    WaitFor,
    limbs,
    step_id,
    walk,
)
from harken.journeys.model import Journey
from harken.people.profile import Run, Trigger
from harken.segments.compare import compile_test, compile_where
from harken.segments.live import Check, Traits, compile_rule
from harken.segments.rules import Rule, lookup
from harken.segments.words import describe, describe_test, plain

ABORTED = "$message_aborted"
"""The event by which a message that had passed the gates turns out not to be sent."""

Passes = Callable[[dict[str, Any]], bool]
"""Whether an event's properties pass."""


class Condition(Struct, frozen=True):
    """A condition on a property of the event that starts a journey."""

    path: str
    passes: Callable[[Any], bool]
    said: str
    """In words, made once: it is refused often."""


class Way(Struct, frozen=True):
    """One of the ways that a step may go."""

    name: str
    to: int
    """The place of the step that it leads to."""
    said: str = ""
    """Who goes it, in words."""


class Awaited(Struct, frozen=True, kw_only=True):
    """One of the events that a step waits for."""

    event: str
    """Its name. A message that was given up (`ABORTED`) counts like one that the gates stopped."""
    passes: Passes
    message: str = ""
    """The message step whose outcome it is, when it is one of this run's messages."""


class Node(Struct, frozen=True, kw_only=True):
    """A step in its place in the row."""

    step: Step
    id: str
    """How decisions and reports call it."""
    path: str
    """Where it stands in the journey's file."""
    after: int
    """The place of the step that comes next; the row's length when it is the last."""
    ways: tuple[Way, ...] = ()
    """Of a branch: its arms, then `otherwise`. Of a split: its arms. Of a call: `otherwise`."""
    rules: tuple[Check | None, ...] = ()
    """Of a branch: whom each arm takes. Of an exit: whom it lets out (None: everyone)."""
    awaited: tuple[Awaited, ...] = ()

    @property
    def once(self) -> str:
        """What stands in `Run.done` when a run has done it."""
        return done_as(self.step.key, self.id)


def done_as(kind: str, id: str) -> str:
    """How a step stands in `Run.done`: of another kind, one of the same id is another step."""
    return f"{kind} {id}"


class Ending(Struct, frozen=True):
    """An exception, ready to be asked."""

    passes: Passes
    """Whether it holds of an event's properties."""
    same_key: bool
    """Whether it ends only the run whose key the event names."""


class LiveJourney(Struct, frozen=True, kw_only=True):
    """One revision of a journey, ready to run."""

    name: str
    revision: int
    source: Journey
    archived: bool
    starts_at: int
    """ms; 0 when it has always begun."""
    ends_at: int
    """ms; 0 for never."""
    where: list[Condition]
    audience: Check | None
    exit_when: Check | None
    exceptions: dict[str, list[Ending]]
    """By event name: what of its properties ends a run."""
    nodes: list[Node]
    """Every step; a run stands before one of them, or past the last."""
    heard: frozenset[str]
    """Events that may end a run or let it go on; `exit_when` looks at any."""
    showing: frozenset[str] = frozenset()
    """The message steps whose words tell a coupon of the run."""

    @property
    def by_hand(self) -> bool:
        """Whether only the API and other journeys put customers in."""
        return isinstance(self.source.entry, ApiEntry)

    def key_of(self, properties: dict[str, Any]) -> str | None:
        """The value of the key as text: empty without a `key`, None when an event lacks it."""
        path = self.source.entry.key_property
        if path is None:
            return ""
        value = lookup(properties, path)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return None
        if isinstance(value, float) and value.is_integer():
            # Some languages write every number as 7.0.
            value = int(value)
        return str(value) or None

    def ends(self, run: Run, event: Trigger) -> bool:
        """Whether an event is an exception of the run."""
        for ending in self.exceptions.get(event.name, ()):
            if ending.passes(event.properties) and (
                not ending.same_key or self.key_of(event.properties) == run.key
            ):
                return True
        return False

    def fits(self, properties: dict[str, Any]) -> bool:
        """Whether an event with these properties may start the journey."""
        # No `all(...)`: every event asks this of every journey that its name starts.
        for condition in self.where:  # noqa: SIM110
            if not condition.passes(lookup(properties, condition.path)):
                return False
        return True

    def unmet(self, properties: dict[str, Any]) -> list[dict[str, Any]]:
        """The conditions on the event that do not hold: `{"rule": words, "value": seen}`."""
        failed = []
        for condition in self.where:
            value = lookup(properties, condition.path)
            if not condition.passes(value):
                failed.append({"rule": condition.said, "value": plain(value)})
        return failed

    def step_id(self, index: int) -> str:
        """How decisions and reports call the step in a place; empty past the last."""
        return self.nodes[index].id if index < len(self.nodes) else ""

    def messages(self) -> Iterator[Message]:
        """Its message steps."""
        for node in self.nodes:
            if isinstance(node.step, Message):
                yield node.step


def compile_journey(
    source: Journey, revision: int, archived: bool, zone: ZoneInfo, traits: Traits
) -> LiveJourney:
    """What the engine runs. `zone` is the workspace's; traits needed are added to `traits`."""
    entry, window = source.entry, source.window
    exceptions: dict[str, list[Ending]] = {}
    for exception in source.exceptions:
        again = exception.event == entry.event and entry.key_property is not None
        ending = Ending(compile_where(exception.where), same_key=exception.same_key or again)
        exceptions.setdefault(exception.event, []).append(ending)
    nodes = lay_out(source.steps, traits)
    return LiveJourney(
        name=source.journey,
        revision=revision,
        source=source,
        archived=archived,
        starts_at=window.starts_at.instant(zone) if window.starts_at else 0,
        ends_at=window.ends_at.instant(zone) if window.ends_at else 0,
        where=[
            Condition(path, compile_test(test), f"{path} {describe_test(test)}")
            for path, test in entry.where.items()
        ],
        audience=compile_rule(entry.audience, traits) if entry.audience else None,
        exit_when=compile_rule(source.exit_when, traits) if source.exit_when else None,
        exceptions=exceptions,
        nodes=nodes,
        heard=frozenset([*exceptions, *(one.event for node in nodes for one in node.awaited)]),
    )


def lay_out(steps: list[Step], traits: Traits) -> list[Node]:
    """Steps within steps as one row, each before those inside it, with the ways between them."""
    nodes: list[Node] = []
    places = {step_id(step, place): place for place, (_, step) in enumerate(walk(steps))}
    _lay(steps, "$.steps", sum(1 for _ in walk(steps)), places, traits, nodes)
    return nodes


def _lay(
    steps: list[Step],
    path: str,
    after: int,
    places: dict[str, int],
    traits: Traits,
    nodes: list[Node],
) -> None:
    """Add `steps`; what comes after the last of them is the step in the place `after`."""
    for index, step in enumerate(steps):
        here, inner = len(nodes), limbs(step)
        behind = here + _size(step)
        following = behind if index + 1 < len(steps) else after
        if isinstance(step, GoTo):
            following = places.get(step.go_to, following)
        ways, start = [], here + 1
        for limb, said in zip(inner, _said(step), strict=True):
            ways.append(Way(limb.name, start if limb.steps else following, said))
            start += sum(map(_size, limb.steps))
        nodes.append(
            Node(
                step=step,
                id=step_id(step, here),
                path=f"{path}[{index}]",
                after=following,
                ways=tuple(ways),
                rules=_rules(step, traits),
                awaited=_awaited(step),
            )
        )
        for limb in inner:
            _lay(limb.steps, f"{path}[{index}].{limb.key}", following, places, traits, nodes)


def _said(step: Step) -> list[str]:
    """Of each way of a step: who goes it."""
    match step:
        case Branch(branch=arms):
            return [*(describe(arm.when) for arm in arms), ""]
        case WaitFor(wait_for=awaited):
            return [*(_said_of(one) for one in awaited), ""]
        case CallWebhook():
            return [""]
        case Split(arms=shares):
            return [f"{arm.weight:g} % of customers" for arm in shares]
        case IssueCoupon(otherwise=steps) if steps is not None:
            return [""]
    return []


def _said_of(one: AwaitedEvent | AwaitedOutcome) -> str:
    if isinstance(one, AwaitedOutcome):
        return f"the message {one.message} was {one.outcome.replace('_', ' ')}"
    tests = [f"{path} {describe_test(test)}" for path, test in one.where.items()]
    return " and ".join([f"the event {one.event}", *tests])


def _size(step: Step) -> int:
    return 1 + sum(_size(inner) for limb in limbs(step) for inner in limb.steps)


def _rules(step: Step, traits: Traits) -> tuple[Check | None, ...]:
    match step:
        case Branch(branch=arms):
            return tuple(compile_rule(arm.when, traits) for arm in arms)
        case Exit(exit=rule):
            return (None if rule is True else compile_rule(rule, traits),)
    return ()


def _awaited(step: Step) -> tuple[Awaited, ...]:
    if not isinstance(step, WaitFor):
        return ()
    return tuple(_await(one) for one in step.wait_for)


def _await(one: AwaitedEvent | AwaitedOutcome) -> Awaited:
    if isinstance(one, AwaitedEvent):
        return Awaited(event=one.event, passes=compile_where(one.where))
    event = ABORTED if one.outcome == "not_sent" else f"$message_{one.outcome}"
    return Awaited(event=event, passes=lambda properties: True, message=one.message)


def rules_of(journey: Journey) -> Iterator[tuple[str, Rule]]:
    """Every rule of a journey, and where it stands."""
    if journey.entry.audience:
        yield "$.entry.audience", journey.entry.audience
    if journey.exit_when:
        yield "$.exit_when", journey.exit_when
    for path, step in walk(journey.steps):
        match step:
            case Exit(exit=rule) if rule is not True:
                yield f"{path}.exit", rule
            case Branch(branch=arms):
                for place, arm in enumerate(arms):
                    yield f"{path}.branch[{place}].when", arm.when
            case Message(variants=variants):
                for place, variant in enumerate(variants):
                    if variant.when:
                        yield f"{path}.variants[{place}].when", variant.when
