"""Cart left behind: 30 minutes' delay, ends on purchase, versions by what the cart is worth."""

from collections import Counter
from collections.abc import Callable

from driver import Shop

Opener = Callable[..., Shop]


def test_sixty_carts(scenario: Opener) -> None:
    shop = scenario("cart-left-behind")
    worth = {"low": 5, "middle": 150, "premium": 250}
    for kind, value in worth.items():
        for number in range(20):
            user = f"{kind}-{number}"
            shop.identify(user, firstName=user.title(), email=f"{user}@shop.example")
            shop.track(user, "Cart Abandoned", cart_id=f"c-{user}", cart_value=value, brand="Acme")
    shop.advance("29m")
    assert shop.mails() == []
    for kind in worth:
        for number in range(8):
            shop.track(f"{kind}-{number}", "Order Completed", order_id=f"o-{kind}-{number}")
    shop.advance("1m")
    variants = Counter(
        row.variant for kind in worth for n in range(20) for row in shop.ledger(f"{kind}-{n}")
    )
    assert variants == {"premium": 12, "default": 12}
    assert shop.subjects("premium-8@shop.example") == ["Premium-8, your Acme order is waiting"]
    assert shop.subjects("middle-8@shop.example") == ["You left something behind"]
    assert shop.subjects("low-8@shop.example") == []
    assert "Order Completed" in shop.story("premium-0", "cart-left-behind")
