"""What the engine and the sender ask of a store: one docstring a verb. SQLite answers it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from harken.effects import CouponChange, Outgoing
from harken.inputs import Definitions, Feedback, JourneySource, WakeUp
from harken.people.profile import Profile

MessageState = Literal[
    "queued", "handed", "sent", "delivered", "bounced", "failed", "aborted", "unsure"
]


class Batch(Struct):
    """All that one turn of the engine changes; committed whole or not at all."""

    offset: int
    """The log is handled up to here."""
    profiles: list[tuple[int, bytes]]
    """(id, document as `people.profile` encodes it), in the order of ids."""
    forgotten: list[int]
    woken: list[WakeUp]
    """Wake-ups handled in this batch, to be deleted."""
    wake: list[WakeUp]
    cancel: list[WakeUp]
    messages: list[Outgoing]
    feedback: list[Feedback]
    """Message outcomes told by the outside, for the ledger."""
    history: bytes
    """Rows for history, one blob a batch; history takes them from here in order."""
    notes: dict[str, bytes]
    """Small named states of the engine itself (the pacers'), replaced as they change."""
    definitions: Definitions | None = None
    """New definitions, effective after this batch."""
    coupons: list[CouponChange] = []
    """What became of coupons, in order."""


class LedgerRow(Struct, omit_defaults=True, kw_only=True):
    """One message and what became of it. Times are ms; 0 is not yet."""

    id: str
    profile_id: int
    journey: str
    revision: int
    step: str
    run: str
    channel: str
    purpose: str
    address: str
    state: MessageState
    reason: str = ""
    """Why it failed, bounced, was aborted, or is unsure."""
    variant: str = ""
    why_variant: str = ""
    transport: str = ""
    provider_id: str = ""
    attempts: int = 0
    queued_at: int = 0
    not_before: int = 0
    """The next try is not before this time."""
    expires_at: int = 0
    handed_at: int = 0
    sent_at: int = 0
    delivered_at: int = 0
    opened_at: int = 0
    clicked_at: int = 0
    bounced_at: int = 0
    context: bytes = b""
    """`Outgoing.context` as MessagePack; emptied once the message is final."""


class CouponRow(Struct, frozen=True):
    """A coupon code. Times are ms; 0 is not yet, or never."""

    code: str
    pool: str
    state: Literal["free", "issued", "redeemed", "expired", "void"]
    profile_id: int
    """Whose it was when it was issued (they may have been merged since); 0 for nobody's."""
    journey: str
    step: str
    run: str
    issued_at: int
    expires_at: int
    """The last second at which it is good."""
    ended_at: int
    reference: str
    """Whose use it was: an order's number."""
    amount: float | None
    released: int
    """How often it came back because no message reached its customer."""


class CouponCounts(Struct):
    """How many codes of a pool are in each state."""

    free: int = 0
    issued: int = 0
    redeemed: int = 0
    expired: int = 0
    void: int = 0
    released: int = 0
    """How often codes came back."""


class Result(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the sender learned of one claimed message."""

    id: str
    profile_id: int
    state: MessageState
    """`sent`, `failed`, `aborted`, `unsure`, or `queued` for another try at `not_before`."""
    at: int
    reason: str = ""
    variant: str = ""
    why_variant: str = ""
    transport: str = ""
    provider_id: str = ""
    not_before: int = 0
    journey: str = ""
    revision: int = 0
    step: str = ""
    channel: str = "email"
    address: str = ""
    answer: Any = None
    """Of `sent`: what a webhook step's call was answered."""
    hard: bool = False
    """Of `failed`: the provider says that the address does not exist."""
    untried: bool = False
    """Of `queued`: no provider heard of it, so this was no attempt."""


class Coupons(Protocol):
    """Every coupon code that was imported or issued. What becomes of one comes in a `Batch`."""

    def free(self, pool: str, limit: int) -> list[str]:
        """The next codes of an imported pool that nobody has, in the order of giving out."""

    def known(self, codes: Sequence[str]) -> set[str]:
        """Which of the codes there are, in whatever state and pool."""

    def one(self, code: str) -> CouponRow | None:
        """One code."""

    def of(self, profile_id: int, limit: int) -> list[CouponRow]:
        """The coupons that were issued to a profile, newest first."""

    def counts(self) -> dict[str, CouponCounts]:
        """How many codes are in each state, by pool."""

    def add(self, pool: str, codes: Sequence[str]) -> int:
        """Import codes; how many are new. A code that there is, in any pool, stays as it is."""


class Store(Protocol):
    """Rows of the engine and the sender. Every verb takes and gives lists."""

    @property
    def coupons(self) -> Coupons:
        """The rows of coupons."""

    # the engine
    def offset(self) -> int:
        """The log is handled up to here."""

    def note(self, name: str) -> bytes:
        """A small named state of the engine, empty when never written."""

    def profiles(self, ids: Sequence[int]) -> dict[int, Profile]:
        """The documents that exist, by id. The caller owns (and may change) them."""

    def existing(self, ids: Sequence[int]) -> set[int]:
        """Which of the profiles have a document."""

    def profile_ids(self, after: int, limit: int) -> list[int]:
        """The next ids above `after` that have a document (or tombstone), in order."""

    def about_profiles(self) -> int:
        """About how many documents there are: exact below 10,000, else within a few percent."""

    def due(self, now: int, limit: int) -> list[WakeUp]:
        """The earliest wake-ups due at `now`."""

    def next_due(self) -> int | None:
        """When the earliest wake-up is due, or None."""

    def commit(self, batch: Batch) -> None:
        """Write a batch in one transaction."""

    def definitions(self) -> Definitions:
        """Those in force."""

    def journey_revision(self, journey: str, revision: int) -> JourneySource | None:
        """Any revision ever applied."""

    # history takes its rows from here
    def history_rows(self, after: int, most_bytes: int) -> list[tuple[int, bytes]]:
        """(number, blob) of the next batches after number `after`, in order; durable when returned.

        One at least if there is any, and no more than have so many bytes together.
        """

    def history_waiting(self, after: int) -> int:
        """How many bytes the batches after number `after` have together."""

    def history_end(self) -> int:
        """The number of the last batch that was ever written for history; 0 before any."""

    def history_done(self, upto: int) -> None:
        """History has these batches durably: forget them."""

    # the sender
    def claim(
        self, sender: str, now: int, wanted: Mapping[str, int], lease: int
    ) -> list[LedgerRow]:
        """Mark due `queued` messages as `handed` to `sender` (durably, before this returns).

        `wanted` says how many at most of each channel; those of others stay.
        """

    def settle(self, sender: str, results: Sequence[Result]) -> list[str]:
        """Write outcomes of claimed messages, each with its wake-up for the engine.

        A result whose message `sender` no longer holds is left out; the ids written are returned.
        """

    def lost(self, sender: str) -> list[LedgerRow]:
        """Messages in `handed` that `sender` left behind when it last stopped."""

    def take_over(
        self, sender: str, now: int, settled: Callable[[str, list[LedgerRow]], list[Result]]
    ) -> list[Result]:
        """Settle messages in `handed` whose lease has run out, but for those of `sender`.

        `settled` is asked for each former sender what becomes of its messages, and all is one
        transaction: nobody ever holds what another has claimed, and may have begun.
        """

    def next_message(self, channels: Sequence[str]) -> int | None:
        """When the earliest queued message of the channels may leave, or None."""

    def suppressed(self, addresses: Sequence[str]) -> dict[str, str]:
        """Which of the addresses must not be written to, and why."""

    def suppress(self, rows: Iterable[tuple[str, str, int]]) -> None:
        """(address, why, at): never write to these again."""

    def written_to(self, address: str) -> list[int]:
        """Profiles to whom a message of the ledger went at the address."""

    # people who look
    def messages(
        self,
        *,
        profile_id: int | None,
        state: str | None,
        journey: str | None,
        before: str | None,
        limit: int,
    ) -> list[LedgerRow]:
        """The ledger, newest first; `before` is the id of the last row of the page before."""

    def message(self, id: str) -> LedgerRow | None:
        """One row of the ledger."""

    def resolve(self, id: str, action: Literal["resend", "close"], now: int, by: str) -> bool:
        """An operator's word on an `unsure` message; False when it is not `unsure` any more."""
