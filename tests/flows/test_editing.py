"""Editing journeys while customers are on their way through them."""

from collections.abc import Callable

from driver import Shop
from plain import journey, say, wait

Open = Callable[..., Shop]
OLD = journey(steps=wait("1h") + say("old") + wait("1h") + say("last"))
NEW = journey(steps=wait("5m") + say("new"))


def enter(shop: Shop, user: str = "mina") -> None:
    shop.identify(user, email=f"{user}@shop.example")
    shop.track(user, "Go")


def test_runs_in_flight_finish_on_their_revision(open_shop: Open) -> None:
    shop = open_shop(cart=OLD)
    enter(shop)
    shop.advance("30m")
    shop.apply(cart=NEW)
    enter(shop, "joon")
    shop.reopen()
    shop.advance("3h")
    assert shop.subjects("mina@shop.example") == ["old", "last"]
    assert shop.subjects("joon@shop.example") == ["new"]
    assert {row.revision for row in shop.ledger("mina")} == {1}
    assert {row.revision for row in shop.ledger("joon")} == {2}


def test_an_unchanged_journey_keeps_its_revision(open_shop: Open) -> None:
    shop = open_shop(cart=OLD)
    shop.apply(cart=OLD, other=journey("Other", name="other"))
    enter(shop)
    assert {run.revision for run in shop.profile("mina").runs.values()} == {1}


def test_an_archived_journey_starts_and_sends_nothing(open_shop: Open) -> None:
    shop = open_shop(cart=OLD)
    enter(shop)
    shop.apply(other=journey("Other", name="other"))
    shop.track("joon", "Go")
    shop.advance("90m")
    assert shop.mails() == []
    assert shop.said("mina") == ["entered event", "dropped journey_not_live"]
    assert shop.said("joon") == []
    shop.apply(cart=OLD)
    shop.advance("30m")
    assert shop.subjects() == ["last"]
    enter(shop, "joon")
    shop.advance("3h")
    assert shop.subjects("joon@shop.example") == ["old", "last"]


def test_a_paused_journey_starts_and_sends_nothing_until_it_goes_on(open_shop: Open) -> None:
    shop = open_shop(cart=OLD)
    enter(shop)
    shop.apply(cart="state: paused\n" + OLD)
    enter(shop, "joon")
    assert shop.said("joon") == ["not_entered paused"]
    shop.advance("90m")
    assert shop.mails() == []
    shop.apply(cart=OLD)
    shop.advance("1h")
    assert [(mail.to, mail.subject) for mail in shop.mails()] == [("mina@shop.example", "last")]


def test_a_run_of_an_old_revision_may_end_by_its_own_exceptions(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=wait("1h") + say(), exceptions="[{event: Bought}]"))
    enter(shop)
    shop.apply(cart=journey(steps=wait("1h") + say()))
    shop.reopen()
    shop.track("mina", "Bought")
    shop.advance("2h")
    assert shop.mails() == []
    assert shop.said("mina")[-1] == "ended exception"


def test_new_settings_of_the_workspace_hold_for_runs_in_flight(open_shop: Open) -> None:
    shop = open_shop(cart=OLD)
    enter(shop)
    shop.apply(cart=OLD, workspace="caps: [{at_most: 1, per: 1d}]\n")
    shop.advance("3h")
    assert shop.subjects() == ["old"]
    assert "dropped frequency_cap" in shop.said("mina")
