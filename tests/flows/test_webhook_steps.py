"""Webhook steps: a call, its answer in later steps, and what is done without one."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from driver import Shop
from receivers import Answer, receiving

Open = Callable[..., Shop]

JOURNEY = """
journey: cart
entry: {event: Go, reentry: always}
steps:
  - webhook: crm
    id: score
    payload:
      user: "{{ profile.user_id | default: 'nobody' }}"
      value: "{{ event.properties.value | default: 0 }}"
    at_most: 1m
    otherwise:
      - update: {failed: {answer: score.error}}
      - exit: true
  - branch:
      - when: {answer: score.tier, equals: gold}
        then: [{update: {tier: gold, points: {answer: score.points}}}]
    otherwise: [{update: {tier: other}}]
  - message: nudge
    channel: email
    purpose: transactional
    default: {subject: "{{ answers.score.offer.name | default: 'no offer' }}", text: "Hi"}
"""
SET_ASIDE = ("expired; last: 127.0.0.1 does not answer", "no answer within 20s")
"""A webhook that does not answer rests, for a second of real time: it may not be tried again."""
FAST = JOURNEY.replace("at_most: 1m", "at_most: 20s")


def told(status: int = 200, **fields: Any) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(fields).encode()


def shop_with(open_shop: Open, url: str, journey: str = JOURNEY, **more: str) -> Shop:
    hooks = f"webhooks: {{crm: {{url: '{url}', private: true, timeout: 1s}}}}\n"
    shop = open_shop(cart=journey, workspace=hooks, **more)
    shop.identify("mina", email="mina@shop.example")
    return shop


def test_the_answer_is_there_for_later_steps_and_words(open_shop: Open) -> None:
    gold = told(tier="gold", points=7, offer={"name": "A free mug"})
    with receiving(gold, told(tier="tin")) as receiver:
        shop = shop_with(open_shop, receiver.url)
        shop.track("mina", "Go", value=12)
        assert receiver.bodies()[0]["type"] == "journey.call"
        data = receiver.bodies()[0]["data"]
        assert data["payload"] == {"user": "mina", "value": 12}
        assert (data["customer"], data["step"]) == ("mina", "score")
        assert receiver.posted[0].id == data["call"]
        attributes = shop.profile("mina").attributes
        assert (attributes["tier"], attributes["points"]) == ("gold", 7)
        shop.track("mina", "Go")
        assert shop.profile("mina").attributes["tier"] == "other"
        assert sorted(shop.subjects()) == ["A free mug", "no offer"]
        assert "The webhook answered at score" in shop.story("mina")
        assert shop.happened("mina")["$webhook_called"] == 2
        # It says nothing to the customer: no message of theirs, no slot of a cap.
        assert shop.happened("mina")["$message_sent"] == 2
        assert len(shop.profile("mina").sends) == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (404, "127.0.0.1 answered 404"),
        (302, "127.0.0.1 answered 302"),
        ((200, {}, b"<p>hello</p>"), "its answer is no JSON that can be kept"),
        ((200, {}, b'{"n": 1e999, "m": 99999999999999999999999}'), "its answer is no JSON"),
        ((200, {}, b'"' + b"x" * 40_000 + b'"'), "it answered more than 32 KB"),
        (500, "expired; last: 127.0.0.1 answered 500"),
        ("garbage", SET_ASIDE),
        ("hang up", SET_ASIDE),
    ],
)
def test_without_a_usable_answer_the_run_goes_otherwise(
    open_shop: Open, answer: Answer, error: str | tuple[str, ...]
) -> None:
    with receiving(answer) as receiver:
        shop = shop_with(open_shop, receiver.url, FAST)
        shop.track("mina", "Go")
        shop.advance("1m")
        assert shop.profile("mina").attributes["failed"].startswith(error)
        assert shop.profile("mina").runs == {}
        assert len(receiver.once) == 1
        assert "because the webhook gave no answer: " in shop.story("mina")
        assert shop.mails() == []


@pytest.mark.parametrize(
    ("body", "answer"),
    [(b"", {}), (b"[1, 2]", {"body": [1, 2]}), (b"null", {"body": None}), (b'{"a": 1}', {"a": 1})],
)
def test_any_json_can_be_an_answer(open_shop: Open, body: bytes, answer: Any) -> None:
    waits = JOURNEY.replace("  - message: nudge", "  - wait: 1d\n  - message: nudge")
    with receiving((200, {}, body)) as receiver:
        shop = shop_with(open_shop, receiver.url, waits)
        shop.track("mina", "Go")
        [run] = shop.profile("mina").runs.values()
        assert run.event.answers["score"] == answer


def test_it_is_tried_again_while_the_run_waits(open_shop: Open) -> None:
    with receiving(503, 503, told(tier="gold", points=1)) as receiver:
        shop = shop_with(open_shop, receiver.url)
        shop.track("mina", "Go")
        shop.advance("30s")
        assert shop.profile("mina").attributes["tier"] == "gold"
        assert list(receiver.once.values()) == [3]
        assert shop.wakeups() == [one for one in shop.wakeups() if not one[2].startswith("run:")]


def test_the_time_runs_out(open_shop: Open) -> None:
    with receiving(500) as receiver:
        shop = shop_with(open_shop, receiver.url)
        shop.harken.sender.turn = lambda: 0  # type: ignore[method-assign]
        shop.track("mina", "Go")
        shop.advance("59s")
        assert shop.profile("mina").runs != {}
        shop.advance("1s")
        assert shop.profile("mina").attributes["failed"] == "no answer within 1m"
        del shop.harken.sender.turn
        shop.work()
        [row] = shop.ledger("mina")
        assert (row.state, row.reason) == ("failed", "expired")
        assert receiver.posted == []


def test_a_late_answer_changes_nothing(open_shop: Open) -> None:
    with receiving(told(tier="gold", points=1)) as receiver:
        shop = shop_with(open_shop, receiver.url)
        sender = shop.harken.sender
        shop.harken.sender.turn = lambda: 0  # type: ignore[method-assign]
        shop.track("mina", "Go")
        row = sender._store.claim("embedded", shop.now, {"call": 1}, 600_000)[0]
        shop.advance("2m")
        assert shop.profile("mina").attributes["failed"] == "no answer within 1m"
        result = sender._delivery._result(row, "sent", "", shop.now, answer={"tier": "gold"})
        sender._store.settle("embedded", [result])
        shop.work()
        assert "tier" not in shop.profile("mina").attributes
        assert shop.happened("mina")["$webhook_called"] == 1
        assert receiver.posted == []


def test_an_exception_ends_the_wait(open_shop: Open) -> None:
    with receiving(500, told(tier="gold")) as receiver:
        journey = JOURNEY.replace("steps:", "exceptions: [{event: Bought}]\nsteps:")
        shop = shop_with(open_shop, receiver.url, journey)
        shop.track("mina", "Go")
        shop.track("mina", "Bought")
        shop.advance("2m")
        assert shop.profile("mina").runs == {}
        assert "tier" not in shop.profile("mina").attributes


def test_a_paused_journey_calls_nobody(open_shop: Open) -> None:
    with receiving(told(tier="gold")) as receiver:
        waits = JOURNEY.replace("steps:\n", "steps:\n  - wait: 1h\n", 1)
        shop = shop_with(open_shop, receiver.url, waits)
        shop.track("mina", "Go")
        hooks = f"webhooks: {{crm: {{url: '{receiver.url}', private: true}}}}\n"
        shop.apply(cart=waits.replace("journey: cart", "journey: cart\nstate: paused"),
                   workspace=hooks)  # fmt: skip
        shop.advance("2h")
        assert shop.profile("mina").attributes["failed"] == "the journey is not live"
        assert receiver.posted == []


def test_the_sandbox_keeps_the_call_and_the_run_goes_on(open_shop: Open) -> None:
    shop = open_shop(cart=JOURNEY, workspace="webhooks: {crm: {url: 'sandbox:'}}\n")
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Go")
    kept = [one for one in shop.harken.services.sandbox.list() if one.channel == "call"]
    assert [(one.address, one.subject) for one in kept] == [("mina", "POST crm")]
    assert shop.profile("mina").attributes["tier"] == "other"


def test_one_that_is_moved_to_a_new_revision_while_it_waits_calls_once(open_shop: Open) -> None:
    with receiving(500, told(tier="gold", points=2)) as receiver:
        shop = shop_with(open_shop, receiver.url)
        shop.track("mina", "Go")
        hooks = f"webhooks: {{crm: {{url: '{receiver.url}', private: true}}}}\n"
        shop.apply(cart=JOURNEY.replace("no offer", "none"), workspace=hooks, move=["cart"])
        shop.advance("1m")
        assert shop.profile("mina").attributes["tier"] == "gold"
        assert "The run was moved from revision 1 to 2" in shop.story("mina")
        assert len(receiver.once) == 1


FAULTS: list[tuple[str, str]] = [
    ("webhook: crn", "$.steps[0].webhook: the workspace has no webhook `crn` (it has: crm)"),
    ("webhook: crm\n    at_most: 0s", "$.steps[0].at_most: must be more than nothing"),
    ("webhook: crm\n    payload: {a: [b, '{{ profile.first_name }}']}",
     "$.steps[0].payload.a[1]: a default content may use only values with a default"),
    ("webhook: crm\n    payload: {a: '{{ x'}", "$.steps[0].payload.a: this is not Liquid"),
    ("webhook: crm\n    otherwise: [{webhook: crm, payload: {a: '{{ x }}'}}]",
     "$.steps[0].otherwise[0].payload.a: a message has no `x`"),
    ("branch: [{when: {answer: scor.tier, equals: gold}}]\n  - webhook: crm\n    id: score",
     "$.steps[0].branch[0].when.answer: no step `scor` learns anything; did you mean `score`?"),
]  # fmt: skip


@pytest.mark.parametrize(("step", "fault"), FAULTS)
def test_what_is_wrong_is_told_on_save(open_shop: Open, step: str, fault: str) -> None:
    journey = f"journey: cart\nentry: {{event: Go}}\nsteps:\n  - {step}\n"
    faults = open_shop().faults(journey, "webhooks: {crm: {url: 'https://a.example'}}\n")
    assert any(fault in one for one in faults), faults
