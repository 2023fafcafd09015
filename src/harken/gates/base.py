"""What the gates look at, what they answer, and what a policy pack is."""

from typing import Any, Literal, Protocol

from msgspec import Struct, field

from harken.errors import Fault
from harken.gates.hours import Hours
from harken.journeys.kinds import Message
from harken.people.profile import Profile, Run
from harken.segments.live import Check
from harken.workspace import Workspace


class Candidate(Struct):
    """A message that wants to leave, and where it comes from. Times are ms; 0 means none."""

    message_id: str
    """The id it will have in the ledger: what tells a retry from another message."""
    journey: str
    revision: int
    run: Run
    step: Message
    purpose: Literal["marketing", "transactional"]
    """The step's, or the journey's where the step gives none."""
    tags: list[str] = field(default_factory=list)
    """The journey's and the step's together."""
    channel: str = "email"
    address: str = ""
    """Where it would go: the e-mail address, phone number or device token."""
    since: int = 0
    """When the step was first tried: what `expires_after` counts from."""
    delayed: bool = False
    """A wait or hold has passed since the audience was last checked."""
    starts_at: int = 0
    ends_at: int = 0
    """The journey's window."""
    journey_live: bool = True
    audience: Check | None = None
    control_percent: float = 0.0
    split: str = ""
    """The split of whose control group the run is."""
    template: str = ""
    """The provider's code of an approved template, for channels that need one."""


Outcome = Literal["pass", "control", "hold", "drop"]


class Verdict(Struct, frozen=True, omit_defaults=True):
    """What one gate says. `control`: would have been sent, as far as this gate goes."""

    outcome: Outcome
    gate: str
    reason: str = ""
    """A stable code; empty when it simply passes."""
    until: int = 0
    """When held: the next time at which every gate that knows the time would let it pass."""
    facts: dict[str, Any] = field(default_factory=dict)
    """The values that it was decided on, enough to say it in a sentence."""


class Pack(Protocol):
    """What the law of one country asks, beyond what holds everywhere."""

    key: str
    country: str
    """ISO 3166 code of the recipients it is for."""
    dialling: str
    """The country's code at the front of its phone numbers, `+82`."""

    def refusal(self, candidate: Candidate, profile: Profile, now: int) -> Verdict | None:
        """The drop that the law asks for, or None."""

    def hours(self, candidate: Candidate, profile: Profile, now: int) -> Hours | None:
        """The local hours to which the law binds this message, or None."""

    def demands(self, candidate: Candidate) -> dict[str, Any]:
        """What the message must show: `label` before its title, `show` in its body."""

    def faults(self, workspace: Workspace) -> list[Fault]:
        """What the workspace lacks to meet the demands."""
