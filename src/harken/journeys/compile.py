"""From a journey as written to what the engine runs, with every fault named."""

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from harken.clock import DAY
from harken.errors import Fault
from harken.journeys.model import Exit, Journey, Message, Step, UntilDate, Wait
from harken.segments.compare import compile_test, compile_where
from harken.segments.live import Check, Traits, compile_rule
from harken.segments.rules import lookup
from harken.segments.words import describe_test, plain

LONGEST_GOAL = 30 * DAY


class Condition(Struct, frozen=True):
    """A condition on a property of the event that starts a journey."""

    path: str
    passes: Callable[[Any], bool]
    said: str
    """In words, made once: it is refused often."""


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
    exceptions: dict[str, list[Callable[[dict[str, Any]], bool]]]
    """By event name: conditions on its properties, any of which ends the run."""
    exits: dict[int, Check | None]
    """By index of an exit step: whom it lets out (None: everyone)."""

    @property
    def steps(self) -> list[Step]:
        return self.source.steps

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
        """How decisions and reports call a step."""
        return step_id(self.source.steps[index], index)


def step_id(step: Step, index: int) -> str:
    """A message's name, a step's `id`, else its kind and place: `wait-1`."""
    if isinstance(step, Message):
        return step.message
    return step.id or f"{step.key}-{index + 1}"


def compile_journey(
    source: Journey, revision: int, archived: bool, zone: ZoneInfo, traits: Traits
) -> LiveJourney:
    """What the engine runs. `zone` is the workspace's; traits needed are added to `traits`."""
    entry, window = source.entry, source.window
    exceptions: dict[str, list[Callable[[dict[str, Any]], bool]]] = {}
    for exception in source.exceptions:
        exceptions.setdefault(exception.event, []).append(compile_where(exception.where))
    exits = {
        index: None if step.exit is True else compile_rule(step.exit, traits)
        for index, step in enumerate(source.steps)
        if isinstance(step, Exit)
    }
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
        exits=exits,
    )


def journey_faults(source: Journey) -> list[Fault]:
    """What is wrong with a journey whose parts are all well formed."""
    faults = []
    window = source.window
    if window.starts_at and window.ends_at:
        utc = ZoneInfo("UTC")
        if window.ends_at.instant(utc) <= window.starts_at.instant(utc):
            faults.append(Fault("$.window.ends_at", "the window ends before it begins"))
    if not 0 <= source.control_percent <= 100:
        faults.append(Fault("$.control_percent", "must be a percentage from 0 to 100"))
    if source.goal and not 0 < source.goal.within <= LONGEST_GOAL:
        faults.append(Fault("$.goal.within", "must be more than nothing and at most 30d"))
    if not source.steps:
        faults.append(Fault("$.steps", "a journey needs at least one step"))
    for name in (source.entry.event, *(e.event for e in source.exceptions)):
        if not name.strip():
            faults.append(Fault("$.entry.event", "an event needs a name"))
    return faults + _step_faults(source.steps)


def _step_faults(steps: list[Step]) -> list[Fault]:
    faults = []
    seen: dict[str, int] = {}
    for index, step in enumerate(steps):
        path = f"$.steps[{index}]"
        name = step_id(step, index)
        if name in seen:
            faults.append(Fault(path, f"another step is called `{name}` too (steps[{seen[name]}])"))
        seen.setdefault(name, index)
        if isinstance(step, Exit) and step.exit is True and index + 1 < len(steps):
            faults.append(Fault(path, "the steps after this exit can never run"))
        wait = step.wait if isinstance(step, Wait) else None
        if isinstance(wait, UntilDate) and wait.before and wait.after:
            faults.append(Fault(f"{path}.wait", "give `before` or `after`, not both"))
        if isinstance(step, Message) and step.pace and step.pace.at_most < 1:
            faults.append(Fault(f"{path}.pace.at_most", "must be 1 or more"))
    return faults
