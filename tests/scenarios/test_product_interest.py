"""Product A's page three times, the event's page, or nothing known: three messages."""

from collections import Counter
from collections.abc import Callable

from driver import Shop
from scenario_kit import stock_up

Opener = Callable[..., Shop]


def looks(shop: Shop, user: str, product: str, times: int = 1) -> None:
    """The page of a product, as the shop's pages tell of it."""
    for _ in range(times):
        shop.call("page", userId=user, name="product", properties={"product_id": product})
        shop.track(user, "Product Viewed", product_id=product)


def come(shop: Shop, kind: str, count: int) -> list[str]:
    users = [f"{kind}-{number}" for number in range(count)]
    for user in users:
        shop.identify(user, email=f"{user}@shop.example")
    return users


def visits(shop: Shop) -> dict[str, list[str]]:
    """Twelve fans of the Weekender (four buy it), ten at the event's page, five at the sign-up page
    with no product on it, nine of whom nothing is known, and six who looked twice."""
    groups = {"fan": 12, "event": 10, "sign-up": 5, "stranger": 9, "twice": 6}
    people = {kind: come(shop, kind, count) for kind, count in groups.items()}
    for user in people["fan"]:
        looks(shop, user, "rain-shell")
        looks(shop, user, "weekender", 3)
    for user in people["twice"]:
        looks(shop, user, "day-tote")
        looks(shop, user, "canvas-low")
        looks(shop, user, "weekender", 2)
    for user in people["event"]:
        page = {"product_id": "ridge-runner"}
        shop.call("page", userId=user, name="event", properties=page)
    for user in people["sign-up"]:
        shop.call("page", userId=user, name="sign-up", properties={})
    for user in people["stranger"]:
        shop.call("page", userId=user, name="home", properties={})
    for user in people["fan"][:4]:
        products = [{"product_id": "weekender"}]
        shop.track(user, "Order Completed", order_id=f"o-{user}", products=products)
    return people


def test_each_gets_what_they_came_for(scenario: Opener) -> None:
    shop = scenario("product-interest")
    stock_up(shop)
    people = visits(shop)
    shop.advance("23h")
    assert shop.mails() == []
    shop.advance("1h")
    got = {
        kind: Counter(row.variant for user in users for row in shop.ledger(user))
        for kind, users in people.items()
    }
    assert got == {
        "fan": {"offer": 8},
        "event": {"membership": 10},
        "sign-up": {"default": 5},
        "stranger": {"default": 9},
        "twice": {"default": 6},
    }
    assert shop.subjects("fan-4@shop.example") == ["Weekender: 15 % off until Sunday"]
    assert shop.subjects("event-0@shop.example") == ["Ridge Runner, and what members get"]
    (fan,) = shop.mails("fan-4@shop.example")
    assert "Weekender, $240.00: 15 % off until Sunday." in fan.body
    # Twelve of eighteen looked at the Rain Shell too, six at the tote; Canvas Low is sold out.
    assert "Others looked at Rain Shell and Day Tote too." in fan.body
    (stranger,) = shop.mails("stranger-0@shop.example")
    # By customers: the Weekender 18 and four orders, the Rain Shell 12, the tote 6.
    assert "Most liked: Weekender, Rain Shell, Day Tote." in stranger.body
    assert "Order Completed" in shop.story("fan-0", "product-interest")
    (row,) = shop.ledger("sign-up-0")
    assert row.why_variant.startswith("membership uses p (products has no item")


def test_another_page_begins_the_day_anew_and_a_week_is_between(scenario: Opener) -> None:
    shop = scenario("product-interest")
    stock_up(shop)
    (user,) = come(shop, "mina", 1)
    shop.call("page", userId=user, name="home", properties={})
    shop.advance("20h")
    looks(shop, user, "weekender", 3)
    shop.advance("20h")
    assert shop.mails() == []
    shop.advance("4h")
    assert shop.subjects() == ["Weekender: 15 % off until Sunday"]
    looks(shop, user, "weekender")
    shop.advance("2d")
    assert len(shop.mails()) == 1


def test_without_a_catalog_the_words_stand_alone(scenario: Opener) -> None:
    shop = scenario("product-interest")
    for user in come(shop, "mina", 1):
        looks(shop, user, "weekender", 3)
    shop.advance("1d")
    (mail,) = shop.mails()
    assert mail.subject == "What people like at Kelana"
    assert "Most liked" not in mail.body
