"""What providers tell of a message, however often and however soon."""

from collections.abc import Callable
from typing import Any

import pytest
from driver import Shop
from plain import journey

from harken.clock import MINUTE
from harken.inputs import Feedback

Open = Callable[..., Shop]


@pytest.mark.parametrize("what", ["delivered", "bounced", "complained"])
def test_what_is_told_twice_counts_once(open_shop: Open, what: Any) -> None:
    shop = open_shop(cart=journey())
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Go")
    row = shop.ledger("mina")[0]
    for _ in range(2):
        shop.feedback(row.profile_id, row.id, what)
        shop.advance("1m")
    assert shop.happened("mina")[f"$message_{what}"] == 1


def test_a_soft_bounce_hides_no_hard_one(open_shop: Open) -> None:
    shop = open_shop(cart=journey())
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Go")
    row = shop.ledger("mina")[0]
    shop.feedback(row.profile_id, row.id, "bounced")
    shop.feedback(row.profile_id, row.id, "bounced", hard=True, address=row.address)
    assert shop.happened("mina")["$message_bounced"] == 2
    assert "email" in shop.profile("mina").unreachable


@pytest.mark.parametrize("what", ["delivered", "bounced"])
def test_what_is_told_before_the_sender_wrote_it_down_is_kept(open_shop: Open, what: Any) -> None:
    shop = open_shop(cart=journey())
    shop.identify("mina", email="mina@shop.example")
    shop.request([shop.item("track", userId="mina", event="Go")], settle=False)
    store = shop.harken.store
    while shop.harken.engine.turn():
        pass
    row = store.claim("another", shop.now, {"email": 1}, MINUTE)[0]
    told = Feedback(row.id, what, shop.now, detail="told")
    shop.harken.services.collector.append_commands([(row.profile_id, told)]).result()
    while shop.harken.engine.turn():
        pass
    delivery = shop.harken.sender._delivery
    sent = delivery._result(row, "sent", "", shop.now, transport="smtp")
    assert store.settle("another", [sent]) == [row.id]
    assert shop.ledger("mina")[0].state == what
