"""Rules that nobody can mean are refused, with the place and what would be right."""

from typing import Any

import pytest

from harken.files.reader import read, try_read
from harken.segments.check import event_faults, rule_faults, segment_faults
from harken.segments.model import Segment
from harken.segments.rules import Rule

UTC = {"timezone": "UTC"}
THEN = {"did": "B", "in": "1d"}
SUM: dict[str, Any] = {"sum": "a", "of": "Go"}
NEAR: dict[str, Any] = {"near": {"latitude": 1, "longitude": 2}, "radius": 5}


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ({"attribute": "a"}, "$: needs a comparison"),
        ({"attribute": " ", "equals": 1}, "$.attribute: is empty"),
        ({"attribute": "a", "before": "2026-02-30"}, "$.before: '2026-02-30' is no date"),
        ({"attribute": "a", "after": "2026-1-1"}, "$.after: '2026-1-1' is no date"),
        ({"attribute": "a", "within": "0s"}, "$.within: no time at all"),
        ({"attribute": "a", "within": "1d", "exists": False}, "$.exists: a value that does not"),
        ({"attribute": "a", "anniversary": {"in_next": 0}}, "$.anniversary.in_next: must be 1"),
        ({"attribute": "a", "anniversary": {"in_next": 367}}, "$.anniversary.in_next: must be 1"),
        ({"attribute": "a", "anniversary": {"in_next": 1, "timezone": "KST"}},
         "$.anniversary.timezone: 'KST' is no IANA time zone"),
        ({"attribute": "a", "some": {}}, "$.some: is empty"),
        ({"attribute": "a", "some": {"b": {"between": [2, 1]}}}, "$.some.b.between: the lowest"),
        ({"did": ""}, "$.did: is empty"),
        ({"did": "$identify"}, "$.did: `$identify` is kept in history but not counted"),
        ({"did": "A", "then": {"did": "$merged"}}, "$.then.did: `$merged` is kept"),
        ({"sum": "a", "of": "$alias", "gt": 1}, "$.of: `$alias` is kept"),
        ({"first": "$group"}, "$.first: `$group` is kept"),
        ({"last": "$input_failed"}, "$.last: `$input_failed` is kept"),
        ({"did": "$webhook_called"}, "$.did: `$webhook_called` is kept"),
        ({"did": "$message_open"}, "$.did: `$message_open` is none of Harken's own events"),
        ({"of": "$message_open", "sum": "a", "gt": 1}, "$.of: `$message_open` is none of"),
        ({"did": "A", "then": {"did": "$scheduled"}}, "$.then.did: `$scheduled` is none of"),
        ({"did": "A", "at_least": -1}, "$.at_least: a count cannot be negative"),
        ({"did": "A", "exactly": 1, "at_least": 1}, "$.exactly: stands alone"),
        ({"did": "A", "at_least": 3, "at_most": 2}, "$.at_least: is more than `at_most`"),
        ({"did": "A", "within": "1d", "at_least": 1001}, "$.at_least: at most 1000 are told"),
        ({"did": "A", "within": "1d", "at_most": 1000}, "$.at_most: at most 999 are told"),
        ({"did": "A", "then": THEN, "exactly": 1000}, "$.exactly: at most 999 are told"),
        ({"did": "A", "within": "0s"}, "$.within: no time at all"),
        ({"did": "A", "within": {"days": 0, **UTC}}, "$.within.days: must be 1"),
        ({"did": "A", "within": {"days": 3}}, "$.within: missing key `timezone`"),
        ({"did": "A", "within": "1d", "between": ["2026-01-01", "2026-01-02"]},
         "$.between: `within` and `between`"),
        ({"did": "A", "between": ["2026-01-02", "2026-01-01"]}, "$.between: the earlier date"),
        ({"did": "A", "between": ["2026-01-02", "2026-01-02"]}, "$.between: the earlier date"),
        ({"did": "A", "between": ["2026-01-02"]}, "$.between: needs two dates"),
        ({"did": "A", "between": ["2026-01-02", "soon"]}, "$.between: 'soon' is no date"),
        ({"did": "A", "then": THEN, "then_not": THEN}, "$.then_not: stands in the place"),
        ({"did": "A", "then_not": {"did": "B"}}, "$.then_not: needs `in`"),
        ({"did": "A", "then_not": {"did": "B", "in": "0s"}}, "$.then_not.in: no time at all"),
        ({"sum": "a", "of": "Go"}, "$: needs a comparison of the number"),
        ({"average": "a", "of": "Go"}, "$: needs a comparison of the number"),
        ({"sum": "", "of": "Go", "gt": 1}, "$.sum: is empty"),
        ({"distinct": "a", "of": "Go", "gte": 1001}, "$.gte: at most 1000 different"),
        ({"distinct": "a", "of": "Go", "equals": 1000}, "$.equals: at most 999 different"),
        ({"first": "Go", "longer_ago": "0s"}, "$.longer_ago: no time at all"),
        ({"first": "Go", "before": "soon"}, "$.before: 'soon' is no date"),
        ({"messages": "opened", "of_last": 0}, "$.of_last: must be 1 to 50"),
        ({"messages": "opened", "of_last": 51}, "$.of_last: must be 1 to 50"),
        ({"messages": "opened", "of_last": 3, "at_least": 4}, "$.at_least: is more than `of_last`"),
        ({"messages": "opened", "of_last": 3, "at_most": -1}, "$.at_most: a count cannot"),
        ({"messages": "opened", "of_last": 3, "channel": "fax"}, "$.channel: there is no channel"),
        ({"consent": "emial", "is": "implied"}, "$.consent: there is no channel 'emial'; known: "),
        ({"reachable": "pigeon"}, "$.reachable: 'pigeon' is no channel"),
        ({"near": {"latitude": 91, "longitude": 2}, "radius": 5}, "$.near.latitude: must be"),
        ({"near": {"latitude": 1, "longitude": -181}, "radius": 5}, "$.near.longitude: must be"),
        ({**NEAR, "radius": 0}, "$.radius: must be metres, more than 0"),
        ({**NEAR, "radius": 1e9}, "$.radius: must be metres"),
        ({"bucket": "x", "from": -1}, "$.from: buckets are 0 to 9999"),
        ({"bucket": "x", "to": 10_000}, "$.to: buckets are 0 to 9999"),
        ({"bucket": "x", "from": 5, "to": 4}, "$.from: is more than `to`"),
        ({"bucket": ""}, "$.bucket: is empty"),
    ],
)  # fmt: skip
def test_a_rule_by_itself(rule: dict[str, Any], fault: str) -> None:
    typed, faults = try_read(rule, Rule)
    assert typed is None
    assert any(str(one).startswith(fault) for one in faults), [str(one) for one in faults]


@pytest.mark.parametrize(
    "rule",
    [
        {"did": "A", "at_least": 100_000},
        {"did": "A", "within": "1d", "at_least": 1_000},
        {"did": "A", "within": "1d", "exactly": 999},
        {"distinct": "a", "of": "Go", "gte": 1_000},
        {"did": "$message_opened", "within": "7d"},
        {"did": "$segment_entered", "where": {"segment": "loyal"}},
        {"attribute": "a", "within": "1d", "longer_ago": "1h"},
        {"messages": "opened", "of_last": 50, "exactly": 50},
    ],
)
def test_at_the_edge_a_rule_is_right(rule: dict[str, Any]) -> None:
    assert try_read(rule, Rule)[1] == ()


def segments(**rules: Any) -> dict[str, Segment]:
    return {name: Segment(segment=name, rule=read(rule, Rule)) for name, rule in rules.items()}


def said(found: list[tuple[str, Any]]) -> list[str]:
    return [f"{name} {fault}" for name, fault in found]


ONE = {"did": "A"}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"a": ONE, "b": {"not": {"in_segment": "a"}}}, []),
        ({"loyal": ONE, "b": {"any": [ONE, {"in_segment": "loyall"}]}},
         ["b $.rule.any[1].in_segment: there is no segment `loyall`; did you mean `loyal`?"]),
        ({"b": {"in_segment": "zz"}}, ["b $.rule.in_segment: there is no segment `zz`"]),
        ({"a": {"in_segment": "a"}},
         ["a $.rule.in_segment: the segments stand in a circle: a -> a"]),
        ({"a": {"in_segment": "b"}, "b": {"all": [ONE, {"not": {"in_segment": "a"}}]}, "c": ONE},
         ["a $.rule.in_segment: the segments stand in a circle: a -> b -> a",
          "b $.rule.all[1].not.in_segment: the segments stand in a circle: b -> a -> b"]),
        ({"a": {"all": [ONE, {"event_property": "x", "equals": 1}]}},
         [("a $.rule.all[1].event_property: a segment has no triggering event; "
          "use `did` with `where`")]),
    ],
)  # fmt: skip
def test_segments_together(rules: dict[str, Any], expected: list[str]) -> None:
    assert said(segment_faults(segments(**rules))) == expected


def test_who_names_a_circle_is_not_in_it() -> None:
    found = segment_faults(
        segments(a={"in_segment": "b"}, b={"in_segment": "a"}, c={"in_segment": "a"})
    )
    assert [name for name, _ in found] == ["a", "b"]


def test_segments_that_multiply_are_refused() -> None:
    """Ten segments, each naming the one before three times: 3 ** 10 conditions."""
    rules: dict[str, Any] = {"s0": ONE}
    for place in range(1, 11):
        rules[f"s{place}"] = {"all": [{"in_segment": f"s{place - 1}"}] * 3}
    found = said(segment_faults(segments(**rules)))
    assert found[0] == "s7 $.rule: with the segments it names it has more than 1000 conditions"
    assert len(found) == 4


def test_rules_of_journeys_are_checked_beside_the_segments() -> None:
    known = {"loyal": read(ONE, Rule)}
    rule = read({"all": [{"in_segment": "loyl"}, {"event_property": "x", "equals": 1}]}, Rule)
    assert [str(one) for one in rule_faults(rule, "$.entry.audience", known)] == [
        "$.entry.audience.all[0].in_segment: there is no segment `loyl`; did you mean `loyal`?"
    ]
    assert event_faults(read(ONE, Rule), "$") == []
