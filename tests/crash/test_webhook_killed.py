"""The sender is killed between hand-over and settlement: a webhook gets one thing, by one id."""

from pathlib import Path
from typing import Any

import pytest
from crash_kit import Customers, mortal, until
from receivers import receiving

ANSWER = (200, {}, b'{"tier": "gold"}')
BY_WEBHOOK = {
    "journey": "by-webhook",
    "entry": {"event": "Cart Abandoned", "reentry": "always", "key": "cart_id"},
    "steps": [
        {"message": "nudge", "channel": "webhook", "default": {"payload": {"title": "Hi"}}},
    ],
}
CALLS: dict[str, Any] = {
    "journey": "calls",
    "entry": {"event": "Product Viewed", "reentry": "always", "key": "view_id"},
    "steps": [
        {"webhook": "crm", "id": "score", "at_most": "5m"},
        {"update": {"tier": {"answer": "score.tier"}}},
    ],
}


@pytest.mark.parametrize("seam", ["claimed", "not settled"])
@pytest.mark.parametrize("journey", [BY_WEBHOOK, CALLS], ids=["message", "call"])
def test_it_is_posted_again_with_the_same_id(
    tmp_path: Path, journey: dict[str, Any], seam: str
) -> None:
    with receiving(ANSWER) as receiver, mortal(tmp_path) as harken:
        harken.apply(journey, webhooks={"crm": {"url": receiver.url, "private": True}})
        harken.dies_at(seam)
        Customers(harken, 7).does(journey["entry"]["event"], "mina")
        harken.came_to(seam)
        until(lambda: [row["state"] for row in harken.ledger()] == ["sent"], "sent")
        [row] = harken.ledger()
        # Handed over before it died only where it had come so far; both are one to a receiver.
        assert receiver.once == {row["id"]: 2 if seam == "not settled" else 1}
        if journey is CALLS:
            tier = lambda: harken.get("/people/mina")["attributes"].get("tier")  # noqa: E731
            until(lambda: tier() == "gold", "the run went on")
