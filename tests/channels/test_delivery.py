"""The sender's loop: a row is claimed, said, handed over, and written down."""

import email
import re
import time
from collections import Counter
from email.message import EmailMessage
from email.policy import default as policy

import pytest
from delivery_kit import RENDERING, START, Provider, Shop, message, shop, transport
from msgspec.structs import replace
from servers import Mailbox, Peer, Scripted, free_port, real_server

from harken.channels.base import Channel, Outcome, Prepared
from harken.channels.retries import Retries
from harken.channels.sandbox import SandboxTransport
from harken.clock import DAY, HOUR, MINUTE, SECOND
from harken.errors import Unavailable
from harken.inputs import encode
from harken.store.base import LedgerRow
from harken.values import Duration, Name

__all__ = ["shop"]


def read(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=policy)  # type: ignore[return-value]


def test_a_message_is_said_and_kept_in_the_sandbox(shop: Shop) -> None:
    shop.queue(message("m1"))
    shop.drain(shop.delivery())
    row = shop.row("m1")
    assert (row.state, row.sent_at, row.transport, row.attempts) == ("sent", START, "sandbox", 1)
    assert (row.variant, row.why_variant, row.context) == ("default", "no rule held", b"")
    kept = shop.sandbox.get("m1")
    assert kept is not None
    mail = read(kept.raw)
    assert mail["Subject"] == "nudge for Mina"
    assert mail["Feedback-ID"] == "cart:nudge:default:harken"
    assert mail["List-Unsubscribe"] == "<https://shop.example/c/m1/u>"
    (told,) = shop.feedback()
    assert (told.message, told.what, told.variant) == ("m1", "sent", "default")
    assert shop.counted == {("sent", "sandbox"): 1}


@pytest.mark.parametrize("purpose", ["marketing", "transactional"])
def test_marketing_with_a_return_path_can_be_left_by_mail_a_receipt_by_nothing(
    shop: Shop, purpose: str
) -> None:
    box = Mailbox()
    shop.queue(message("m1", purpose=purpose))
    with real_server(box) as port:
        shop.drain(shop.delivery(transport(port, return_path="b.shop.example")))
    header = read(box.envelopes[0].content)["List-Unsubscribe"]
    both = r"<https://\S+>,\s*<mailto:unsubscribe\+m1@b\.shop\.example>"
    assert header is None if purpose == "transactional" else re.fullmatch(both, header)


def test_many_leave_each_once_with_bounces_to_the_return_path(shop: Shop) -> None:
    box = Mailbox()
    shop.queue(*(message(f"m{i}", address=f"c{i}@example.com") for i in range(600)))
    with real_server(box) as port:
        shop.drain(shop.delivery(transport(port, connections=3, return_path="b.shop.example")))
    assert Counter(shop.states().values()) == {"sent": 600}
    assert Counter(e.mail_from for e in box.envelopes) == {
        f"bounce+m{i}@b.shop.example": 1 for i in range(600)
    }


BAD = {
    "expired": (message("b", expires_at=START), "failed", "expired"),
    "aborts": (message("b", "abort"), "aborted", "out of stock"),
    "data missing": (message("b", context=encode({})), "failed", "cannot be rendered: KeyError"),
    "no journey": (message("b", revision=2), "failed", "cannot be found"),
    "bad address": (message("b", address="mina"), "failed", "no e-mail address"),
    "bad sender": (message("b", step="nobody"), "failed", "no sender"),
    "suppressed": (message("b", address="Dead@example.com"), "failed", "suppressed: complaint"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_row_fails_alone_with_its_reason(shop: Shop, kind: str) -> None:
    bad, state, reason = BAD[kind]
    shop.store.suppress([("dead@example.com", "complaint", START)])
    shop.queue(message("a"), bad, message("c"))
    shop.drain(shop.delivery())
    assert shop.states() == {"a": "sent", "b": state, "c": "sent"}
    assert reason in shop.row("b").reason


def test_a_corrupt_context_fails_alone(shop: Shop) -> None:
    shop.queue(message("a"), message("b"), message("c"))
    shop.store.database.connection.execute("UPDATE messages SET context = x'c1' WHERE id = 'b'")
    shop.drain(shop.delivery())
    assert shop.states() == {"a": "sent", "b": "failed", "c": "sent"}
    assert "context cannot be read" in shop.row("b").reason


@pytest.mark.parametrize(
    ("fault", "then"), [(Unavailable("state.db: disk I/O error"), "queued"), (KeyError(), "failed")]
)
def test_who_cannot_be_asked_again_before_it_leaves_holds_up_no_other(
    shop: Shop, fault: Exception, then: str
) -> None:
    def look(row: LedgerRow, now: int) -> None:
        if row.id == "b":
            raise fault

    shop.queue(message("a"), message("b"), message("c"))
    shop.clock.set(START + MINUTE)
    shop.drain(shop.delivery(rendering=replace(RENDERING, look=look)))
    assert shop.states() == {"a": "sent", "b": then, "c": "sent"}
    shop.clock.set(START + HOUR)
    shop.drain(shop.delivery())
    assert shop.row("b").state == ("sent" if then == "queued" else "failed")


def test_a_dead_address_fails_and_is_not_written_to_again(shop: Shop) -> None:
    box = Mailbox()
    box.refuse = {"mina@example.com": "550 5.1.1 no such user"}
    with real_server(box) as port:
        delivery = shop.delivery(transport(port))
        shop.queue(message("m1"))
        shop.drain(delivery)
        shop.queue(message("m2"))
        shop.drain(delivery)
    assert shop.row("m1").reason == "550 5.1.1 no such user (to RCPT)"
    assert shop.row("m2").reason == "suppressed: hard bounce"


def test_a_temporary_error_is_tried_again_with_growing_waits(shop: Shop) -> None:
    box = Mailbox()
    box.refuse = {"mina@example.com": "451 4.2.1 later"}
    waits = []
    with real_server(box) as port:
        delivery = shop.delivery(transport(port))
        shop.queue(message("m1"))
        for _ in range(4):
            shop.drain(delivery)
            row = shop.row("m1")
            assert (row.state, row.reason) == ("queued", "451 4.2.1 later (to RCPT)")
            waits.append(row.not_before - shop.clock.now())
            shop.clock.set(row.not_before)
        box.refuse = {}
        shop.drain(delivery)
    assert shop.row("m1").state == "sent"
    assert shop.row("m1").attempts == 5
    for wait, base in zip(waits, (30, 60, 120, 240), strict=True):
        assert 0.75 * base <= wait / SECOND <= 1.25 * base
    assert [told.what for told in shop.feedback()] == ["sent"]


@pytest.mark.parametrize(
    ("values", "retries", "reason"),
    [
        ({"expires_at": START + 10 * SECOND}, Retries(), "expired; last: 451"),
        ({}, Retries(max_attempts=1), "given up after 1 tries; last: 451"),
        ({"queued_at": START - 3 * DAY}, Retries(), "given up after 1 tries; last: 451"),
    ],
)
def test_retries_end(shop: Shop, values: dict[str, int], retries: Retries, reason: str) -> None:
    box = Mailbox()
    box.refuse = {"mina@example.com": "451 4.2.1 later"}
    with real_server(box) as port:
        shop.queue(message("m1", **values))
        shop.drain(shop.delivery(transport(port), retries=retries))
    assert shop.row("m1").state == "failed"
    assert shop.row("m1").reason.startswith(reason)


def test_what_expires_between_two_tries_says_what_the_last_one_met(shop: Shop) -> None:
    box = Mailbox()
    box.refuse = {"mina@example.com": "451 4.2.1 later"}
    with real_server(box) as port:
        delivery = shop.delivery(transport(port))
        shop.queue(message("m1", expires_at=START + MINUTE))
        shop.drain(delivery)
        assert shop.row("m1").state == "queued"
        shop.clock.advance(2 * MINUTE)
        shop.drain(delivery)
    assert shop.row("m1").reason == "expired; last: 451 4.2.1 later (to RCPT)"


def test_while_smtp_is_down_mail_waits_and_goes_when_it_is_back(shop: Shop) -> None:
    port = free_port()
    shop.queue(message("m1"), message("m2"))
    down = transport(port)
    delivery = shop.delivery(down)
    shop.drain(delivery)
    assert set(shop.states().values()) == {"queued"}
    assert "refused" in shop.row("m1").reason
    assert shop.row("m1").not_before <= START + 2 * SECOND
    assert 0 < delivery.rest() <= 1
    shop.clock.advance(MINUTE)
    assert delivery.turn(shop.clock.now()) == 0, "nothing is claimed while every transport rests"
    assert shop.row("m1").attempts == 0
    time.sleep(down.rest())
    box = Mailbox()
    with real_server(box) as port_now:
        delivery.replace({"email": shop.email(transport(port_now))})
        shop.drain(delivery)
    assert set(shop.states().values()) == {"sent"}
    assert len(box.envelopes) == 2


def test_another_transport_takes_over_at_once(shop: Shop) -> None:
    box = Mailbox()
    shop.queue(*(message(f"m{i}") for i in range(40)))
    with real_server(box) as port:
        shop.drain(
            shop.delivery(transport(free_port()), transport(port, name=Name("spare"), weight=0))
        )
    assert {row.transport for row in shop.store.messages(limit=100)} == {"spare"}
    assert len(box.envelopes) == 40


def test_silence_after_the_dot_leaves_it_unsure_and_sends_it_no_second_time(shop: Shop) -> None:
    def swallow(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.say("250 ok", "250 ok", "354 go")
        for _ in range(3):
            peer.hear()
        peer.mail()

    with Scripted(swallow) as server:
        shop.queue(message("m1"))
        delivery = shop.delivery(transport(server.port))
        shop.drain(delivery)
        shop.clock.advance(DAY)
        shop.drain(delivery)
        assert server.connections == 1
    row = shop.row("m1")
    assert (row.state, row.reason) == ("unsure", "the server hung up")
    assert row.context != b""


def test_retry_after_is_honoured(shop: Shop) -> None:
    busy = Outcome(state="temporary", reason="429", retry_after=7 * HOUR)
    shop.queue(message("m1", channel="sms"))
    shop.drain(shop.delivery(channels={"sms": Provider(lambda one: busy)}))
    assert shop.row("m1").not_before == START + 7 * HOUR


def test_a_channel_that_breaks_leaves_its_batch_unsure(shop: Shop) -> None:
    def broken(one: Prepared) -> Outcome:
        raise RuntimeError("bug")

    shop.queue(message("m1", channel="sms"), message("m2"))
    channels: dict[str, Channel] = {
        "sms": Provider(broken),
        "email": shop.email(SandboxTransport(shop.sandbox, shop.clock)),
    }
    shop.drain(shop.delivery(channels=channels))
    assert shop.states() == {"m1": "unsure", "m2": "sent"}
    assert "RuntimeError: bug" in shop.row("m1").reason


@pytest.mark.parametrize(
    ("repeatable", "state", "got"), [(True, "sent", ["m1"]), (False, "unsure", [])]
)
def test_what_a_crash_left_is_sent_again_only_where_that_is_harmless(
    shop: Shop, repeatable: bool, state: str, got: list[str]
) -> None:
    shop.queue(message("m1", channel="sms"))
    assert len(shop.store.claim("sender-1", START, {"sms": 10}, MINUTE)) == 1
    provider = Provider(lambda one: Outcome(state="sent"), repeatable)
    delivery = shop.delivery(channels={"sms": provider})
    assert delivery.recover(START) == 1
    shop.drain(delivery)
    assert (shop.row("m1").state, provider.got) == (state, got)


def test_a_stop_puts_back_what_was_not_begun(shop: Shop) -> None:
    def slow(one: Prepared) -> Outcome:
        time.sleep(0.005)
        return Outcome(state="sent")

    shop.queue(*(message(f"m{i:03}", channel="sms") for i in range(200)))
    delivery = shop.delivery(channels={"sms": Provider(slow)})
    delivery.turn(START)
    delivery.close(10)
    states = Counter(shop.states().values())
    assert set(states) == {"sent", "queued"}
    assert states.total() == 200


def test_a_stop_does_not_wait_for_a_server_that_hangs(shop: Shop) -> None:
    def hangs_at_the_third(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.accept()
        peer.accept()
        peer.hang()

    shop.queue(*(message(f"m{i}") for i in range(6)))
    with Scripted(hangs_at_the_third) as server:
        delivery = shop.delivery(transport(server.port, timeout=Duration.parse("1m")))
        started = time.monotonic()
        delivery.turn(START)
        delivery.close(0.5)
        assert time.monotonic() - started < 10
        assert server.connections == 1
    assert Counter(shop.states().values()) == {"sent": 2, "queued": 4}


def test_a_throttled_transport_claims_no_more_than_it_can_send(shop: Shop) -> None:
    box = Mailbox()
    shop.queue(*(message(f"m{i}") for i in range(100)))
    with real_server(box) as port:
        delivery = shop.delivery(transport(port, per_second=20.0))
        delivery.turn(START)
        states = Counter(shop.states().values())
        assert states["queued"] >= 95


def test_messages_of_a_sender_that_never_comes_back_are_taken_over_after_their_lease(
    shop: Shop,
) -> None:
    shop.queue(message("m1", channel="sms"))
    assert len(shop.store.claim("sender-7", START, {"sms": 10}, MINUTE)) == 1
    delivery = shop.delivery(channels={"sms": Provider(lambda one: Outcome(state="sent"), False)})
    assert delivery.take_over(START + MINUTE) == 0, "its lease still runs"
    assert delivery.take_over(START + MINUTE + 1) == 1
    assert shop.row("m1").state == "unsure"
