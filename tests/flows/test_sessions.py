"""Sessions, and what journeys make of our own events."""

from collections.abc import Callable

from driver import Shop
from plain import journey, say, wait

Open = Callable[..., Shop]
SHOES = {"product_id": "s1", "name": "Shoes", "price": 60, "quantity": 2}
LEFT = "{ordered: false, cart_value: {gte: 100}}"


def test_a_session_ends_once_with_what_happened_in_it(open_shop: Open) -> None:
    shop = open_shop()
    shop.track("mina", "Product Viewed", **SHOES)
    shop.advance("10m")
    shop.track("mina", "Product Added", **SHOES)
    shop.advance("29m")
    shop.track("mina", "Cart Viewed")
    shop.advance("29m59s")
    assert shop.happened("mina")["$session_ended"] == 0
    shop.advance("1s")
    shop.advance("5d")
    assert shop.happened("mina")["$session_started"] == 1
    [ended] = shop.properties("mina", "$session_ended")
    assert ended["events"] == {"Product Viewed": 1, "Product Added": 1, "Cart Viewed": 1}
    assert ended["duration"] == 39 * 60
    assert ended["cart_value"] == 120
    assert ended["ordered"] is False
    assert [one["event"] for one in ended["products"]] == ["Product Viewed", "Product Added"]
    assert shop.wakeups() == []


def test_each_visit_is_a_session(open_shop: Open) -> None:
    shop = open_shop()
    for _ in range(3):
        shop.track("mina", "Page")
        shop.advance("31m")
    counts = shop.happened("mina")
    assert (counts["$session_started"], counts["$session_ended"]) == (3, 3)


def test_the_length_of_silence_is_a_setting(open_shop: Open) -> None:
    shop = open_shop(workspace="sessions: {after: 5m}\n")
    shop.track("mina", "Page")
    shop.advance("5m")
    assert shop.happened("mina")["$session_ended"] == 1


def test_an_event_behind_the_silence_ends_the_session_even_before_the_wake_up(
    open_shop: Open,
) -> None:
    """The engine was down: both events are handled in one batch, before the wake-up."""
    shop = open_shop()
    shop.request([shop.item("track", userId="mina", event="Page")], settle=False)
    shop.clock.advance(3_600_000)
    shop.request([shop.item("track", userId="mina", event="Page")])
    counts = shop.happened("mina")
    assert (counts["$session_started"], counts["$session_ended"]) == (2, 1)
    assert [key for _, _, key in shop.wakeups()] == ["session"]


def test_an_abandoned_cart_by_session(open_shop: Open) -> None:
    shop = open_shop(cart=journey("$session_ended", entry_where=LEFT, steps=wait("1h") + say()))
    for user in ("left", "bought", "small", "removed"):
        shop.identify(user, email=f"{user}@shop.example")
        shop.track(user, "Product Added", **(SHOES if user != "small" else {"price": 99}))
    shop.track("bought", "Order Completed", total=120)
    shop.track("removed", "Product Removed", **SHOES)
    shop.advance("90m")
    assert [mail.to for mail in shop.mails()] == ["left@shop.example"]
    assert "cart_value was 99 (at least 100 was asked)" in shop.story("small")


def test_imported_and_late_events_make_no_session(open_shop: Open) -> None:
    shop = open_shop()
    shop.call("track", imported=True, userId="mina", event="Page")
    shop.track("mina", "Page", ago="25h")
    shop.advance("1h")
    assert set(shop.happened("mina")) == {"Page"}


def test_our_own_events_start_journeys(open_shop: Open) -> None:
    shop = open_shop(
        cart=journey(),
        thanks=journey(
            "$message_sent", name="thanks", entry_where="{journey: cart}", steps=say("thanks")
        ),
        hello=journey(
            "$journey_entered", name="hello", entry_where="{journey: cart}", steps=say("hello")
        ),
        bye=journey("$unsubscribed", name="bye", purpose="transactional", steps=say("bye")),
    )
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Go")
    assert sorted(shop.subjects()) == ["hello", "nudge", "thanks"]
    shop.consent("mina", "opted_out")
    assert sorted(shop.subjects()) == ["bye", "hello", "nudge", "thanks"]


def test_journeys_entered_at_the_same_moment_are_each_seen(open_shop: Open) -> None:
    names = ("one", "two", "three")
    where = "{journey: {in: [one, two, three]}}"
    shop = open_shop(
        seen=journey("$journey_entered", name="seen", entry_reentry="always", entry_where=where),
        **{name: journey(name=name, steps=wait("1d")) for name in names},
    )
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Go")
    assert len(shop.mails()) == 3


def test_a_chain_of_our_own_events_is_cut(open_shop: Open) -> None:
    loop = journey("$journey_entered", name="loop", entry_reentry="always")
    shop = open_shop(cart=journey(), loop=loop)
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Go")
    assert shop.failures() == []
    sent = len(shop.mails())
    assert 2 <= sent <= 7
    considered = [d for d in shop.decisions("mina", "loop") if d.outcome == "passed"]
    assert len(considered) == sent - 1
    shop.advance("1d")
    assert len(shop.mails()) == sent


def test_a_chain_of_messages_is_cut_without_any_cap(open_shop: Open) -> None:
    loop = journey("$message_sent", name="loop", entry_reentry="always")
    back = journey("$message_sent", name="back", entry_reentry="always")
    shop = open_shop(cart=journey(), loop=loop, back=back)
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Go")
    assert 3 <= len(shop.mails()) <= 15
    shop.track("mina", "Other")
    shop.advance("1d")
    assert len(shop.mails()) <= 15


def test_a_chain_that_waits_may_go_on(open_shop: Open) -> None:
    steps = wait("30d") + say("again")
    again = journey("$message_sent", name="again", entry_reentry="always", steps=steps)
    shop = open_shop(cart=journey(), again=again)
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Go")
    shop.advance("301d")
    assert len(shop.mails()) == 11


def test_a_chain_of_messages_about_messages_is_cut(open_shop: Open) -> None:
    loop = journey("$message_sent", name="loop", entry_reentry="always")
    shop = open_shop(cart=journey(), loop=loop, workspace="caps: [{at_most: 3, per: 1d}]\n")
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Go")
    assert len(shop.mails()) == 3
