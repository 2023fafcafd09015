"""How a run begins, waits, goes on and ends."""

from collections.abc import Callable

import pytest
from driver import Shop, instant
from plain import journey, say, then, wait

Open = Callable[..., Shop]


def customer(shop: Shop, user: str = "mina", **attributes: object) -> str:
    shop.identify(user, email=f"{user}@shop.example", **attributes)
    return user


def test_an_exception_equal_to_the_trigger_debounces(open_shop: Open) -> None:
    cart = journey(
        "Search", steps=wait("30m") + say(), entry_reentry="always", exceptions="[{event: Search}]"
    )
    shop = open_shop(cart=cart)
    customer(shop)
    for _ in range(5):
        shop.track("mina", "Search")
        shop.advance("20m")
    assert shop.mails() == []
    shop.advance("10m")
    assert len(shop.mails()) == 1
    assert shop.said("mina").count("ended exception") == 4


def test_a_late_one_equal_to_the_trigger_ends_no_run_for_none(open_shop: Open) -> None:
    shop = open_shop(
        cart=journey(
            "Cart",
            entry_where="{open: true}",
            steps=wait("2h") + say(),
            exceptions="[{event: Cart}]",
        )
    )
    customer(shop)
    shop.track("mina", "Cart", open=True)
    shop.track("mina", "Cart", open=True, ago="25h")
    shop.advance("2h")
    assert len(shop.mails()) == 1
    customer(shop, "joon")
    shop.track("joon", "Cart", open=True)
    shop.track("joon", "Cart", open=False, ago="25h")
    assert shop.said("joon") == ["entered event", "ended exception"]


def test_of_runs_by_key_only_the_one_of_the_same_value_is_debounced(open_shop: Open) -> None:
    cart = journey(
        "Cart Updated",
        entry_key="cart_id",
        steps=wait("30m") + say(),
        exceptions="[{event: Cart Updated}]",
    )
    shop = open_shop(cart=cart)
    customer(shop)
    shop.track("mina", "Cart Updated", cart_id="a")
    shop.advance("20m")
    shop.track("mina", "Cart Updated", cart_id="b")
    shop.track("mina", "Cart Updated")
    shop.advance("10m")
    assert len(shop.mails()) == 1
    shop.track("mina", "Cart Updated", cart_id="b")
    shop.advance("29m")
    assert len(shop.mails()) == 1
    shop.advance("1m")
    assert len(shop.mails()) == 2


@pytest.mark.parametrize(
    ("how", "order", "mails"),
    [
        ("", {"cart_id": "a"}, 0),
        ("", {}, 0),
        (", same_key: true", {"cart_id": "a"}, 1),
        (", same_key: true", {"cart_id": 7}, 1),
        (", same_key: true", {"cart_id": "c"}, 2),
        (", same_key: true", {}, 2),
    ],
)
def test_an_exception_ends_all_runs_or_that_of_its_key(
    open_shop: Open, how: str, order: dict[str, object], mails: int
) -> None:
    cart = journey(
        entry_key="cart_id",
        steps=wait("30m") + say(),
        exceptions=f"[{{event: Order Completed{how}}}]",
    )
    shop = open_shop(cart=cart)
    customer(shop)
    shop.track("mina", "Go", cart_id="a")
    shop.track("mina", "Go", cart_id="7")
    shop.track("mina", "Order Completed", **order)
    shop.advance("30m")
    assert len(shop.mails()) == mails


def test_a_debounce_needs_no_reentry_setting(open_shop: Open) -> None:
    cart = journey("Search", steps=wait("30m") + say(), exceptions="[{event: Search}]")
    shop = open_shop(cart=cart)
    customer(shop)
    shop.track("mina", "Search")
    shop.advance("29m")
    shop.track("mina", "Search")
    shop.advance("29m")
    assert shop.mails() == []
    shop.advance("1m")
    assert len(shop.mails()) == 1


@pytest.mark.parametrize(
    ("reentry", "mails"), [("never", 1), ("always", 4), ("{after: 1h}", 2), ("{after: 2h}", 1)]
)
def test_how_often_one_enters(open_shop: Open, reentry: str, mails: int) -> None:
    shop = open_shop(cart=journey(entry_reentry=reentry))
    customer(shop)
    for _ in range(4):
        shop.track("mina", "Go")
        shop.advance("20m")
    shop.advance("1h")
    assert len(shop.mails()) == mails


def test_one_run_for_each_value_of_the_key_at_a_time(open_shop: Open) -> None:
    cart = journey(entry_reentry="always", entry_key="order", steps=wait("1h") + say())
    shop = open_shop(cart=cart)
    customer(shop)
    for order in ("a", "b", "a", 7, 7.0):
        shop.track("mina", "Go", order=order)
    assert sorted(run.key for run in shop.profile("mina").runs.values()) == ["7", "a", "b"]
    shop.advance("1h")
    assert len(shop.mails()) == 3
    assert shop.said("mina").count("not_entered already_in") == 2
    shop.track("mina", "Go", order="a")
    shop.advance("1h")
    assert len(shop.mails()) == 4


@pytest.mark.parametrize("order", [None, "", True, [1], {"id": 1}])
def test_a_key_that_is_no_text_or_number_starts_nothing(open_shop: Open, order: object) -> None:
    shop = open_shop(cart=journey(entry_key="order"))
    customer(shop)
    shop.track("mina", "Go", order=order)
    assert shop.said("mina") == ["not_entered no_key"]


def test_the_audience_is_asked_after_the_event_was_counted(open_shop: Open) -> None:
    shop = open_shop(cart=journey(entry_audience="{did: Go, at_least: 1}"))
    customer(shop)
    shop.track("mina", "Go")
    assert len(shop.mails()) == 1


def test_the_third_visit_within_a_day_enters(open_shop: Open) -> None:
    rule = "{did: Go, where: {category: shoes}, exactly: 3, within: 1d}"
    shop = open_shop(cart=journey(entry_audience=rule))
    customer(shop)
    for category in ("shoes", "hats", "shoes"):
        shop.track("mina", "Go", category=category)
    shop.advance("24h1s")
    shop.track("mina", "Go", category="shoes")
    assert shop.mails() == []
    shop.track("mina", "Go", category="shoes")
    shop.track("mina", "Go", category="shoes")
    assert len(shop.mails()) == 1


def test_exit_when_ends_the_run_at_the_event_that_makes_it_true(open_shop: Open) -> None:
    cart = journey(steps=wait("1h") + say(), exit_when="{did: Bought, at_least: 2}")
    shop = open_shop(cart=cart)
    customer(shop)
    shop.track("mina", "Go")
    shop.track("mina", "Bought")
    assert shop.profile("mina").runs
    shop.track("mina", "Bought")
    assert not shop.profile("mina").runs
    assert shop.said("mina")[-1] == "ended exit_when"


def test_exit_when_ends_the_run_at_an_identify(open_shop: Open) -> None:
    cart = journey(steps=wait("1h") + say(), exit_when="{attribute: vip, equals: true}")
    shop = open_shop(cart=cart)
    customer(shop)
    shop.track("mina", "Go")
    customer(shop, vip=True)
    assert shop.said("mina")[-1] == "ended exit_when"


def test_exit_when_is_looked_at_when_time_alone_made_it_true(open_shop: Open) -> None:
    rule = "{not: {did: Active, within: 2h}}"
    cart = journey(steps=wait("1h") + say("one") + wait("2h") + say("two"), exit_when=rule)
    shop = open_shop(cart=cart)
    customer(shop)
    shop.track("mina", "Active")
    shop.track("mina", "Go")
    shop.advance("5h")
    assert shop.subjects() == ["one"]


def test_exit_steps_let_some_out(open_shop: Open) -> None:
    steps = say("one") + then("{attribute: vip, equals: true}") + say("two")
    shop = open_shop(cart=journey(steps=steps))
    shop.track(customer(shop, "mina", vip=True), "Go")
    shop.track(customer(shop, "joon"), "Go")
    assert shop.subjects("mina@shop.example") == ["one"]
    assert sorted(shop.subjects("joon@shop.example")) == ["one", "two"]
    assert shop.said("mina")[-1] == "ended exit"


@pytest.mark.parametrize(
    ("what", "zone", "sent"),
    [
        ('{time: "09:00"}', "UTC", "2026-03-03 09:00"),
        ('{time: "10:00"}', "UTC", "2026-03-03 10:00"),
        ('{time: "10:01"}', "UTC", "2026-03-02 10:01"),
        ('{time: "09:00"}', "Asia/Seoul", "2026-03-03 09:00"),
        ('{time: "21:00"}', "Asia/Seoul", "2026-03-02 21:00"),
        ('{time: "09:00", on: [sat]}', "UTC", "2026-03-07 09:00"),
        ('{time: "09:00", on: [mon]}', "UTC", "2026-03-09 09:00"),
        ('{time: "12:00", on: [mon, fri]}', "UTC", "2026-03-02 12:00"),
        ("{event_property: date}", "UTC", "2026-03-10 15:00"),
        ("{event_property: date, before: 2d}", "UTC", "2026-03-08 15:00"),
        ('{event_property: date, before: 1d, at: "09:00"}', "Asia/Seoul", "2026-03-10 09:00"),
        ('{event_property: day, at: "09:00"}', "America/New_York", "2026-03-12 09:00"),
        ('{event_property: day, after: 1w, at: "09:00"}', "Asia/Seoul", "2026-03-19 09:00"),
        ("{event_property: day}", "America/New_York", "2026-03-12 00:00"),
        ("{event_property: day, before: 12h}", "America/New_York", "2026-03-11 12:00"),
        ('{event_property: summer, before: 1d, at: "09:00"}', "Europe/Berlin", "2026-03-29 09:00"),
        ("{event_property: summer, before: 1d}", "UTC", "2026-03-28 22:30"),
        ('{event_property: least, before: 3000d, at: "09:00"}', "UTC", "2026-03-02 10:00"),
        ("{event_property: past}", "UTC", "2026-03-02 10:00"),
        ("{event_property: missing}", "UTC", "2026-03-02 10:00"),
        ("{event_property: odd}", "UTC", "2026-03-02 10:00"),
        ("1h30m", "UTC", "2026-03-02 11:30"),
    ],
)
def test_waits(open_shop: Open, what: str, zone: str, sent: str) -> None:
    """It is Monday, 2 March 2026, 10:00 in UTC and 19:00 in Seoul."""
    shop = open_shop(cart=journey(steps=wait(what) + say()))
    customer(shop, timezone=zone)
    dates = {"date": "2026-03-10T15:00:00Z", "day": "2026-03-12", "past": "2020-01-01"}
    # Half past midnight of the 30th in Berlin, of whose day before one hour is missing.
    dates |= {"summer": "2026-03-29T22:30:00Z", "least": "0001-01-01T00:00:00Z"}
    shop.track("mina", "Go", odd=12, **dates)
    shop.advance("30d")
    assert [mail.at for mail in shop.mails()] == [instant(sent, zone)]


def test_a_wait_is_measured_from_when_it_was_due(open_shop: Open) -> None:
    """A server that was down for a while does not shift what comes after."""
    shop = open_shop(
        cart=journey(steps=wait("1h") + say("one") + wait("1h") + wait("1h") + say("two"))
    )
    customer(shop)
    shop.track("mina", "Go")
    start = shop.now
    shop.advance("1h")
    shop.clock.advance(90 * 60_000)
    shop.work()
    shop.advance("1d")
    assert [mail.at - start for mail in shop.mails()] == [3_600_000, 3 * 3_600_000]


def test_a_message_held_too_long_expires(open_shop: Open) -> None:
    hours = '{from: "09:00", to: "18:00"}'
    cart = journey(steps=say(sending_hours=hours, expires_after="10h"))
    shop = open_shop("2026-03-02 22:00", cart=cart)
    customer(shop)
    shop.track("mina", "Go")
    shop.advance("1d")
    assert shop.said("mina") == ["entered event", "dropped expired", "ended completed"]
    shop.at("2026-03-04 00:00")
    shop.track(customer(shop, "joon"), "Go")
    shop.advance("1d")
    assert [mail.to for mail in shop.mails()] == ["joon@shop.example"]


def test_outside_drop_leaves_the_message_out_and_the_run_goes_on(open_shop: Open) -> None:
    hours = '{from: "09:00", to: "18:00", outside: drop}'
    cart = journey(steps=say("one", sending_hours=hours) + wait("12h") + say("two"))
    shop = open_shop("2026-03-02 22:00", cart=cart)
    customer(shop)
    shop.track("mina", "Go")
    shop.advance("1d")
    assert shop.subjects() == ["two"]


def test_exceptions_look_at_the_properties_of_the_event(open_shop: Open) -> None:
    exceptions = "[{event: Paid, where: {total: {gte: 10}}}, {event: Cancelled}]"
    shop = open_shop(cart=journey(steps=wait("1h") + say(), exceptions=exceptions))
    for user in ("a", "b", "c"):
        shop.track(customer(shop, user), "Go")
    shop.track("a", "Paid", total=9)
    shop.track("b", "Paid", total=10)
    shop.track("c", "Cancelled")
    shop.advance("1h")
    assert [mail.to for mail in shop.mails()] == ["a@shop.example"]


def test_an_email_that_comes_during_the_wait_is_used(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=wait("1h") + say()))
    shop.track("mina", "Go")
    customer(shop)
    shop.advance("1h")
    assert [mail.to for mail in shop.mails()] == ["mina@shop.example"]


def test_all_runs_survive_a_restart(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=wait("1h") + say()))
    for number in range(20):
        shop.track(customer(shop, f"u{number}"), "Go")
    shop.reopen()
    shop.advance("1h")
    shop.reopen()
    assert len(shop.mails()) == 20
    assert not [key for _, _, key in shop.wakeups() if key.startswith("run")]


def test_why_of_somebody_who_was_sent_one_message_and_waits_for_the_next(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=say("first") + wait("1d") + say("second")))
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Go")
    told = shop.why("mina").answer
    assert told.startswith("1 message was sent.")
    assert told.endswith("The next step is due 3 March 2026 at 10:00 (UTC).")
    shop.advance("2d")
    assert "next step" not in shop.why("mina").answer
