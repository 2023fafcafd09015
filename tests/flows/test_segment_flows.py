"""Customers move between segments: at an event, by time alone, and when a rule is new."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from driver import Shop

from harken.clock import DAY
from harken.history.remote import RemoteHistory
from harken.inputs import Forget, Listed

THRICE = "{did: Product Viewed, where: {product: A}, at_least: 3, within: 30d}"
LAPSED = "{all: [{sum: revenue, of: Order Completed, gte: 200}, {not: {did: Visit, within: 14d}}]}"
WELCOME = """
journey: welcome
entry: {event: $segment_entered, where: {segment: keen}, reentry: always}
steps:
  - message: hello
    channel: email
    default: {subject: "Hello", html: "<p>Hello</p>"}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    assert shop.failures() == []
    shop.close()


def look(shop: Shop, user: str = "u", times: int = 1) -> None:
    for _ in range(times):
        shop.track(user, "Product Viewed", product="A")


def looked_at(shop: Shop, user: str) -> list[int]:
    """How many times each trait of the customer holds."""
    return [len(state) for state in shop.profile(user).traits.values()]


def begin_to_fill(shop: Shop) -> None:
    """The new definitions come into force and history is ready, but nobody was told yet."""
    shop.harken.engine.turn()
    shop.harken.feeder.flush()
    assert shop.harken.engine.backfill.prepare()


def test_enters_at_the_event_and_leaves_at_the_millisecond(shop: Shop) -> None:
    shop.apply(segments={"keen": THRICE})
    first = shop.now
    look(shop)
    shop.advance("1d")
    look(shop)
    assert shop.segments("u") == []
    shop.advance("1d")
    third = shop.now
    look(shop)
    assert shop.segments("u") == ["keen"]
    shop.advance("100d")
    assert shop.segments("u") == []
    assert shop.moves("u") == [("+", "keen", third), ("-", "keen", first + 30 * DAY + 1)]


def test_entering_starts_a_journey(shop: Shop) -> None:
    shop.apply(segments={"keen": THRICE}, welcome=WELCOME)
    shop.identify("u", email="u@shop.example")
    look(shop, times=2)
    assert shop.subjects() == []
    look(shop)
    assert shop.subjects() == ["Hello"]


def test_whom_the_past_brings_in_starts_no_journey(shop: Shop) -> None:
    """Else an import of years would write to all who were ever keen."""
    shop.apply(segments={"keen": "{did: Product Viewed}"}, welcome=WELCOME)
    for user in ("imported", "late", "now"):
        shop.identify(user, email=f"{user}@shop.example")
    shop.call("track", imported=True, userId="imported", event="Product Viewed")
    shop.track("late", "Product Viewed", ago="25h")
    shop.track("now", "Product Viewed", ago="23h")
    for user, reason in (("imported", "imported"), ("late", "late")):
        assert shop.segments(user) == ["keen"]
        assert shop.profile(user).events["$segment_entered"].count == 1
        assert shop.said(user, "welcome") == [f"not_entered {reason}"]
    assert "it had happened at" in shop.story("late", "welcome")
    assert [mail.to for mail in shop.mails()] == ["now@shop.example"]


def test_whom_an_imported_fact_brings_in_starts_no_journey(shop: Shop) -> None:
    shop.apply(segments={"keen": "{attribute: plan, equals: gold}"}, welcome=WELCOME)
    shop.call("identify", imported=True, userId="u", traits={"email": "u@x.kr", "plan": "gold"})
    assert shop.segments("u") == ["keen"]
    assert shop.mails() == []
    shop.identify("u", plan="free")
    shop.identify("u", plan="gold")
    assert len(shop.mails()) == 1


def test_why_speaks_of_the_journeys_own_segment_alone(shop: Shop) -> None:
    shop.apply(segments={"keen": THRICE, "anyone": "{did: Product Viewed}"}, welcome=WELCOME)
    look(shop)
    assert shop.segments("u") == ["anyone"]
    assert "anyone" not in shop.story("u", "welcome")


def test_time_alone_brings_them_in(shop: Shop) -> None:
    shop.apply(segments={"lapsed": LAPSED})
    shop.track("u", "Visit")
    visited = shop.now
    shop.track("u", "Order Completed", revenue=250)
    assert shop.segments("u") == []
    shop.advance("20d")
    assert shop.moves("u") == [("+", "lapsed", visited + 14 * DAY + 1)]
    shop.track("u", "Visit")
    assert shop.segments("u") == []


def test_who_never_did_is_in_from_the_start(shop: Shop) -> None:
    shop.apply(segments={"quiet": "{not: {did: Order Completed}}"})
    shop.identify("u", plan="free")
    assert shop.segments("u") == ["quiet"]
    shop.track("u", "Order Completed")
    assert shop.segments("u") == []


def test_attributes_consent_reach_and_lists_move_them(shop: Shop) -> None:
    shop.apply(
        segments={
            "korean": "{attribute: country, equals: KR}",
            "willing": "{consent: email, is: opted_in}",
            "mailable": "{reachable: email}",
            "guests": "{in_list: guests}",
            "both": "{all: [{in_segment: korean}, {in_list: guests}]}",
        }
    )
    shop.identify("u", country="KR")
    assert shop.segments("u") == ["korean"]
    shop.consent("u", "opted_in")
    assert shop.segments("u") == ["korean", "willing"]
    shop.command("u", Listed("guests", True))
    assert shop.segments("u") == ["both", "guests", "korean", "willing"]
    shop.identify("u", country="ID", email="u@shop.example")
    assert shop.segments("u") == ["guests", "mailable", "willing"]
    shop.feedback(
        shop.id("u"), "m", "bounced", hard=True, address="u@shop.example", channel="email"
    )
    shop.command("u", Listed("guests", False))
    assert shop.segments("u") == ["willing"]


def test_a_new_rule_knows_the_past_and_starts_nothing(shop: Shop) -> None:
    shop.identify("u", email="u@shop.example")
    look(shop, times=3)
    look(shop, "v", times=2)
    first = shop.now
    shop.advance("1d")
    shop.apply(segments={"keen": THRICE, "all": "{not: {did: Nothing}}"}, welcome=WELCOME)
    assert shop.segments("u") == ["all", "keen"]
    assert shop.segments("v") == ["all"]
    assert shop.subjects() == []
    assert shop.moves("u") == []
    look(shop, "v")
    assert shop.segments("v") == ["all", "keen"]
    shop.advance("40d")
    assert shop.moves("u") == [("-", "keen", first + 30 * DAY + 1)]


def test_what_happens_during_the_back_fill_counts_once(shop: Shop) -> None:
    look(shop, times=2)
    look(shop, "v", times=2)
    shop.apply(segments={"keen": THRICE}, settle=False)
    shop.harken.engine.turn()
    assert shop.harken.engine.definitions.filling.passes
    seen = shop.item("track", userId="u", event="Product Viewed", properties={"product": "A"})
    shop.request([seen], settle=False)
    shop.harken.engine.turn()
    assert shop.segments("u") == []
    shop.work()
    assert shop.harken.engine.definitions.filling.passes == []
    assert shop.segments("u") == ["keen"]
    assert shop.segments("v") == []
    assert looked_at(shop, "u") == [3]
    assert looked_at(shop, "v") == [2]


def test_a_back_fill_goes_on_after_a_restart(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harken.engine.FILLS", 3)
    users = [f"u{number}" for number in range(10)]
    for user in users:
        look(shop, user, times=3)
    shop.apply(segments={"keen": THRICE}, settle=False)
    begin_to_fill(shop)
    shop.harken.engine.turn()
    shop.reopen()
    assert len([user for user in users if shop.segments(user)]) == 3
    assert [0 < one.done < 10 for one in shop.harken.engine.definitions.filling.passes] == [True]
    shop.work()
    assert all(shop.segments(user) == ["keen"] for user in users)
    assert all(looked_at(shop, user) == [3] for user in users)


def test_while_history_is_away_it_waits_and_events_do_not(shop: Shop, tmp_path: Path) -> None:
    users = [f"u{number}" for number in range(5)]
    for user in users:
        look(shop, user, times=3)
    shop.apply(segments={"keen": THRICE}, settle=False)
    begin_to_fill(shop)
    backfill = shop.harken.engine.backfill
    there, backfill._history = backfill._history, RemoteHistory(tmp_path / "nobody")
    shop.request([shop.item("track", userId="u1", event="Visit")], settle=False)
    while shop.harken.engine.turn():
        pass
    assert shop.profile("u1").events["Visit"].count == 1
    assert not backfill.ready()
    assert [shop.segments(user) for user in users] == [[]] * 5
    backfill._history = there
    shop.work()
    assert [shop.segments(user) for user in users] == [["keen"]] * 5
    assert all(looked_at(shop, user) == [3] for user in users)


def to_be_told(shop: Shop, users: list[str]) -> list[str]:
    """Who of the users are looked at by the pass that is ready."""
    slice = shop.harken.engine.backfill.slice(1_000)
    assert slice is not None
    fills, _ = slice
    shop.harken.engine.backfill.reload()
    return [user for user in users if shop.id(user) in {fill.profile_id for fill in fills}]


def test_only_those_are_looked_at_whom_a_new_rule_may_concern(shop: Shop) -> None:
    users = [f"u{number}" for number in range(9)]
    for user in users:
        shop.track(user, "Visit")
    look(shop, "u1")
    shop.apply(segments={"keen": THRICE}, settle=False)
    shop.harken.engine.turn()
    shop.request(
        [
            shop.item("track", userId="u3", event="Visit"),
            shop.item("track", userId="u5", event="Product Viewed", properties={"product": "A"}),
        ],
        settle=False,
    )
    begin_to_fill(shop)
    assert to_be_told(shop, users) == ["u1", "u5"]
    shop.work()
    assert looked_at(shop, "u1") == [1]


def test_who_does_it_while_the_rule_is_new_is_in_without_a_past(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harken.engine.FILLS", 1)
    users = [f"u{number}" for number in range(9)]
    for user in users:
        shop.track(user, "Visit")
    look(shop, "u1", times=3)
    shop.apply(segments={"keen": THRICE}, settle=False)
    begin_to_fill(shop)
    for _ in range(3):
        views = [
            shop.item("track", userId=user, event="Product Viewed", properties={"product": "A"})
            for user in ("u2", "u3", "u4")
        ]
        shop.request(views, settle=False)
        shop.harken.engine.turn()
    shop.work()
    assert [user for user in users if shop.segments(user)] == ["u1", "u2", "u3", "u4"]


@pytest.mark.parametrize("rule", [f"{{not: {THRICE}}}", f"{{any: [{{did: Visit}}, {THRICE}]}}"])
def test_all_are_looked_at_where_a_rule_may_hold_for_anybody(shop: Shop, rule: str) -> None:
    users = [f"u{number}" for number in range(5)]
    for user in users:
        shop.track(user, "Visit")
    shop.apply(segments={"keen": rule})
    assert [user for user in users if shop.segments(user)] == users


def test_a_segment_that_comes_back_by_another_rule_keeps_nobody(shop: Shop) -> None:
    shop.apply(segments={"keen": "{did: Visit}"})
    shop.track("u", "Visit")
    assert shop.segments("u") == ["keen"]
    shop.apply(workspace="workspace: shop")
    shop.apply(segments={"keen": THRICE})
    assert shop.segments("u") == []


def test_a_changed_rule_is_asked_of_everybody(shop: Shop) -> None:
    shop.apply(segments={"keen": THRICE, "fans": "{in_segment: keen}"})
    look(shop, times=2)
    assert shop.segments("u") == []
    shop.apply(segments={"keen": THRICE.replace("3", "2", 1), "fans": "{in_segment: keen}"})
    assert shop.segments("u") == ["fans", "keen"]
    shop.apply(segments={"keen": THRICE.replace("at_least: 3", "at_least: 5")})
    assert shop.segments("u") == []
    assert shop.moves("u") == []


def test_true_is_not_1_also_where_one_takes_the_place_of_the_other(shop: Shop) -> None:
    flags = {
        "vip": "{attribute: vip, equals: true}",
        "inside": "{attribute: plan.paid, equals: true}",
        "listed": "{attribute: tags, contains: true}",
    }
    shop.apply(segments=flags)
    shop.identify("u", vip=1, plan={"paid": 1}, tags=[1])
    assert shop.segments("u") == []
    shop.identify("u", vip=True, plan={"paid": True}, tags=[True])
    assert shop.segments("u") == ["inside", "listed", "vip"]
    ((known,),) = shop.history.query("SELECT attributes.vip::JSON::VARCHAR FROM profiles")
    assert known == "true"
    shop.apply(segments=flags | {"vip": "{attribute: vip, equals: 1}"})
    assert shop.segments("u") == ["inside", "listed"]
    ends = "journey: ends\nentry: {event: Ended}\nsteps: [{update: {vip: 1}}]"
    shop.apply(segments=flags, ends=ends)
    assert shop.segments("u") == ["inside", "listed", "vip"]
    shop.track("u", "Ended")
    assert shop.segments("u") == ["inside", "listed"]


def test_a_rule_that_comes_back_counts_nothing_twice(shop: Shop) -> None:
    shop.apply(segments={"keen": THRICE})
    look(shop, times=2)
    shop.apply(workspace="workspace: shop")
    look(shop)
    shop.apply(segments={"keen": THRICE.replace("at_least: 3", "exactly: 3")})
    assert shop.segments("u") == ["keen"]


def test_what_a_rule_asks_for_is_not_forgotten_for_many_other_events(shop: Shop) -> None:
    """Of a document's many names of events those go that nobody asks for."""
    asked = {"bought": "did: Bought", "paid": "did: Paid, exactly: 1", "came": "first: Came"}
    known = "{attribute: x, equals: 1}"
    shop.apply(segments={name: f"{{all: [{{{ask}}}, {known}]}}" for name, ask in asked.items()})
    for event in ("Bought", "Paid", "Came"):
        shop.track("u", event)
    shop.advance("1s")
    viewed = (f"Viewed {number}" for number in range(1_001))
    shop.request([shop.item("track", userId="u", event=name, properties={}) for name in viewed])
    shop.identify("u", x=1)
    assert shop.segments("u") == ["bought", "came", "paid"]
    assert len(shop.profile("u").events) == 1_000


def test_a_trait_that_nobody_needs_leaves_the_document(shop: Shop) -> None:
    shop.apply(segments={"keen": THRICE})
    look(shop)
    assert len(shop.profile("u").traits) == 1
    shop.apply(workspace="workspace: shop")
    look(shop)
    assert shop.profile("u").traits == {}
    assert shop.profile("u").segments == {}


def test_a_merge_adds_both_pasts(shop: Shop) -> None:
    shop.apply(segments={"keen": THRICE, "one": THRICE.replace("at_least: 3", "at_most: 1")})
    look(shop, times=2)
    shop.call("track", anonymousId="?a", event="Product Viewed", properties={"product": "A"})
    assert shop.segments("?a") == ["one"]
    shop.identify("u", anonymous="?a")
    assert shop.segments("u") == ["keen"]
    assert looked_at(shop, "u") == [3]


def test_a_merge_in_the_middle_of_a_back_fill(shop: Shop) -> None:
    for _ in range(2):
        shop.call("track", anonymousId="?a", event="Product Viewed", properties={"product": "A"})
    look(shop)
    shop.apply(segments={"keen": THRICE}, settle=False)
    begin_to_fill(shop)
    shop.request([shop.item("identify", userId="u", anonymousId="?a")], settle=False)
    shop.work()
    assert shop.segments("u") == ["keen"]
    assert looked_at(shop, "u") == [3]


def test_an_unmerged_customer_is_in_their_own_segments_again(shop: Shop) -> None:
    shop.apply(segments={"keen": THRICE, "first": "{last: Product Viewed, is: {product: A}}"})
    look(shop, times=2)
    shop.advance("1h")
    shop.track("v", "Product Viewed", product="B")
    shop.track("v", "Product Viewed", product="A")
    absorbed = shop.id("v")
    shop.merge("u", "v")
    assert shop.segments("u") == ["first", "keen"]
    look(shop)
    shop.unmerge("u", absorbed)
    assert shop.segments("u") == ["first", "keen"]
    assert shop.segments("v") == ["first"]
    shop.advance("1m")
    shop.track("v", "Product Viewed", product="C")
    assert shop.segments("v") == []
    shop.advance("40d")
    assert shop.segments("u") == ["first"]


def test_an_erased_customer_is_not_brought_back_by_their_past(shop: Shop) -> None:
    look(shop, times=3)
    shop.apply(segments={"keen": THRICE}, settle=False)
    begin_to_fill(shop)
    gone = shop.id("u")
    shop.command(gone, Forget("operator"))
    assert shop.harken.store.profiles([gone]) == {}
    look(shop)
    assert shop.segments("u") == []
    assert looked_at(shop, "u") == [1]


def test_a_new_journey_waits_for_the_past_of_its_audience(shop: Shop) -> None:
    shop.identify("u", email="u@shop.example")
    look(shop, times=3)
    entry = "{event: $segment_entered, where: {segment: keen}, reentry: always}"
    asked = f"{{event: Asked, audience: {THRICE}, reentry: always}}"
    shop.apply(welcome=WELCOME.replace(entry, asked), settle=False)
    shop.harken.engine.turn()
    shop.request([shop.item("track", userId="u", event="Asked")], settle=False)
    shop.harken.engine.turn()
    shop.work()
    assert shop.said("u", "welcome") == ["not_entered warming"]
    assert "still being worked out" in shop.story("u", "welcome")
    shop.track("u", "Asked")
    assert shop.subjects() == ["Hello"]
