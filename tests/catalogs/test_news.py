"""Back in stock, and price drops: who is told of a new version, and who is not."""

from collections.abc import Callable
from typing import Any

import pytest
from catalogs_kit import buys, change, customer, looks, stock_up, workspace
from driver import Shop
from plain import journey, say

from harken.errors import Unavailable
from harken.inputs import Forget, Happened

Opener = Callable[..., Shop]

WATCHED = workspace("{back_in_stock: {}, price_drop: {percent: 10}}")
BACK = journey("$back_in_stock", name="back", entry_reentry="always", steps=say("it-is-back"))
GOODS: dict[str, Any] = {
    "boot": {"title": "Boot", "in_stock": False, "price": 100},
    "bag": {"title": "Bag", "stock": 0, "price": 50},
    "cup": {"title": "Cup", "stock": 3, "price": 10},
}


def watched(open_shop: Opener, **files: str) -> Shop:
    shop = open_shop(workspace=WATCHED, back=BACK, **files)
    stock_up(shop, GOODS)
    customer(shop, "viewer", "adder", "asker", "buyer", "other", "long-ago")
    return shop


def told(shop: Shop, user: str, event: str = "$back_in_stock") -> list[tuple[Any, Any, Any]]:
    return [(one["id"], one["old"], one["new"]) for one in shop.properties(user, event)]


def test_who_showed_interest_and_did_not_buy_is_told_once(open_shop: Opener) -> None:
    shop = watched(open_shop)
    looks(shop, "long-ago", "boot")
    shop.advance("25d")
    looks(shop, "viewer", "boot", "boot", "cup")
    looks(shop, "adder", "boot", event="Product Added")
    looks(shop, "asker", "boot", event="Back In Stock Requested")
    looks(shop, "buyer", "boot")
    shop.advance("6d")
    buys(shop, "buyer", "cup", "boot")
    looks(shop, "other", "cup")
    change(shop, boot={"title": "Boot", "in_stock": True, "price": 100})
    for user in ("viewer", "adder", "asker"):
        assert told(shop, user) == [("boot", False, True)], user
        assert shop.subjects(f"{user}@shop.example") == ["it-is-back"]
    for user in ("buyer", "other", "long-ago"):
        assert told(shop, user) == [], user
    change(shop, boot={"title": "Boot", "in_stock": True, "price": 99})
    assert len(told(shop, "viewer")) == 1
    (properties,) = shop.properties("viewer", "$back_in_stock")
    assert properties["catalog"] == "products"
    assert properties["version"] == 2
    assert properties["item"]["title"] == "Boot"
    assert shop.harken.services.catalogs.news() == []


def test_interest_after_buying_counts_again(open_shop: Opener) -> None:
    shop = watched(open_shop)
    buys(shop, "buyer", "boot")
    shop.advance("1h")
    looks(shop, "buyer", "boot")
    change(shop, boot={"in_stock": True})
    assert told(shop, "buyer") == [("boot", False, True)]


def test_of_several_items_one_event_tells(open_shop: Opener) -> None:
    shop = watched(open_shop)
    looks(shop, "viewer", "boot")
    shop.advance("1m")
    looks(shop, "viewer", "bag")
    change(shop, boot={"in_stock": True}, bag={"stock": 4})
    (properties,) = shop.properties("viewer", "$back_in_stock")
    assert properties["id"] == "bag"
    assert properties["items"] == [
        {"id": "bag", "old": 0, "new": 4},
        {"id": "boot", "old": False, "new": True},
    ]


@pytest.mark.parametrize(
    ("price", "heard"), [(90, True), (90.01, False), (0, True), (110, False), (None, False)]
)
def test_a_price_that_drops_far_enough_is_news(
    open_shop: Opener, price: float | None, heard: bool
) -> None:
    shop = watched(open_shop)
    looks(shop, "viewer", "boot")
    looks(shop, "asker", "boot", event="Back In Stock Requested")
    looks(shop, "viewer", "cup")
    change(shop, cup={} if price is None else {"price": price / 10}, boot={"price": 1, "stock": 0})
    expected = [("cup", 10, price and price / 10)] if heard else []
    assert told(shop, "viewer", "$price_dropped") == expected
    # Whoever asked to be told of stock asked for nothing else; what is sold out is no bargain.
    assert told(shop, "asker", "$price_dropped") == []


@pytest.mark.parametrize("id", [7, "7"])
def test_ids_may_be_numbers(open_shop: Opener, id: object) -> None:
    shop = watched(open_shop)
    change(shop, **{"7": {"stock": 0}})
    looks(shop, "viewer", id)
    looks(shop, "other", 7.5, [7], None, "")
    change(shop, **{"7": {"stock": 1}})
    assert told(shop, "viewer") == [("7", 0, 1)]
    assert told(shop, "other") == []


def test_without_being_asked_for_nothing_is_told(open_shop: Opener) -> None:
    shop = open_shop(workspace=workspace("{}"), back=BACK)
    stock_up(shop, GOODS)
    customer(shop, "viewer")
    looks(shop, "viewer", "boot")
    change(shop, boot={"in_stock": True, "price": 1})
    assert shop.mails() == []


def test_going_back_is_no_news(open_shop: Opener) -> None:
    shop = watched(open_shop)
    change(shop, boot={"in_stock": True, "price": 100})
    looks(shop, "viewer", "boot")
    change(shop, boot={"in_stock": False, "price": 200})
    shop.harken.services.catalogs.go_back("products", 2, at=shop.now, by="a test")
    shop.work()
    assert told(shop, "viewer") == []
    assert told(shop, "viewer", "$price_dropped") == []


def test_what_is_not_true_any_more_is_not_told(open_shop: Opener) -> None:
    shop = watched(open_shop)
    looks(shop, "viewer", "boot", "bag")
    stock_up(shop, {"boot": {"in_stock": True}, "bag": {"stock": 1}}, whole=False, work=False)
    stock_up(shop, {"boot": {"in_stock": False}}, whole=False, work=False)
    shop.work()
    assert told(shop, "viewer") == [("bag", 0, 1)]
    assert shop.harken.services.catalogs.news() == []


def test_a_restart_in_the_midst_goes_on(open_shop: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops after a piece was made durable and before that was noted: nobody hears twice."""
    for module in ("news", "keeper"):
        monkeypatch.setattr(f"harken.catalogs.{module}.AT_ONCE", 3)
    shop = watched(open_shop)
    users = [f"u{number}" for number in range(10)]
    customer(shop, *users)
    for user in users:
        looks(shop, user, "boot")
    catalogs = shop.harken.services.catalogs
    note, noted = catalogs.told, [0]

    def stops(number: int, after: int, count: int) -> None:
        if noted[0]:
            raise Unavailable("the power is gone")
        noted[0] += count
        note(number, after, count)

    monkeypatch.setattr(catalogs, "told", stops)
    with pytest.raises(Unavailable):
        change(shop, boot={"in_stock": True})
    shop.reopen()
    shop.work()
    assert [len(told(shop, user)) for user in users] == [1] * 10
    assert len(shop.mails()) == 10


def test_who_was_forgotten_is_not_brought_back(open_shop: Opener) -> None:
    shop = watched(open_shop)
    looks(shop, "viewer", "boot")
    shop.harken.feeder.flush()
    who = shop.id("viewer")
    shop.command(who, Forget("a test"))
    shop.command(who, Happened("$back_in_stock", "x", {}))
    assert shop.harken.store.profiles([who]) == {}
