"""An engine that was away, or whose store fails: nothing overtakes, is lost, or counts twice."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from driver import Shop
from plain import journey, say, wait

from harken import engine
from harken.clock import MINUTE
from harken.errors import Unavailable
from harken.ids import profile_id
from harken.inputs import Feedback
from harken.loops.commits import Commits
from harken.running.writer import Writer
from harken.store.base import Batch
from harken.store.sqlite import SqliteStore

Open = Callable[..., Shop]

UNLESS_BOUGHT = "\n  - event: Buy\n"
CART = journey(steps=wait("30m") + say(), exceptions=UNLESS_BOUGHT)


def customer(shop: Shop, user: str = "mina") -> None:
    shop.identify(user, email=f"{user}@shop.example")


def unhandled(shop: Shop, event: str, user: str = "mina", **properties: Any) -> None:
    """Durable, while the engine is away."""
    item = shop.item("track", userId=user, event=event, properties=properties)
    shop.request([item], settle=False)


def handle_all(shop: Shop) -> None:
    while shop.harken.engine.turn():
        pass


def later(shop: Shop, minutes: int) -> None:
    """Time passes while the engine is away."""
    shop.clock.set(shop.now + minutes * MINUTE)


def test_a_wait_that_ended_meanwhile_does_not_overtake_its_exception(open_shop: Open) -> None:
    shop = open_shop(cart=CART)
    customer(shop)
    unhandled(shop, "Go")
    later(shop, 10)
    unhandled(shop, "Buy")
    later(shop, 60)
    shop.work()
    assert shop.said("mina") == ["entered event", "ended exception"]
    assert shop.mails() == []


def test_a_wait_that_ended_meanwhile_goes_on_at_once(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=wait("30m") + wait("20m") + say()))
    customer(shop)
    unhandled(shop, "Go")
    later(shop, 60)
    shop.work()
    assert len(shop.mails()) == 1


def test_a_wake_up_waits_for_what_the_batch_had_no_room_for(
    open_shop: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop(cart=CART)
    customer(shop)
    shop.track("mina", "Go")
    later(shop, 10)
    monkeypatch.setattr(engine, "MOST_BYTES", 1_000)
    for _ in range(5):
        unhandled(shop, "Big", "other", text="x" * 1_000)
    unhandled(shop, "Buy")
    later(shop, 60)
    shop.work()
    assert shop.mails() == []


def test_a_wake_up_waits_for_what_stands_behind_new_definitions(
    open_shop: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop(cart=CART)
    customer(shop)
    shop.track("mina", "Go")
    later(shop, 10)
    with monkeypatch.context() as away:
        away.setattr(shop, "work", lambda: None)
        unhandled(shop, "Look", "other")
        shop.apply(cart=CART, other=journey("Other", name="other"))
        unhandled(shop, "Buy")
    later(shop, 60)
    shop.work()
    assert shop.mails() == []


def test_a_second_wait_does_not_overtake_the_log(
    open_shop: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "RECORDS", 1)
    steps = wait("30m") + wait("20m") + say()
    shop = open_shop(cart=journey(steps=steps, exceptions=UNLESS_BOUGHT))
    customer(shop)
    shop.track("mina", "Go")
    later(shop, 35)
    unhandled(shop, "Look", "other")
    later(shop, 5)
    unhandled(shop, "Buy")
    later(shop, 60)
    shop.work()
    assert shop.mails() == []


def test_a_session_that_goes_on_in_the_log_does_not_end(
    open_shop: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "RECORDS", 1)
    shop = open_shop()
    shop.track("mina", "Product Added")
    for minutes, user, event in ((20, "mina", "Look"), (15, "other", "Look"), (5, "mina", "Buy")):
        later(shop, minutes)
        unhandled(shop, event, user)
    later(shop, 20)
    shop.work()
    shop.advance("1h")
    [ended] = shop.properties("mina", "$session_ended")
    assert ended["events"] == {"Product Added": 1, "Look": 1, "Buy": 1}


def test_a_commit_that_fails_uses_up_no_slots(
    open_shop: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop(cart=journey(steps=say(pace="{at_most: 1, per: 1h}")))
    customer(shop)
    unhandled(shop, "Go")

    def full(batch: object) -> None:
        raise Unavailable("disk full")

    with monkeypatch.context() as trouble:
        trouble.setattr(shop.harken.store, "commit", full)
        for _ in range(5):
            with pytest.raises(Unavailable):
                shop.harken.engine.turn()
    shop.work()
    assert len(shop.mails()) == 1


def test_a_read_that_fails_half_way_through_a_batch_loses_nothing(
    open_shop: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop(cart=journey())
    for user in ("mina", "old", "new"):
        customer(shop, user)
    # A forwarding that only the documents know, as after the merge of an anonymous profile.
    shop.request(
        [
            shop.item("track", anonymousId="?a", event="Look"),
            shop.item("identify", userId="new", anonymousId="?a"),
        ]
    )
    shop.harken.engine._cache.clear()
    shop.track("mina", "Look")
    unhandled(shop, "Go")
    told = Feedback("m", "delivered", shop.now)
    absorbed = profile_id("anonymous", "?a")
    shop.harken.services.collector.append_commands([(absorbed, told)]).result()
    read, calls = shop.harken.store.profiles, []

    def flaky(ids: list[int]) -> object:
        calls.append(ids)
        if len(calls) == 2:
            raise Unavailable("input/output error")
        return read(ids)

    with monkeypatch.context() as trouble:
        trouble.setattr(shop.harken.store, "profiles", flaky)
        with pytest.raises(Unavailable):
            shop.harken.engine.turn()
    shop.work()
    assert shop.happened("mina")["Go"] == 1
    assert len(shop.mails()) == 1


def test_what_only_a_past_revision_counts_is_still_counted(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=wait("1h") + say(), exit_when="{did: Buy, within: 1d}"))
    customer(shop)
    shop.track("mina", "Go")
    shop.apply(cart=journey(steps=wait("1h") + say()))
    shop.track("mina", "Buy")
    shop.advance("2h")
    assert shop.mails() == []


class Flaky(SqliteStore):
    """Cannot write the first batch, nor the third."""

    tried = 0

    def commit(self, batch: Batch) -> None:
        self.tried += 1
        if self.tried in (1, 3):
            raise Unavailable("disk full") if self.tried == 1 else OverflowError("too large")
        super().commit(batch)


class Slow(SqliteStore):
    """Takes its time."""

    def commit(self, batch: Batch) -> None:
        time.sleep(0.005)
        super().commit(batch)


@contextmanager
def written_beside(shop: Shop, by: type[SqliteStore]) -> Iterator[None]:
    """Batches are committed by a process of its own, as in `roles`."""
    writer = Writer(lambda: by(shop.settings.state))
    shop.harken.engine._commits = Commits(shop.harken.store, writer)
    yield
    shop.harken.engine.close()
    shop.harken.engine._commits = Commits(shop.harken.store)
    writer.close()


def test_a_batch_that_fails_while_the_next_is_handled_is_handled_again(
    open_shop: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop(cart=journey())
    customer(shop)
    monkeypatch.setattr(engine, "RECORDS", 1)
    for _ in range(5):
        unhandled(shop, "Go")
    with written_beside(shop, Flaky):
        with pytest.raises(Unavailable, match="disk full"):
            handle_all(shop)
        handle_all(shop)
        shop.work()
    assert shop.happened("mina")["Go"] == 5
    assert len(shop.mails()) == 1


def test_wake_ups_are_handled_once_while_their_batches_are_committed(
    open_shop: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "RECORDS", 1)
    monkeypatch.setattr(engine, "WAKEUPS", 2)
    shop = open_shop(cart=journey(steps=wait("30m") + wait("20m") + say()))
    users = [f"user-{number}" for number in range(9)]
    for user in users:
        customer(shop, user)
        unhandled(shop, "Go", user)
    later(shop, 60)
    with written_beside(shop, Slow):
        shop.work()
    assert len(shop.mails()) == len(users)
    for user in users:
        assert shop.said(user) == ["entered event", "passed", "ended completed"]


def test_customers_are_as_their_batch_will_leave_them_while_it_is_committed(
    open_shop: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "RECORDS", 3)
    monkeypatch.setattr(engine, "CACHED", 0)
    shop = open_shop(cart=journey())
    users = [f"user-{number}" for number in range(4)]
    for user in users:
        customer(shop, user)
    for _ in range(5):
        for user in users:
            unhandled(shop, "Go", user)
    with written_beside(shop, Slow):
        shop.work()
    assert [shop.happened(user)["Go"] for user in users] == [5] * 4


def test_an_event_after_the_time_was_out_is_not_what_was_waited_for(open_shop: Open) -> None:
    steps = "\n  - wait_for: [{event: Buy, name: bought}]\n    at_most: 30m\n"
    shop = open_shop(cart=journey(steps=steps))
    for user, minutes in (("mina", 20), ("joon", 40)):
        customer(shop, user)
        shop.track(user, "Go")
        later(shop, minutes)
        unhandled(shop, "Buy", user)
        later(shop, 60)
        shop.work()
    ways = {
        user: [one.facts["way"] for one in shop.decisions(user) if one.reason == "wait_for"]
        for user in ("mina", "joon")
    }
    assert ways == {"mina": ["bought"], "joon": ["otherwise"]}
