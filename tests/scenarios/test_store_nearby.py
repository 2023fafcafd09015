"""Near a store, 09:00-21:00 local: that store's discount."""

from collections.abc import Callable

import pytest
from driver import Shop, instant

STORE = {"latitude": 37.5446, "longitude": 127.0557}
FAR = {"latitude": 35.1796, "longitude": 129.0756}

Opener = Callable[..., Shop]


def walk(shop: Shop, user: str, place: dict[str, float]) -> None:
    shop.track(user, "Application Opened", context={"location": place})


@pytest.mark.parametrize(
    ("arrives", "leaves"),
    [
        ("2026-03-02 14:00", "2026-03-02 14:00"),
        ("2026-03-02 09:00", "2026-03-02 09:00"),
        ("2026-03-02 20:59", "2026-03-02 20:59"),
        ("2026-03-02 07:30", "2026-03-02 09:00"),
        ("2026-03-02 21:00", "2026-03-03 09:00"),
    ],
)
def test_the_discount_is_sent_by_day(scenario: Opener, arrives: str, leaves: str) -> None:
    shop = scenario("store-nearby", now="2026-03-01 00:00")
    shop.identify("mina", firstName="Mina", email="mina@shop.example", timezone="Asia/Seoul")
    walk(shop, "mina", FAR)
    shop.at(arrives, "Asia/Seoul")
    walk(shop, "mina", STORE)
    shop.advance("2d")
    assert [(mail.subject, mail.at) for mail in shop.mails()] == [
        ("Mina, 10 % in our Seongsu store", instant(leaves, "Asia/Seoul"))
    ]


def test_of_a_hundred_those_who_come_near_get_it_once_a_week(scenario: Opener) -> None:
    shop = scenario("store-nearby", now="2026-03-01 00:00")
    users = [f"user-{number}" for number in range(100)]
    for user in users:
        shop.identify(user, email=f"{user}@shop.example", timezone="Asia/Seoul")
        walk(shop, user, FAR)
    shop.at("2026-03-02 10:00", "Asia/Seoul")
    for user in users[:30]:
        walk(shop, user, STORE)
    for user in users[:10]:
        walk(shop, user, FAR)
        walk(shop, user, STORE)
    assert len(shop.mails()) == 30
    shop.advance("7d")
    for user in users[:10]:
        walk(shop, user, FAR)
        walk(shop, user, STORE)
    assert len(shop.mails()) == 40
    assert "they had entered before" in shop.story("user-0", "store-nearby")
