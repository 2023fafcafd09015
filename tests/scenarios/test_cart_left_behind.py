"""Cart left behind: 30 minutes' delay, ends on purchase, versions by what the cart is worth."""

from collections import Counter
from collections.abc import Callable

from driver import Shop

Opener = Callable[..., Shop]


WORTH = {"trifle": 5, "small": 50, "middle": 150, "premium": 250}


def test_eighty_carts(scenario: Opener) -> None:
    shop = scenario("cart-left-behind")
    users = [f"{kind}-{number}" for kind in WORTH for number in range(20)]
    for user in users:
        value = WORTH[user.partition("-")[0]]
        shop.identify(user, firstName=user.title(), email=f"{user}@shop.example")
        shop.track(user, "Cart Abandoned", cart_id=f"c-{user}", cart_value=value, brand="Acme")
    shop.advance("29m")
    assert not any(shop.ledger(user) for user in users)
    for kind in WORTH:
        for number in range(8):
            shop.track(f"{kind}-{number}", "Order Completed", order_id=f"o-{kind}-{number}")
    shop.advance("1m")
    said = Counter((row.channel, row.variant) for user in users for row in shop.ledger(user))
    assert said == {
        ("email", "premium"): 12,
        ("email", "default"): 12,
        ("webhook", "default"): 12,
        ("webhook", "trifle"): 12,
    }
    assert shop.subjects("premium-8@shop.example") == ["Premium-8, your Acme order is waiting"]
    assert shop.subjects("middle-8@shop.example") == ["You left something behind"]
    assert shop.subjects("small-8@shop.example") == []
    assert "Order Completed" in shop.story("premium-0", "cart-left-behind")


def test_one_cart_is_reminded_of_once_a_day(scenario: Opener) -> None:
    shop = scenario("cart-left-behind")
    shop.identify("mina", email="mina@shop.example")
    for _ in range(3):
        shop.track("mina", "Cart Abandoned", cart_id="c-1", cart_value=150)
        shop.advance("1h")
    assert len(shop.mails()) == 1
    shop.track("mina", "Cart Abandoned", cart_id="c-2", cart_value=150)
    shop.advance("1h")
    assert len(shop.mails()) == 2
