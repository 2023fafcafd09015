"""Messages by webhook, and chains of channels, from the event to what comes back."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from driver import Shop
from receivers import Receiver, receiving

from harken.channels.posting import signature
from harken.effects import Decision
from harken.web.receipts import take_receipts

Open = Callable[..., Shop]

NUDGE = """
journey: cart
entry: {event: Cart Abandoned, reentry: always}
steps:
  - message: nudge
    channel: webhook
    variants:
      - name: big
        when: {event_property: cart_value, gte: 100}
        payload:
          title: "{{ profile.first_name }}, your cart of {{ event.properties.cart_value }}"
          value: "{{ event.properties.cart_value }}"
          items: "{{ event.properties.items }}"
    default:
      payload: {title: "Your cart is still here", value: 0}
      locales:
        ko: {payload: {title: "장바구니", value: 0}}
"""
CHAIN = """
journey: cart
entry: {event: Cart Abandoned, reentry: always}
steps:
  - message: nudge
    channels: [webhook, email]
    default: {subject: "By mail", text: "Hi", payload: {title: "By webhook"}}
"""


def workspace(receiver: Receiver, **more: str) -> str:
    rest = "".join(f"{key}: {value}\n" for key, value in more.items())
    return f"webhooks:\n  crm: {{url: '{receiver.url}', private: true}}\n{rest}"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def secret(shop: Shop) -> str:
    from harken.channels.hooks import secret_of
    from harken.config import link_secret

    hooks = shop.harken.services.in_force.workspace.webhooks
    hook = next(iter(hooks.values()))
    return secret_of("crm", hook, {}, link_secret(shop.harken.settings.data))


def test_variants_locales_and_missing_data_are_those_of_mails(
    open_shop: Open, receiver: Receiver
) -> None:
    shop = open_shop(cart=NUDGE, workspace=workspace(receiver))
    shop.identify("mina", firstName='Mi"na')
    shop.identify("noor")
    shop.identify("joon", language="ko")
    shop.track("mina", "Cart Abandoned", cart_value=120.5, items=[{"sku": "a"}, {"sku": 'b"}'}])
    shop.track("noor", "Cart Abandoned", cart_value=300)
    shop.track("joon", "Cart Abandoned", cart_value=5)
    said = {one["data"]["to"]: one["data"]["payload"] for one in receiver.bodies()}
    assert said == {
        "mina": {
            "title": 'Mi"na, your cart of 120.5',
            "value": 120.5,
            "items": [{"sku": "a"}, {"sku": 'b"}'}],
        },
        "noor": {"title": "Your cart is still here", "value": 0},
        "joon": {"title": "장바구니", "value": 0},
    }
    row = shop.ledger("noor")[0]
    assert (row.state, row.variant, row.transport) == ("sent", "default", "crm")
    assert "event.properties.items" in row.why_variant or "first_name" in row.why_variant
    assert shop.happened("mina")["$message_sent"] == 1


def test_until_a_webhook_is_there_nothing_leaves(open_shop: Open) -> None:
    shop = open_shop(cart=NUDGE)
    shop.identify("mina")
    shop.track("mina", "Cart Abandoned", cart_value=5)
    kept = shop.harken.services.sandbox.list()
    assert [(one.channel, one.address) for one in kept] == [("webhook", "mina")]
    assert shop.ledger("mina")[0].state == "sent"
    assert shop.mails("nobody") == []


def test_it_is_tried_again_with_the_same_id(open_shop: Open) -> None:
    with receiving(500, 503, 200) as receiver:
        shop = open_shop(cart=NUDGE, workspace=workspace(receiver))
        shop.identify("mina")
        shop.track("mina", "Cart Abandoned", cart_value=5)
        assert shop.ledger("mina")[0].state == "queued"
        shop.advance("5m")
        row = shop.ledger("mina")[0]
        assert (row.state, row.attempts) == ("sent", 3)
        assert receiver.once == {row.id: 3}


def test_a_no_that_stays_one_fails_and_frees_the_slot(open_shop: Open) -> None:
    with receiving(422) as receiver:
        shop = open_shop(cart=NUDGE, workspace=workspace(receiver))
        shop.identify("mina")
        shop.track("mina", "Cart Abandoned", cart_value=5)
        row = shop.ledger("mina")[0]
        assert (row.state, row.reason) == ("failed", "127.0.0.1 answered 422")
        assert shop.profile("mina").sends == []


def test_an_attribute_may_be_the_address(open_shop: Open, receiver: Receiver) -> None:
    hooks = f"webhooks: {{crm: {{url: '{receiver.url}', private: true, address: crm_id}}}}\n"
    shop = open_shop(cart=NUDGE, workspace=hooks)
    shop.identify("mina", crm_id=77)
    shop.identify("noor")
    for user in ("mina", "noor"):
        shop.track(user, "Cart Abandoned", cart_value=5)
    assert [one["data"]["to"] for one in receiver.bodies()] == ["77"]
    assert shop.said("noor")[1] == "dropped no_address"


def test_what_comes_back_is_what_comes_back_of_a_mail(open_shop: Open, receiver: Receiver) -> None:
    shop = open_shop(cart=NUDGE, workspace=workspace(receiver))
    shop.identify("mina")
    shop.track("mina", "Cart Abandoned", cart_value=5)
    row = shop.ledger("mina")[0]
    for number, kind in enumerate(("delivered", "opened", "opened", "clicked", "unsubscribed")):
        told = tell(shop, f"t{min(number, 1) if kind == 'opened' else number}", kind, row.id)
        assert (told.taken, told.known) == ((0, 1) if number == 2 else (1, 0))
    shop.work()
    row = shop.ledger("mina")[0]
    assert row.state == "delivered"
    assert all((row.delivered_at, row.opened_at, row.clicked_at))
    happened = shop.happened("mina")
    assert [happened[f"$message_{what}"] for what in ("delivered", "opened", "clicked")] == [1] * 3
    assert shop.profile("mina").consent["webhook:marketing"].state == "opted_out"
    shop.track("mina", "Cart Abandoned", cart_value=5)
    assert shop.said("mina")[-2] == "dropped opted_out"


@pytest.mark.parametrize(
    ("kind", "more", "reachable"),
    [("bounced", {"hard": True}, False), ("bounced", {}, True), ("failed", {"hard": True}, True)],
)
def test_a_failure_beyond_the_webhook_is_a_bounce(
    open_shop: Open, receiver: Receiver, kind: str, more: dict[str, Any], reachable: bool
) -> None:
    shop = open_shop(cart=NUDGE, workspace=workspace(receiver))
    shop.identify("mina")
    shop.track("mina", "Cart Abandoned", cart_value=5)
    tell(shop, "t1", kind, shop.ledger("mina")[0].id, detail="no device", **more)
    shop.work()
    row = shop.ledger("mina")[0]
    assert (row.state, row.reason) == ("bounced", "no device")
    shop.track("mina", "Cart Abandoned", cart_value=5)
    assert shop.said("mina")[-2] == ("passed" if reachable else "dropped unreachable")


def tell(shop: Shop, id: str, kind: str, message: str, **data: Any) -> Any:
    body = json.dumps({"type": f"message.{kind}", "data": {"message": message, **data}}).encode()
    seconds = shop.now // 1000
    headers = {
        "webhook-id": id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": signature(secret(shop), id, seconds, body),
    }
    return take_receipts(shop.harken.services, "crm", headers, body)


def test_the_first_channel_that_is_open_is_taken(open_shop: Open, receiver: Receiver) -> None:
    caps = "[{channel: email, at_most: 1, per: 1d}]"
    shop = open_shop(cart=CHAIN, workspace=workspace(receiver, caps=caps))
    shop.identify("both", email="both@shop.example")
    shop.identify("left", email="left@shop.example")
    shop.consent("left", "opted_out", channel="webhook")
    shop.identify("nemo", email="nobody")
    shop.consent("nemo", "opted_out", channel="all")
    shop.request(
        [shop.item("identify", anonymousId="?anon", traits={"email": "anon@shop.example"}),
         shop.item("track", anonymousId="?anon", event="Cart Abandoned")]
    )  # fmt: skip
    for user in ("both", "left", "nemo"):
        shop.track(user, "Cart Abandoned")
    assert [one["data"]["to"] for one in receiver.bodies()] == ["both"]
    assert {mail.to for mail in shop.mails()} == {"left@shop.example", "anon@shop.example"}
    assert passed_over(shop.decisions("both")[1]) == ("passed", "webhook", [])
    assert passed_over(shop.decisions("left")[1]) == ("passed", "email", [("webhook", "opted_out")])
    assert passed_over(shop.decisions("?anon")[1]) == (
        "passed", "email", [("webhook", "no_address")],
    )  # fmt: skip
    nemo = shop.decisions("nemo")[1]
    assert (nemo.outcome, nemo.reason) == ("dropped", "bad_address")
    assert passed_over(nemo)[2] == [("webhook", "opted_out")]
    told = shop.story("left")
    assert "was queued, by e-mail; not by webhook, because they opted out of marketing" in told
    # The caps count the channel taken.
    assert [send.channel for send in shop.profile("both").sends] == ["webhook"]
    for user in ("both", "left"):
        shop.track(user, "Cart Abandoned")
    assert shop.said("both")[-2] == "passed"
    assert shop.said("left")[-2] == "dropped frequency_cap"


def passed_over(decision: Decision) -> tuple[str, str, list[tuple[str, str]]]:
    facts = decision.facts
    over = [(one["channel"], one["reason"]) for one in facts["passed_over"]]
    return decision.outcome, facts["channel"], over


def test_a_held_message_chooses_again_when_it_asks_again(
    open_shop: Open, receiver: Receiver
) -> None:
    quiet = '{from: "09:00", to: "12:00"}'
    shop = open_shop(cart=CHAIN, workspace=workspace(receiver, quiet_hours=quiet))
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Cart Abandoned")
    assert passed_over(shop.decisions("mina")[1]) == ("held", "webhook", [])
    shop.consent("mina", "opted_out", channel="webhook")
    shop.at("2026-03-02 12:00")
    assert [mail.subject for mail in shop.mails()] == ["By mail"]
    assert receiver.posted == []


FAULTS: list[tuple[str, str]] = [
    ("channel: webhook\n    default: {subject: Hi, text: Hi}",
     "$.steps[0].default: a webhook message needs a `payload`"),
    ("channel: webhook\n    default: {subject: Hi, text: Hi, payload: {a: b}}",
     "$.steps[0].default.subject: a webhook message has no `subject`; it has `payload`"),
    ("channel: email\n    default: {subject: Hi, text: Hi, payload: {a: b}}",
     "$.steps[0].default.payload: an e-mail has no `payload`"),
    ("channels: [webhook, email]\n    default: {payload: {a: b}}",
     "$.steps[0].default: an e-mail needs a body: `mjml`, `html` or `text`"),
    ("channel: webhook\n    default: {payload: {a: {b: [x, '{{ profile.first_name }}']}}}",
     "$.steps[0].default.payload.a.b[1]: a default content may use only values with a default"),
    ("channel: webhook\n    default: {payload: {a: '{{ profil.x }}'}}",
     "$.steps[0].default.payload.a: a message has no `profil`; did you mean `profile`?"),
    ("channel: webhook\n    default: {payload: {a: '{% if %}'}}",
     "$.steps[0].default.payload.a: this is not Liquid"),
    ("channel: webhook\n    default: {payload: {a: b}, locales: {ko: {payload: {a: '{{ x }}'}}}}",
     "$.steps[0].default.locales.ko.payload.a: a message has no `x`"),
    ("default: {subject: Hi, text: Hi}",
     "$.steps[0]: missing key `channel`: `email` or `webhook` (or `channels`, a list of them)"),
    ("channel: email\n    channels: [webhook]\n    default: {subject: Hi, text: Hi}",
     "$.steps[0].channels: give `channel` or `channels`, not both"),
    ("channels: [email, email]\n    default: {subject: Hi, text: Hi}",
     "$.steps[0].channels[1]: `email` stands in the list already"),
    ("channel: email\n    hook: crm\n    default: {subject: Hi, text: Hi}",
     "$.steps[0].hook: only a message by `webhook` goes to a hook"),
    ("channel: webhook\n    hook: crn\n    default: {payload: {a: b}}",
     "$.steps[0].hook: the workspace has no webhook `crn` (it has: crm, erp); did you mean `crm`?"),
    ("channel: webhook\n    default: {payload: {a: b}}",
     "$.steps[0]: name the `hook` that it goes to: crm, erp"),
]  # fmt: skip


@pytest.mark.parametrize(("step", "fault"), FAULTS)
def test_what_is_wrong_is_told_on_save(open_shop: Open, step: str, fault: str) -> None:
    faults = open_shop().faults(
        f"journey: cart\nentry: {{event: Go}}\nsteps:\n  - message: nudge\n    {step}\n",
        "webhooks:\n  crm: {url: 'https://a.example'}\n  erp: {url: 'https://b.example'}\n",
    )
    assert any(one.split(": ", 1)[-1].startswith(fault.split(": ", 1)[-1]) and
               fault.split(": ", 1)[0] in one for one in faults), faults  # fmt: skip


def test_nothing_is_posted_by_a_client_that_follows_redirects(open_shop: Open) -> None:
    with receiving() as other:
        moved = (307, {"Location": other.url}, b"")
        with receiving(moved) as receiver:
            shop = open_shop(cart=NUDGE, workspace=workspace(receiver))
            shop.identify("mina")
            shop.track("mina", "Cart Abandoned", cart_value=5)
            assert shop.ledger("mina")[0].state == "failed"
            assert other.posted == []
