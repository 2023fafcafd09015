"""Customers are noticed when they come to a place of the workspace."""

from collections.abc import Callable
from typing import Any

import pytest
from driver import Shop
from plain import journey, say, wait

Open = Callable[..., Shop]

PLACES = """
places:
  seoul-store: {latitude: 37.5444, longitude: 127.0557, radius: 200}
  seoul: {latitude: 37.55, longitude: 126.99, radius: 20000}
  quito: {latitude: -0.18, longitude: -78.47, radius: 5000}
"""
STORE = {"latitude": 37.5444, "longitude": 127.0560}
CITY = {"latitude": 37.57, "longitude": 126.98}
BUSAN = {"latitude": 35.18, "longitude": 129.07}
NEARBY = f"journey: cart\nentry: {{place: seoul-store, reentry: always}}\nsteps:{say()}"


def shop_with(open_shop: Open, cart: str = NEARBY, **files: str) -> Shop:
    shop = open_shop(workspace=PLACES, cart=cart, **files)
    shop.identify("mina", email="mina@shop.example")
    return shop


def seen(shop: Shop, place: dict[str, Any], user: str = "mina", **more: Any) -> None:
    """An event by a client that tells where it is."""
    shop.track(user, "Application Opened", context={"location": place}, **more)


def entered(shop: Shop, user: str = "mina") -> list[str]:
    return [one["place"] for one in shop.properties(user, "$place_entered")]


def test_who_comes_to_the_store_enters(open_shop: Open) -> None:
    shop = shop_with(open_shop)
    seen(shop, BUSAN)
    assert entered(shop) == []
    seen(shop, STORE)
    assert entered(shop) == ["seoul", "seoul-store"]
    assert len(shop.mails()) == 1
    assert sorted(shop.profile("mina").places) == ["seoul", "seoul-store"]


def test_who_stays_is_told_once_and_who_comes_back_again(open_shop: Open) -> None:
    shop = shop_with(open_shop)
    for place in (STORE, {**STORE, "longitude": 127.0561}, CITY, STORE, STORE, BUSAN, STORE):
        seen(shop, place)
        shop.advance("1m")
    assert entered(shop) == ["seoul", "seoul-store", "seoul-store", "seoul", "seoul-store"]
    assert len(shop.mails()) == 3


def test_a_stated_location_counts_too(open_shop: Open) -> None:
    shop = shop_with(open_shop)
    shop.identify("mina", location=STORE)
    assert entered(shop) == ["seoul", "seoul-store"]
    shop.identify("mina", location=None)
    assert shop.profile("mina").places == {}


@pytest.mark.parametrize(
    ("latitude", "longitude", "inside"),
    [
        (37.5444 + 0.00179, 127.0557, True),  # 199 m north
        (37.5444 + 0.00181, 127.0557, False),  # 201 m north
        (37.5444, 127.0557 + 0.00226, True),
        (37.5444, 127.0557 + 0.00228, False),
    ],
)
def test_the_circle_ends_at_its_radius(
    open_shop: Open, latitude: float, longitude: float, inside: bool
) -> None:
    shop = shop_with(open_shop)
    seen(shop, {"latitude": latitude, "longitude": longitude})
    assert ("seoul-store" in entered(shop)) is inside


def test_old_news_moves_nobody_into_a_place(open_shop: Open) -> None:
    shop = shop_with(open_shop)
    seen(shop, STORE, ago="2d")
    assert (entered(shop), shop.mails()) == ([], [])
    seen(shop, BUSAN)
    shop.call("track", userId="mina", event="Visit", context={"location": STORE}, imported=True)
    assert entered(shop) == []
    assert "seoul-store" in shop.profile("mina").places


def test_the_run_knows_the_place(open_shop: Open) -> None:
    words = '{subject: "{{ event.properties.place | default: 0 }}", html: "<p>Hi</p>"}'
    steps = f"\n  - message: nudge\n    channel: email\n    default: {words}\n"
    shop = shop_with(open_shop, NEARBY.partition("steps:")[0] + f"steps:{steps}")
    seen(shop, STORE)
    assert shop.subjects() == ["seoul-store"]


def test_segments_and_other_journeys_know_of_it(open_shop: Open) -> None:
    other = journey("$place_entered", name="other", entry_where="{place: seoul}", steps=say("two"))
    shop = open_shop()
    shop.apply(
        segments={"visited": "{did: $place_entered, where: {place: seoul-store}}"},
        workspace=PLACES,
        other=other,
    )
    shop.identify("mina", email="mina@shop.example")
    seen(shop, STORE)
    assert shop.subjects() == ["two"]
    assert shop.segments("mina") == ["visited"]


def test_a_place_that_is_gone_is_let_go_of(open_shop: Open) -> None:
    shop = shop_with(open_shop)
    seen(shop, STORE)
    other = journey("Other", name="other")
    shop.apply(workspace="timezone: UTC\n", other=other)
    shop.track("mina", "Other")
    assert shop.profile("mina").places == {}


def test_a_new_place_is_come_to_with_the_next_location(open_shop: Open) -> None:
    shop = open_shop(workspace="timezone: UTC\n", other=journey("Other", name="other"))
    shop.identify("mina", email="mina@shop.example")
    seen(shop, STORE)
    shop.apply(workspace=PLACES, cart=NEARBY)
    shop.track("mina", "Other")
    assert entered(shop) == []
    seen(shop, {**STORE, "longitude": 127.0561})
    assert entered(shop) == ["seoul", "seoul-store"]


def test_a_merge_moves_nobody_into_a_place(open_shop: Open) -> None:
    shop = shop_with(open_shop)
    seen(shop, STORE, "joon")
    before = len(shop.mails())
    joon = shop.id("joon")
    shop.merge("mina", "joon")
    assert sorted(shop.profile("mina").places) == ["seoul", "seoul-store"]
    assert len(shop.mails()) == before
    seen(shop, {**STORE, "longitude": 127.0561})
    assert len(shop.mails()) == before
    shop.unmerge("mina", joon)
    [parted] = [one for one in shop.profiles() if one.id == joon]
    assert sorted(parted.places) == ["seoul", "seoul-store"]
    assert len(shop.mails()) == before


def test_places_survive_a_restart(open_shop: Open) -> None:
    shop = shop_with(open_shop)
    seen(shop, STORE)
    shop.reopen()
    seen(shop, {**STORE, "longitude": 127.0561})
    assert len(shop.mails()) == 1


def test_why_names_the_place(open_shop: Open) -> None:
    shop = shop_with(open_shop, NEARBY.partition("steps:")[0] + f"steps:{wait('1h') + say()}")
    assert shop.why("mina").answer == "They were not seen to come to the place seoul-store."
    seen(shop, CITY)
    assert shop.why("mina").answer == "They were not seen to come to the place seoul-store."
    seen(shop, STORE)
    assert "they entered, because they came to the place seoul-store" in shop.story("mina")
