"""Customers enter who neither opened nor clicked a message so long after it was sent."""

from collections.abc import Callable

import pytest
from driver import Shop
from plain import journey, say

from harken.inputs import Forget

Open = Callable[..., Shop]
HELLO = journey("Go", name="welcome", steps=say("hello") + say("more"))


def ignoring(entry: str, name: str = "cart", message: str = "again") -> str:
    return f"journey: {name}\nentry: {{outcome: ignored, {entry}}}\nsteps:{say(message)}"


AGAIN = ignoring("journey: welcome, message: hello, within: 24h")


def greet(shop: Shop, user: str = "mina") -> str:
    """The id of the message `hello` that the customer was sent."""
    shop.identify(user, email=f"{user}@shop.example")
    shop.track(user, "Go")
    return next(row.id for row in shop.ledger(user) if row.step == "hello")


def told(shop: Shop, what: str, message: str, user: str = "mina", **fields: object) -> None:
    shop.feedback(
        shop.id(user), message, what, journey="welcome", step="hello", revision=1, **fields
    )


def waiting(shop: Shop) -> list[str]:
    return [key for _, _, key in shop.wakeups() if key.startswith("ignored:")]


def test_who_ignored_it_enters_a_day_after_it_was_sent(open_shop: Open) -> None:
    shop = open_shop(cart=AGAIN, welcome=HELLO)
    greet(shop)
    sent = shop.now
    assert len(waiting(shop)) == 1
    shop.advance("24h")
    again = [mail for mail in shop.mails() if mail.subject == "again"]
    assert [mail.at - sent for mail in again] == [24 * 3_600_000]
    [ignored] = shop.properties("mina", "$message_ignored")
    assert (ignored["journey"], ignored["step"], ignored["within"]) == ("welcome", "hello", "1d")
    [entered] = [one.text for one in shop.why("mina").story if one.outcome == "entered"]
    assert entered.endswith("was neither opened nor clicked within 1 day.")
    assert (waiting(shop), shop.profile("mina").unheeded) == ([], {})


@pytest.mark.parametrize("what", ["opened", "clicked", "complained", "unsubscribed", "bounced"])
def test_who_did_anything_with_it_does_not(open_shop: Open, what: str) -> None:
    shop = open_shop(cart=AGAIN, welcome=HELLO)
    message = greet(shop)
    shop.advance("23h")
    told(shop, what, message)
    assert waiting(shop) == []
    shop.advance("3d")
    assert "again" not in shop.subjects()


def test_what_a_machine_opened_counts_as_ignored(open_shop: Open) -> None:
    shop = open_shop(cart=AGAIN, welcome=HELLO)
    message = greet(shop)
    told(shop, "delivered", message)
    told(shop, "opened", message, machine=True)
    shop.advance("24h")
    assert "again" in shop.subjects()


WAY_IN = "{outcome: clicked, journey: welcome, message: hello}"
CLICKED = f"journey: cart\nentry: {WAY_IN}\nsteps:{say('again')}"


def test_why_says_that_a_machine_clicked_and_not_the_customer(open_shop: Open) -> None:
    shop = open_shop(cart=CLICKED, welcome=HELLO)
    message = greet(shop)
    told(shop, "clicked", message, machine=True, detail="https://x.example (too_soon)")
    assert "again" not in shop.subjects()
    answer = shop.why("mina").answer
    assert answer == (
        "No message was sent. On 2 March 2026 at 10:00 (UTC) they did not enter when a machine "
        "clicked in the message hello of welcome, sooner after it left than a person could, "
        "because it was not the customer who did."
    )
    assert "기계가" in shop.why("mina", language="ko").answer
    assert shop.story("mina", "welcome").endswith("; it was not the customer.")
    told(shop, "clicked", message)
    assert "again" in shop.subjects()


def test_another_message_says_nothing_of_this_one(open_shop: Open) -> None:
    shop = open_shop(cart=AGAIN, welcome=HELLO)
    greet(shop)
    other = next(row.id for row in shop.ledger("mina") if row.step == "more")
    shop.feedback(shop.id("mina"), other, "opened", journey="welcome", step="more", revision=1)
    shop.advance("24h")
    assert "again" in shop.subjects()


def test_no_wake_up_is_set_for_what_nobody_asks(open_shop: Open) -> None:
    shop = open_shop(welcome=HELLO)
    greet(shop)
    assert waiting(shop) == []
    shop.apply(welcome=HELLO, cart=AGAIN)
    greet(shop, "joon")
    assert len(waiting(shop)) == 1


def test_an_open_that_is_told_before_the_sending_counts(open_shop: Open) -> None:
    """A reader can be quicker than the sender's loop."""
    shop = open_shop(cart=AGAIN, welcome=HELLO)
    shop.identify("mina", email="mina@shop.example")
    link = {"journey": "welcome", "step": "hello", "revision": 1}
    for what in ("opened", "sent"):
        shop.feedback(shop.id("mina"), "a message", what, **link)
    assert waiting(shop) == []
    shop.advance("3d")
    assert shop.properties("mina", "$message_ignored") == []


def test_each_length_of_time_has_its_own_event(open_shop: Open) -> None:
    shop = open_shop(
        welcome=HELLO,
        day=ignoring("journey: welcome, message: hello, within: 1d", "day", "one"),
        week=ignoring("journey: welcome, within: 7d", "week", "seven"),
    )
    message = greet(shop)
    shop.advance("2d")
    assert sorted(shop.subjects()) == ["hello", "more", "one"]
    shop.reopen()
    told(shop, "clicked", message)
    shop.advance("10d")
    # Of `more`, which nobody opened either; a journey is entered once.
    assert sorted(shop.subjects()) == ["hello", "more", "one", "seven"]
    assert [one["step"] for one in shop.properties("mina", "$message_ignored")] == ["hello", "more"]


def test_a_journey_that_is_gone_is_told_nothing(open_shop: Open) -> None:
    shop = open_shop(cart=AGAIN, welcome=HELLO)
    greet(shop)
    shop.apply(welcome=HELLO)
    shop.advance("2d")
    assert shop.properties("mina", "$message_ignored") == []
    assert (waiting(shop), shop.profile("mina").unheeded) == ([], {})


def test_others_may_start_on_it_and_segments_may_ask(open_shop: Open) -> None:
    other = journey("$message_ignored", name="other", steps=say("other"))
    shop = open_shop()
    shop.apply(
        segments={"cold": "{did: $message_ignored, at_least: 1}"},
        welcome=HELLO,
        cart=AGAIN,
        other=other,
    )
    greet(shop)
    shop.advance("24h")
    assert sorted(shop.subjects()) == ["again", "hello", "more", "other"]
    assert shop.segments("mina") == ["cold"]


def test_a_run_knows_that_its_message_was_ignored(open_shop: Open) -> None:
    branch = (
        "\n  - wait: 2d\n  - branch:\n      - when: {answer: hello.ignored, exists: true}\n"
        "        then:\n          - update: {cold: true}\n"
    )
    welcome = journey("Go", name="welcome", steps=say("hello") + branch)
    shop = open_shop(cart=AGAIN, welcome=welcome)
    greet(shop)
    shop.advance("3d")
    assert shop.profile("mina").attributes["cold"] is True


def test_a_merge_keeps_what_was_sent_to_either(open_shop: Open) -> None:
    shop = open_shop(cart=AGAIN, welcome=HELLO)
    greet(shop)
    message = greet(shop, "joon")
    joon = shop.id("joon")
    shop.merge("mina", "joon")
    assert {id for _, id, key in shop.wakeups() if key.startswith("ignored:")} == {shop.id("mina")}
    assert len(waiting(shop)) == 2
    told(shop, "opened", message, "joon")
    assert len(waiting(shop)) == 1
    shop.unmerge("mina", joon)
    shop.advance("24h")
    assert [mail.to for mail in shop.mails() if mail.subject == "again"] == ["mina@shop.example"]


def test_parted_again_each_ignores_their_own(open_shop: Open) -> None:
    shop = open_shop(cart=AGAIN, welcome=HELLO)
    for user in ("mina", "joon"):
        greet(shop, user)
    joon = shop.id("joon")
    shop.merge("mina", "joon")
    shop.unmerge("mina", joon)
    assert len(waiting(shop)) == 2
    shop.advance("24h")
    assert len([mail for mail in shop.mails() if mail.subject == "again"]) == 2


def test_who_is_forgotten_leaves_nothing_behind(open_shop: Open) -> None:
    shop = open_shop(cart=AGAIN, welcome=HELLO)
    greet(shop)
    shop.command("mina", Forget("a test"))
    assert waiting(shop) == []


def test_why_says_that_it_was_ignored(open_shop: Open) -> None:
    shop = open_shop(cart=AGAIN, welcome=HELLO)
    greet(shop)
    assert shop.why("mina").answer == (
        "No message of welcome was ignored by them long enough. "
        "The last was sent 2 March 2026 at 10:00 (UTC)."
    )
    shop.advance("24h")
    because = "because the message hello of welcome was neither opened nor clicked within 1 day"
    assert f"They entered, {because}" in shop.story("mina")
