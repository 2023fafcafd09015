"""Who was erased stays erased, with all that was joined into them; a newcomer is somebody new."""

from collections.abc import Callable

import pytest
from driver import Shop
from plain import journey

from harken.clock import DAY
from harken.ids import profile_id
from harken.inputs import Feedback, Forget
from harken.people import merge

Open = Callable[..., Shop]


def mina(shop: Shop) -> None:
    """A visitor who got a mail, then said who they are."""
    shop.call("identify", anonymousId="?a", traits={"email": "mina@shop.example"})
    shop.track(None, "Go", anonymous="?a")
    shop.identify("mina", "?a")


def test_the_ledger_forgets_addresses_of_before_the_merge(open_shop: Open) -> None:
    shop = open_shop(cart=journey())
    mina(shop)
    shop.command("mina", Forget("an operator"))
    assert [row.address for row in shop.harken.store.messages(limit=10)] == [""]
    assert shop.profiles() == []


def test_a_newcomer_on_the_same_device_is_somebody_new(open_shop: Open) -> None:
    shop = open_shop()
    mina(shop)
    shop.command("mina", Forget("an operator"))
    shop.track(None, "Look", anonymous="?a")
    shop.identify("joon", "?a")
    assert shop.profile("joon").events["Look"].count == 1
    shop.identify("mina", "?b", email="mina@shop.example")
    shop.advance("31d")
    # The merge of before, closing after 30 days, changes nothing any more.
    found = {one.id: one.tombstone for one in shop.profiles()}
    grave = found[profile_id("anonymous", "?a")]
    assert grave is not None
    assert grave.into == shop.id("joon")


def test_an_old_link_brings_nobody_back(open_shop: Open) -> None:
    shop = open_shop(cart=journey())
    mina(shop)
    id = shop.id("mina")
    message = shop.harken.store.messages(limit=1)[0].id
    shop.command("mina", Forget("an operator"))
    shop.command(id, Feedback(message, "opened", shop.now))
    shop.consent("mina", "opted_out")
    shop.clock.set(shop.now + DAY)
    shop.work()
    assert shop.profiles() == []
    assert shop.happened("mina") == {}


def test_a_message_that_was_about_to_leave_does_not(open_shop: Open) -> None:
    """Even when the engine takes it and the erasure together."""
    shop = open_shop(cart=journey())
    shop.identify("mina", email="mina@shop.example")
    shop.request([shop.item("track", userId="mina", event="Go")], settle=False)
    shop.command("mina", Forget("an operator"))
    assert shop.mails() == []
    [row] = shop.harken.store.messages(limit=10)
    assert (row.state, row.address, row.context) == ("aborted", "", b"")
    assert shop.profiles() == []


def test_somebody_new_does_not_keep_what_an_erased_customer_was_told(open_shop: Open) -> None:
    """Even when the engine takes the erasure and the newcomer's first event together."""
    shop = open_shop(cart=journey())
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Go")
    erased = (shop.id("mina"), Forget("an operator"))
    shop.harken.services.collector.append_commands([erased]).result()
    shop.track("mina", "Look")
    [row] = shop.harken.store.messages(limit=10)
    assert (row.address, row.context) == ("", b"")
    assert list(shop.profile("mina").events) == ["Look", "$session_started"]


def test_nothing_stays_of_more_profiles_than_are_remembered_as_joined(
    open_shop: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "ABSORBED", 2)
    shop = open_shop()
    for number in range(5):
        shop.track(None, "Go", anonymous=f"?{number}")
        shop.identify("kiosk", f"?{number}", email="kiosk@shop.example")
    graves = [one.tombstone for one in shop.profiles() if one.tombstone is not None]
    assert len(graves) == 5
    assert sum(bool(grave.survivor_before or grave.absorbed_before) for grave in graves) == 2
    kiosk = shop.id("kiosk")
    shop.command("kiosk", Forget("an operator"))
    assert shop.profiles() == []
    shop.track(None, "Go", anonymous="?0")
    [visitor] = shop.profiles()
    assert visitor.id == shop.id("?0") != kiosk
