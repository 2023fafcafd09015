"""Rows for the tests of history."""

from typing import Any

from harken.effects import Decision, Happening

DAY = 86_400_000
START = 1_772_500_000_000


def event(at: int, profile_id: int = 1, name: str = "Product Viewed", **fields: Any) -> Happening:
    return Happening(
        at=START + at, received_at=START + at, profile_id=profile_id, name=name, **fields
    )


def decision(at: int, profile_id: int = 1, **fields: Any) -> Decision:
    given = {"journey": "cart", "revision": 1, "outcome": "held", "reason": "quiet_hours"} | fields
    return Decision(at=START + at, profile_id=profile_id, **given)
