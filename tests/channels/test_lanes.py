"""Each channel sends in lanes of its own: what one does is no matter to the others."""

import threading
import time
from collections import Counter
from collections.abc import Sequence

from delivery_kit import START, Shop, message, shop

from harken.channels.base import Outcome, Prepared
from harken.channels.sandbox import SandboxTransport

__all__ = ["shop"]


class Hanging:
    """A channel whose provider does not answer before it is let."""

    lanes = 1
    repeatable = True
    marks = False

    def __init__(self, room: int | None = None) -> None:
        self.let = threading.Event()
        self._room = room

    def room(self) -> int | None:
        return self._room

    def rest(self) -> float:
        return 60.0 if self._room == 0 else 0.0

    def send(self, batch: Sequence[Prepared], deadline: float) -> list[Outcome]:
        self.let.wait(20)
        return [Outcome(state="sent", transport="slow")] * len(batch)

    def close(self) -> None:
        self.let.set()


def test_a_channel_that_hangs_holds_up_no_other(shop: Shop) -> None:
    shop.queue(*(message(f"s{n}", channel="sms") for n in range(500)))
    shop.queue(*(message(f"e{n}") for n in range(300)))
    slow = Hanging()
    by_mail = shop.email(SandboxTransport(shop.sandbox, shop.clock))
    delivery = shop.delivery(channels={"sms": slow, "email": by_mail})
    end = time.monotonic() + 20
    while len(shop.sandbox.list(limit=1_000)) < 300:
        delivery.turn(START)
        assert time.monotonic() < end
    assert "sent" not in {shop.row(f"s{n}").state for n in range(500)}
    slow.let.set()
    shop.drain(delivery)
    assert Counter(shop.states().values()) == {"sent": 800}


def test_nothing_is_claimed_for_a_channel_that_rests_beside_one_that_does_not(shop: Shop) -> None:
    shop.queue(message("s", channel="sms"), message("e"))
    by_mail = shop.email(SandboxTransport(shop.sandbox, shop.clock))
    delivery = shop.delivery(channels={"sms": Hanging(room=0), "email": by_mail})
    shop.drain(delivery)
    assert shop.states() == {"s": "queued", "e": "sent"}
    assert shop.row("s").attempts == 0
    assert delivery.open() == ["email"]
    assert delivery.rest() == 0
    assert shop.store.next_message(delivery.open()) is None
    assert shop.store.next_message(["sms"]) == START
