"""A journey as written in its file. `compile.py` turns it into what the engine runs.

The ways in are in `entries.py`, the kinds of steps in `kinds.py`.
"""

from typing import Literal

from msgspec import Struct, field

from harken.journeys.entries import Entry
from harken.journeys.kinds import Step
from harken.segments.rules import Rule, Where
from harken.values import Duration, LocalDateTime, Name


class ExceptionEvent(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An event that ends the run at once and frees the customer to enter again."""

    event: str
    where: Where = field(default_factory=dict)
    same_key: bool = False
    """Only the run of the value of the journey's `key` that the event names: an order of this cart.
    An exception equal to the entry's event is always so, since it begins that run anew."""


class Window(Struct, frozen=True, omit_defaults=True):
    """When the journey runs, in the workspace's zone. Nothing leaves at or after `ends_at`."""

    starts_at: LocalDateTime | None = None
    ends_at: LocalDateTime | None = None


class Goal(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the journey is for: the event, within so long after a send."""

    event: str
    where: Where = field(default_factory=dict)
    within: Duration = Duration.parse("3d")


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
