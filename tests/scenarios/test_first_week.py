"""First week: bought, related products; bought nothing, what the brand stands for."""

from collections import Counter
from collections.abc import Callable

from driver import Shop
from scenario_kit import stock_up

Opener = Callable[..., Shop]


def buys(shop: Shop, user: str, *products: str) -> None:
    shop.track(
        user,
        "Order Completed",
        order_id=f"o-{user}-{shop.now}",
        products=[{"product_id": one, "quantity": 1} for one in products],
    )


def others(shop: Shop) -> None:
    """What customers of old bought: twenty a bag with a pouch, eight of them a lamp too, six boots
    with a coat; of Canvas Low there is none left."""
    for number in range(20):
        rest = ["reading-lamp"] if number < 8 else []
        buys(shop, f"old-{number}", "weekender", "zip-pouch", "canvas-low", *rest)
    for number in range(20, 26):
        buys(shop, f"old-{number}", "ridge-runner", "rain-shell")
    shop.advance("1d")


def test_forty_sign_up(scenario: Opener) -> None:
    shop = scenario("first-week")
    stock_up(shop)
    others(shop)
    for number in range(40):
        user = f"new-{number}"
        shop.identify(user, firstName=f"New{number}", email=f"{user}@shop.example")
        shop.track(user, "Signed Up")
    shop.advance("3d")
    for number in range(15):
        buys(shop, f"new-{number}", "weekender")
    for number in range(15, 18):
        buys(shop, f"new-{number}", "ridge-runner")
    for number in range(18, 20):
        buys(shop, f"new-{number}", "a thing of old")
    shop.advance("1d")
    assert Counter(shop.subjects()) == {
        "It goes well with Zip Pouch and Reading Lamp": 15,
        "It goes well with Rain Shell and Weekender": 3,
        # What they bought is in no catalog: nothing can be said to go with it.
        "Thank you for your first order": 2,
    }
    (mail,) = shop.mails("new-0@shop.example")
    assert "You chose Weekender." in mail.body
    assert "Others added Zip Pouch and Reading Lamp." in mail.body
    shop.advance("3d")
    stories = [subject for subject in shop.subjects() if "what we stand for" in subject]
    assert len(stories) == 20
    assert shop.subjects("new-39@shop.example") == ["New39, this is what we stand for"]
    assert len(shop.mails()) == 40


def test_where_nothing_is_known_of_orders_thanks_are_said(scenario: Opener) -> None:
    shop = scenario("first-week")
    stock_up(shop)
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Signed Up")
    buys(shop, "mina", "weekender")
    shop.advance("8d")
    assert shop.subjects() == ["Thank you for your first order"]
    (row,) = shop.ledger("mina")
    assert "there is nothing to recommend" in row.why_variant
