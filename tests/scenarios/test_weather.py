"""Weather from a live feed in a message, with what is said when the feed is down."""

from collections import Counter
from typing import Any

import pytest
from driver import Shop, instant
from feed_kit import Running


@pytest.fixture
def shop(weather: Shop) -> Shop:
    return weather


def book(shop: Shop, user: str, city: str | None, **traits: Any) -> None:
    """Book a trip that leaves on 6 March, for a customer in Seoul."""
    shop.identify(user, email=f"{user}@shop.example", timezone="Asia/Seoul", **traits)
    trip: dict[str, Any] = {"trip_id": f"trip-{user}", "departs_at": "2026-03-06"}
    shop.track(user, "Trip Booked", **trip, **({"city": city} if city else {}))


def test_the_forecast_comes_on_the_morning_before(shop: Shop, running: Running) -> None:
    book(shop, "ana", "Jeju", firstName="Ana")
    book(shop, "minsu", "서울", language="ko")
    shop.advance("5d")
    ana, minsu = shop.mails("ana@shop.example"), shop.mails("minsu@shop.example")
    assert [mail.at for mail in (*ana, *minsu)] == [instant("2026-03-05 08:00", "Asia/Seoul")] * 2
    assert ana[0].subject == "Jeju tomorrow: rain, 14.5 °C"
    assert "Hello Ana," in ana[0].body
    assert "Jeju expects rain tomorrow, 11 to 14.5 °C." in " ".join(ana[0].body.split())
    assert "80 % chance of rain" in ana[0].body
    assert minsu[0].subject == "내일 서울: 맑음, 12°C"
    assert "기온은 3~12°C" in minsu[0].body


def test_of_fifty_each_gets_theirs_and_each_city_is_asked_once(
    shop: Shop, running: Running
) -> None:
    cities = ["Jeju"] * 25 + ["서울"] * 10 + ["Busan"] * 5 + ["Atlantis"] * 6 + [None] * 4
    for number, city in enumerate(cities):
        book(shop, f"user-{number}", city)
    shop.advance("5d")
    assert Counter(shop.subjects()) == {
        "Jeju tomorrow: rain, 14.5 °C": 25,
        "서울 tomorrow: 맑음, 12 °C": 10,
        "Your trip to Busan tomorrow": 5,  # the feed says too little of it
        "Your trip to Atlantis tomorrow": 6,
        "Your trip to the sea tomorrow": 4,
    }
    assert Counter(running.feed.asked) == {"Jeju": 1, "서울": 1, "Busan": 1, "Atlantis": 1}
    assert "127.0.0.1 answered 404, so its `else` was said" in shop.story("user-40", "weather")
    assert "event.properties.city is missing, so" in shop.story("user-46", "weather")
    assert "was said" not in shop.story("user-0", "weather")


def test_while_the_feed_is_down_all_are_written_to_and_none_waits_for_it(
    shop: Shop, running: Running
) -> None:
    for number in range(30):
        book(shop, f"user-{number}", f"City {number}")
    running.stop()
    shop.advance("5d")
    assert sorted(shop.subjects()) == sorted(
        f"Your trip to City {number} tomorrow" for number in range(30)
    )
    assert running.feed.asked == []
    told = [shop.story(f"user-{number}", "weather") for number in range(30)]
    # On a busy machine even a refusal may come too late.
    refused, late = "does not answer", "did not answer within"
    tried = sum(refused in story or late in story for story in told)
    left_alone = sum("times in a row and is left alone" in story for story in told)
    assert tried + left_alone == 30
    assert tried >= 3
