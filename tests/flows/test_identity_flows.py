"""Who is who: histories join, runs and choices survive it, and it can be undone."""

from collections.abc import Callable

import pytest
from driver import Shop
from plain import journey, say, wait

from harken.channels.table import address_of
from harken.clock import DAY
from harken.ids import profile_id
from harken.inputs import Forget
from harken.people.consent import standing

Open = Callable[..., Shop]


def customer(
    shop: Shop, user: str = "mina", anonymous: str | None = None, **traits: object
) -> None:
    shop.identify(user, anonymous, email=f"{user}@shop.example", **traits)


def visit(shop: Shop, anonymous: str, event: str = "Go", **more: object) -> None:
    shop.track(None, event, anonymous=anonymous, **more)


def run_keys(shop: Shop) -> list[str]:
    return [key for _, _, key in shop.wakeups() if key.startswith("run")]


def test_the_anonymous_history_joins_at_identify(open_shop: Open) -> None:
    shop = open_shop(cart=journey("Buy", entry_audience="{did: Go, at_least: 3}"))
    for _ in range(2):
        visit(shop, "?a")
        shop.advance("1h")
    first = shop.now - 2 * 3_600_000
    customer(shop, anonymous="?a")
    shop.track("mina", "Go")
    shop.track("mina", "Buy")
    stat = shop.profile("mina").events["Go"]
    assert (stat.count, stat.first, stat.last) == (3, first, shop.now)
    assert shop.id("?a") == shop.id("mina")
    assert shop.profile("mina").anonymous_ids == ["?a"]
    assert shop.happened("mina")["Go"] == 3
    assert len(shop.mails()) == 1


def test_a_shared_device_merges_nothing(open_shop: Open) -> None:
    shop = open_shop()
    visit(shop, "?tablet")
    customer(shop, "mina", "?tablet")
    customer(shop, "joon", "?tablet")
    visit(shop, "?tablet")
    assert shop.profile("mina").events["Go"].count == 1
    assert shop.profile("joon").events["Go"].count == 1
    assert shop.profile("joon").absorbed == {}


def test_an_alias_merges(open_shop: Open) -> None:
    shop = open_shop()
    shop.track("old", "Go")
    customer(shop, "old", plan="free", city="Ulsan")
    customer(shop, "new", plan="paid")
    shop.alias("old", "new")
    shop.track("old", "Go")
    found = shop.profile("new")
    assert found.attributes["plan"] == "paid"
    assert found.attributes["city"] == "Ulsan"
    assert found.events["Go"].count == 2
    assert found.user_id == "new"
    assert shop.id("old") == shop.id("new")


def test_whom_an_alias_names_is_the_customer_though_nobody_heard_of_them(open_shop: Open) -> None:
    shop = open_shop()
    customer(shop, "old", city="Ulsan")
    shop.alias("old", "new")
    shop.track("old", "Go")
    found = shop.profile("new")
    assert (found.user_id, found.former_user_ids) == ("new", ["old"])
    assert found.attributes["city"] == "Ulsan"
    assert found.events["Go"].count == 1


def test_a_run_in_flight_survives_and_fires_once(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=wait("1h") + say()))
    visit(shop, "?a")
    shop.advance("30m")
    customer(shop, anonymous="?a")
    assert len(run_keys(shop)) == 1
    shop.advance("1d")
    assert [mail.to for mail in shop.mails()] == ["mina@shop.example"]
    assert run_keys(shop) == []
    assert shop.said("mina") == ["entered event", "passed", "ended completed"]


def test_an_exception_after_the_merge_ends_the_run_from_before_it(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=wait("1h") + say(), exceptions="[{event: Bought}]"))
    visit(shop, "?a")
    customer(shop, anonymous="?a")
    shop.track("mina", "Bought")
    shop.advance("1d")
    assert shop.mails() == []
    assert run_keys(shop) == []


def test_of_two_runs_of_one_journey_the_first_goes_on(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=wait("1h") + say()))
    visit(shop, "?a")
    shop.advance("10m")
    customer(shop)
    shop.track("mina", "Go")
    shop.advance("10m")
    customer(shop, anonymous="?a")
    assert len(run_keys(shop)) == 1
    shop.advance("39m59s")
    assert shop.mails() == []
    shop.advance("1d")
    assert len(shop.mails()) == 1
    assert "ended merged" in shop.said("mina")
    assert run_keys(shop) == []


def test_runs_of_a_journey_that_is_always_open_all_go_on(open_shop: Open) -> None:
    shop = open_shop(cart=journey(entry_reentry="always", steps=wait("1h") + say()))
    visit(shop, "?a")
    customer(shop)
    shop.track("mina", "Go")
    customer(shop, anonymous="?a")
    shop.advance("1h")
    assert len(shop.mails()) == 2


def test_runs_that_one_customer_had_at_a_time_all_go_on(open_shop: Open) -> None:
    shop = open_shop(cart=journey(entry_reentry="{after: 1h}", steps=wait("1d") + say()))
    visit(shop, "?a")
    shop.advance("1h")
    visit(shop, "?a")
    customer(shop, anonymous="?a")
    shop.advance("1d")
    assert len(shop.mails()) == 2
    assert "ended merged" not in shop.said("mina")


def test_reentry_remembers_entries_of_both(open_shop: Open) -> None:
    shop = open_shop(cart=journey())
    visit(shop, "?a")
    customer(shop, anonymous="?a")
    shop.track("mina", "Go")
    assert shop.said("mina")[-1] == "not_entered reentry"


def test_caps_count_what_was_sent_to_both(open_shop: Open) -> None:
    shop = open_shop(
        cart=journey(entry_reentry="always"), workspace="caps: [{at_most: 2, per: 1d}]\n"
    )
    for user in ("old", "new"):
        customer(shop, user)
        shop.track(user, "Go")
    shop.alias("old", "new")
    shop.track("new", "Go")
    assert shop.said("new")[-2:] == ["dropped frequency_cap", "ended completed"]
    assert len(shop.mails()) == 2


@pytest.mark.parametrize(
    ("old", "new", "together"),
    [
        ("opted_out", "opted_in", "opted_out"),
        ("opted_in", "opted_out", "opted_out"),
        ("opted_in", "opted_in", "opted_in"),
        (None, "opted_out", "opted_out"),
        ("opted_out", None, "opted_out"),
    ],
)
def test_the_stricter_consent_wins(
    open_shop: Open, old: object, new: object, together: str
) -> None:
    shop = open_shop(cart=journey())
    for user, state in (("old", old), ("new", new)):
        customer(shop, user)
        if state:
            shop.consent(user, state)
        shop.advance("1h")
    shop.alias("old", "new")
    assert shop.profile("new").consent["email:marketing"].state == together
    shop.track("new", "Go")
    assert len(shop.mails()) == (together != "opted_out")


def test_message_ids_seen_by_either_are_seen(open_shop: Open) -> None:
    shop = open_shop()
    visit(shop, "?a", id="one")
    customer(shop, anonymous="?a")
    shop.track("mina", "Go", id="one")
    assert shop.profile("mina").events["Go"].count == 1
    shop.advance("48h2s")
    shop.track("mina", "Go", id="two")
    assert len(shop.profile("mina").seen) == 12


def test_windowed_behaviour_of_both_counts(open_shop: Open) -> None:
    rule = "{did: Go, where: {kind: a}, at_least: 3, within: 1d}"
    shop = open_shop(cart=journey("Buy", entry_audience=rule, entry_reentry="always"))
    visit(shop, "?a", kind="a")
    shop.advance("12h")
    visit(shop, "?a", kind="a")
    visit(shop, "?a", kind="b")
    customer(shop, anonymous="?a")
    shop.track("mina", "Go", kind="a")
    shop.track("mina", "Buy")
    assert len(shop.mails()) == 1
    shop.advance("12h1s")
    shop.track("mina", "Buy")
    assert len(shop.mails()) == 1


def test_feedback_about_a_message_to_an_absorbed_profile_reaches_the_survivor(
    open_shop: Open,
) -> None:
    shop = open_shop(cart=journey(), thanks=journey("$message_clicked", name="thanks"))
    customer(shop, "old")
    shop.track("old", "Go")
    absorbed, [message] = shop.id("old"), shop.mails()
    customer(shop, "new")
    shop.alias("old", "new")
    shop.feedback(absorbed, message.id, "clicked", journey="cart")
    assert shop.profile("new").events["$message_clicked"].count == 1
    assert {mail.to for mail in shop.mails()} == {"old@shop.example", "new@shop.example"}
    shop.feedback(absorbed, message.id, "bounced", hard=True, address="new@shop.example")
    shop.advance("1d")
    assert shop.profile("new").unreachable["email"].why == "hard bounce"


def test_the_sender_tells_of_a_message_whose_profile_was_absorbed_meanwhile(
    open_shop: Open,
) -> None:
    shop = open_shop(cart=journey())
    customer(shop, "old")
    shop.request([shop.item("track", userId="old", event="Go")], settle=False)
    shop.harken.engine.turn()
    shop.request([shop.item("alias", previousId="old", userId="new")], settle=False)
    shop.work()
    assert len(shop.mails()) == 1
    assert shop.profile("new").events["$message_sent"].count == 1
    assert len(shop.profile("new").sends) == 1


def test_sessions_become_one(open_shop: Open) -> None:
    shop = open_shop()
    visit(shop, "?a", "Product Added", price=50)
    shop.advance("20m")
    customer(shop)
    shop.track("mina", "Product Added", price=70)
    customer(shop, anonymous="?a")
    shop.advance("1d")
    [ended] = shop.properties("mina", "$session_ended")
    assert ended["cart_value"] == 120
    assert ended["duration"] == 20 * 60


def merged(shop: Shop) -> int:
    """`old` (with an anonymous past) joined into `new`; the id of the absorbed profile."""
    customer(shop, "old", plan="free", city="Ulsan", name="Old")
    shop.track("old", "Go")
    shop.track("old", "Rare")
    shop.consent("old", "opted_out")
    shop.advance("1h")
    customer(shop, "new", plan="paid")
    shop.track("new", "Go")
    absorbed = shop.id("old")
    shop.merge("new", "old")
    shop.advance("1h")
    shop.track("new", "Go")
    shop.identify("new", city="Busan")
    return absorbed


def test_an_unmerge_restores_both_sides(open_shop: Open) -> None:
    shop = open_shop(cart=journey("Go", steps=wait("10d") + say()))
    start = shop.now
    absorbed = merged(shop)
    assert shop.profile("new").events["Go"].count == 3
    shop.advance("1d")
    shop.unmerge("new", absorbed)
    new, old = shop.profile("new"), shop.profile("old")
    assert old.id == absorbed
    assert new.absorbed == {}
    hour = 3_600_000
    counts = {name: (s.count, s.first - start, s.last - start) for name, s in new.events.items()}
    assert counts["Go"] == (2, hour, 2 * hour)
    assert "Rare" not in counts
    assert old.events["Go"].count == 1
    assert old.events["Rare"].first == start
    assert new.attributes == {"email": "new@shop.example", "plan": "paid", "city": "Busan"}
    assert old.attributes["plan"] == "free"
    assert old.attributes["name"] == "Old"
    assert new.consent == {}
    assert old.consent["email:marketing"].state == "opted_out"
    assert shop.happened("old")["Rare"] == 1
    assert shop.happened("new")["Rare"] == 0
    # The run that the merge ended goes on; each side has its own again, with one wake-up each.
    assert len(new.runs) == len(old.runs) == 1
    assert len(run_keys(shop)) == 2
    shop.track("old", "Later")
    assert "Later" in shop.profile("old").events
    shop.advance("30d")
    assert [mail.to for mail in shop.mails()] == ["new@shop.example"]
    assert shop.said("old")[-2:] == ["dropped opted_out", "ended completed"]


def test_after_thirty_days_a_merge_stays(open_shop: Open) -> None:
    shop = open_shop()
    absorbed = merged(shop)
    shop.advance("29d22h")
    grave = shop.harken.store.profiles([absorbed])[absorbed].tombstone
    assert grave is not None
    assert grave.absorbed_before
    shop.advance("2h")
    before = shop.profile("new")
    shop.unmerge("new", absorbed)
    assert shop.profile("new") == before
    grave = shop.harken.store.profiles([absorbed])[absorbed].tombstone
    assert grave is not None
    assert grave.into == shop.id("new")
    assert not grave.absorbed_before
    assert not grave.survivor_before


def test_an_unmerge_at_the_last_moment(open_shop: Open) -> None:
    shop = open_shop()
    absorbed = merged(shop)
    merged_at = shop.profile("new").absorbed[absorbed]
    shop.advance(f"{(merged_at + 30 * DAY - shop.now) // 1000}s")
    shop.unmerge("new", absorbed)
    assert shop.profile("old").id == absorbed
    shop.advance("10d")
    assert shop.profile("old").tombstone is None


def test_of_two_merges_one_is_undone(open_shop: Open) -> None:
    shop = open_shop()
    start = shop.now
    for user in ("one", "two", "main"):
        shop.track(user, "Go")
        shop.advance("1h")
    absorbed = shop.id("one")
    shop.merge("main", "one")
    shop.merge("main", "two")
    shop.unmerge("main", absorbed)
    stat = shop.profile("main").events["Go"]
    assert stat.count == 2
    assert stat.last == start + 2 * 3_600_000
    assert shop.profile("one").events["Go"].count == 1


def test_a_forgotten_customer_leaves_nothing(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=wait("1h") + say()))
    visit(shop, "?a")
    customer(shop, anonymous="?a", name="Secret Name")
    id = shop.id("mina")
    shop.command("mina", Forget("operator"))
    assert shop.wakeups() == [] or all(key.startswith("merged") for _, _, key in shop.wakeups())
    shop.advance("31d")
    assert shop.wakeups() == []
    assert id not in [profile.id for profile in shop.profiles()]
    rows = shop.harken.store.database.connection.execute("SELECT document FROM profiles").fetchall()
    assert not [row for row in rows if b"Secret" in row[0] or b"mina" in row[0]]
    assert shop.mails() == []
    assert shop.failures() == []
    assert profile_id("user", "mina") == id


def test_whom_an_operator_joined_is_not_joined_again_by_a_shared_device(open_shop: Open) -> None:
    shop = open_shop()
    visit(shop, "?tablet")
    customer(shop, "mina")
    shop.merge("mina", "?tablet")
    customer(shop, "joon", "?tablet")
    visit(shop, "?tablet")
    assert shop.id("mina") != shop.id("joon")
    assert shop.profile("mina").events["Go"].count == 1
    assert shop.profile("joon").events["Go"].count == 1


def on_device(shop: Shop, user: str | None, id: str, **more: object) -> None:
    anonymous = None if user else "?a"
    shop.track(user, "Go", anonymous=anonymous, context={"device": {"id": id, **more}})


def test_a_device_that_does_not_say_its_token_keeps_it(open_shop: Open) -> None:
    shop = open_shop()
    on_device(shop, "mina", "phone", type="ios", token="T1")
    on_device(shop, "mina", "phone")
    assert address_of(shop.profile("mina"), "push") == "T1"
    on_device(shop, "mina", "phone", token=None)
    assert address_of(shop.profile("mina"), "push") == ""


def test_of_a_device_that_both_had_a_merge_keeps_the_latest_token(open_shop: Open) -> None:
    shop = open_shop()
    on_device(shop, "mina", "phone", type="ios", token="old")
    shop.advance("1d")
    on_device(shop, None, "phone", type="ios", token="new")
    customer(shop, "mina", "?a")
    assert address_of(shop.profile("mina"), "push") == "new"


def test_a_device_goes_back_with_its_owner_though_it_was_used_meanwhile(open_shop: Open) -> None:
    shop = open_shop()
    customer(shop, "mina")
    on_device(shop, "joon", "phone", type="ios", token="T1")
    joon = shop.id("joon")
    shop.merge("mina", "joon")
    shop.advance("1h")
    on_device(shop, "joon", "phone", type="ios", token="T2")
    shop.unmerge("mina", joon)
    assert address_of(shop.profile("mina"), "push") == ""
    assert address_of(shop.profile("joon"), "push") == "T2"


def test_what_was_changed_since_a_merge_stays_though_python_calls_it_equal(
    open_shop: Open,
) -> None:
    shop = open_shop()
    customer(shop, "mina")
    customer(shop, "joon", vip=1)
    joon = shop.id("joon")
    shop.merge("mina", "joon")
    shop.identify("mina", vip=True)
    shop.unmerge("mina", joon)
    assert shop.profile("mina").attributes["vip"] is True
    assert shop.profile("joon").attributes["vip"] == 1


def test_undone_a_merge_leaves_nothing_of_the_other_side(open_shop: Open) -> None:
    shop = open_shop()
    customer(shop, "joon")
    shop.call("group", userId="joon", groupId="staff")
    joon = shop.id("joon")
    shop.feedback(joon, "m", "bounced", channel="email", address="joon@shop.example", hard=True)
    shop.advance("1d")
    customer(shop, "mina")
    first = shop.profile("mina").created_at
    shop.merge("mina", "joon")
    assert shop.profile("mina").created_at < first
    shop.unmerge("mina", joon)
    mina, joon_again = shop.profile("mina"), shop.profile("joon")
    assert (mina.created_at, mina.groups, mina.unreachable) == (first, {}, {})
    assert joon_again.groups.keys() == {"staff"}
    assert joon_again.unreachable.keys() == {"email"}


def test_an_event_that_came_before_a_merge_was_undone_counts_once(open_shop: Open) -> None:
    shop = open_shop()
    visit(shop, "?a")
    customer(shop, "mina", "?a")
    [visitor] = shop.profile("mina").absorbed
    visit(shop, "?a", id="again")
    shop.unmerge("mina", visitor)
    visit(shop, "?a", id="again")
    assert shop.profile("?a").events["Go"].count == 1


def test_who_wanted_nothing_at_all_is_not_written_to_as_somebody_else(open_shop: Open) -> None:
    shop = open_shop()
    customer(shop, "mina")
    customer(shop, "joon")
    joon = shop.id("joon")
    shop.consent("joon", "opted_out", channel="all")
    shop.advance("1h")
    shop.consent("mina", "opted_in")
    own = shop.profile("mina").consent
    shop.merge("mina", "joon")
    choice = standing(shop.profile("mina"), "email", "marketing")
    assert choice is not None
    assert choice.state == "opted_out"
    shop.unmerge("mina", joon)
    assert shop.profile("mina").consent == own
    assert shop.profile("joon").consent.keys() == {"all:marketing"}
