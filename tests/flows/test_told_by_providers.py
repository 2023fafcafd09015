"""What providers tell of a message, however often and however soon."""

import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from driver import Shop
from plain import journey

from harken.clock import DAY, MINUTE
from harken.errors import Unavailable
from harken.inputs import Consent, Feedback
from harken.web.returns import opt_out
from harken.web.tellings import Telling

Open = Callable[..., Shop]


@pytest.mark.parametrize("what", ["delivered", "bounced", "complained"])
def test_what_is_told_twice_counts_once(open_shop: Open, what: Any) -> None:
    shop = open_shop(cart=journey())
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Go")
    row = shop.ledger("mina")[0]
    for _ in range(2):
        shop.feedback(row.profile_id, row.id, what)
        shop.advance("1m")
    assert shop.happened("mina")[f"$message_{what}"] == 1


def test_a_soft_bounce_hides_no_hard_one(open_shop: Open) -> None:
    shop = open_shop(cart=journey())
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Go")
    row = shop.ledger("mina")[0]
    shop.feedback(row.profile_id, row.id, "bounced")
    shop.feedback(row.profile_id, row.id, "bounced", hard=True, address=row.address)
    assert shop.happened("mina")["$message_bounced"] == 2
    assert "email" in shop.profile("mina").unreachable


@pytest.mark.parametrize("what", ["delivered", "bounced"])
def test_what_is_told_before_the_sender_wrote_it_down_is_kept(open_shop: Open, what: Any) -> None:
    shop = open_shop(cart=journey())
    shop.identify("mina", email="mina@shop.example")
    shop.request([shop.item("track", userId="mina", event="Go")], settle=False)
    store = shop.harken.store
    while shop.harken.engine.turn():
        pass
    row = store.claim("another", shop.now, {"email": 1}, MINUTE)[0]
    told = Feedback(row.id, what, shop.now, detail="told")
    shop.harken.services.collector.append_commands([(row.profile_id, told)]).result()
    while shop.harken.engine.turn():
        pass
    delivery = shop.harken.sender._delivery
    sent = delivery._result(row, "sent", "", shop.now, transport="smtp")
    assert store.settle("another", [sent]) == [row.id]
    assert shop.ledger("mina")[0].state == what


def telling(shop: Shop, what: Any = "delivered", told: str = "") -> Telling:
    row = shop.harken.store.message(shop.ledger("mina")[0].id)
    assert row is not None
    return Telling(row.profile_id, Feedback(row.id, what, shop.now, told=told))


def take(shop: Shop, *tellings: Telling) -> int:
    return shop.harken.services.tellings.take(tellings)


@pytest.fixture
def mailed(open_shop: Open) -> Shop:
    shop = open_shop(cart=journey())
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Go")
    return shop


@pytest.mark.parametrize("told", ["", "t1"])
@pytest.mark.parametrize("handled", [False, True])
def test_what_is_told_again_is_known(mailed: Shop, told: str, handled: bool) -> None:
    one = telling(mailed, told=told)
    assert take(mailed, one, one) == 1
    if handled:
        mailed.work()
        mailed.reopen()
    end = mailed.harken.services.collector.end
    assert take(mailed, one) == 0
    assert mailed.harken.services.collector.end == end
    assert take(mailed, telling(mailed, told="another"), one) == 1


def test_what_was_told_of_whom_was_joined_since_is_known(mailed: Shop) -> None:
    one = telling(mailed)
    assert take(mailed, one) == 1
    mailed.work()
    mailed.identify("joon")
    mailed.merge("joon", "mina")
    assert take(mailed, one) == 0


def test_after_two_days_it_is_told_anew(mailed: Shop) -> None:
    one = telling(mailed, told="t1")
    assert take(mailed, one) == 1
    mailed.advance(f"{(2 * DAY) // 1000 + 2}s")
    assert take(mailed, one) == 1


def test_a_wish_to_leave_that_is_told_again_undoes_no_later_choice(mailed: Shop) -> None:
    one = telling(mailed, "unsubscribed", told="t1")
    rest = [Consent([opt_out("email", mailed.now, "told")])]
    one = Telling(one.profile_id, one.feedback, rest)
    assert take(mailed, one) == 1
    mailed.work()
    mailed.advance("1h")
    mailed.consent("mina", "opted_in")
    assert take(mailed, one) == 0
    mailed.work()
    assert mailed.profile("mina").consent["email:marketing"].state == "opted_in"


def test_of_many_at_once_one_is_the_first(mailed: Shop) -> None:
    some = [telling(mailed, told=f"t{number}") for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        new = list(pool.map(lambda number: take(mailed, *some[number % 5 :]), range(40)))
    assert sum(new) == 20
    mailed.work()
    assert mailed.happened("mina")["$message_delivered"] == 20
    # What stands in the customer's document is remembered nowhere else.
    assert take(mailed, some[0]) == 0
    assert len(mailed.harken.services.tellings._told) == 1


def test_what_could_not_be_kept_is_not_known(mailed: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    one = telling(mailed)

    def broken_disk(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken_disk)
        with pytest.raises(Unavailable):
            take(mailed, one)
    assert take(mailed, one) == 1
    mailed.work()
    assert mailed.happened("mina")["$message_delivered"] == 1
