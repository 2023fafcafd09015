"""What the real gates and the real engine's facts are told as."""

from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from harken.clock import HOUR, parse_time
from harken.effects import Decision, Outcome
from harken.gates import Candidate, check, compile_workspace, decision
from harken.journeys.kinds import Message
from harken.messages.content import Content
from harken.people.profile import ConsentChange, Profile, Run, Send, Trigger
from harken.reports.reasons import OUTCOMES
from harken.reports.why import why
from harken.values import Duration, Name, TimeOfDay
from harken.workspace import Cap, QuietHours, Workspace

UTC = ZoneInfo("UTC")
AT = parse_time("2026-03-03T22:14:00") or 0
ON = "The message nudge was "
QUIET = QuietHours(from_=TimeOfDay.parse("21:00"), to=TimeOfDay.parse("09:00"))
TWO_A_DAY = Cap(at_most=2, per=Duration.parse("1d"), channel="email")
OPTED_OUT = ConsentChange(
    channel="email",
    purpose="marketing",
    state="opted_out",
    at=AT - HOUR,
    by="customer",
    how="unsubscribe link",
)
SENDS = [
    Send(id=str(hour), at=AT - hour * HOUR, channel="email", journey="x", step="y")
    for hour in (9, 4)
]

CASES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = [
    (
        {"quiet_hours": QUIET},
        {},
        {},
        (
            "held by quiet hours (21:00-09:00 in their zone UTC; it was 22:14) until 09:00 on"
            " 4 March 2026."
        ),
    ),
    (
        {"caps": [TWO_A_DAY]},
        {"sends": SENDS},
        {},
        "not sent: the cap of 2 e-mails in 1 day was reached (sent at 13:14 and 18:14).",
    ),
    (
        {},
        {"consent": {"email:marketing": OPTED_OUT}},
        {},
        (
            "not sent: they opted out of marketing by e-mail at 21:14 (by customer, unsubscribe"
            " link)."
        ),
    ),
    ({}, {}, {"address": ""}, "not sent: no e-mail address of theirs is known."),
    (
        {},
        {},
        {"ends_at": AT},
        "not sent: the journey had ended (it ended at 22:14).",
    ),
    (
        {"quiet_hours": QUIET},
        {},
        {"ends_at": AT + HOUR},
        (
            "not sent: the journey ends at 23:14, and quiet hours held it until 09:00 on"
            " 4 March 2026."
        ),
    ),
]


@pytest.mark.parametrize(("workspace", "person", "wanted", "told"), CASES)
def test_a_gates_verdict_as_a_sentence(
    workspace: dict[str, Any], person: dict[str, Any], wanted: dict[str, Any], told: str
) -> None:
    profile = Profile(id=1, **person)
    step = Message(message=Name("nudge"), channel="email", default=Content(text="Hi"))
    run = Run(id="r", journey="cart", revision=1, entered_at=AT, event=Trigger(name="Cart", at=AT))
    candidate = Candidate(
        message_id="m", journey="cart", revision=1, run=run, step=step, purpose="marketing",
        address="mina@shop.example",
    )  # fmt: skip
    candidate = structs.replace(candidate, **wanted)
    verdict = decision(check(candidate, profile, AT, compile_workspace(Workspace(**workspace))))
    outcome: Outcome = "held" if verdict.outcome == "hold" else "dropped"
    made = Decision(
        at=AT, profile_id=1, journey="cart", revision=1, outcome=outcome, reason=verdict.reason,
        step="nudge", gate=verdict.gate, until=verdict.until, facts=verdict.facts,
    )  # fmt: skip
    [sentence] = why("cart", [made], [], profile, workspace_zone=UTC).story
    assert sentence.text == ON + told


def test_every_outcome_has_its_sentence() -> None:
    assert set(OUTCOMES) == set(get_args(Outcome))
