"""Editing journeys while customers are on their way through them."""

from collections.abc import Callable

import pytest
from driver import Shop
from plain import journey, say, wait
from receivers import receiving

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


MOVABLE = """
  - wait: 1h
    id: first
  - message: hello
    channel: email
    default: {subject: "old hello", html: "<p>Hi</p>"}
  - wait: 1d
    id: second
  - message: last
    channel: email
    default: {subject: "old last", html: "<p>Hi</p>"}
"""


def test_runs_move_onto_the_new_revision_when_the_editor_says_so(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=MOVABLE))
    enter(shop)
    enter(shop, "joon")
    shop.advance("2h")
    enter(shop, "late")
    edited = MOVABLE.replace("old", "new").replace(
        "  - wait: 1d", "  - update: {half: true}\n    id: half\n  - wait: 1d"
    )
    shop.apply(cart=journey(steps=edited), move=["cart"])
    shop.advance("2d")
    assert shop.subjects("mina@shop.example") == ["old hello", "new last"]
    assert shop.subjects("late@shop.example") == ["new hello", "new last"]
    assert "The run was moved from revision 1 to 2 at second" in shop.story("mina")
    assert shop.profile("late").attributes["half"] is True
    assert "half" not in shop.profile("mina").attributes


def test_a_run_that_is_moved_heeds_the_new_exceptions(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=MOVABLE))
    enter(shop)
    exceptions = "[{event: Bought}]"
    shop.apply(cart=journey(steps=MOVABLE, exceptions=exceptions), move=["cart"])
    shop.apply(cart=journey(steps=MOVABLE.replace("old", "newest"), exceptions=exceptions))
    shop.reopen()
    shop.track("mina", "Bought")
    assert shop.said("mina") == ["entered event", "took moved", "ended exception"]
    assert shop.decisions("mina")[-1].revision == 2


def test_a_run_whose_step_is_gone_goes_on_at_the_next_that_is_left(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=MOVABLE))
    enter(shop)
    shop.advance("2h")
    shop.track("mina", "Something")
    gone = MOVABLE.replace("  - wait: 1d\n    id: second\n", "").replace("old", "new")
    shop.apply(cart=journey(steps=gone), move=["cart"])
    shop.track("mina", "Something")
    shop.advance("22h")
    assert shop.subjects() == ["old hello"]
    shop.advance("1h")
    assert shop.subjects() == ["old hello", "new last"]


def test_a_run_at_the_end_of_what_is_left_is_over(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=MOVABLE))
    enter(shop)
    shop.advance("2h")
    shop.apply(cart=journey(steps=MOVABLE[: MOVABLE.index("  - wait: 1d")]), move=["cart"])
    shop.advance("2d")
    assert shop.subjects() == ["old hello"]
    assert shop.said("mina")[-1] == "ended completed"


def test_steps_without_ids_move_only_where_nothing_else_did(open_shop: Open) -> None:
    shop = open_shop(cart=OLD)
    enter(shop)
    shop.apply(cart=OLD.replace('"last"', '"newest"'), move=["cart"])
    shop.advance("3h")
    assert shop.subjects() == ["old", "newest"]
    with pytest.raises(AssertionError, match="give this step an `id`"):
        shop.apply(cart=NEW, move=["cart"])


def test_nothing_is_sent_twice_by_an_edit(open_shop: Open) -> None:
    """A message that was held leaves once, by whichever revision; one that left stays said."""
    held = MOVABLE.replace(
        "channel: email\n", "channel: email\n    sending_hours: {from: '12:00', to: '13:00'}\n", 1
    )
    shop = open_shop(cart=journey(steps=held))
    enter(shop)
    shop.advance("90m")
    assert shop.said("mina")[-1] == "held step_sending_hours"
    shop.apply(cart=journey(steps=held.replace("old", "new")), move=["cart"])
    shop.advance("1h")
    shop.apply(cart=journey(steps=held.replace("old", "newer")), move=["cart"])
    shop.advance("3d")
    assert shop.subjects() == ["new hello", "newer last"]


BEFORE = """
  - message: hello
    channel: email
    default: {subject: "hello", html: "<p>Hi</p>"}
  - coupon: gift
    id: present
  - wait: 1h
    id: pause
  - message: last
    channel: email
    default: {subject: "last {{ coupon.code }}", html: "<p>Hi</p>"}
"""
BEHIND = """
  - wait: 1h
    id: pause
  - message: hello
    channel: email
    default: {subject: "new hello", html: "<p>Hi</p>"}
  - coupon: gift
    id: present
  - message: last
    channel: email
    default: {subject: "new last", html: "<p>{{ coupon.code }}</p>"}
"""


def test_what_was_done_is_not_done_again_further_on(open_shop: Open) -> None:
    """Steps that an editor puts behind the place where runs stand."""
    pool = {"gift": "mint: {prefix: G-}"}
    shop = open_shop(coupons=pool, cart=journey(steps=BEFORE))
    enter(shop)
    shop.apply(coupons=pool, cart=journey(steps=BEHIND), move=["cart"])
    enter(shop, "joon")
    shop.reopen()
    shop.advance("2h")
    assert shop.subjects("mina@shop.example") == ["hello", "new last"]
    assert shop.subjects("joon@shop.example") == ["new hello", "new last"]
    assert shop.happened("mina")["$coupon_issued"] == 1
    assert "Hello was passed over: it was sent before the run was moved" in shop.story("mina")
    assert "Present was passed over: it gave its coupon before" in shop.story("mina")
    for language in ("ko", "id"):
        story = shop.why("mina", language=language).story
        assert any(one.reason == "done_already" and "hello" in one.text for one in story)
        assert not any("1970" in one.text for one in story)


LOOP = """
  - wait: 1h
    id: pause
  - message: hello
    channel: email
    default: {subject: "{}", html: "<p>Hi</p>"}
  - go_to: pause
    id: again
"""


def test_a_loop_that_is_moved_says_its_messages_with_each_turn(open_shop: Open) -> None:
    turned = "\n".join(LOOP.splitlines())
    shop = open_shop(cart=journey(steps=turned.replace("{}", "old")))
    enter(shop)
    shop.advance("90m")
    shop.apply(cart=journey(steps=turned.replace("{}", "new")), move=["cart"])
    shop.advance("2h")
    assert shop.subjects() == ["old", "new", "new"]


COUNTED = """
  - update: {seen: {add: 1}}
    id: count
  - enter: other
    id: hand-over
  - coupon: gift
    id: present
  - wait: 1h
    id: pause
"""


def test_what_was_set_entered_or_given_and_used_is_not_done_again(open_shop: Open) -> None:
    """Adding is done once, another journey entered once, a used coupon is not given anew."""
    files = {
        "coupons": {"gift": "mint: {prefix: G-}"},
        "other": journey(name="other", entry_reentry="always").replace("event: Go", "api: true"),
    }
    above, waiting = COUNTED.split("  - wait")
    behind = "\n  - wait" + waiting + above.lstrip("\n")
    shop = open_shop(cart=journey(steps=COUNTED), **files)
    enter(shop)
    (code,) = shop.profile("mina").coupons
    shop.track("mina", "Order Completed", coupon=code)
    shop.apply(cart=journey(steps=behind), move=["cart"], **files)
    shop.reopen()
    shop.advance("2h")
    assert shop.profile("mina").attributes["seen"] == 1
    assert shop.subjects() == ["nudge"]
    happened = shop.happened("mina")
    assert (happened["$coupon_issued"], happened["$coupon_redeemed"]) == (1, 1)
    story = shop.story("mina")
    assert "Count was passed over: it set its attributes before the run was moved" in story
    assert "Hand-over was passed over: it put them into its journey before" in story


def test_a_loop_that_is_moved_sets_its_attributes_with_each_turn(open_shop: Open) -> None:
    turned = LOOP.replace("  - go_to", "  - update: {turns: {add: 1}}\n    id: count\n  - go_to")
    shop = open_shop(cart=journey(steps=turned))
    enter(shop)
    shop.advance("90m")
    shop.apply(cart=journey(steps=turned.replace("{}", "new")), move=["cart"])
    shop.advance("2h")
    assert shop.profile("mina").attributes["turns"] == 3


CALLED = """
  - webhook: crm
    id: score
  - wait: 1h
    id: pause
"""


def test_a_webhook_that_was_called_is_not_called_again(open_shop: Open) -> None:
    call, waiting = CALLED.split("  - wait")
    behind = "\n  - wait" + waiting + call.lstrip("\n")
    with receiving((200, {"Content-Type": "application/json"}, b'{"tier": "gold"}')) as receiver:
        hooks = f"webhooks: {{crm: {{url: '{receiver.url}', private: true}}}}\n"
        shop = open_shop(cart=journey(steps=CALLED), workspace=hooks)
        enter(shop)
        shop.apply(cart=journey(steps=behind), workspace=hooks, move=["cart"])
        shop.reopen()
        shop.advance("2h")
        assert len(receiver.posted) == 1
    assert "Score was passed over: it called its webhook before" in shop.story("mina")
    assert shop.said("mina")[-1] == "ended completed"
