"""What handling an input leads to, as plain values; `engine.py` commits them all at once."""

from typing import Any, Literal

from msgspec import Struct, field

from harken.inputs import Feedback, WakeUp
from harken.people.profile import Profile

Outcome = Literal["entered", "not_entered", "took", "ended", "passed", "held", "dropped", "control"]
"""`took`: one of the ways at a branch, a split or a wait for events, or the hour of a wait."""


class Decision(Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """What was decided about a customer in a journey, and why.

    `reason` is a stable code (`frequency_cap`, `audience`, `exception`); `facts` holds the values
    it was decided on, enough for `reports.why` to say it in a sentence.
    """

    at: int
    profile_id: int
    journey: str
    revision: int
    outcome: Outcome
    reason: str
    run: str = ""
    step: str = ""
    gate: str = ""
    """The gate that decided, for messages."""
    message: str = ""
    """The id of the message that was asked for, whether it was let pass or not."""
    until: int = 0
    """The next possible time, when held."""
    facts: dict[str, Any] = field(default_factory=dict)


class Happening(Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """An event as history keeps it: a client's, or one of our own (`$...`)."""

    at: int
    received_at: int
    profile_id: int
    name: str
    """The event's name; `$identify`, `$group`, `$alias` for those calls."""
    message_id: str = ""
    properties: dict[str, Any] = field(default_factory=dict)
    journey: str = ""
    step: str = ""
    variant: str = ""
    channel: str = ""
    message: str = ""
    anonymous_id: str = ""
    imported: bool = False


class CouponChange(Struct, frozen=True, kw_only=True, gc=False):
    """What becomes of a coupon: its row in the store, which holds every code that ever was."""

    code: str
    pool: str
    what: Literal["issued", "redeemed", "expired", "released", "handed_over"]
    at: int
    profile_id: int
    journey: str
    step: str
    run: str
    issued_at: int
    expires_at: int
    """The last second at which it is good, ms; 0 when it always is."""
    imported: bool
    """Of a released one: its code may be given out again."""
    reference: str = ""
    amount: float | None = None


class Outgoing(Struct, frozen=True, omit_defaults=True, gc=False):
    """A message that passed the gates: the first state of its row in the ledger."""

    id: str
    profile_id: int
    journey: str
    revision: int
    step: str
    run: str
    channel: str
    purpose: str
    address: str
    queued_at: int
    not_before: int
    """When it may leave; pace sets it later than `queued_at`."""
    expires_at: int = 0
    """Not to be handed to a provider at or after this time; 0 for never."""
    priority: int = 0
    """Higher leaves first."""
    variant: str = ""
    """Chosen by `when` or weight; the sender falls back to `default` when data is missing."""
    why_variant: str = ""
    context: bytes = b"\x80"
    """What templates use follows from it (`messages.context.values_of`), as MessagePack."""


class Effects(Struct):
    """Everything that came of one input. `profile` is the changed document."""

    profile: Profile
    changed: bool = True
    """Whether the document must be written; a filling or an invitation may change nothing."""
    facts: bool = False
    """Whether what history keeps of a customer beside events has changed (`rows.Snapshot`)."""
    recount: tuple[int, ...] = ()
    """Documents whose traits must be counted anew from history."""
    forgotten: list[int] = field(default_factory=list)
    """Documents to delete."""
    others: list[Profile] = field(default_factory=list)
    """Other documents that changed: the tombstone of a merge."""
    wake: list[WakeUp] = field(default_factory=list)
    cancel: list[WakeUp] = field(default_factory=list)
    """Wake-ups no longer wanted (the body does not matter)."""
    feedback: list[Feedback] = field(default_factory=list)
    """Message outcomes for the ledger, told by the outside."""
    messages: list[Outgoing] = field(default_factory=list)
    coupons: list[CouponChange] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    answer: str = ""
    """To a broadcast's invitation: `entered`, or why not."""

    def take_back(self, wakeup: WakeUp) -> None:
        """Cancel a wake-up, also one that this input set: the store cancels before it sets."""
        if wakeup in self.wake:
            self.wake.remove(wakeup)
        self.cancel.append(wakeup)
