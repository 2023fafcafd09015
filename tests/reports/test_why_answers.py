"""The answer of `why`: the sentence that explains most, and when nothing was decided."""

from typing import Any

import msgspec
import pytest
from test_why import AT, CAP, ON, SMALL_CART, ask, by_machine, decided, gate, person, row

from harken.clock import DAY, HOUR
from harken.effects import Decision
from harken.journeys.entries import EventEntry
from harken.people.profile import EventStat, Profile, Run, Trigger
from harken.segments.rules import Test as Rule
from harken.store.base import LedgerRow

ENTERED = decided("entered", "event", facts={"event": "Cart Abandoned"}, at=AT - HOUR)
PASSED = gate("passed", "pace", "", {})
COMPLETED = decided("ended", "completed", at=AT + 1)
WAY = decided(
    "took", "wait_for", step="wait", facts={"way": "otherwise", "said": "it was refused"}, at=AT + 1
)
NO: dict[str, Any] = {
    "state": "failed", "reason": "554 no", "transport": "relay", "handed_at": AT
}  # fmt: skip
BOUGHT = decided("ended", "exception", facts={"event": "Order Completed"}, at=AT + 1)
HELD = gate("held", "quiet_hours", "quiet_hours", {}, AT + HOUR)
CAPPED = gate("dropped", "frequency_cap", "frequency_cap", CAP)
SMALL = decided("not_entered", "where", facts={"unmet": SMALL_CART}, at=AT + DAY)
AGAIN = decided("not_entered", "reentry", at=AT + DAY)

ANSWERS: list[tuple[list[Decision], list[LedgerRow], str]] = [
    (
        [ENTERED, PASSED, COMPLETED],
        [row(sent_at=AT)],
        f"1 message was sent. {ON}the message nudge was sent to kim@shop.example.",
    ),
    (
        [ENTERED, PASSED],
        [row(sent_at=AT), row(sent_at=AT, step="second")],
        f"2 messages were sent. {ON}the message second was sent to kim@shop.example.",
    ),
    (
        [ENTERED, PASSED, COMPLETED],
        [row(state="failed", reason="554")],
        f"No message was sent. {ON}the message nudge could not be sent (554).",
    ),
    # Which way the run took then is not why.
    (
        [ENTERED, PASSED, WAY, COMPLETED],
        [row(**NO)],
        f"No message was sent. {ON}the message nudge was refused by relay (554 no).",
    ),
    (
        [ENTERED, CAPPED, WAY, COMPLETED],
        [],
        (
            f"No message was sent. {ON}the message nudge was not sent: the cap of 2 e-mails in"
            " 1 day was reached."
        ),
    ),
    (
        [ENTERED, PASSED, WAY, COMPLETED],
        [row(state="bounced", sent_at=AT + 2, bounced_at=AT, reason="550 no")],
        (
            f"1 message was sent. {ON}the message nudge bounced: the mail server of"
            " kim@shop.example refused it (550 no)."
        ),
    ),
    (
        [ENTERED, PASSED, WAY],
        [row(sent_at=AT - HOUR), row(**NO, step="second", id="m2")],
        f"1 message was sent. {ON}the message second was refused by relay (554 no).",
    ),
    (
        [ENTERED, CAPPED, COMPLETED, AGAIN],
        [],
        (
            f"No message was sent. {ON}the message nudge was not sent: the cap of 2 e-mails in"
            " 1 day was reached."
        ),
    ),
    (
        [ENTERED, HELD],
        [],
        f"No message was sent yet. {ON}the message nudge was held by quiet hours until 15:05.",
    ),
    (
        [ENTERED, HELD, BOUGHT],
        [],
        f"No message was sent. {ON}they left the journey because of Order Completed.",
    ),
    (
        [ENTERED, CAPPED, COMPLETED, SMALL],
        [],
        (
            "No message was sent. On 4 March 2026 at 14:05 (Asia/Seoul) they did not enter, because"
            " cart_value was 50 (at least 100 was asked)."
        ),
    ),
    (
        [ENTERED, PASSED],
        [row(state="queued")],
        f"No message was sent yet. {ON}the message nudge passed every gate and was queued.",
    ),
    (
        [ENTERED, gate("control", "holdout", "global_control", {}), COMPLETED],
        [],
        (
            f"No message was sent. {ON}the message nudge would have been sent, but they are in the"
            " global control group."
        ),
    ),
]


@pytest.mark.parametrize(("decisions", "rows", "answer"), ANSWERS)
def test_the_answer(decisions: list[Decision], rows: list[LedgerRow], answer: str) -> None:
    found = ask(decisions, rows)
    assert found.answer == answer
    assert [sentence.at for sentence in found.story] == sorted(s.at for s in found.story)


def test_who_waits_is_told_when_the_next_step_is_due() -> None:
    run = Run(
        id="r", journey="cart", revision=1, entered_at=AT, due=AT + HOUR,
        event=Trigger(name="Cart Abandoned", at=AT),
    )  # fmt: skip
    entered = decided("entered", "event", facts={"event": "Cart Abandoned"})
    assert ask([entered], profile=person(runs={"r": run})).answer == (
        f"No message was sent yet. {ON}they entered, because of the event Cart Abandoned."
        " The next step is due 3 March 2026 at 15:05 (Asia/Seoul)."
    )


ENTRIES = {
    1: EventEntry(event="Old Event"),
    2: EventEntry(
        event="Cart Abandoned", where={"cart.value": Rule(gte=100), "brand": Rule(exists=True)}
    ),
}


def test_an_entry_is_told_with_what_its_revision_asked_for() -> None:
    facts = {"event": "Cart Abandoned", "properties": {"cart": {"value": 250}, "brand": "Han"}}
    texts = [
        ask([decided("entered", "event", facts=facts, revision=n)], entries=ENTRIES).story[0].text
        for n in (1, 2, 3)
    ]
    lead = "They entered, because of the event Cart Abandoned"
    assert texts == [
        f"{lead} with cart value 250, brand Han.",
        f"{lead} with cart.value 250 (at least 100 was asked) and brand Han.",
        f"{lead} with cart value 250, brand Han.",
    ]


def test_what_machines_did_with_a_message_is_told_as_theirs() -> None:
    events = [
        by_machine("$message_clicked", AT + 2, "https://shop.example/a (security_scanner)"),
        by_machine("$message_clicked", AT + 1, "https://shop.example/a (too_soon)"),
        by_machine("$message_opened", AT + 3, "(apple_privacy)"),
        by_machine("$message_opened", AT + 3, "odd", message="m2", step="second"),
        by_machine("$message_opened", AT + 3, "", journey="other"),
    ]
    by_hand = msgspec.structs.replace(events[0], properties={"step": "nudge"})
    found = ask([ENTERED, PASSED], [row(sent_at=AT)], by_machines=[by_hand, *events])
    assert [line.text for line in found.story[3:]] == [
        (
            "A machine clicked in the message nudge of cart, sooner after it left than a person"
            " could; it was not the customer."
        ),
        (
            "A machine opened the message nudge of cart, Apple's mail privacy protection, which"
            " loads every image; it was not the customer."
        ),
        "A machine opened the message second of cart; it was not the customer.",
    ]
    assert {line.reason for line in found.story[3:]} == {"machine"}
    assert found.answer.endswith("the message nudge was sent to kim@shop.example.")


LAST = "last 3 March 2026 at 14:05 (Asia/Seoul)"
SEEN = {"Cart Abandoned": EventStat(count=3, first=AT - DAY, last=AT)}
NOTHING: list[tuple[dict[str, Any], str]] = [
    ({"profile": None}, "Nothing is known of this customer."),
    (
        {"entry_event": "Cart Abandoned"},
        "The event Cart Abandoned was never received from this customer.",
    ),
    (
        {
            "entry_event": "Cart Abandoned",
            "profile": person(events=SEEN),
            "applied_at": AT + HOUR,
        },
        (
            f"The event Cart Abandoned was received 3 times, {LAST}, before the journey was applied"
            " 3 March 2026 at 15:05 (Asia/Seoul)."
        ),
    ),
    (
        {"entry_event": "Cart Abandoned", "profile": person(events=SEEN), "state": "paused"},
        f"The event Cart Abandoned was received 3 times, {LAST}; the journey is paused.",
    ),
    (
        {"entry_event": "Cart Abandoned", "profile": person(events=SEEN), "applied_at": 1},
        (
            f"The event Cart Abandoned was received 3 times, {LAST}, but nothing that was decided"
            " about it is kept."
        ),
    ),
    ({}, "Nothing was decided about this customer in the journey."),
]


@pytest.mark.parametrize(("given", "answer"), NOTHING)
def test_when_nothing_was_decided(given: dict[str, Any], answer: str) -> None:
    found = ask([], **given)
    assert (found.answer, found.story) == (answer, [])


def test_times_are_in_the_workspaces_zone_when_the_customers_is_not_known() -> None:
    found = ask([decided("ended", "exit")], profile=Profile(id=1))
    assert found.zone == "UTC"
    assert found.story[0].text == "They left the journey at an exit step."
    assert found.story[0].when == "3 March 2026 at 05:05"
    assert found.answer.startswith("No message was sent. On 3 March 2026 at 05:05 (UTC) they left")


def test_other_journeys_are_left_out() -> None:
    assert ask([decided("entered", "event", journey="other")], [row(journey="other")]).story == []
