"""Rules on one customer: every comparison on every kind of value, and how often they did what."""

from typing import Any

import pytest

from harken.clock import DAY, HOUR
from harken.errors import BadDefinition
from harken.files.reader import read
from harken.people.apply import count_event
from harken.people.profile import EventStat, Profile, Trigger
from harken.segments.explain import unmet
from harken.segments.live import Traits, compile_rule
from harken.segments.rules import Rule
from harken.segments.words import describe

NOW = 1_772_445_600_000
VALUES: dict[str, Any] = {
    "text": "Seoul",
    "empty": "",
    "digits": "7",
    "date": "2026-03-01",
    "seven": 7,
    "sevenish": 7.0,
    "zero": 0,
    "less": 6.5,
    "yes": True,
    "no": False,
    "null": None,
    "list": ["Seoul", 7, True],
    "none": [],
    "nested": {"city": "Seoul", "geo": {"lat": 7}, "null": None},
}


def holds(rule: dict[str, Any], profile: Profile, event: Trigger | None = None) -> bool:
    return compile_rule(read(rule, Rule), Traits())(profile, event, NOW)


# For each comparison, the values that pass it; all the others do not.
TABLE: list[tuple[dict[str, Any], set[str]]] = [
    ({"equals": "Seoul"}, {"text"}),
    ({"equals": "seoul"}, set()),
    ({"equals": ""}, {"empty"}),
    ({"equals": 7}, {"seven", "sevenish"}),
    ({"equals": 7.0}, {"seven", "sevenish"}),
    ({"equals": 0}, {"zero"}),
    ({"equals": 1}, set()),
    ({"equals": True}, {"yes"}),
    ({"equals": False}, {"no"}),
    ({"equals": None}, {"null", "missing"}),
    ({"not_equals": 7}, set(VALUES) - {"seven", "sevenish", "null"}),
    ({"not_equals": True}, set(VALUES) - {"yes", "null"}),
    ({"not_equals": None}, set(VALUES) - {"null"}),
    ({"in": ["Seoul", 7]}, {"text", "seven", "sevenish"}),
    ({"in": [1, 0]}, {"zero"}),
    ({"in": [True]}, {"yes"}),
    ({"not_in": ["Seoul", 7]}, set(VALUES) - {"text", "seven", "sevenish", "null"}),
    ({"contains": "eou"}, {"text"}),
    ({"contains": "Seoul"}, {"text", "list"}),
    ({"contains": ""}, {"text", "empty", "digits", "date"}),
    ({"contains": 7}, {"list"}),
    ({"contains": True}, {"list"}),
    ({"contains": 1}, set()),
    ({"gt": 6.5}, {"seven", "sevenish"}),
    ({"gte": 6.5}, {"seven", "sevenish", "less"}),
    ({"lt": 6.5}, {"zero"}),
    ({"lte": 6.5}, {"zero", "less"}),
    ({"lt": 5}, {"zero"}),
    ({"between": [0, 6.5]}, {"zero", "less"}),
    ({"gte": 0, "lt": 7}, {"zero", "less"}),
    ({"regex": "^S.*l$"}, {"text"}),
    ({"regex": "7"}, {"digits"}),
    ({"regex": ""}, {"text", "empty", "digits", "date"}),
    ({"before": "2026-03-02"}, {"date"}),
    ({"before": "2026-03-01"}, set()),
    ({"after": "2026-02-28T23:59:59+00:00"}, {"date"}),
    ({"after": "2026-03-01"}, set()),
    ({"exists": True}, set(VALUES) - {"null"}),
    ({"exists": False}, {"null", "missing"}),
]


@pytest.mark.parametrize(("test", "passing"), TABLE, ids=lambda one: str(one)[:40])
def test_comparisons(test: dict[str, Any], passing: set[str]) -> None:
    profile = Profile(id=1, attributes=VALUES)
    event = Trigger(name="Go", at=NOW, properties=VALUES)
    for name in (*VALUES, "missing"):
        expected = name in passing
        assert holds({"attribute": name, **test}, profile) == expected, name
        assert holds({"event_property": name, **test}, profile, event) == expected, name
        assert holds({"not": {"attribute": name, **test}}, profile) != expected, name


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("nested.city", "Seoul", True),
        ("nested.geo.lat", 7, True),
        ("nested.null", None, True),
        ("nested.geo.lon", None, True),
        ("nested.city.name", "Seoul", False),
        ("dotted.key", 7, True),
        ("list.0", "Seoul", False),
    ],
)
def test_paths(path: str, value: Any, found: bool) -> None:
    profile = Profile(id=1, attributes=VALUES | {"dotted.key": 7})
    event = Trigger(name="Go", at=NOW, properties=profile.attributes)
    assert holds({"attribute": path, "equals": value}, profile) == found
    assert holds({"event_property": path, "equals": value}, profile, event) == found


def test_without_an_event_its_properties_are_missing() -> None:
    assert holds({"event_property": "a", "exists": False}, Profile(id=1))
    assert not holds({"event_property": "a", "equals": 1}, Profile(id=1))


def test_what_a_client_taught_us_counts_where_nothing_was_stated() -> None:
    learned = Profile(id=1, learned={"country": "KR"})
    assert holds({"attribute": "country", "equals": "KR"}, learned)
    stated = Profile(id=1, learned={"country": "KR"}, attributes={"country": "US"})
    assert holds({"attribute": "country", "equals": "US"}, stated)


@pytest.mark.parametrize(
    ("bounds", "counts"),
    [
        ({}, {1, 2, 3, 4}),
        ({"at_least": 3}, {3, 4}),
        ({"at_least": 0}, {0, 1, 2, 3, 4}),
        ({"at_most": 2}, {0, 1, 2}),
        ({"at_least": 1, "at_most": 2}, {1, 2}),
        ({"exactly": 2}, {2}),
        ({"exactly": 0}, {0}),
    ],
)
def test_how_often(bounds: dict[str, int], counts: set[int]) -> None:
    for count in range(5):
        events = {"Go": EventStat(count, 1, 2)} if count else {}
        assert holds({"did": "Go", **bounds}, Profile(id=1, events=events)) == (count in counts)


def test_windows_are_rolling_to_the_millisecond() -> None:
    rule = read({"did": "Go", "within": "1d", "where": {"kind": "a"}, "exactly": 1}, Rule)
    traits = Traits()
    check = compile_rule(rule, traits)
    profile = Profile(id=1)
    for kind, ago in (("a", 2 * DAY), ("a", 3 * HOUR), ("b", HOUR)):
        event = Trigger(name="Go", at=NOW - ago, properties={"kind": kind})
        count_event(profile, event, traits.by_event, NOW)
    assert check(profile, None, NOW)
    assert check(profile, None, NOW + 21 * HOUR)
    assert not check(profile, None, NOW + 21 * HOUR + 1)


def test_equal_conditions_share_a_trait_whatever_their_counts() -> None:
    traits = Traits()
    for bounds in ({"at_least": 1}, {"exactly": 3}, {}):
        compile_rule(read({"did": "Go", "within": "1d", **bounds}, Rule), traits)
    compile_rule(read({"did": "Go", "within": "2d"}, Rule), traits)
    assert len(traits.by_id) == 2


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"attribute": "a", "regex": "("}, "missing )"),
        ({"attribute": "a", "before": "soon"}, "soon"),
        ({"attribute": "a", "between": [1]}, "between"),
        ({"attribute": "a", "between": [2, 1]}, "between"),
        ({"attribute": "a", "gt": "5"}, "number"),
        ({"attribute": "a", "equal": 5}, "equals"),
        ({"did": "Go", "at_least": -1}, "at_least"),
        ({"did": "Go", "at_least": 3, "at_most": 1}, "at_most"),
        ({"did": "Go", "within": "1 day"}, "duration"),
    ],
)
def test_broken_rules_are_refused_with_a_reason(rule: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadDefinition) as refused:
        read(rule, Rule)
    text = str(refused.value) + " ".join(fault.path for fault in refused.value.faults)
    assert problem in text
    assert "b'" not in text


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"attribute": "country", "in": ["KR", "ID"]}, "country is one of KR, ID"),
        ({"event_property": "total", "gte": 100.0}, "the event's total is at least 100"),
        ({"attribute": "vip", "equals": True}, "vip is true"),
        ({"attribute": "phone", "exists": False}, "phone is not known"),
        ({"did": "Go"}, "did Go at least once"),
        ({"did": "Go", "exactly": 0}, "did Go never"),
        (
            {"did": "Go", "at_least": 3, "within": "30d", "where": {"category": "shoes"}},
            "did Go at least 3 times where category is shoes within 30d",
        ),
        ({"not": {"did": "Go"}}, "not (did Go at least once)"),
        ({"attribute": "name", "equals": ""}, 'name is ""'),
        ({"attribute": "cars", "some": {"make": "Kia"}}, "cars has one whose make is Kia"),
        ({"attribute": "b", "anniversary": {"in_next": 1}}, "b comes round again today"),
        (
            {"attribute": "b", "anniversary": {"in_next": 7}},
            "b comes round again within 7 days, today included",
        ),
        (
            {"attribute": "trial", "longer_ago": "1d", "within": "7d"},
            "trial lies in the last 7d and lies more than 1d ago",
        ),
        (
            {"did": "Go", "within": {"days": 3, "timezone": "Asia/Seoul"}, "at_most": 1},
            "did Go at most once within 3 calendar days of Asia/Seoul",
        ),
        (
            {"did": "Go", "between": ["2026-01-01", "2026-02-01"]},
            "did Go at least once from 2026-01-01 to before 2026-02-01",
        ),
        (
            {"did": "Go", "then": {"did": "Buy", "where": {"kind": "shoes"}}},
            "did Go at least once, each followed by Buy where kind is shoes",
        ),
        (
            {"did": "Go", "then_not": {"did": "Buy", "in": "1d"}},
            "did Go at least once, each not followed by Buy within 1d",
        ),
        (
            {"sum": "revenue", "of": "Buy", "within": "90d", "gte": 200},
            "the sum of revenue over Buy within 90d is at least 200",
        ),
        ({"average": "price", "of": "Buy", "lt": 5}, "the average price over Buy is less than 5"),
        ({"min": "price", "of": "Buy", "gt": 5}, "the smallest price over Buy is more than 5"),
        ({"max": "price", "of": "Buy", "lte": 5}, "the largest price over Buy is at most 5"),
        (
            {"distinct": "sku", "of": "Buy", "equals": 5},
            "the number of different sku over Buy is 5",
        ),
        ({"last": "Go", "longer_ago": "14d"}, "last did Go more than 14d ago"),
        ({"first": "Go", "is": {"kind": "a"}}, "first did Go, with kind is a"),
        ({"first": "Go"}, "first did Go at any time"),
        (
            {"messages": "opened", "of_last": 5, "channel": "email", "at_most": 0},
            "opened at most 0 of the last 5 messages by email",
        ),
        ({"messages": "clicked", "of_last": 1}, "clicked at least 1 of the last message"),
        ({"in_segment": "loyal"}, "in the segment loyal"),
        ({"in_list": "guests"}, "on the list guests"),
        ({"reachable": "email"}, "reachable by email"),
        ({"consent": "email", "is": "opted_in"}, "opted in to marketing by email"),
        (
            {"near": {"latitude": 37.5, "longitude": 127}, "radius": 500},
            "within 500 m of 37.5, 127",
        ),
        ({"bucket": "t", "to": 4999}, "in the buckets 0 to 4999 of t"),
        (
            {"all": [{"did": "Go"}, {"any": [{"attribute": "a", "equals": 1}, {"did": "B"}]}]},
            "did Go at least once and (a is 1 or did B at least once)",
        ),
    ],
)
def test_rules_in_words(rule: dict[str, Any], words: str) -> None:
    assert describe(read(rule, Rule)) == words


def test_why_not_names_the_conditions_and_what_was_seen() -> None:
    rule = {
        "all": [
            {"attribute": "country", "equals": "KR"},
            {"any": [{"attribute": "plan", "equals": "paid"}, {"did": "Order", "at_least": 2}]},
            {"not": {"attribute": "text", "equals": "Seoul"}},
        ]
    }
    profile = Profile(
        id=1, attributes={"text": "Seoul", "country": "KR"}, events={"Order": EventStat(1, 1, 1)}
    )
    assert unmet(read(rule, Rule), profile, None, NOW) == [
        {"rule": "plan is paid", "value": None},
        {"rule": "did Order at least 2 times", "value": 1},
        {"rule": "not (text is Seoul)", "value": "Seoul"},
    ]
