"""A trial in two stages: coupon, expiry, survey, a better coupon and a gift; in exact numbers."""

import re
from collections import Counter
from collections.abc import Callable

from driver import Shop

from harken.messages.surveys import Survey
from harken.reports.surveys import report

Opener = Callable[..., Shop]
CODE = re.compile(r"\b(?:TRIAL|AGAIN|GIFT)-\w+")
REASONS = ["price"] * 15 + ["effect"] * 7 + ["other"] * 3


def everybody() -> list[str]:
    return [f"c{number:02}" for number in range(100)]


def codes_in_mails(shop: Shop, step: str) -> dict[str, list[str]]:
    """By customer: the codes that the message of that step told."""
    return {
        user: CODE.findall(mail.body)
        for user in everybody()
        for mail in shop.mails(f"{user}@shop.example")
        for row in shop.ledger(user)
        if row.id == mail.id and row.step == step
    }


def sent(shop: Shop) -> Counter[str]:
    return Counter(row.step for user in everybody() for row in shop.ledger(user))


def test_a_hundred_customers(scenario: Opener) -> None:
    shop = scenario("trial")
    shop.harken.store.coupons.add("trial-gift", [f"GIFT-{number}" for number in range(30)])
    for user in everybody():
        shop.identify(user, firstName=user.title(), email=f"{user}@shop.example")
        shop.track(user, "Trial Kit Delivered", kit_id=f"k-{user}")
    shop.advance("6d")
    assert sent(shop) == {}

    # The seventh day is over: all hundred are asked, each with a code of their own.
    shop.advance("1d")
    assert sent(shop) == {"how-was-it": 100}
    told = codes_in_mails(shop, "how-was-it")
    assert len({code for codes in told.values() for code in codes}) == 100
    assert shop.subjects("c07@shop.example") == ["How was it, C07?"]

    # Forty buy within three days, thirty of them with their code.
    shop.advance("1d")
    for number, user in enumerate(everybody()[:40]):
        coupon = {"coupon": told[user][0]} if number < 30 else {}
        shop.track(user, "Order Completed", order_id=f"o-{user}", total=50, **coupon)
    assert shop.harken.store.coupons.counts()["trial-20"].redeemed == 30

    # The other sixty are told when the third day ends where they live, which is Seoul here.
    shop.at("2026-03-12 23:59", "Asia/Seoul")
    assert sent(shop) == {"how-was-it": 100}
    shop.at("2026-03-13 00:00", "Asia/Seoul")
    assert sent(shop) == {"how-was-it": 100, "what-was-missing": 60}
    counts = shop.harken.store.coupons.counts()["trial-20"]
    assert (counts.issued, counts.redeemed, counts.expired) == (0, 30, 70)

    # Twenty-five answer, and get a coupon of 30 % and a gift.
    shop.advance("9h")
    for user, reason in zip(everybody()[40:], REASONS, strict=False):
        [asked] = [row for row in shop.ledger(user) if row.step == "what-was-missing"]
        shop.answer(user, "trial-feedback", asked.id, reason=reason, liked=3, comment=user)
    assert sent(shop) == {"how-was-it": 100, "what-was-missing": 60, "thank-you": 25}
    thanks = codes_in_mails(shop, "thank-you")
    assert len(thanks) == 25
    assert all(
        [code.split("-")[0] for code in codes] == ["AGAIN", "GIFT"] for codes in thanks.values()
    )
    assert len({code for codes in thanks.values() for code in codes}) == 50
    assert shop.harken.store.coupons.counts()["trial-gift"].free == 5
    assert "You said it was the price" in shop.mails("c40@shop.example")[-1].body
    assert "Should you like to try again" in shop.mails("c60@shop.example")[-1].body

    # Two weeks later nobody is waited for any more, and nothing else was sent.
    shop.advance("15d")
    assert sent(shop).total() == 185
    assert not any(shop.profile(user).runs for user in everybody())
    assert shop.failures() == []


def test_the_answers_can_be_read_as_a_report(scenario: Opener) -> None:
    shop = scenario("trial")
    for user in everybody():
        shop.identify(user, email=f"{user}@shop.example")
        shop.track(user, "Trial Kit Delivered")
    shop.advance("12d")
    for user, reason in zip(everybody(), REASONS, strict=False):
        [asked] = [row for row in shop.ledger(user) if row.step == "what-was-missing"]
        shop.answer(
            user, "trial-feedback", asked.id, reason=reason, liked=4, comment=f"I am {user}"
        )
    survey: Survey = shop.harken.services.in_force.surveys["trial-feedback"]
    steps = [("trial", "what-was-missing")]
    found = report(shop.history, survey, steps, since=0, until=2**62, texts=3)
    by_id = {question.id: question for question in found.questions}
    assert (found.sent, found.answered, found.share) == (100, 25, 0.25)
    assert by_id["reason"].counts == {"price": 15, "effect": 7, "habit": 0, "other": 3}
    assert by_id["liked"].average == 4.0
    assert len(by_id["comment"].texts) == 3


def test_without_gifts_the_thanks_are_without_one(scenario: Opener) -> None:
    shop = scenario("trial")
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Trial Kit Delivered")
    shop.advance("12d")
    [asked] = [row for row in shop.ledger("mina") if row.step == "what-was-missing"]
    shop.answer("mina", "trial-feedback", asked.id, reason="price")
    body = shop.mails("mina@shop.example")[-1].body
    assert [code.split("-")[0] for code in CODE.findall(body)] == ["AGAIN"]
    assert "the pool trial-gift has no codes left" in shop.story("mina", "trial")
