"""At most so many messages in so long, whatever the history."""

from typing import Any

import pytest
from gates_kit import at, candidate, cap, decide, profile, said, send, workspace
from hypothesis import given, settings
from hypothesis import strategies as st

from harken.clock import DAY, HOUR, MINUTE
from harken.gates.hours import local_span
from harken.people.profile import Send
from harken.values import zone
from harken.workspace import Cap

NOW = at("2026-03-11 12:00")  # a Wednesday


@pytest.mark.parametrize(
    ("rule", "what", "sends", "capped"),
    [
        (cap(1, "1d"), {}, [], False),
        (cap(1, "1d"), {}, [send("a", NOW - HOUR)], True),
        (cap(2, "1d"), {}, [send("a", NOW - HOUR)], False),
        # exactly a day old is out of the window
        (cap(1, "1d"), {}, [send("a", NOW - DAY)], False),
        (cap(1, "1d"), {}, [send("a", NOW - DAY + 1)], True),
        (cap(0, "1d"), {}, [], True),
        # what did not count does not fill a slot
        (cap(1, "1d"), {}, [send("a", NOW - HOUR, counts=False)], False),
        # a message that takes no slot still needs one free
        (cap(1, "1d"), {"counts": False}, [send("a", NOW - HOUR)], True),
        # by channel
        (cap(1, "1d", channel="email"), {}, [send("a", NOW - HOUR, channel="push")], False),
        (cap(1, "1d", channel="push"), {}, [send("a", NOW - HOUR, channel="push")], False),
        (cap(1, "1d"), {}, [send("a", NOW - HOUR, channel="push")], True),
        # by tag, as it was when sent
        (cap(1, "1d", tag="news"), {"tags": ["news"]}, [send("a", NOW - HOUR)], False),
        (cap(1, "1d", tag="news"), {}, [send("a", NOW - HOUR, tags=["news"])], False),
        (
            cap(1, "1d", tag="news"),
            {"tags": ["sale", "news"]},
            [send("a", NOW - HOUR, tags=["news"])],
            True,
        ),
        # in-app and cards neither count nor are capped ...
        (cap(1, "1d"), {}, [send("a", NOW - HOUR, channel="in_app")], False),
        (cap(1, "1d"), {"channel": "card"}, [send("a", NOW - HOUR)], False),
        # ... unless a rule names them
        (
            cap(1, "1d", channel="card"),
            {"channel": "card"},
            [send("a", NOW - HOUR, channel="card")],
            True,
        ),
        # a retry has its slot already, whatever came after it
        (cap(1, "1d"), {"message_id": "a"}, [send("a", NOW - HOUR)], False),
        (cap(1, "1d"), {"message_id": "a"}, [send("a", NOW - 2), send("b", NOW - 1)], False),
        # high priority passes
        (cap(1, "1d"), {"priority": "high"}, [send("a", NOW - HOUR)], False),
        # caps bind transactional messages too
        (cap(1, "1d"), {"purpose": "transactional"}, [send("a", NOW - HOUR)], True),
        # dated in the future, by a clock that was set back
        (cap(1, "1d"), {}, [send("a", NOW + HOUR)], True),
        # calendar windows begin at local midnight, weeks on Monday
        (cap(1, "calendar day"), {}, [send("a", at("2026-03-11 00:00"))], True),
        (cap(1, "calendar day"), {}, [send("a", at("2026-03-11 00:00") - 1)], False),
        (cap(1, "calendar week"), {}, [send("a", at("2026-03-09 00:00"))], True),
        (cap(1, "calendar week"), {}, [send("a", at("2026-03-09 00:00") - 1)], False),
    ],
)
def test_caps_table(rule: Cap, what: dict[str, Any], sends: list[Send], capped: bool) -> None:
    verdict = decide(candidate(**what), profile(sends=sends), NOW, workspace(caps=[rule]))
    expected = ("drop", "frequency_cap", "frequency_cap") if capped else ("pass", "pace", "")
    assert said(verdict) == expected


def test_a_cap_names_its_rule_and_the_messages_that_fill_it() -> None:
    where = workspace(caps=[cap(9, "1h"), cap(2, "1d", channel="email")])
    who = profile(sends=[send("old", 5), send("b", NOW - 1), send("a", NOW - HOUR)])
    assert decide(candidate(), who, NOW, where).facts == {
        "cap": {"channel": "email", "tag": None, "at_most": 2, "per": "1d"},
        "sent": [["a", NOW - HOUR], ["b", NOW - 1]],
    }


@pytest.mark.parametrize(
    ("rules", "ages", "until"),
    [
        ([cap(1, "1d")], [HOUR], NOW + 23 * HOUR),
        ([cap(2, "1d")], [HOUR, 5 * HOUR], NOW + 19 * HOUR),
        # more than the rule allows (it was made stricter since): enough must leave the window
        ([cap(2, "1d")], [HOUR, 2 * HOUR, 5 * HOUR, 6 * HOUR], NOW + 22 * HOUR),
        ([cap(1, "calendar day")], [HOUR], at("2026-03-12 00:00", "Asia/Seoul")),
        ([cap(1, "calendar week")], [HOUR], at("2026-03-16 00:00", "Asia/Seoul")),
        ([cap(1, "1d"), cap(1, "1h")], [30 * MINUTE], NOW + 23 * HOUR + 30 * MINUTE),
        ([cap(1, "1d"), cap(1, "calendar day")], [9 * HOUR], NOW + 15 * HOUR),
    ],
)
def test_when_capped_hold_waits_for_the_first_free_slot(
    rules: list[Cap], ages: list[int], until: int
) -> None:
    where = workspace(caps=rules, timezone="Asia/Seoul")
    who = profile(sends=[send(str(age), NOW - age) for age in ages])
    verdict = decide(candidate(when_capped="hold"), who, NOW, where)
    assert said(verdict) == ("hold", "frequency_cap", "frequency_cap")
    assert verdict.until == until


def test_a_cap_of_none_never_has_a_slot() -> None:
    verdict = decide(candidate(when_capped="hold"), profile(), NOW, workspace(caps=[cap(0, "1d")]))
    assert (verdict.outcome, verdict.facts["never"]) == ("drop", True)


windows = st.sampled_from(["1h", "5h", "1d", "36h", "calendar day", "calendar week"])
channels = st.sampled_from(["email", "push"])
rules = st.builds(
    cap,
    st.integers(0, 3),
    windows,
    channel=st.none() | channels,
    tag=st.none() | st.just("news"),
)


@settings(max_examples=100, deadline=None)
@given(
    rules=st.lists(rules, min_size=1, max_size=3),
    gaps=st.lists(st.tuples(st.integers(0, 20 * 60), channels, st.booleans()), max_size=40),
    zone_name=st.sampled_from(["Asia/Seoul", "America/Santiago", "Australia/Lord_Howe"]),
    hold=st.booleans(),
)
def test_no_window_ever_holds_more_than_its_rule_allows(
    rules: list[Cap], gaps: list[tuple[int, str, bool]], zone_name: str, hold: bool
) -> None:
    where = workspace(caps=rules, timezone=zone_name)
    who = profile()
    now = at("2026-04-03 00:00")
    for number, (gap, channel, news) in enumerate(gaps):
        now += gap * MINUTE
        what = candidate(
            message_id=f"m{number}",
            channel=channel,
            tags=["news"] if news else [],
            when_capped="hold" if hold else "drop",
        )
        verdict = decide(what, who, now, where)
        if verdict.outcome == "hold":
            now = verdict.until
            verdict = decide(what, who, now, where)
            assert verdict.outcome == "pass"
        if verdict.outcome == "pass":
            who.sends.append(send(f"m{number}", now, channel=channel, tags=what.tags))
            assert decide(what, who, now, where).outcome == "pass", "a retry needs no second slot"
    found = zone(zone_name)
    assert found is not None
    for rule in rules:
        times = [
            one.at
            for one in who.sends
            if rule.channel in (None, one.channel) and (rule.tag is None or rule.tag in one.tags)
        ]
        for first in times:
            if isinstance(rule.per, str):
                start, end = local_span(found, first, rule.per == "calendar week")
            else:
                start, end = first, first + rule.per
            assert sum(start <= when < end for when in times) <= rule.at_most
