"""Harken's own events are told as what happened to the customer."""

import pytest
from test_why import AT, ask, decided

from harken.clock import MINUTE
from harken.effects import Decision

SENTENCES: list[tuple[Decision, str]] = [
    (
        decided(
            "entered",
            "event",
            facts={
                "event": "$segment_entered",
                "properties": {"segment": "near-seongsu"},
                "where": [{"rule": "segment is near-seongsu", "value": "near-seongsu"}],
            },
        ),
        "they entered, because they came into the segment near-seongsu.",
    ),
    (
        decided(
            "entered",
            "event",
            facts={
                "event": "$survey_answered",
                "properties": {"survey": "taste", "liked": 5},
                "where": [
                    {"rule": "survey is taste", "value": "taste"},
                    {"rule": "liked is at least 4", "value": 5},
                ],
            },
        ),
        (
            "they entered, because they answered the survey taste with liked 5 (at least 4 was"
            " asked)."
        ),
    ),
    (
        decided(
            "entered",
            "event",
            facts={"event": "Page Viewed", "where": [{"rule": "name is home", "value": "home"}]},
        ),
        "they entered, because of the event Page Viewed with name home.",
    ),
    (
        decided("ended", "exception", facts={"event": "$unsubscribed", "at": AT - MINUTE}),
        "they left the journey because they opted out at 14:04.",
    ),
    (
        decided(
            "took",
            "wait_for",
            step="decision",
            facts={"way": "expired", "event": "$coupon_expired"},
        ),
        "at decision they went the way expired, because they had their coupon expire.",
    ),
    (
        decided("took", "wait_for", step="wait", facts={"way": "no", "event": "$message_failed"}),
        "at wait they went the way no, because they could not be sent a message.",
    ),
]


@pytest.mark.parametrize(("decision", "sentence"), SENTENCES)
def test_what_happened_to_them(decision: Decision, sentence: str) -> None:
    [told] = ask([decision]).story
    assert told.text == sentence[0].upper() + sentence[1:]
