"""The pack `KR`: what Korean law asks of advertisements."""

from typing import Any

import pytest
from gates_kit import (
    at,
    bought,
    candidate,
    choice,
    choices,
    decide,
    profile,
    quiet,
    said,
    workspace,
)

from harken.gates import check, demands, workspace_faults
from harken.gates.packs.kr import months_later
from harken.people.countries import country_code
from harken.people.profile import ConsentChange
from harken.workspace import Sender, Workspace

SEOUL = "Asia/Seoul"
NOON = at("2026-03-11 12:00", SEOUL)
KOREAN = {"country": "KR", "timezone": SEOUL}
KR = workspace(policy_packs=["KR"], timezone="UTC")
PHONE = {"sms", "kakao", "alimtalk"}


def agreed(channel: str, when: int = NOON - 1, purpose: str = "marketing") -> ConsentChange:
    return choice(channel, purpose, "opted_in", when)


def ad(channel: str = "email", **fields: Any) -> Any:
    address = "+821012345678" if channel in PHONE else "mina@shop.example"
    return candidate(channel=channel, address=address, **fields)


@pytest.mark.parametrize(
    ("consent", "purchase", "purpose", "reason"),
    [
        ([], None, "marketing", "no_express_consent"),
        ([choice("email", "marketing", "implied", 5)], None, "marketing", "no_express_consent"),
        ([agreed("email")], None, "marketing", ""),
        ([agreed("all")], None, "marketing", ""),
        ([agreed("sms")], None, "marketing", "no_express_consent"),
        ([], None, "transactional", ""),
        # a purchase within six calendar months
        ([], "2025-09-11 12:01", "marketing", ""),
        ([], "2025-09-11 12:00", "marketing", "no_express_consent"),
        # consent is to be confirmed every two years
        ([agreed("email", at("2024-03-11 12:01", SEOUL))], None, "marketing", ""),
        (
            [agreed("email", at("2024-03-11 12:00", SEOUL))],
            None,
            "marketing",
            "consent_not_reconfirmed",
        ),
        ([agreed("email", at("2024-03-11 12:00", SEOUL))], "2026-01-01 00:00", "marketing", ""),
        # a purchase is no answer to an opt-out
        (
            [choice("email", "marketing", "opted_out", 5)],
            "2026-01-01 00:00",
            "marketing",
            "opted_out",
        ),
    ],
)
def test_an_ad_needs_express_consent_or_a_recent_purchase(
    consent: list[ConsentChange], purchase: str | None, purpose: Any, reason: str
) -> None:
    events = bought(at(purchase, SEOUL)) if purchase else {}
    who = profile(attributes=KOREAN, consent=choices(*consent), events=events)
    assert decide(ad(purpose=purpose), who, NOON, KR).reason == reason


def test_a_refusal_says_what_it_was_decided_on() -> None:
    purchase = at("2025-08-31 10:00", SEOUL)
    who = profile(attributes=KOREAN, events=bought(purchase))
    assert decide(ad(), who, NOON, KR).facts == {
        "pack": "KR",
        "state": "implied",
        "purchase": purchase,
        "purchase_until": at("2026-02-28 10:00", SEOUL),
    }


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2026-01-15 09:00", 6, "2026-07-15 09:00"),
        ("2025-08-31 09:00", 6, "2026-02-28 09:00"),
        ("2023-08-31 09:00", 6, "2024-02-29 09:00"),
        ("2025-12-31 23:59", 6, "2026-06-30 23:59"),
        ("2024-02-29 09:00", 24, "2026-02-28 09:00"),
        ("2025-07-01 00:00", 6, "2026-01-01 00:00"),
    ],
)
def test_calendar_months(start: str, months: int, end: str) -> None:
    assert months_later(at(start, SEOUL), months) == at(end, SEOUL)


NIGHT = "night"


@pytest.mark.parametrize(
    ("channel", "purpose", "night", "local", "until"),
    [
        ("email", "marketing", False, "2026-03-11 23:00", None),
        ("sms", "marketing", False, "2026-03-11 20:59", None),
        ("sms", "marketing", False, "2026-03-11 21:00", "2026-03-12 08:00"),
        ("sms", "marketing", False, "2026-03-12 07:59", "2026-03-12 08:00"),
        ("sms", "marketing", False, "2026-03-12 08:00", None),
        ("sms", "marketing", True, "2026-03-11 23:00", None),
        ("push", "marketing", False, "2026-03-11 23:00", "2026-03-12 08:00"),
        ("web_push", "marketing", False, "2026-03-11 23:00", "2026-03-12 08:00"),
        ("push", "marketing", True, "2026-03-11 23:00", None),
        ("in_app", "marketing", False, "2026-03-11 23:00", None),
        ("sms", "transactional", False, "2026-03-11 23:00", None),
        ("kakao", "marketing", False, "2026-03-11 20:49", None),
        ("kakao", "marketing", False, "2026-03-11 20:50", "2026-03-12 08:00"),
        ("kakao", "marketing", True, "2026-03-11 23:00", "2026-03-12 08:00"),
        ("kakao", "marketing", True, "2026-03-12 07:00", "2026-03-12 08:00"),
    ],
)
@pytest.mark.parametrize("night_by", ["own", "all"])
def test_nights_and_kakao_hours(
    channel: str, purpose: Any, night: bool, local: str, until: str | None, night_by: str
) -> None:
    consent = [agreed("all")]
    if night:
        consent.append(agreed(channel if night_by == "own" else "all", purpose=NIGHT))
    who = profile(attributes=KOREAN, consent=choices(*consent))
    verdict = decide(ad(channel, purpose=purpose, priority="high"), who, at(local, SEOUL), KR)
    if until is None:
        assert verdict.outcome == "pass"
    else:
        assert said(verdict) == ("hold", "policy_pack", "ad_hours")
        assert verdict.until == at(until, SEOUL)
        assert verdict.facts["zone"] == SEOUL


def test_consent_to_the_night_lapses_after_two_years_too() -> None:
    old = agreed("sms", at("2024-03-01 00:00"), NIGHT)
    who = profile(attributes=KOREAN, consent=choices(agreed("sms"), old))
    assert decide(ad("sms"), who, at("2026-03-11 23:00", SEOUL), KR).reason == "ad_hours"


def test_a_hold_by_law_ends_when_the_other_hours_are_open_too() -> None:
    where = workspace(policy_packs=["KR"], quiet_hours=quiet("21:00", "09:00"))
    who = profile(attributes=KOREAN, consent=choices(agreed("all")))
    verdict = decide(ad("sms"), who, at("2026-03-11 23:00", SEOUL), where)
    assert (verdict.gate, verdict.until) == ("policy_pack", at("2026-03-12 09:00", SEOUL))
    assert decide(ad("sms"), who, verdict.until, where).outcome == "pass"


@pytest.mark.parametrize(
    ("purpose", "template", "reason"),
    [
        ("marketing", "T1", "alimtalk_promotion"),
        ("transactional", "", "alimtalk_template"),
        ("transactional", "T1", ""),
    ],
)
def test_alimtalk_is_for_approved_templates_without_promotion(
    purpose: Any, template: str, reason: str
) -> None:
    who = profile(attributes=KOREAN, consent=choices(agreed("all")))
    what = ad("alimtalk", purpose=purpose, template=template)
    assert decide(what, who, NOON, KR).reason == reason


@pytest.mark.parametrize(
    ("channel", "purpose", "expected"),
    [
        (
            "email",
            "marketing",
            {
                "label": "(광고)",
                "show": ["sender_name", "sender_email", "phone", "postal_address", "opt_out"],
            },
        ),
        ("sms", "marketing", {"label": "(광고)", "show": ["sender_name", "phone", "opt_out"]}),
        ("email", "transactional", {}),
    ],
)
def test_what_an_ad_must_show_travels_with_it(
    channel: str, purpose: Any, expected: dict[str, Any]
) -> None:
    who = profile(attributes=KOREAN, consent=choices(agreed("all")))
    assert demands(check(ad(channel, purpose=purpose), who, NOON, KR)) == expected
    assert demands(check(ad(channel, purpose=purpose), who, NOON, workspace())) == {}


@pytest.mark.parametrize(
    ("stated", "learned", "channel", "home", "bound"),
    [
        ({"country": "KR"}, {}, "email", None, True),
        ({"country": "kr"}, {}, "email", None, True),
        ({"country": "KOR"}, {}, "email", None, True),
        ({"country": "South Korea"}, {}, "email", None, True),
        ({"country": "Republic of Korea"}, {}, "email", None, True),
        ({"country": "대한민국"}, {}, "email", None, True),
        ({"country": "US"}, {"country": "KR"}, "email", "KR", False),
        ({"country": "nowhere"}, {"country": "KR"}, "email", None, True),
        ({}, {"country": "KR"}, "email", "US", True),
        ({"phone": "+82 10-1234-5678"}, {}, "email", "US", True),
        ({"phone": "0082 10 1234 5678"}, {}, "email", "US", True),
        ({"phone": "+1 212 555 0100"}, {}, "email", None, False),
        ({"phone": 8210}, {}, "email", None, False),
        ({}, {}, "sms", None, True),
        ({}, {}, "email", "KR", True),
        ({}, {}, "email", None, False),
    ],
)
def test_whose_law_it_is(
    stated: dict[str, Any], learned: dict[str, Any], channel: str, home: str | None, bound: bool
) -> None:
    where = workspace(policy_packs=["KR"], country=home)
    who = profile(attributes=stated, learned=learned)
    reason = decide(ad(channel), who, NOON, where).reason
    assert reason == ("no_express_consent" if bound else "")


def test_a_pack_that_is_not_listed_says_nothing() -> None:
    assert decide(ad(), profile(attributes=KOREAN), NOON, workspace()).outcome == "pass"


def test_north_korea_is_another_country() -> None:
    assert (country_code("North Korea"), country_code("KR "), country_code("")) == (
        "KP",
        "KR",
        None,
    )


def test_senders_that_cannot_show_what_the_law_demands_are_warned_of() -> None:
    senders = {
        "default": Sender(from_="Shop <a@shop.example>"),
        "whole": Sender(from_="Shop <a@shop.example>", phone="02-1", postal_address="Seoul"),
    }
    faults = workspace_faults(Workspace(policy_packs=["KR"], senders=senders))
    assert [(fault.path, fault.warning) for fault in faults] == [("$.senders.default", True)]
    assert workspace(policy_packs=["KR"], senders=senders).packs
