"""Each gate that asks who and whether, and the order in which they speak."""

from typing import Any

import pytest
from email_validator import EmailNotValidError, validate_email
from gates_kit import (
    at,
    candidate,
    cap,
    choice,
    choices,
    decide,
    profile,
    quiet,
    said,
    send,
    sending,
    workspace,
)
from hypothesis import given
from hypothesis import strategies as st

from harken.clock import DAY, HOUR
from harken.gates import check, decision, open_from
from harken.ids import bucket
from harken.journeys.kinds import Pace
from harken.people.address import address_problem
from harken.people.profile import Reach
from harken.values import Duration
from harken.workspace import ConsentNeed

NOW = at("2026-03-10 12:00")
GATES = [
    "journey_live",
    "audience",
    "holdout",
    "reachable",
    "consent",
    "policy_pack",
    "quiet_hours",
    "frequency_cap",
    "pace",
]
IN_GLOBAL = next(id for id in range(10_000) if bucket(id, "holdout") < 500)
IN_JOURNEY = next(
    id
    for id in range(10_000)
    if bucket(id, "control:cart") < 1_000 and bucket(id, "holdout") >= 500
)
IN_NONE = next(
    id
    for id in range(10_000)
    if bucket(id, "holdout") >= 500 and bucket(id, "control:cart") >= 1_000
)


def nobody(*_: Any) -> bool:
    return False


def everybody(*_: Any) -> bool:
    return True


def test_a_message_that_nothing_stops_passes_nine_gates_in_their_order() -> None:
    verdicts = check(candidate(), profile(), NOW, workspace())
    assert [one.gate for one in verdicts] == GATES
    assert {one.outcome for one in verdicts} == {"pass"}
    assert said(decision(verdicts)) == ("pass", "pace", "")


def test_the_first_gate_that_says_no_decides() -> None:
    """Everything is wrong at once; each cause taken away lets the next gate speak."""
    who = profile(
        id=IN_GLOBAL,
        attributes={"country": "KR", "timezone": "Asia/Seoul"},
        unreachable={"email": Reach(address="mina@shop.example", why="hard bounce", at=1)},
        consent=choices(choice("email", "marketing", "opted_out", 1)),
        sends=[send("old", NOW - HOUR)],
    )
    where = workspace(
        quiet_hours=quiet("09:00", "08:00", "drop"),
        caps=[cap(1, "1d")],
        policy_packs=["KR"],
        holdout_percent=5.0,
    )
    what = candidate(journey_live=False, audience=nobody, recheck_audience=True)
    answers = []
    for cure in (
        lambda: setattr(what, "journey_live", True),
        lambda: setattr(what, "audience", None),
        lambda: who.unreachable.clear(),
        lambda: who.consent.clear(),
        lambda: who.consent.update(choices(choice("email", "marketing", "opted_in", NOW - DAY))),
        lambda: setattr(who, "attributes", {"country": "KR", "timezone": "Asia/Yangon"}),
        lambda: who.sends.clear(),
    ):
        answers.append(decide(what, who, at("2026-03-10 11:00", "Asia/Seoul"), where).gate)
        cure()
    assert answers == [
        "journey_live",
        "audience",
        "reachable",
        "consent",
        "policy_pack",
        "quiet_hours",
        "frequency_cap",
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"journey_live": False}, ("drop", "journey_live", "journey_not_live")),
        ({"ends_at": NOW}, ("drop", "journey_live", "journey_ended")),
        ({"ends_at": NOW + 1}, ("pass", "pace", "")),
        ({"starts_at": NOW + 1}, ("hold", "journey_live", "journey_not_started")),
        ({"starts_at": NOW}, ("pass", "pace", "")),
        (
            {"since": NOW - HOUR, "expires_after": Duration.parse("1h")},
            ("drop", "journey_live", "expired"),
        ),
        (
            {"since": NOW - HOUR + 1, "expires_after": Duration.parse("1h")},
            ("pass", "pace", ""),
        ),
    ],
)
def test_a_message_leaves_only_in_its_journeys_time(
    fields: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    assert said(decide(candidate(**fields), profile(), NOW)) == expected


def test_a_journey_not_begun_is_waited_for_together_with_the_hours() -> None:
    where = workspace(sending_hours=sending("09:00", "21:00"))
    held = decide(candidate(starts_at=at("2026-03-11 00:00")), profile(), NOW, where)
    assert held.until == at("2026-03-11 09:00")


@pytest.mark.parametrize(
    ("recheck", "delayed", "member", "passes"),
    [
        (None, False, nobody, True),
        (None, True, nobody, False),
        (None, True, everybody, True),
        (True, False, nobody, False),
        (False, True, nobody, True),
        (None, True, None, True),
    ],
)
def test_the_audience_is_checked_again_when_delayed_or_asked_for(
    recheck: bool | None, delayed: bool, member: Any, passes: bool
) -> None:
    what = candidate(recheck_audience=recheck, delayed=delayed, audience=member)
    answer = said(decide(what, profile(), NOW))
    assert answer == (("pass", "pace", "") if passes else ("drop", "audience", "audience"))


@pytest.mark.parametrize(
    ("id", "purpose", "expected"),
    [
        (IN_GLOBAL, "marketing", ("control", "holdout", "global_control")),
        (IN_JOURNEY, "marketing", ("control", "holdout", "journey_control")),
        (IN_NONE, "marketing", ("pass", "pace", "")),
        (IN_GLOBAL, "transactional", ("pass", "pace", "")),
        (IN_JOURNEY, "transactional", ("pass", "pace", "")),
    ],
)
def test_control_groups_get_no_marketing(
    id: int, purpose: Any, expected: tuple[str, str, str]
) -> None:
    what = candidate(purpose=purpose, control_percent=10.0)
    where = workspace(holdout_percent=5.0)
    assert said(decide(what, profile(id), NOW, where)) == expected


def test_a_control_member_goes_through_the_later_gates_too() -> None:
    where = workspace(holdout_percent=5.0, quiet_hours=quiet("11:00", "13:00"))
    verdicts = check(candidate(), profile(IN_GLOBAL), NOW, where)
    assert [one.outcome for one in verdicts][2:] == ["control", "pass", "pass", "pass", "hold"]
    assert decision(verdicts).until == at("2026-03-10 13:00")
    opted_out = profile(IN_GLOBAL, consent=choices(choice("all", "marketing", "opted_out", 5)))
    assert said(decide(candidate(), opted_out, NOW, where)) == ("drop", "consent", "opted_out")


def test_a_control_group_has_about_its_share_and_each_journey_its_own() -> None:
    where = workspace()
    members = {
        journey: {
            id
            for id in range(4_000)
            if decide(
                candidate(journey=journey, control_percent=20.0), profile(id), NOW, where
            ).outcome
            == "control"
        }
        for journey in ("cart", "welcome")
    }
    assert all(700 < len(group) < 900 for group in members.values())
    assert len(members["cart"] & members["welcome"]) < 250


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "no_address"),
        ("mina", "bad_address"),
        ("mina@", "bad_address"),
        ("mina@gmail", "bad_address"),
        ("mi na@shop.example", "bad_address"),
        ("mina@shop.example\r\nBcc: all@shop.example", "bad_address"),
        ("mina..kim@shop.example", "bad_address"),
        ("mina@localhost", "bad_address"),
        ("mina@shop.local", "bad_address"),
        ("m" * 65 + "@shop.example", "bad_address"),
        ("mina@" + "shop." * 60 + "example", "bad_address"),
        ("@" * 100_000, "bad_address"),
        ("mina@shop.example", ""),
        ("Mina.Kim+shop@Shop.Example", ""),
        ("mina@shop.test", ""),
        ("민아@상점.한국", ""),
    ],
)
def test_an_address_must_be_one(address: str, reason: str) -> None:
    assert decide(candidate(address=address), profile(), NOW).reason == reason


@given(
    st.from_regex(r"[a-z0-9.+'-]{1,6}@([a-z0-9-]{1,5}\.){1,2}[a-zA-Z]{1,9}", fullmatch=True)
    | st.emails()
)
def test_the_quick_look_at_an_address_lets_nothing_more_pass_than_the_whole_check(
    address: str,
) -> None:
    if address_problem(address) == "":
        try:
            validate_email(address, strict=True, check_deliverability=False, test_environment=True)
        except EmailNotValidError as problem:
            pytest.fail(f"{address}: {problem}")


def test_a_dead_address_is_not_written_to_until_it_changes() -> None:
    dead = Reach(address="mina@shop.example", why="hard bounce", at=7, detail="550 no such user")
    who = profile(unreachable={"email": dead})
    refused = decide(candidate(address="Mina@Shop.Example"), who, NOW)
    assert said(refused) == ("drop", "reachable", "unreachable")
    assert refused.facts == {"why": "hard bounce", "since": 7, "detail": "550 no such user"}
    assert decide(candidate(address="mina@new.example"), who, NOW).outcome == "pass"


def test_what_an_app_fetches_needs_no_address() -> None:
    assert decide(candidate(channel="card", address=""), profile(), NOW).outcome == "pass"
    assert decide(candidate(channel="sms", address=""), profile(), NOW).reason == "no_address"


IN, IMPLIED, OUT = "opted_in", "implied", "opted_out"


@pytest.mark.parametrize(
    ("changes", "purpose", "need", "reason"),
    [
        ([], "marketing", "implied", ""),
        ([], "marketing", "opted_in", "no_consent"),
        ([("email", "marketing", IMPLIED, 1)], "marketing", "opted_in", "no_consent"),
        ([("email", "marketing", IN, 1)], "marketing", "opted_in", ""),
        ([("all", "marketing", IN, 1)], "marketing", "opted_in", ""),
        ([("sms", "marketing", IN, 1)], "marketing", "opted_in", "no_consent"),
        ([("email", "marketing", OUT, 1)], "marketing", "implied", "opted_out"),
        ([("all", "marketing", OUT, 1)], "marketing", "implied", "opted_out"),
        ([("sms", "marketing", OUT, 1)], "marketing", "implied", ""),
        ([("email", "marketing", OUT, 1)], "transactional", "implied", ""),
        ([("email", "transactional", OUT, 1)], "transactional", "implied", "opted_out"),
        ([], "transactional", "opted_in", ""),
        # stopped everything, then chose e-mail again: the later choice holds
        (
            [("all", "marketing", OUT, 1), ("email", "marketing", IN, 2)],
            "marketing",
            "opted_in",
            "",
        ),
        (
            [("email", "marketing", IN, 1), ("all", "marketing", OUT, 2)],
            "marketing",
            "implied",
            "opted_out",
        ),
        # what is merely implied undoes no opt-out
        (
            [("all", "marketing", OUT, 1), ("email", "marketing", IMPLIED, 2)],
            "marketing",
            "implied",
            "opted_out",
        ),
    ],
)
def test_consent_table(
    changes: list[tuple[str, str, str, int]], purpose: Any, need: Any, reason: str
) -> None:
    who = profile(consent=choices(*(choice(*change) for change in changes)))
    where = workspace(consent=ConsentNeed(marketing=need))
    assert decide(candidate(purpose=purpose), who, NOW, where).reason == reason


def test_an_opt_out_is_told_with_when_and_how() -> None:
    out = choice("all", "marketing", "opted_out", 9, "unsubscribe link")
    verdict = decide(candidate(priority="high"), profile(consent=choices(out)), NOW)
    assert verdict.facts == {
        "purpose": "marketing",
        "channel": "all",
        "state": "opted_out",
        "since": 9,
        "by": "customer",
        "how": "unsubscribe link",
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"ends_at": at("2026-03-10 13:00")}, ("drop", "quiet_hours", "journey_ended")),
        ({"ends_at": at("2026-03-10 13:00") + 1}, ("hold", "quiet_hours", "quiet_hours")),
        (
            {"since": NOW - HOUR, "expires_after": Duration.parse("2h")},
            ("drop", "quiet_hours", "expired"),
        ),
        (
            {"since": NOW - HOUR, "expires_after": Duration.parse("2h1s")},
            ("hold", "quiet_hours", "quiet_hours"),
        ),
    ],
)
def test_a_hold_that_would_end_too_late_is_a_drop(
    fields: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    where = workspace(quiet_hours=quiet("11:00", "13:00"))
    verdict = decide(candidate(**fields), profile(), NOW, where)
    assert said(verdict) == expected
    if verdict.outcome == "drop":
        assert verdict.facts["held_by"] == "quiet_hours"
        assert verdict.facts["until"] == at("2026-03-10 13:00")


def test_pace_never_refuses_and_says_what_the_limit_is() -> None:
    verdict = decide(candidate(pace=Pace(5, Duration.parse("1m"))), profile(), NOW)
    assert (verdict.outcome, verdict.facts) == ("pass", {"at_most": 5, "per": "1m"})


def test_a_later_slot_can_be_moved_into_open_hours() -> None:
    where = workspace(quiet_hours=quiet("21:00", "09:00"))
    slot = at("2026-03-10 23:30")
    assert open_from(candidate(), profile(), slot, where) == at("2026-03-11 09:00")
    assert open_from(candidate(), profile(), NOW, where) == NOW
