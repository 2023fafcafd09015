"""The gates, through the engine: what leaves, what is held or dropped, and what is said of it."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope
from driver import Shop, instant
from plain import journey, say

from harken.ids import bucket

Open = Callable[..., Shop]
GO = journey(entry_reentry="always")


def customer(shop: Shop, user: str = "mina", **traits: object) -> None:
    shop.identify(user, **({"email": f"{user}@shop.example"} | traits))


def go(shop: Shop, times: int = 1, every: str = "1m", user: str = "mina") -> None:
    for _ in range(times):
        shop.track(user, "Go")
        shop.advance(every)


@pytest.mark.parametrize(
    ("cap", "hours", "sent"),
    [
        ("{at_most: 2, per: 1d}", 10, 4),
        ("{at_most: 2, per: calendar day}", 10, 6),
        ("{at_most: 1, per: calendar week}", 10, 1),
        ("{channel: email, at_most: 2, per: 20h}", 10, 6),
        ("{channel: sms, at_most: 1, per: 1d}", 10, 6),
        ("{tag: promo, at_most: 1, per: 1d}", 10, 6),
        ("{at_most: 1, per: 30h}", 10, 2),
    ],
)
def test_caps(open_shop: Open, cap: str, hours: int, sent: int) -> None:
    """One try every ten hours: at 10, 20, 6, 16, 2 and 12 o'clock from Monday on."""
    shop = open_shop(cart=GO, workspace=f"caps: [{cap}]\n")
    customer(shop)
    go(shop, 6, f"{hours}h")
    assert len(shop.mails()) == sent


def test_a_calendar_day_is_the_customers_own(open_shop: Open) -> None:
    shop = open_shop(cart=GO, workspace="caps: [{at_most: 2, per: calendar day}]\n")
    customer(shop, timezone="Asia/Seoul")
    # Now it is 19:00 in Seoul; the day ends there at 15:00 UTC.
    go(shop, 3)
    assert shop.said("mina").count("dropped frequency_cap") == 1
    shop.at("2026-03-02 14:59")
    go(shop, 1, "30s")
    shop.at("2026-03-02 15:00")
    go(shop, 1)
    assert len(shop.mails()) == 3
    assert "the cap of 2 messages" in shop.story("mina")


def test_a_rolling_day_frees_a_slot_to_the_second(open_shop: Open) -> None:
    shop = open_shop(cart=GO, workspace="caps: [{at_most: 2, per: 1d}]\n")
    customer(shop)
    go(shop, 2, "1h")
    shop.advance("21h59m59s")
    go(shop, 1, "1s")
    assert len(shop.mails()) == 2
    go(shop)
    assert len(shop.mails()) == 3


def test_a_capped_message_can_wait_for_a_slot(open_shop: Open) -> None:
    held = journey("Hold", name="held", steps=say(when_capped="hold"))
    shop = open_shop(cart=GO, held=held, workspace="caps: [{at_most: 1, per: 1d}]\n")
    customer(shop)
    start = shop.now
    go(shop, 1, "1h")
    shop.track("mina", "Hold")
    [last] = [one for one in shop.decisions("mina", "held") if one.outcome == "held"]
    assert (last.reason, last.until) == ("frequency_cap", start + 86_400_000)
    shop.advance("3d")
    assert [mail.at - start for mail in shop.mails()] == [0, 86_400_000]


class Answers:
    """An SMTP server's word on every recipient."""

    answer = "451 4.3.0 try again later"

    async def handle_RCPT(
        self, server: object, session: object, envelope: Envelope, address: str, options: object
    ) -> str:
        if self.answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return self.answer


@pytest.fixture
def smtp() -> Iterator[tuple[Answers, int]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    answers = Answers()
    server = Controller(answers, hostname="127.0.0.1", port=port)
    server.start()
    yield answers, port
    server.stop()


def test_a_retry_uses_no_second_slot_and_a_failure_frees_it(
    open_shop: Open, smtp: tuple[Answers, int]
) -> None:
    answers, port = smtp
    workspace = (
        "caps: [{at_most: 1, per: 1d}]\n"
        f"transports: [{{name: mx, url: 'smtp://127.0.0.1:{port}'}}]\n"
        "senders: {default: {from: 'Shop <shop@shop.example>'}}\n"
    )
    shop = open_shop(cart=GO, workspace=workspace)
    customer(shop)
    shop.track("mina", "Go")
    shop.advance("2h")
    assert len(shop.profile("mina").sends) == 1
    [row] = shop.ledger("mina")
    assert row.state == "queued"
    assert row.attempts > 2
    answers.answer = "550 5.1.1 no such user"
    shop.advance("1d")
    [row] = shop.ledger("mina")
    assert row.state == "failed"
    assert shop.profile("mina").sends == []
    assert shop.happened("mina")["$message_failed"] == 1
    answers.answer = "250 fine"
    shop.identify("mina", email="mina@home.example")
    shop.track("mina", "Go")
    assert shop.ledger("mina")[0].state == "sent"
    shop.track("mina", "Go")
    assert shop.said("mina")[-2] == "dropped frequency_cap"


def test_priority_high_passes_caps_and_quiet_hours_and_counts(open_shop: Open) -> None:
    workspace = 'caps: [{at_most: 1, per: 1d}]\nquiet_hours: {from: "21:00", to: "08:00"}\n'
    high = journey("High", name="high", entry_reentry="always", steps=say(priority="high"))
    free = journey("Free", name="free", entry_reentry="always", steps=say(counts="false"))
    shop = open_shop("2026-03-02 23:00", cart=GO, high=high, free=free, workspace=workspace)
    customer(shop)
    shop.track("mina", "High")
    shop.track("mina", "High")
    shop.track("mina", "Go")
    assert len(shop.mails()) == 2
    assert shop.decisions("mina")[-1].gate == "quiet_hours"
    assert shop.decisions("mina")[-1].until == instant("2026-03-03 08:00")
    shop.at("2026-03-03 12:00")
    assert shop.said("mina")[-2:] == ["dropped frequency_cap", "ended completed"]
    shop.at("2026-03-04 12:00")
    shop.track("mina", "Free")
    shop.track("mina", "Go")
    assert len(shop.mails()) == 4


def test_quiet_hours_of_the_workspace_hold_or_drop(open_shop: Open) -> None:
    quiet = 'quiet_hours: {from: "21:00", to: "08:00"%s}\n'
    shop = open_shop("2026-03-02 23:00", cart=GO, workspace=quiet % "")
    customer(shop)
    shop.track("mina", "Go")
    shop.advance("1d")
    assert [mail.at for mail in shop.mails()] == [instant("2026-03-03 08:00")]
    assert "quiet hours" in shop.story("mina")
    dropping = open_shop("2026-03-02 23:00", cart=GO, workspace=quiet % ", outside: drop")
    customer(dropping)
    dropping.track("mina", "Go")
    dropping.advance("1d")
    assert dropping.mails() == []
    assert dropping.said("mina")[1] == "dropped quiet_hours"


@pytest.mark.parametrize(
    ("needs", "choice", "purpose", "sent"),
    [
        ("implied", None, "marketing", 1),
        ("implied", "opted_out", "marketing", 0),
        ("implied", "opted_out", "transactional", 1),
        ("opted_in", None, "marketing", 0),
        ("opted_in", "implied", "marketing", 0),
        ("opted_in", "opted_in", "marketing", 1),
        ("opted_in", None, "transactional", 1),
    ],
)
def test_consent(open_shop: Open, needs: str, choice: str | None, purpose: str, sent: int) -> None:
    shop = open_shop(cart=journey(purpose=purpose), workspace=f"consent: {{marketing: {needs}}}\n")
    customer(shop)
    if choice:
        shop.consent("mina", choice)
    shop.track("mina", "Go")
    assert len(shop.mails()) == sent
    assert bool(shop.story("mina").startswith("No message was sent.")) == (not sent)


def test_a_later_choice_about_all_channels_decides(open_shop: Open) -> None:
    shop = open_shop(cart=GO)
    customer(shop)
    for state, channel, sent in (
        ("opted_in", "email", 1),
        ("opted_out", "all", 1),
        ("opted_in", "email", 2),
    ):
        shop.advance("1m")
        shop.consent("mina", state, channel)
        shop.track("mina", "Go")
        assert len(shop.mails()) == sent


@pytest.mark.parametrize(
    ("traits", "reason"),
    [
        ({"email": None}, "no_address"),
        ({"email": "nonsense"}, "bad_address"),
        ({"email": "a@b\r\nBcc: x@y.example"}, "bad_address"),
        ({"email": ["mina@shop.example"]}, "bad_address"),
    ],
)
def test_who_cannot_be_reached(open_shop: Open, traits: dict[str, Any], reason: str) -> None:
    shop = open_shop(cart=GO)
    customer(shop, **traits)
    shop.track("mina", "Go")
    [said] = [one for one in shop.decisions("mina") if one.outcome == "dropped"]
    assert said.gate == "reachable"
    assert said.reason == reason
    assert shop.mails() == []


def test_a_hard_bounce_stops_until_the_address_changes(open_shop: Open) -> None:
    shop = open_shop(cart=GO)
    customer(shop)
    go(shop)
    [mail] = shop.mails()
    shop.feedback(
        shop.id("mina"), mail.id, "bounced", hard=True, address=mail.to, detail="no such user"
    )
    assert shop.ledger("mina")[0].state == "bounced"
    go(shop)
    assert shop.decisions("mina")[-2].gate == "reachable"
    assert "bounce" in shop.story("mina")
    customer(shop, email="mina@home.example")
    go(shop)
    assert len(shop.mails()) == 2


def test_a_complaint_opts_out(open_shop: Open) -> None:
    shop = open_shop(cart=GO)
    customer(shop)
    go(shop)
    shop.feedback(shop.id("mina"), shop.mails()[0].id, "complained", address="mina@shop.example")
    customer(shop, email="mina@home.example")
    go(shop)
    assert len(shop.mails()) == 1
    assert shop.happened("mina")["$unsubscribed"] == 1


@pytest.mark.parametrize("kind", ["global", "journey"])
def test_control_groups_are_told_as_would_have_been_sent(open_shop: Open, kind: str) -> None:
    parts = {"control_percent": "50"} if kind == "journey" else {}
    workspace = "holdout_percent: 50\n" if kind == "global" else "language: en\n"
    shop = open_shop(cart=journey(entry_reentry="always", **parts), workspace=workspace)
    salt = "holdout" if kind == "global" else "control:cart"
    for number in range(30):
        user = f"u{number}"
        customer(shop, user)
        shop.track(user, "Go")
        held_out = bucket(shop.id(user), salt) < 5_000
        assert (f"control {kind}_control" in shop.said(user)) == held_out
        assert len(shop.mails(f"{user}@shop.example")) == (not held_out)
        assert ("control" in shop.story(user)) == held_out
    assert 5 < len(shop.mails()) < 25


def test_a_control_member_whom_a_later_gate_stops_is_dropped(open_shop: Open) -> None:
    shop = open_shop(cart=GO, workspace="holdout_percent: 100\n")
    customer(shop)
    go(shop)
    shop.consent("mina", "opted_out")
    go(shop)
    said = shop.said("mina")
    assert said[1] == "control global_control"
    assert said[-2] == "dropped opted_out"


def test_what_would_have_been_sent_fills_the_caps_of_the_control_group(open_shop: Open) -> None:
    """As many are left out of both groups, or the lift would be told from unlike customers."""
    shop = open_shop(cart=GO, workspace="holdout_percent: 100\ncaps: [{at_most: 1, per: 1d}]\n")
    customer(shop)
    go(shop)
    go(shop)
    said = [one for one in shop.said("mina") if one.startswith(("control", "dropped"))]
    assert said == ["control global_control", "dropped frequency_cap"]
    assert "would have been sent at" in shop.story("mina")


def test_what_was_never_sent_keeps_no_real_message_back(open_shop: Open) -> None:
    receipt = journey("Paid", name="receipt", purpose="transactional")
    workspace = "holdout_percent: 100\ncaps: [{at_most: 1, per: 1d}]\n"
    shop = open_shop(cart=GO, receipt=receipt, workspace=workspace)
    customer(shop)
    go(shop)
    shop.track("mina", "Paid")
    assert len(shop.mails()) == 1


def test_transactional_mail_is_not_held_out(open_shop: Open) -> None:
    shop = open_shop(cart=journey(purpose="transactional"), workspace="holdout_percent: 100\n")
    customer(shop)
    go(shop)
    assert len(shop.mails()) == 1


KOREA = """
policy_packs: [KR]
senders:
  default: {from: "Shop <hello@shop.example>", phone: "02-123-4567", postal_address: "Seoul 1"}
"""


def test_an_ad_to_korea_says_so_and_needs_consent(open_shop: Open) -> None:
    shop = open_shop(cart=GO, workspace=KOREA)
    customer(shop, country="South Korea")
    go(shop)
    assert shop.mails() == []
    assert shop.decisions("mina")[1].gate == "policy_pack"
    shop.consent("mina", "opted_in")
    go(shop)
    [mail] = shop.mails()
    assert mail.subject == "(광고) nudge"
    for part in ("02-123-4567", "Seoul 1", "/l/"):
        assert part in mail.body
    customer(shop, "joon", country="US")
    go(shop, user="joon")
    assert shop.subjects("joon@shop.example") == ["nudge"]


def test_a_purchase_within_six_months_is_consent_in_korea(open_shop: Open) -> None:
    shop = open_shop(cart=GO, workspace=KOREA)
    customer(shop, country="KR")
    shop.track("mina", "Order Completed")
    go(shop)
    assert len(shop.mails()) == 1
    shop.at("2026-09-02 10:02")
    go(shop)
    assert len(shop.mails()) == 1


def test_only_korean_time_is_taken_from_the_name_of_the_country(open_shop: Open) -> None:
    hours = '{from: "09:00", to: "21:00"}'
    shop = open_shop("2026-03-02 13:00", cart=journey(steps=say(sending_hours=hours)))
    for user, country in (("a", "KR"), ("b", "대한민국"), ("c", "kor"), ("d", "US"), ("e", "??")):
        customer(shop, user, country=country)
        shop.track(user, "Go")
    assert sorted(mail.to[0] for mail in shop.mails()) == ["d", "e"]
    shop.advance("1d")
    assert [mail.at for mail in shop.mails()][2:] == [instant("2026-03-03 09:00", "Asia/Seoul")] * 3


def test_a_pace_hands_out_slots(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps=say(pace="{at_most: 2, per: 1m}")))
    start = shop.now
    for number in range(6):
        customer(shop, f"u{number}")
        shop.track(f"u{number}", "Go")
    shop.advance("1h")
    times = [mail.at - start for mail in shop.mails()]
    assert len(times) == 6
    assert all(sum(t <= u < t + 60_000 for u in times) <= 2 for t in times)


def test_every_decision_tells_reason_inputs_and_next_time(open_shop: Open) -> None:
    workspace = 'quiet_hours: {from: "21:00", to: "08:00"}\ncaps: [{at_most: 1, per: 1d}]\n'
    shop = open_shop("2026-03-02 23:00", cart=GO, workspace=workspace)
    customer(shop)
    shop.track("mina", "Go")
    shop.at("2026-03-03 09:00")
    shop.track("mina", "Go")
    entered, held, passed, ended, _, dropped, _ = shop.decisions("mina")
    assert entered.facts["event"] == "Go"
    assert held.facts["local"] == "23:00"
    assert held.until == instant("2026-03-03 08:00")
    assert passed.message == shop.mails()[0].id
    assert passed.facts["variant"] == "default"
    assert ended.reason == "completed"
    assert dropped.facts["cap"]["at_most"] == 1
    story = shop.story("mina")
    assert story.startswith("1 message was sent.")
    for part in (
        "held",
        "until 08:00 on 3 March",
        "was sent to mina@shop.example",
        "the cap of 1 message",
    ):
        assert part in story, story


PACED = """
journey: drip
entry: {event: Go, reentry: always}
steps:
  - message: hello
    channel: email
    sending_hours: {from: "08:00", to: "20:00"}
    pace: {at_most: 1, per: 1h}
    default: {subject: "Hello", html: "<p>Hello</p>"}
"""


def test_a_message_that_waited_for_its_slot_is_asked_again_before_it_leaves(
    open_shop: Open,
) -> None:
    shop = open_shop(drip=PACED)
    shop.at("2026-03-02 18:30")
    for user in ("a", "b", "c", "d"):
        customer(shop, user)
        shop.track(user, "Go")
    shop.consent("c", "opted_out")
    for _ in range(16):
        shop.advance("15m")
    assert [mail.to for mail in shop.mails()] == ["a@shop.example", "b@shop.example"]
    for _ in range(12):
        shop.advance("1h")
    assert sorted(mail.to for mail in shop.mails())[2:] == ["d@shop.example"]
    dropped = [(row.state, row.reason) for row in shop.ledger("c")]
    assert dropped == [("aborted", "dropped by consent: opted_out")]
