"""Carts left behind: who counts as gone, and that each change is told once."""

import pytest
from examples.shop.catalogue import catalogue
from examples.shop.visitors import SILENT_AFTER, Customer, Visitor, Visitors, cart_properties

AFTER = 5.0


def visitor_with(*products: str) -> tuple[Visitors, Visitor]:
    visitors = Visitors()
    found = visitors.add(Visitor())
    found.here(100.0)
    for product in products:
        found.cart.put(product, 1)
    return visitors, found


@pytest.mark.parametrize(
    ("products", "left", "asked", "abandoned"),
    [
        ((), 100.0, 200.0, False),
        (("weekender",), None, 101.0, False),
        (("weekender",), 100.0, 104.9, False),
        (("weekender",), 100.0, 105.0, True),
        (("weekender",), None, 100.0 + SILENT_AFTER, False),
        (("weekender",), None, 100.1 + SILENT_AFTER, True),
    ],
)
def test_a_cart_is_left_behind_once_its_visitor_is_gone_for_so_long(
    products: tuple[str, ...], left: float | None, asked: float, abandoned: bool
) -> None:
    visitors, visitor = visitor_with(*products)
    if left is not None:
        visitor.gone(left)
    assert bool(visitors.abandoned(asked, AFTER)) is abandoned


def test_coming_back_stops_it_and_each_change_is_told_once() -> None:
    visitors, visitor = visitor_with("weekender")
    visitor.gone(101.0)
    visitor.here(104.0)
    assert visitors.abandoned(106.0, AFTER) == []
    visitor.gone(107.0)
    visitor.gone(111.0)
    assert visitors.abandoned(112.0, AFTER) == [visitor]
    visitor.cart.reported = visitor.cart.version
    assert visitor.cart_state(112.0) == "reported"
    assert visitors.abandoned(500.0, AFTER) == []
    visitor.here(600.0)
    visitor.cart.put("day-tote", 2)
    visitor.gone(601.0)
    assert visitors.abandoned(606.0, AFTER) == [visitor]


def test_a_cart_says_its_worth_and_the_brand_of_its_dearest_product() -> None:
    _, visitor = visitor_with("zip-pouch", "weekender")
    visitor.cart.put("zip-pouch", 3)
    visitor.language = "ko"
    found = cart_properties(visitor, catalogue(), "http://shop.example")
    assert (found["cart_value"], found["brand"], found["currency"]) == (324, "Aster & Vale", "USD")
    assert [(p["product_id"], p["quantity"]) for p in found["products"]] == [
        ("weekender", 1),
        ("zip-pouch", 3),
    ]
    assert found["products"][0]["name"] == "위켄더 백"
    assert found["products"][0]["url"] == "http://shop.example/product/weekender"


def test_too_many_visitors_push_out_the_longest_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("examples.shop.visitors.MOST_VISITORS", 2)
    visitors = Visitors()
    first, second, third = (Visitor(seen=at) for at in (3.0, 1.0, 2.0))
    for visitor in (first, second, third):
        visitors.add(visitor)
    assert visitors.find(second.key) is None
    assert visitors.find(first.key) is first
    assert visitors.find(third.key) is third


def test_traits_leave_out_what_was_not_said() -> None:
    customer = Customer(
        user_id="c", email="a@example.com", first_name="A", last_name="", language="en",
        country="US", loyalty_member=False, news=True,
    )  # fmt: skip
    assert "last_name" not in customer.traits()
    assert customer.traits()["loyalty_member"] is False
