"""The creepiness report as the API answers it."""

from typing import Literal

from msgspec import Struct


class Answered(Struct, frozen=True):
    """Who answered for it, when and why."""

    by: str
    at: str | None
    """None for an approval in workspace.yaml."""
    reason: str


class Shown(Struct, kw_only=True):
    """One thing that a message knows of its recipient, or that a webhook is told of a customer."""

    message: str
    """The message, or the id of the webhook step."""
    webhook: str
    """Who is told it; empty of a message."""
    fact: str
    """As templates have it: `profile.attributes.diet`, `event.properties.cart_value`."""
    use: Literal["shown", "told", "chooses the words"]
    variants: list[str]
    is_: Literal["sensitive", "personal", "ordinary", "of the event"]
    purpose: str
    benefit: str
    """What the customer has from it, as it is declared."""
    approved: Answered | None
    came_from: dict[str, int]
    """Of those below, how many: `stated`, `imported`, `learned` from a client's context, `set` by
    a journey or an operator, `event`."""
    got: int
    """Customers among the latest recipients who have it and were sent a version that says it."""
    would_get: int
    """The same of those who would be sent the message now."""


class Creepiness(Struct, kw_only=True):
    """What a journey's messages say of people. The gravest comes first."""

    journey: str
    revision: int
    recipients: int
    """Latest recipients that were looked at (5,000 at most)."""
    audience: int
    """Customers who would be sent messages now that were looked at (500 at most)."""
    shown: list[Shown]
