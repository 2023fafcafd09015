"""The interface of a channel: prepared messages in, one outcome each out.

A channel knows nothing of the ledger. It is handed messages that were claimed and rendered, gives
each to a provider, and says what came of it; `delivery.py` decides on retries and writes it down.
"""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from harken.store.base import LedgerRow

OutcomeState = Literal["sent", "temporary", "permanent", "unsure"]


class Rendered(Protocol):
    """A message in its recipient's terms (`messages.render`)."""

    @property
    def subject(self) -> str: ...
    @property
    def html(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def variant(self) -> str: ...
    @property
    def why_variant(self) -> str: ...
    @property
    def payload(self) -> Any: ...
    @property
    def label(self) -> str: ...
    @property
    def footer(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def notes(self) -> Sequence[str]:
        """What else should be known of how it came to say what it says."""

    @property
    def unsubscribe(self) -> str:
        """The address that takes the one-click POST of RFC 8058; empty for none."""


class Prepared(Struct, frozen=True):
    """A message ready to leave."""

    row: LedgerRow
    rendered: Rendered


class Outcome(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a provider made of one message."""

    state: OutcomeState
    """`temporary`: surely not taken, try again. `unsure`: perhaps taken, nobody knows."""
    reason: str = ""
    """The provider's own words, or ours."""
    transport: str = ""
    provider_id: str = ""
    retry_after: int | None = None
    """Milliseconds before which a further try is unwelcome; None leaves it to the back-off."""
    answer: Any = None
    """Of a webhook step's call: what it answered, as JSON has it."""
    dead: bool = False
    """The address does not exist: never write to it again."""


class Channel(Protocol):
    """One way to reach people."""

    @property
    def lanes(self) -> int:
        """How many batches may be sent at the same time, each by a thread of its own."""

    @property
    def repeatable(self) -> bool:
        """Handing over the same message twice reaches the customer once.

        True where the provider takes an idempotency key. What a crash left `handed` is then sent
        again; else it is left `unsure` for an operator.
        """

    @property
    def marks(self) -> bool:
        """Each message is noted (`Begun.mark`) just before its provider can have it, so that one
        that is not noted surely did not leave."""

    def room(self) -> int | None:
        """How many messages it would take now; None for any number, 0 while it rests."""

    def rest(self) -> float:
        """Seconds until `room` may be more than 0."""

    def send(self, batch: Sequence[Prepared], deadline: float) -> list[Outcome]:
        """One outcome for each of the batch, in its order. Called by several threads.

        What could not be tried by `deadline` (`time.monotonic` seconds) is `temporary`. Raises
        nothing on account of one message or of the provider.
        """

    def close(self) -> None:
        """Hang up, in the middle of batches too, so that no lane goes on for long."""
