"""`why` in Korean and Indonesian: every reason has its sentence, and none is half English."""

import re
from typing import Any

import pytest
from test_why import AT, LEDGER, SENTENCES, ask, by_machine, decided, gate, person, row
from test_why_doings import SENTENCES as OURS

from harken.clock import DAY, HOUR
from harken.effects import Decision
from harken.journeys.broadcasts import Broadcast
from harken.journeys.entries import ApiEntry, DateEntry, OutcomeEntry, PlaceEntry
from harken.people.profile import AwaitedDate, EventStat, Run, Trigger, Unheeded
from harken.reports.doings import BRIEFLY
from harken.reports.nothing import SENTENCES as NOTHING
from harken.reports.reasons import BLOCKED, ENDED, NOT_ENTERED
from harken.reports.tongues import indonesian, korean
from harken.reports.tongues.telling import LANGUAGES, TONGUES
from harken.values import Duration

HANGUL = re.compile("[가-힣]")
ENGLISH = re.compile(r"\b(the|they|was|were|is|not|because|message|journey)\b", re.IGNORECASE)
UNHEARD_OF = {"some_new_law", "moon_phase"}


@pytest.mark.parametrize("language", sorted(TONGUES))
def test_every_reason_has_a_sentence(language: str) -> None:
    said = TONGUES[language].SENTENCES
    assert {f"why.{code}" for code in NOT_ENTERED.keys() | BLOCKED.keys()} <= said.keys()
    assert {f"end.{code}" for code in ENDED} <= said.keys()
    assert said.keys() == korean.SENTENCES.keys() == indonesian.SENTENCES.keys()
    assert {f"nothing.{key}" for key in NOTHING} <= said.keys()
    assert korean.DOINGS.keys() == indonesian.DOINGS.keys()
    # Those that are left out begin nothing and end nothing.
    left_out = {"$consent_given", "$message_sent", "$message_delivered"}
    assert BRIEFLY.keys() - left_out <= korean.DOINGS.keys()


@pytest.mark.parametrize("language", sorted(TONGUES))
@pytest.mark.parametrize("decision", [one for one, _ in (*SENTENCES, *OURS)])
def test_every_decision_is_told(language: str, decision: Decision) -> None:
    if decision.reason in UNHEARD_OF or "odd" in decision.facts:
        return
    told = ask([decision], language=language)
    [line] = told.story
    for text in (line.text, told.answer):
        assert not re.search(r"[{}\[\]]|None", text), text
        # Conditions are named as they are written.
        plain = re.sub(r"\([^)]*\)", "", text)
        assert not ENGLISH.search(plain), text
        assert bool(HANGUL.search(text)) is (language == "ko"), text


@pytest.mark.parametrize("language", sorted(TONGUES))
@pytest.mark.parametrize("fields", [fields for fields, _ in LEDGER])
def test_every_state_of_a_message_is_told(language: str, fields: dict[str, Any]) -> None:
    for line in ask([], [row(**fields)], language=language).story:
        assert "nudge" in line.text
        assert bool(HANGUL.search(line.text)) is (language == "ko"), line.text


UNHEEDED = Unheeded(
    journey="welcome", step="hello", variant="", channel="email", sent_at=AT, waits=[1]
)
IGNORED = OutcomeEntry(outcome="ignored", journey="welcome", within=Duration(DAY))
SEEN = person(events={"Go": EventStat(count=3, first=AT - DAY, last=AT)})
DUE = AwaitedDate(due=AT + HOUR)
SPRING = Broadcast(id="spring", journey="cart", instants=(AT + HOUR,))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"profile": None}, "이 고객에 대해 알려진 것이 없습니다."),
        ({}, "이 여정에서 고객에 대해 결정된 것이 없습니다."),
        ({"entry_event": "Go"}, "이 고객의 Go 이벤트를 받은 적이 없습니다."),
        ({"entry_event": "Go", "profile": SEEN, "applied_at": AT + HOUR},
         ("Go 이벤트를 3번 받았습니다. 마지막은 2026년 3월 3일 14:05이며, 여정이 적용된 "
         "2026년 3월 3일 15:05보다 먼저입니다.")),
        ({"entry_event": "Go", "profile": SEEN, "state": "paused"},
         ("Go 이벤트를 3번 받았습니다. 마지막은 2026년 3월 3일 14:05입니다. 여정이 일시 중지되어 "
         "있습니다.")),
        ({"entry_event": "Go", "profile": SEEN, "state": "archived"},
         ("Go 이벤트를 3번 받았습니다. 마지막은 2026년 3월 3일 14:05입니다. 여정이 보관되어 "
          "있습니다.")),
        ({"entry_event": "Go", "profile": SEEN},
         ("Go 이벤트를 3번 받았습니다. 마지막은 2026년 3월 3일 14:05입니다. 그에 대한 결정은 남아 "
         "있지 않습니다.")),
        ({"entries": {1: ApiEntry(api=True)}},
         "API도 다른 여정도 이 고객을 여정에 추가하지 않았습니다."),
        ({"entries": {1: PlaceEntry(place="seoul")}}, "이 고객이 seoul 장소에 온 적이 없습니다."),
        ({"entries": {1: DateEntry(date="birthday")}},
         "이 고객의 birthday에 다가올 날짜가 없습니다."),
        ({"entries": {1: DateEntry(date="birthday")}, "profile": person(dates={"cart": DUE})},
         "아직입니다: 여정이 시작되는 날짜는 2026년 3월 3일 15:05입니다."),
        ({"entries": {1: IGNORED}},
         "이 고객이 welcome 여정의 메시지를 충분히 오래 읽지 않은 적이 없습니다."),
        ({"entries": {1: IGNORED}, "profile": person(unheeded={"m": UNHEEDED})},
         ("이 고객이 welcome 여정의 메시지를 충분히 오래 읽지 않은 적이 없습니다. 마지막 메시지는 "
         "2026년 3월 3일 14:05에 보냈습니다.")),
        ({"entries": {1: ApiEntry(api=True)}, "broadcasts": [SPRING]},
         "아직입니다: spring 발송은 2026년 3월 3일 15:05에 시작됩니다."),
    ],
)  # fmt: skip
def test_when_nothing_was_decided_the_reason_is_given(given: dict[str, Any], told: str) -> None:
    found = {language: ask([], language=language, **given).answer for language in LANGUAGES}
    assert found["ko"] == told
    assert bool(HANGUL.search(found["id"])) is False
    assert not re.search(r"[{}\[\]]|None", found["id"])
    assert len(set(found.values())) == len(LANGUAGES)


def test_what_machines_did_and_providers_refused() -> None:
    clicked = by_machine("$message_clicked", AT, "(too_soon)")
    refused = row(state="failed", reason="554 no", transport="relay", handed_at=AT)
    told = {
        language: [
            line.text for line in ask([], [refused], language=language, by_machines=[clicked]).story
        ]
        for language in TONGUES
    }
    assert told == {
        "ko": [
            "relay 쪽에서 nudge 메시지를 거절했습니다 (554 no).",
            "고객이 아니라 기계가 nudge 메시지의 링크를 눌렀습니다.",
        ],
        "id": [
            "Pesan nudge ditolak oleh relay (554 no).",
            "Tautan di pesan nudge diklik oleh mesin, bukan oleh pelanggan.",
        ],
    }


CAP = {"cap": {"channel": "email", "tag": "campaign", "at_most": 1, "per": "calendar day"}}
WON = CAP | {"won": [{"step": "stock", "journey": "back"}]}


@pytest.mark.parametrize(
    ("language", "decision", "text"),
    [
        ("ko", decided("entered", "event", facts={"event": "Cart Abandoned"}),
         "Cart Abandoned 이벤트로 여정이 시작되었습니다."),
        ("id", decided("entered", "event", facts={"event": "Cart Abandoned"}),
         "Perjalanan dimulai karena peristiwa Cart Abandoned."),
        ("ko", OURS[0][0], "near-seongsu 세그먼트에 들어와서 여정이 시작되었습니다."),
        ("ko", OURS[1][0], "taste 설문에 답해서 여정이 시작되었습니다 (liked 5)."),
        ("ko", decided("ended", "exception", facts={"event": "$coupon_expired"}),
         "쿠폰이 만료되어 여정을 마쳤습니다."),
        ("ko", gate("dropped", "frequency_cap", "frequency_cap", WON),
         ("nudge 메시지를 보내지 않았습니다: campaign 메시지는 하루 1건까지입니다; "
          "대신 stock (back) 메시지가 나갑니다.")),
        ("id", gate("dropped", "frequency_cap", "frequency_cap", WON),
         ("Pesan nudge tidak dikirim: paling banyak 1 pesan campaign sehari; "
          "yang dikirim adalah stock (back).")),
        ("ko", gate("held", "quiet_hours", "quiet_hours",
                    {"local": "22:14", "allowed": "09:00-21:00"}, AT + HOUR),
         ("nudge 메시지를 15:05까지 보류했습니다: 보내지 않기로 한 시간입니다 "
          "(발송 시간 09:00-21:00); 현지 시각 22:14.")),
    ],
)  # fmt: skip
def test_as_a_sentence(language: str, decision: Decision, text: str) -> None:
    [line] = ask([decision], language=language).story
    assert line.text == text


def test_the_answer_and_its_times() -> None:
    run = Run(id="r", journey="cart", revision=1, entered_at=AT, due=AT + HOUR,
              event=Trigger(name="Cart Abandoned", at=AT))  # fmt: skip
    entered = decided("entered", "event", facts={"event": "Cart Abandoned"})
    waits = {"profile": person(runs={"r": run})}
    assert ask([entered], language="ko", **waits).answer == (
        "아직 보낸 메시지가 없습니다. 2026년 3월 3일 14:05: Cart Abandoned 이벤트로 여정이"
        " 시작되었습니다. 다음 단계 예정: 2026년 3월 3일 15:05."
    )
    told = ask([entered], [row(sent_at=AT)], language="id")
    assert told.answer == (
        "1 pesan dikirim. 3 Maret 2026 pukul 14.05: Pesan nudge dikirim ke kim@shop.example."
    )
    assert LANGUAGES == ("en", "ko", "id")


def test_what_no_table_has_is_told_in_english() -> None:
    [line] = ask([decided("ended", "moon_phase")], language="ko").story
    assert line.text == "Moon phase."
