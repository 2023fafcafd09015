"""Rows for the tests of history."""

from typing import Any

from harken.effects import Decision, Happening
from harken.history.rows import encode_batch
from harken.store.base import Batch

DAY = 86_400_000
START = 1_772_500_000_000


def event(at: int, profile_id: int = 1, name: str = "Product Viewed", **fields: Any) -> Happening:
    return Happening(
        at=START + at, received_at=START + at, profile_id=profile_id, name=name, **fields
    )


def decision(at: int, profile_id: int = 1, **fields: Any) -> Decision:
    given = {"journey": "cart", "revision": 1, "outcome": "held", "reason": "quiet_hours"} | fields
    return Decision(at=START + at, profile_id=profile_id, **given)


EACH = 20
"""Events of a batch of `batch_of`."""


def batch_of(number: int) -> Batch:
    """The batch that moves the offset to `number`, with events named by their place."""
    first = (number - 1) * EACH
    events = [event(n, n % 7, message_id=f"m{n}") for n in range(first, first + EACH)]
    return Batch(
        offset=number,
        profiles=[],
        forgotten=[],
        woken=[],
        wake=[],
        cancel=[],
        messages=[],
        feedback=[],
        history=encode_batch(events, []),
        notes={},
    )
