"""When messages leave: the urgent first, none before its time, and how long a retry waits."""

from delivery_kit import START, Provider, Shop, message, shop
from msgspec import structs

from harken.channels.base import Outcome
from harken.channels.retries import Retries
from harken.clock import HOUR

__all__ = ["shop"]


def test_urgent_messages_leave_first(shop: Shop) -> None:
    shop.queue(*(message(f"m{i}", channel="sms") for i in range(5)))
    shop.queue(message("now", channel="sms", priority=1))
    provider = Provider(lambda one: Outcome(state="sent"))
    shop.drain(shop.delivery(channels={"sms": provider}))
    assert provider.got[0] == "now"


def test_not_before_is_kept(shop: Shop) -> None:
    shop.queue(message("m1", not_before=START + HOUR))
    delivery = shop.delivery()
    shop.drain(delivery)
    assert shop.row("m1").state == "queued"
    shop.clock.advance(HOUR)
    shop.drain(delivery)
    assert shop.row("m1").state == "sent"


def test_waits_double_up_to_the_longest_and_are_the_same_for_the_same_try() -> None:
    retries = Retries()
    waits = [retries.wait("m1", attempt) for attempt in range(1, 60)]
    assert waits == [retries.wait("m1", attempt) for attempt in range(1, 60)]
    assert all(0.75 * HOUR <= wait <= 1.25 * HOUR for wait in waits[8:])
    assert len({retries.wait(f"m{i}", 1) for i in range(50)}) > 40
    assert structs.replace(retries, first=1).wait("m1", 1) <= 2
