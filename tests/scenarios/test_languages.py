"""Every wording of every scenario goes in English, Korean and Indonesian, with nothing missing."""

import email
import email.policy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from driver import Shop
from scenario_kit import LANGUAGES, PROJECT, stock_up
from test_first_week import buys, others
from test_product_interest import visits

from harken.files.plain import plain_steps
from harken.files.project import load

Opener = Callable[..., Shop]
Said = set[tuple[str, str, str, str]]
"""Step, variant, channel and language of what was sent."""

NAMES = {"en": "Ana", "ko": "민지", "id": "Budi"}
HANGUL = re.compile("[가-힣]")
ENGLISH = re.compile(r"\b(the|you|your|and|with|from|is|for)\b", re.IGNORECASE)


def customers(shop: Shop, kind: str, count: int = 1, **traits: Any) -> list[str]:
    """So many customers of each language, who can be written to."""
    users = [f"{kind}-{language}-{n}" for language in LANGUAGES for n in range(count)]
    for user in users:
        language = user.rsplit("-", 2)[1]
        shop.identify(
            user,
            email=f"{user}@shop.example",
            language=language,
            timezone="Asia/Seoul",
            firstName=NAMES[language],
            **traits,
        )
    return users


def language_of(user: str) -> str:
    return user.rsplit("-", 2)[1]


def told(shop: Shop, users: list[str], meant: str = "") -> Said:
    """What they were sent: each in their own language, and nothing fell back for want of a value
    but where that is what is `meant`."""
    found: Said = set()
    for user in users:
        language = language_of(user)
        for row in shop.ledger(user):
            assert row.state == "sent", (user, row.step, row.reason)
            fell = " uses " in row.why_variant and not (meant and meant in row.why_variant)
            assert not fell, (user, row.step, row.why_variant)
            kept = shop.harken.services.sandbox.get(row.id)
            assert kept is not None
            check = whole_mail if row.channel == "email" else whole_payload
            check(kept.raw, language)
            found.add((row.step, row.variant, row.channel, language))
    return found


def whole_mail(raw: bytes, language: str) -> None:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    html = message.get_body(("html",)).get_content()  # type: ignore[union-attr]
    plain = message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    subject = str(message["Subject"])
    assert re.search(rf'<html[^>]* lang="{language}"', html), html[:300]
    assert "Kelana" in plain
    for text in (subject, plain, html):
        assert not re.search(r"\{\{|\{%|None|은\(는\)|이\(가\)|을\(를\)", text), text
    in_language(f"{subject}\n{plain}", language)


def whole_payload(raw: bytes, language: str) -> None:
    in_language(json.loads(raw)["data"]["payload"]["title"], language)


def in_language(text: str, language: str) -> None:
    words = re.sub(r"https?://\S+", "", text)
    assert bool(HANGUL.search(words)) is (language == "ko"), words
    assert bool(ENGLISH.search(words)) is (language == "en"), words


def spread(*said: tuple[str, str, str]) -> Said:
    """Each in all three languages."""
    return {(*one, language) for one in said for language in LANGUAGES}


def test_every_wording_has_its_versions() -> None:
    """What has no version of its own in a language would be said in English."""
    for name, files in load(PROJECT).journeys.items():
        for place, step in plain_steps(files.source["steps"]):
            contents = [step["default"], *step.get("variants", [])] if "message" in step else []
            for content in contents:
                assert set(content["locales"]) == {"ko", "id"}, (name, place)


def test_a_cart_left_behind(scenario: Opener) -> None:
    shop = scenario("cart-left-behind")
    users = []
    for worth in (250, 150, 50, 5):
        users += (some := customers(shop, f"cart{worth}"))
        for user in some:
            shop.track(user, "Cart Abandoned", cart_id=user, cart_value=worth, brand="Acme")
    shop.advance("1h")
    assert told(shop, users) == spread(
        ("reminder", "premium", "email"),
        ("reminder", "default", "email"),
        ("in-the-app", "default", "webhook"),
        ("in-the-app", "trifle", "webhook"),
    )


def test_the_first_week(scenario: Opener) -> None:
    shop = scenario("first-week")
    stock_up(shop)
    others(shop)
    users = customers(shop, "new", 3)
    for user in users:
        shop.track(user, "Signed Up")
    for user in users:
        if not user.endswith("-2"):
            buys(shop, user, "weekender" if user.endswith("-0") else "a thing of old")
    shop.advance("8d")
    assert told(shop, users, meant="goes-with-it uses") == spread(
        ("related", "goes-with-it", "email"),
        ("related", "default", "email"),
        ("story", "default", "email"),
    )
    assert shop.subjects("new-ko-0@shop.example") == ["지퍼 파우치, 독서등이 잘 어울려요"]
    assert shop.subjects("new-id-0@shop.example") == [
        "Cocok dipadukan dengan Pouch Ritsleting dan Lampu Baca"
    ]


def test_what_they_came_for(scenario: Opener) -> None:
    shop = scenario("product-interest")
    stock_up(shop)
    visits(shop)
    fans, guests = customers(shop, "fan"), customers(shop, "guest")
    strangers = customers(shop, "stranger")
    for user in fans:
        for product in ("rain-shell", "weekender", "weekender", "weekender"):
            shop.track(user, "Product Viewed", product_id=product)
        shop.call("page", userId=user, name="product", properties={})
    for user in guests:
        page = {"product_id": "ridge-runner"}
        shop.call("page", userId=user, name="event", properties=page)
    for user in strangers:
        shop.call("page", userId=user, name="home", properties={})
    # Recommendations are worked out meanwhile.
    shop.advance("23h")
    shop.advance("1h")
    assert told(shop, [*fans, *guests, *strangers]) == spread(
        ("interest", "offer", "email"),
        ("interest", "membership", "email"),
        ("interest", "default", "email"),
    )
    assert shop.subjects("fan-ko-0@shop.example") == ["위켄더 백: 일요일까지 15% 할인"]
    assert shop.subjects("guest-ko-0@shop.example") == ["릿지 러너와 멤버십 회원 혜택"]
    (fan,) = shop.mails("fan-ko-0@shop.example")
    assert "레인 쉘 재킷, 데이 토트를 함께 보셨어요" in fan.body


def test_the_second_channel(scenario: Opener) -> None:
    shop = scenario("second-channel")
    users = customers(shop, "member", 12)
    for user in users:
        shop.track(user, "Membership Expiring")
        if user.endswith(("-1", "-3", "-5", "-7", "-9")):
            shop.consent(user, "opted_out", channel="webhook")
    shop.advance("1d")
    assert told(shop, users) == spread(
        ("first", "default", "email"),
        ("by-app", "default", "webhook"),
        ("by-app", "default", "email"),
        ("by-mail", "default", "email"),
    )


def test_members_and_others(scenario: Opener) -> None:
    shop = scenario("loyalty-announcement")
    benefits = {"en": "Free returns", "ko": "무료 반품", "id": "Retur gratis"}
    users = customers(shop, "guest", 12) + customers(shop, "member", 3, loyalty_member=True)
    for user in users:
        shop.track(user, "Benefit Announced", benefit=benefits[language_of(user)])
    assert told(shop, users) == spread(
        ("for-members", "default", "email"),
        # Of those who are no members everyone is in one arm or the other.
        ("for-others", "savings", "email"),
        ("for-others", "benefit", "email"),
    )


def test_near_a_store(scenario: Opener) -> None:
    shop = scenario("store-nearby", now="2026-03-02 03:00")
    users = customers(shop, "passer")
    for user in users:
        here = {"latitude": 37.5446, "longitude": 127.0557}
        shop.track(user, "Application Opened", context={"location": here})
    assert told(shop, users) == spread(("discount", "default", "email"))


def test_a_trial(scenario: Opener) -> None:
    shop = scenario("trial")
    shop.harken.store.coupons.add("trial-gift", [f"GIFT-{number}" for number in range(3)])
    users = customers(shop, "taster", 2)
    for user in users:
        shop.track(user, "Trial Kit Delivered")
    shop.advance("12d")
    for user in users:
        [asked] = [row for row in shop.ledger(user) if row.step == "what-was-missing"]
        reason = "price" if user.endswith("-0") else "effect"
        shop.answer(user, "trial-feedback", asked.id, reason=reason)
    assert told(shop, users) == spread(
        ("how-was-it", "default", "email"),
        ("what-was-missing", "default", "email"),
        ("thank-you", "default", "email"),
    )
    assert "2026년 3월 12일까지 20% 할인" in shop.mails("taster-ko-0@shop.example")[0].body
    assert "diskon 20% sampai 12 Maret 2026" in shop.mails("taster-id-0@shop.example")[0].body


def test_favourite_teams(scenario: Opener) -> None:
    shop = scenario("onboarding-teams", "season-opens")
    users = customers(shop, "fan", 2)
    for user in users:
        shop.track(user, "Onboarding Started")
        if user.endswith("-0"):
            [asked] = shop.ledger(user)
            shop.answer(user, "favourite-teams", asked.id, teams=["Dragons", "Waves"])
    shop.advance("1m")  # mails of one millisecond stand in no order
    for user in users:
        shop.track(user, "Season Opened")
    assert told(shop, users) == spread(
        ("ask-teams", "default", "email"),
        ("season", "my-teams", "email"),
        ("season", "default", "email"),
    )
    assert shop.subjects("fan-ko-0@shop.example")[-1] == (
        "드래곤즈, 웨이브스와 함께 시즌이 시작돼요"
    )


WEEK: dict[str, tuple[str, str, dict[str, Any]]] = {
    "week-back-in-stock": ("back-in-stock", "Back In Stock", {}),
    "week-new-arrivals": ("new-arrivals", "Collection Released", {}),
    "week-points-expire": ("points", "Points Expiring", {}),
    "week-price-drop": ("price-drop", "Price Dropped", {}),
    "week-receipt": ("receipt", "Order Completed", {"order_id": "A-1"}),
    "week-sale": ("sale", "Sale Started", {}),
}


@pytest.mark.parametrize("journey", sorted(WEEK))
def test_a_busy_week(scenario: Opener, journey: str) -> None:
    step, event, properties = WEEK[journey]
    shop = scenario(journey, now="2026-03-02 03:00")
    users = customers(shop, "mina")
    for user in users:
        shop.track(user, event, **properties)
    shop.advance("1h")
    assert told(shop, users) == spread((step, "default", "email"))


def test_the_weather(weather: Shop) -> None:
    users = customers(weather, "near") + customers(weather, "far")
    for user in users:
        cities = {"en": "Jeju", "ko": "제주", "id": "Jeju"} if "near" in user else {}
        city = {"city": cities[language_of(user)]} if cities else {}
        weather.track(user, "Trip Booked", trip_id=user, departs_at="2026-03-06", **city)
    weather.advance("5d")
    assert told(weather, users) == spread(("forecast", "default", "email"))
    (told_of,) = weather.subjects("near-ko-0@shop.example")
    assert told_of == "내일 제주: 비, 14.5°C"
    assert weather.subjects("far-ko-0@shop.example") == ["내일은 바다로 떠나는 날입니다"]
