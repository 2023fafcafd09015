"""The workspace compiled for the gates."""

from zoneinfo import ZoneInfo

from msgspec import Struct

from harken.clock import DAY
from harken.gates.base import Pack
from harken.gates.hours import Hours

LONGEST_WINDOW = 45 * DAY
"""How far back a cap may look: for so long a customer's sends are remembered."""
MOST_SENDS = 500
"""How many of them are remembered, and so how many a cap may allow."""


class CompiledCap(Struct, frozen=True, kw_only=True):
    """At most N messages a window."""

    at_most: int
    per: int = 0
    """A rolling window's length in ms; 0 for a calendar one."""
    week: bool = False
    """Of a calendar window: the week from Monday instead of the day."""
    channel: str | None = None
    tag: str | None = None
    written: str
    """The window as the workspace file has it."""


class CompiledWorkspace(Struct, frozen=True, kw_only=True):
    """The workspace, ready for the gates."""

    zone: ZoneInfo
    country: str | None = None
    needs_opt_in: dict[str, bool]
    """By purpose: whether being implied is too little."""
    holdout_percent: float = 0.0
    packs: tuple[Pack, ...] = ()
    quiet: Hours | None = None
    """The hours that are *not* quiet."""
    quiet_hold: bool = True
    sending: Hours | None = None
    sending_hold: bool = True
    caps: tuple[CompiledCap, ...] = ()
    arbitration: int = 0
    """How long (ms) a message waits for more important ones before it takes a slot of the caps."""
