"""Everything at once for one customer in one week: exactly the right messages go."""

from collections.abc import Callable

from driver import Shop

from harken.clock import to_datetime
from harken.values import zone

Opener = Callable[..., Shop]

WEEK = (
    "week-back-in-stock",
    "week-new-arrivals",
    "week-points-expire",
    "week-price-drop",
    "week-receipt",
    "week-sale",
)
HAPPENS = [
    ("2026-03-02 10:00", "Collection Released", {"collection": "Linen"}),
    ("2026-03-02 10:02", "Sale Started", {}),
    ("2026-03-02 10:03", "Price Dropped", {"product": "The blue lamp"}),
    ("2026-03-02 15:00", "Back In Stock", {"product": "The green chair"}),
    ("2026-03-02 15:30", "Sale Started", {}),
    ("2026-03-03 10:00", "Collection Released", {"collection": "Wool"}),
    ("2026-03-03 12:00", "Order Completed", {"order_id": "A-1"}),
    ("2026-03-04 10:00", "Price Dropped", {"product": "The red rug"}),
    ("2026-03-05 09:00", "Back In Stock", {"product": "The oak shelf"}),
    ("2026-03-06 10:00", "Points Expiring", {}),
    ("2026-03-06 12:00", "Order Completed", {"order_id": "A-2"}),
    ("2026-03-09 09:02", "Collection Released", {"collection": "Silk"}),
]
GOES = [
    # Three want Monday's slot within three minutes: the most telling of them gets it.
    ("Mon 10:05", "The blue lamp costs less now"),
    # What the customer asked for goes at once, over the cap of the day; and counts.
    ("Mon 15:00", "The green chair is back"),
    # The third of the week.
    ("Tue 10:05", "New this week: Wool"),
    # Receipts are no campaigns.
    ("Tue 12:00", "Your order A-1"),
    # Wednesday's price drop would be the fourth; this one may be.
    ("Thu 09:00", "The oak shelf is back"),
    ("Fri 12:00", "Your order A-2"),
    # What could wait has waited for the new week, and goes before what came on Monday.
    ("Mon 09:05", "Your points expire soon"),
]


def test_a_busy_week(scenario: Opener) -> None:
    shop = scenario(*WEEK, now="2026-03-01 09:00")
    shop.identify("mina", email="mina@shop.example")
    shop.identify("joon", email="joon@shop.example", timezone="Europe/Paris")
    for when, event, properties in HAPPENS:
        shop.at(when, "Asia/Seoul")
        shop.track("mina", event, **properties)
        if event == "Collection Released":
            shop.track("joon", event, **properties)
    shop.advance("1d")
    seoul = zone("Asia/Seoul")
    got = [
        (to_datetime(mail.at, seoul).strftime("%a %H:%M"), mail.subject)
        for mail in shop.mails("mina@shop.example")
    ]
    assert got == GOES
    # Somebody who hears of nothing else gets all of the least important ones.
    assert shop.subjects("joon@shop.example") == [
        "New this week: Linen", "New this week: Wool", "New this week: Silk",
    ]  # fmt: skip


def test_everyone_who_lost_is_told_why(scenario: Opener) -> None:
    shop = scenario(*WEEK, now="2026-03-01 09:00")
    shop.identify("mina", email="mina@shop.example")
    for when, event, properties in HAPPENS:
        shop.at(when, "Asia/Seoul")
        shop.track("mina", event, **properties)
    shop.advance("1d")
    lost = {
        journey: [
            "+".join(one["step"] for one in decision.facts.get("won", [])) or "earlier ones"
            for decision in shop.decisions("mina", journey)
            if (decision.outcome, decision.reason) == ("dropped", "frequency_cap")
        ]
        for journey in WEEK
    }
    assert lost == {
        "week-back-in-stock": [],
        "week-new-arrivals": ["price-drop", "points"],
        "week-points-expire": [],
        "week-price-drop": ["earlier ones"],
        "week-receipt": [],
        "week-sale": ["price-drop", "earlier ones"],
    }
    assert "the cap of 3 messages tagged campaign in a calendar week" in shop.story(
        "mina", "week-price-drop"
    )
    [held, waiting] = [
        one for one in shop.decisions("mina", "week-points-expire") if one.outcome == "held"
    ]
    assert (held.reason, waiting.reason) == ("frequency_cap", "arbitration")
