"""Values in reasons: a text is told from the number that it looks like, a run from another."""

from typing import Any

import pytest
from test_why import AT, ask, decided

from harken.clock import DAY, HOUR
from harken.journeys.entries import EventEntry
from harken.segments.rules import Test as Rule


@pytest.mark.parametrize(
    ("rule", "value", "said"),
    [
        ("cart_value is at least 100", "250", 'cart_value was the text "250" (at least 100 was'),
        ("member is true", "true", 'member was the text "true" (true was asked)'),
        ("brand is Han", "", 'brand was the text "" (Han was asked)'),
        ("zip is 7", 7, "zip was 7, which is no text"),
        ("cart_value is at least 100", "much", "cart_value was much (at least 100 was asked)"),
        ("cart_value is at least 100", 50, "cart_value was 50 (at least 100 was asked)"),
    ],
)
def test_a_text_is_told_from_what_it_looks_like(rule: str, value: Any, said: str) -> None:
    facts = {"event": "Go", "unmet": [{"rule": rule, "value": value}]}
    lead = "They did not enter on the event Go, because "
    [line] = ask([decided("not_entered", "where", facts=facts)]).story
    assert line.text.startswith(lead + said)
    for language in ("ko", "id"):
        quoted = f'"{value}"' if value in ("250", "true", "") else str(value)
        [line] = ask([decided("not_entered", "where", facts=facts)], language=language).story
        assert f"{rule.partition(' is ')[0]} {quoted}" in line.text


def test_of_an_event_what_it_left_empty_is_not_told() -> None:
    facts = {"event": "Page Viewed", "properties": {"path": "/", "referrer": "", "search": ""}}
    [line] = ask([decided("entered", "event", facts=facts)]).story
    assert line.text == "They entered, because of the event Page Viewed with path /."


def test_a_run_is_told_by_its_key() -> None:
    entry = EventEntry(
        event="Cart Abandoned", where={"brand": Rule(exists=True)}, key_property="cart.id"
    )
    facts = {"event": "Cart Abandoned", "properties": {"cart": {"id": "c-1"}, "brand": "Han"}}
    [line] = ask([decided("entered", "event", facts=facts, revision=1)], entries={1: entry}).story
    assert line.text == (
        "They entered, because of the event Cart Abandoned with brand Han and cart.id c-1."
    )


@pytest.mark.parametrize("language", ["en", "ko", "id"])
def test_who_had_entered_before_is_told_for_which_key(language: str) -> None:
    facts = {"key": "c-1", "entered_at": AT - HOUR, "again_at": AT + DAY}
    [line] = ask([decided("not_entered", "reentry", facts=facts)], language=language).story
    assert "c-1" in line.text
    if language == "en":
        assert line.text == (
            "They did not enter, because they had entered before for c-1, at 13:05, and may enter"
            " again from 14:05 on 4 March 2026."
        )
