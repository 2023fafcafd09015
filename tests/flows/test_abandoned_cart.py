"""The abandoned cart, as the project's first issue gives it: who gets which mail, and when."""

from collections.abc import Callable

import pytest
from driver import Shop, instant

CART = """
journey: abandoned-cart
purpose: marketing
entry:
  event: Cart Abandoned
  where: {cart_value: {gte: 100}}
  audience: {attribute: country, in: [KR, ID, US]}
  reentry: {after: 1d}
  key: cart_id
exceptions:
  - event: Order Completed
window: {starts_at: 2026-01-01T00:00, ends_at: 2027-12-31T23:59}
goal: {event: Order Completed, within: 3d}
steps:
  - wait: 30m
  - message: nudge
    channel: email
    sending_hours: {from: "09:00", to: "21:00", outside: hold}
    variants:
      - when: {event_property: cart_value, gte: 200}
        subject: "{{ profile.first_name }}, your {{ event.properties.brand }} order is waiting"
        mjml: abandoned-premium.mjml
      - when: {attribute: loyalty_member, equals: true}
        subject: "Your member price is still on"
        html: "<p>{{ profile.first_name | default: 'Hello' }}, ...</p>"
    default:
      subject: "You left something behind"
      mjml: abandoned.mjml
"""
COLUMN = "<mj-section><mj-column><mj-text>%s</mj-text></mj-column></mj-section>"
MJML = f"<mjml><mj-body>{COLUMN}</mj-body></mjml>"
CONTENT = {
    "abandoned-premium.mjml": MJML % "The cart of {{ profile.first_name }}",
    "abandoned.mjml": MJML % "Still there",
}
PREMIUM = "Mina, your Nike order is waiting"
MEMBER = "Your member price is still on"
DEFAULT = "You left something behind"
Open = Callable[..., Shop]


@pytest.fixture
def shop(open_shop: Open) -> Shop:
    shop = open_shop()
    shop.apply(content=CONTENT, abandoned_cart=CART)
    return shop


def customer(shop: Shop, user: str = "mina", **attributes: object) -> None:
    traits = {"email": f"{user}@shop.example", "country": "US", "timezone": "UTC"} | attributes
    shop.identify(user, **{k: v for k, v in traits.items() if v is not None})


def abandon(
    shop: Shop, user: str = "mina", cart: str = "c1", value: float = 250, **more: object
) -> None:
    shop.track(user, "Cart Abandoned", cart_id=cart, cart_value=value, **more)


@pytest.mark.parametrize(
    ("attributes", "properties", "subject"),
    [
        ({"first_name": "Mina"}, {"value": 250, "brand": "Nike"}, PREMIUM),
        ({"firstName": "Mina"}, {"value": 200, "brand": "Nike"}, PREMIUM),
        ({"first_name": "Mina", "loyalty_member": True}, {"value": 150}, MEMBER),
        ({"first_name": "Mina", "loyalty_member": 1}, {"value": 150}, DEFAULT),
        ({"loyalty_member": True}, {"value": 150}, MEMBER),
        ({"first_name": "Mina"}, {"value": 150}, DEFAULT),
        # A name or brand that is missing never leaves a gap.
        ({}, {"value": 250, "brand": "Nike"}, DEFAULT),
        ({"first_name": "Mina"}, {"value": 250}, DEFAULT),
        ({"first_name": "  "}, {"value": 250, "brand": "Nike"}, DEFAULT),
        ({"first_name": "Mina"}, {"value": 250, "brand": None}, DEFAULT),
    ],
)
def test_each_customer_gets_the_variant_that_fits(
    shop: Shop, attributes: dict, properties: dict, subject: str
) -> None:
    customer(shop, **attributes)
    abandon(shop, **properties)
    shop.advance("29m59s")
    assert shop.mails() == []
    shop.advance("1s")
    assert shop.subjects() == [subject]
    assert shop.mails()[0].to == "mina@shop.example"


@pytest.mark.parametrize(
    ("attributes", "properties", "reason"),
    [
        ({"country": "DE"}, {}, "audience"),
        ({"country": None}, {}, "audience"),
        ({}, {"cart": ""}, "no_key"),
    ],
)
def test_who_does_not_enter_and_why(
    shop: Shop, attributes: dict, properties: dict, reason: str
) -> None:
    customer(shop, **attributes)
    abandon(shop, **properties)
    shop.advance("2h")
    assert shop.said("mina", "abandoned-cart") == [f"not_entered {reason}"]
    assert shop.mails() == []


@pytest.mark.parametrize(("value", "said"), [(99.99, "99.99"), ("250", 'the text "250"')])
def test_an_event_that_does_not_fit_leaves_no_decision_but_why_tells(
    shop: Shop, value: object, said: str
) -> None:
    customer(shop)
    abandon(shop, value=value)
    shop.advance("2h")
    assert shop.said("mina", "abandoned-cart") == []
    assert shop.mails() == []
    assert f"cart_value was {said}" in shop.story("mina", "abandoned-cart")


def test_an_order_ends_the_run_at_once(shop: Shop) -> None:
    customer(shop)
    abandon(shop)
    shop.advance("29m")
    shop.track("mina", "Order Completed", total=250)
    assert shop.profile("mina").runs == {}
    assert [key for _, _, key in shop.wakeups()] == ["session"]
    shop.advance("1d")
    assert shop.mails() == []
    assert shop.said("mina", "abandoned-cart") == ["entered event", "ended exception"]
    assert "Order Completed" in shop.story("mina", "abandoned-cart")


def test_an_order_frees_the_customer_to_enter_again(shop: Shop) -> None:
    customer(shop)
    abandon(shop)
    shop.track("mina", "Order Completed")
    abandon(shop)
    shop.advance("30m")
    assert shop.subjects() == [DEFAULT]


def test_two_carts_are_two_runs_and_one_cart_is_one(shop: Shop) -> None:
    customer(shop)
    abandon(shop, cart="c1")
    abandon(shop, cart="c2")
    abandon(shop, cart="c2")
    shop.advance("1h")
    assert len(shop.mails()) == 2
    assert shop.said("mina", "abandoned-cart").count("not_entered reentry") == 1


def test_reentry_is_measured_from_the_entry(open_shop: Open) -> None:
    shop = open_shop("2026-03-02 20:45")
    shop.apply(content=CONTENT, abandoned_cart=CART)
    customer(shop)
    abandon(shop)
    shop.advance("14h")
    # Held over the night: sent at 09:00 of the third, entered at 20:45 of the second.
    assert [mail.at for mail in shop.mails()] == [instant("2026-03-03 09:00")]
    shop.at("2026-03-03 20:44:59")
    abandon(shop)
    refused = shop.decisions("mina", "abandoned-cart")[-1]
    assert refused.reason == "reentry"
    assert refused.facts["again_at"] == instant("2026-03-03 20:45")
    shop.advance("1s")
    abandon(shop)
    shop.advance("1d")
    assert [mail.at for mail in shop.mails()][1:] == [instant("2026-03-04 09:00")]


@pytest.mark.parametrize(
    ("zone", "sent"),
    [
        ("UTC", "2026-03-02 10:30"),
        ("Asia/Seoul", "2026-03-02 19:30"),
        ("Australia/Sydney", "2026-03-03 09:00"),
        ("America/Los_Angeles", "2026-03-02 09:00"),
        ("Nowhere/Land", "2026-03-02 10:30"),
    ],
)
def test_mail_waits_for_the_morning_of_the_recipient(shop: Shop, zone: str, sent: str) -> None:
    customer(shop, timezone=zone)
    abandon(shop)
    shop.advance("1d")
    where = "UTC" if zone == "Nowhere/Land" else zone
    assert [mail.at for mail in shop.mails()] == [instant(sent, where)]


def test_a_held_message_says_until_when(shop: Shop) -> None:
    customer(shop, timezone="Australia/Sydney")
    abandon(shop)
    shop.advance("30m")
    held = shop.decisions("mina", "abandoned-cart")[-1]
    assert (held.outcome, held.gate) == ("held", "quiet_hours")
    assert held.until == instant("2026-03-03 09:00", "Australia/Sydney")
    assert "No message was sent yet." in shop.story("mina", "abandoned-cart")


def test_an_order_in_the_night_stops_a_held_message(shop: Shop) -> None:
    customer(shop, timezone="Australia/Sydney")
    abandon(shop)
    shop.advance("1h")
    shop.track("mina", "Order Completed")
    shop.advance("2d")
    assert shop.mails() == []


def test_who_leaves_the_audience_while_waiting_gets_nothing(shop: Shop) -> None:
    customer(shop)
    abandon(shop)
    customer(shop, country="DE")
    shop.advance("1h")
    assert shop.said("mina", "abandoned-cart")[1:] == ["dropped audience", "ended completed"]


@pytest.mark.parametrize(
    ("now", "said", "mails"),
    [
        ("2025-12-31 23:59", ["not_entered not_started"], 0),
        ("2026-01-01 09:00", ["entered event", "passed", "ended completed"], 1),
        ("2027-12-31 20:45", ["entered event", "dropped journey_ended", "ended completed"], 0),
        ("2027-12-31 23:59", ["not_entered ended"], 0),
    ],
)
def test_the_window_of_the_journey(open_shop: Open, now: str, said: list, mails: int) -> None:
    shop = open_shop(now)
    shop.apply(content=CONTENT, abandoned_cart=CART)
    customer(shop)
    abandon(shop)
    shop.advance("2d")
    assert shop.said("mina", "abandoned-cart") == said
    assert len(shop.mails()) == mails


def test_a_repeated_message_id_counts_once_even_after_a_restart(shop: Shop) -> None:
    customer(shop)
    abandon(shop, id="same")
    abandon(shop, id="same")
    shop.reopen()
    shop.advance("47h")
    abandon(shop, id="same")
    assert shop.profile("mina").events["Cart Abandoned"].count == 1
    shop.advance("1h2s")
    abandon(shop, id="same", cart="c2")
    assert shop.profile("mina").events["Cart Abandoned"].count == 2


def test_the_same_message_id_of_another_customer_is_another_event(shop: Shop) -> None:
    for user in ("mina", "joon"):
        customer(shop, user)
        abandon(shop, user, id="same")
    shop.advance("30m")
    assert {mail.to for mail in shop.mails()} == {"mina@shop.example", "joon@shop.example"}


def test_late_and_imported_events_count_but_start_nothing(shop: Shop) -> None:
    customer(shop)
    abandon(shop, ago="1d1s")
    shop.call(
        "track", imported=True, userId="mina", event="Cart Abandoned",
        properties={"cart_id": "c2", "cart_value": 300},
    )  # fmt: skip
    shop.advance("1d")
    assert shop.profile("mina").events["Cart Abandoned"].count == 2
    assert shop.happened("mina")["Cart Abandoned"] == 2
    assert shop.said("mina", "abandoned-cart") == ["not_entered late"]
    assert shop.mails() == []


def test_an_event_just_not_too_late_starts_the_journey(shop: Shop) -> None:
    customer(shop)
    abandon(shop, ago="24h")
    shop.advance("30m")
    assert len(shop.mails()) == 1


def test_an_identify_right_before_a_track_is_always_seen_by_it(shop: Shop) -> None:
    """In one request and in two, handled in one batch of the engine."""
    traits = {"email": "mina@shop.example", "country": "KR"}
    cart = {"cart_id": "c", "cart_value": 120}
    for number in range(40):
        user = f"user{number}"
        known = shop.item("identify", userId=user, traits=traits)
        left = shop.item("track", userId=user, event="Cart Abandoned", properties=cart)
        if number % 2:
            shop.request([known, left], settle=False)
        else:
            shop.request([known], settle=False)
            shop.request([left], settle=False)
    shop.work()
    shop.advance("30m")
    assert len(shop.mails()) == 40


def test_a_wrong_clock_of_the_client_is_corrected(shop: Shop) -> None:
    """Its clock is three days behind; the event is ten minutes old."""
    customer(shop)
    item = shop.item(
        "track", userId="mina", event="Cart Abandoned", timestamp="2026-02-27T09:50:00Z",
        properties={"cart_id": "c1", "cart_value": 120},
    )  # fmt: skip
    shop.request([item], sent_at="2026-02-27T10:00:00Z")
    assert shop.profile("mina").events["Cart Abandoned"].last == instant("2026-03-02 09:50")
    shop.advance("30m")
    assert len(shop.mails()) == 1
