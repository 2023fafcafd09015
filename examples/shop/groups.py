"""The segments of `segments/` as the shop shows them: who is in, and how many customers."""

import asyncio
from typing import Any

from examples.shop.backend import Harken

NAMES = (
    "weekender-fans", "curious", "new-without-order", "bought-in-first-week", "big-cart-left",
    "loyalty-members", "lapsed-spenders", "unopened-mails", "near-a-store", "birthday-soon",
)  # fmt: skip
EVERY = 3.0
"""Seconds for which an answer stands, so that many open pages ask no more often than one."""


def word(name: str) -> str:
    """Where a segment's name stands in `words.yaml`."""
    return "segment_" + name.replace("-", "_")


class Groups:
    """How the segments stand."""

    def __init__(self, harken: Harken) -> None:
        self._harken = harken
        self._asked = float("-inf")
        self._known: list[dict[str, Any]] = []

    async def known(self, now: float) -> list[dict[str, Any]]:
        """Name, state, progress and count of each segment. `now`: seconds on a steady clock.

        Raises HarkenDown.
        """
        if now - self._asked >= EVERY:
            found = await asyncio.gather(*map(self._harken.segment, NAMES))
            self._known = [
                {key: one[key] for key in ("name", "state", "progress", "count")}
                for one in found
                if one is not None
            ]
            self._asked = now
        return self._known
