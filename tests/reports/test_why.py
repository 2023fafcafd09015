"""Decisions and what is said of them, word for word."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from harken.clock import DAY, HOUR, MINUTE, from_local
from harken.effects import Decision, Happening
from harken.people.profile import Profile
from harken.reports.why import Why, why
from harken.store.base import LedgerRow

SEOUL = ZoneInfo("Asia/Seoul")
UTC = ZoneInfo("UTC")
AT = from_local(datetime(2026, 3, 3, 14, 5), SEOUL)
ON = "On 3 March 2026 at 14:05 (Asia/Seoul) "
BIG_CART = [{"rule": "cart_value is at least 100", "value": 250.0}]
SMALL_CART = [{"rule": "cart_value is at least 100", "value": 50}]


def decided(outcome: str, reason: str, **given: Any) -> Decision:
    fields: dict[str, Any] = {"at": AT, "journey": "cart", "revision": 1, "profile_id": 1}
    return Decision(outcome=outcome, reason=reason, **(fields | given))  # type: ignore[arg-type]


def gate(outcome: str, name: str, reason: str, facts: dict[str, Any], until: int = 0) -> Decision:
    return decided(outcome, reason, gate=name, step="nudge", facts=facts, until=until)


def person(**fields: Any) -> Profile:
    return Profile(id=1, attributes={"timezone": "Asia/Seoul"}, **fields)


def by_machine(name: str, at: int, detail: str, **fields: Any) -> Happening:
    about: dict[str, Any] = {"journey": "cart", "step": "nudge", "message": "m1"} | fields
    seen = {**about, "machine": True, "detail": detail}
    return Happening(at=at, received_at=at, profile_id=1, name=name, properties=seen, **about)


def row(**fields: Any) -> LedgerRow:
    given: dict[str, Any] = {
        "id": "m1", "profile_id": 1, "journey": "cart", "revision": 1, "step": "nudge",
        "run": "r", "channel": "email", "purpose": "marketing", "address": "kim@shop.example",
        "state": "sent", "queued_at": AT,
    }  # fmt: skip
    return LedgerRow(**(given | fields))


def ask(decisions: list[Decision], rows: list[LedgerRow] | None = None, **given: Any) -> Why:
    profile = given.pop("profile", person())
    return why("cart", decisions, rows or [], profile, workspace_zone=UTC, **given)


HOURS = {"zone": "Asia/Seoul", "local": "22:14", "allowed": "09:00-21:00"}
CAP = {"cap": {"channel": "email", "tag": None, "at_most": 2, "per": "1d"}}
SENT_TWICE = CAP | {"sent": [["a", AT - 4 * HOUR - 5 * MINUTE], ["b", AT - 95 * MINUTE]]}
NIGHT = AT + 8 * HOUR + 9 * MINUTE
MORNING = AT + 18 * HOUR + 55 * MINUTE

SENTENCES: list[tuple[Decision, str]] = [
    (
        decided("not_entered", "too_many_runs", facts={"event": "Go", "in_flight": 100}),
        (
            "they did not enter on the event Go, because they were in it 100 times at once, "
            "and more are not begun."
        ),
    ),
    (
        decided("entered", "event", facts={"event": "Cart Abandoned", "where": BIG_CART}),
        ("they entered, because of the event Cart Abandoned with cart_value 250"
        " (at least 100 was asked)."),
    ),
    (decided("entered", "event", facts={}), "they entered."),
    (
        decided("entered", "event", facts={"event": "Cart Abandoned", "control": True}),
        "they entered, because of the event Cart Abandoned, as a member of the control group.",
    ),
    (
        decided("not_entered", "where", facts={"event": "Cart Abandoned", "unmet": SMALL_CART}),
        ("they did not enter on the event Cart Abandoned, because cart_value was 50"
        " (at least 100 was asked)."),
    ),
    (
        decided(
            "not_entered",
            "audience",
            facts={
                "failed": [
                    {"rule": "country is one of KR, ID", "value": None},
                    {"rule": "did Order Completed at least 3 times", "value": 1},
                ]
            },
        ),
        ("they did not enter, because they were not in the audience: country was not known"
        ' (one of KR, ID was asked) and "did Order Completed at least 3 times" was asked'
        " (it was 1)."),
    ),
    (
        decided("not_entered", "reentry", facts={"entered_at": AT - HOUR, "again_at": AT + DAY}),
        ("they did not enter, because they had entered before, at 13:05, and may enter again"
        " from 14:05 on 4 March 2026."),
    ),
    (
        decided("not_entered", "reentry", facts={"entered_at": AT - DAY}),
        ("they did not enter, because they had entered before, at 14:05 on 2 March 2026, and may"
        " enter only once."),
    ),
    (
        decided("not_entered", "late", facts={"at": AT - 2 * DAY, "late_after": int(DAY)}),
        ("they did not enter, because the event came too late to start a journey: it had happened"
        " at 14:05 on 1 March 2026 (at most 1 day is allowed)."),
    ),
    (
        decided("not_entered", "imported"),
        ("they did not enter, because the event was imported, and imported events start no"
        " journey."),
    ),
    (
        decided("not_entered", "not_started", facts={"starts_at": AT + HOUR}),
        "they did not enter, because the journey had not started (it starts at 15:05).",
    ),
    (
        decided("not_entered", "ended", facts={"ends_at": AT - HOUR}),
        "they did not enter, because the journey had ended (it ended at 13:05).",
    ),
    (decided("not_entered", "paused"), "they did not enter, because the journey was paused."),
    (
        decided("not_entered", "already_in", facts={"key": "cart-7"}),
        "they did not enter, because they were in it already (for cart-7).",
    ),
    (
        decided("ended", "exception", facts={"event": "Order Completed", "at": AT - MINUTE}),
        "they left the journey because of Order Completed at 14:04.",
    ),
    (
        decided("not_entered", "no_key", facts={"key": "cart_id"}),
        "they did not enter, because the event had no cart_id, which tells runs apart.",
    ),
    (
        decided("ended", "exit_when", facts={"event": "Order Completed"}),
        "they left the journey because its exit rule held, on the event Order Completed.",
    ),
    (decided("ended", "exit"), "they left the journey at an exit step."),
    (
        decided("ended", "exit_when", facts={"rule": "loyalty_member is true"}),
        "they left the journey because its exit rule held: loyalty_member is true.",
    ),
    (decided("ended", "completed"), "they came to the end of the journey."),
    (
        decided("ended", "merged"),
        "the run ended, because they were already in the journey as another profile.",
    ),
    (decided("ended", "archived"), "the run ended, because the journey was archived."),
    (gate("passed", "pace", "", {}), "the message nudge passed every gate and was queued."),
    (
        gate("dropped", "journey_live", "journey_not_live", {}),
        "the message nudge was not sent: the journey was not live any more.",
    ),
    (
        gate("held", "journey_live", "journey_not_started", {"starts_at": AT + HOUR}, AT + HOUR),
        ("the message nudge was held, because the journey had not started (it starts at 15:05)"
        " until 15:05."),
    ),
    (
        gate("dropped", "journey_live", "journey_ended", {"ends_at": AT}),
        "the message nudge was not sent: the journey had ended (it ended at 14:05).",
    ),
    (
        gate(
            "dropped",
            "quiet_hours",
            "journey_ended",
            HOURS | {"ends_at": AT + HOUR, "held_by": "quiet_hours", "until": MORNING},
        ),
        ("the message nudge was not sent: the journey ends at 15:05, and quiet hours held it until"
        " 09:00 on 4 March 2026."),
    ),
    (
        gate("dropped", "journey_live", "expired", {"since": AT - HOUR, "expires_at": AT}),
        ("the message nudge was not sent: it could not leave in time: it was to be given up at"
        " 14:05."),
    ),
    (
        gate("dropped", "audience", "audience", {}),
        "the message nudge was not sent: they were not in the audience.",
    ),
    (
        gate("control", "holdout", "global_control", {"group": "global", "percent": 5.0}),
        ("the message nudge would have been sent, but they are in the global control group"
        " (5 % of customers)."),
    ),
    (
        gate("control", "holdout", "journey_control", {"group": "journey", "percent": 12.5}),
        ("the message nudge would have been sent, but they are in the control group of this"
        " journey (12.5 % of customers)."),
    ),
    (
        gate("dropped", "reachable", "no_address", {"channel": "email"}),
        "the message nudge was not sent: no e-mail address of theirs is known.",
    ),
    (
        gate("dropped", "reachable", "bad_address", {"address": "kim@", "problem": "No domain."}),
        "the message nudge was not sent: their address kim@ can be none (No domain).",
    ),
    (
        gate("dropped", "reachable", "unreachable", {"why": "hard bounce", "since": AT - HOUR}),
        ("the message nudge was not sent: their address must not be written to any more since"
        " 13:05 (hard bounce)."),
    ),
    (
        gate("dropped", "reachable", "complained", {}),
        ("the message nudge was not sent: their address must not be written to any more"
        " (complained)."),
    ),
    (
        gate(
            "dropped",
            "consent",
            "opted_out",
            {"purpose": "marketing", "channel": "email", "state": "opted_out", "since": AT - DAY,
             "by": "the customer", "how": "unsubscribe link"},
        ),
        ("the message nudge was not sent: they opted out of marketing by e-mail at 14:05 on"
        " 2 March 2026 (by the customer, unsubscribe link)."),
    ),
    (
        gate("dropped", "consent", "opted_out", {"purpose": "marketing", "channel": "all"}),
        "the message nudge was not sent: they opted out of all marketing.",
    ),
    (
        gate("dropped", "consent", "no_consent", {"purpose": "marketing", "channel": "email"}),
        ("the message nudge was not sent: they have not opted in to marketing by e-mail, and the"
        " workspace asks for it."),
    ),
    (
        gate("dropped", "policy_pack", "no_express_consent", {"pack": "KR", "state": "implied"}),
        ("the message nudge was not sent: the law of Korea asks for their express consent to ads"
        " (it is implied)."),
    ),
    (
        gate("dropped", "policy_pack", "consent_not_reconfirmed", {"pack": "KR", "since": AT}),
        ("the message nudge was not sent: the law of Korea asks to have consent confirmed every"
        " two years; theirs is of 3 March 2026."),
    ),
    (
        gate("held", "policy_pack", "ad_hours", HOURS | {"pack": "KR"}, MORNING),
        ("the message nudge was held by the law of Korea on hours for ads (09:00-21:00 in their"
        " zone Asia/Seoul; it was 22:14) until 09:00 on 4 March 2026."),
    ),
    (
        gate("held", "quiet_hours", "quiet_hours", HOURS, MORNING),
        ("the message nudge was held by quiet hours (21:00-09:00 in their zone Asia/Seoul; it was"
        " 22:14) until 09:00 on 4 March 2026."),
    ),
    (
        gate("held", "quiet_hours", "step_sending_hours", HOURS, AT + HOUR),
        ("the message nudge was held by sending hours (09:00-21:00 in their zone Asia/Seoul; it"
        " was 22:14) until 15:05."),
    ),
    (
        gate("dropped", "quiet_hours", "quiet_hours", HOURS),
        ("the message nudge was not sent: it fell into quiet hours (21:00-09:00 in their zone"
        " Asia/Seoul; it was 22:14)."),
    ),
    (
        gate("dropped", "frequency_cap", "frequency_cap", SENT_TWICE),
        ("the message nudge was not sent: the cap of 2 e-mails in 1 day was reached (sent at 10:00"
        " and 12:30)."),
    ),
    (
        gate(
            "held",
            "frequency_cap",
            "frequency_cap",
            {"cap": {"channel": None, "tag": "promo", "at_most": 1, "per": "calendar week"},
             "sent": [["a", AT - DAY]]},
            AT + DAY,
        ),
        ("the message nudge was held by the cap of 1 message tagged promo in a calendar week"
        " (sent at 14:05 on 2 March 2026) until 14:05 on 4 March 2026."),
    ),
    # Codes and facts that no table knows are said all the same.
    (
        gate("dropped", "policy_pack", "some_new_law", {"pack": "fr", "limit": 3}),
        "the message nudge was not sent: the gate policy_pack (some new law; pack fr, limit 3).",
    ),
    (
        gate("dropped", "frequency_cap", "frequency_cap", {"odd": [1, None]}),
        "the message nudge: dropped, by the gate frequency_cap (frequency cap; odd 1, not known).",
    ),
    (decided("not_entered", "moon_phase"), "they did not enter, because moon phase."),
    (decided("ended", "moon_phase", facts={"phase": "full"}), "moon phase (phase full)."),
]  # fmt: skip


@pytest.mark.parametrize(("decision", "sentence"), SENTENCES)
def test_a_decision_as_a_sentence(decision: Decision, sentence: str) -> None:
    [told] = ask([decision]).story
    assert told.text == sentence[0].upper() + sentence[1:]
    assert told.when == "3 March 2026 at 14:05"
    assert (told.outcome, told.reason) == (decision.outcome, decision.reason)


LEDGER: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"sent_at": AT, "variant": "premium", "why_variant": "cart_value is at least 200"},
        ["was sent to kim@shop.example in the variant premium (cart_value is at least 200)."],
    ),
    ({"sent_at": AT, "variant": "default"}, ["was sent to kim@shop.example."]),
    (
        {"sent_at": AT, "variant": "default", "transport": "sandbox"},
        ["was sent to kim@shop.example; the sandbox kept it, so it did not leave."],
    ),
    (
        {"sent_at": AT, "variant": "default", "why_variant": "no variant's rule holds"},
        ["was sent to kim@shop.example in its default wording (no variant's rule holds)."],
    ),
    (
        {"state": "delivered", "sent_at": AT, "delivered_at": AT, "opened_at": AT,
         "clicked_at": AT},
        ["was sent to kim@shop.example.", "was delivered.", "was opened.", "was clicked."],
    ),
    (
        {"state": "bounced", "sent_at": AT, "bounced_at": AT, "reason": "550 no such user"},
        [
            "was sent to kim@shop.example.",
            "bounced: the mail server of kim@shop.example refused it (550 no such user).",
        ],
    ),
    (
        {"state": "bounced", "channel": "webhook", "transport": "crm", "bounced_at": AT},
        ["bounced: crm refused it."],
    ),
    ({"state": "failed", "reason": "suppressed"}, ["could not be sent (suppressed)."]),
    (
        {"state": "failed", "reason": "554 refused", "transport": "relay", "handed_at": AT},
        ["was refused by relay (554 refused)."],
    ),
    (
        {"state": "failed", "reason": "given up after 3 tries; last: 421 later",
         "transport": "relay"},
        ["could not be sent (given up after 3 tries; last: 421 later)."],
    ),
    ({"state": "aborted", "reason": "expired"}, ["was given up (expired)."]),
    (
        {"state": "unsure", "handed_at": AT},
        ["was handed over, and it is not known whether it left."],
    ),
    (
        {"state": "queued", "attempts": 2, "not_before": AT + HOUR, "reason": "421 later"},
        ["was queued; after 2 tries the next is not before 15:05 (421 later)."],
    ),
    (
        {"state": "queued", "not_before": AT, "reason": "smtp: refused"},
        ["was queued, and could not leave yet (smtp: refused)."],
    ),
    ({"state": "queued"}, []),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "told"), LEDGER)
def test_what_the_ledger_knows(fields: dict[str, Any], told: list[str]) -> None:
    story = ask([], [row(**fields)]).story
    assert [sentence.text for sentence in story] == [f"The message nudge {t}" for t in told]
