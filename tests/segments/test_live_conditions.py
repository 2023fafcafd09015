"""Each condition on one customer: what they did and are, and whether the rule holds."""

from hashlib import md5
from typing import Any

import pytest
from live_kit import NOW, SEGMENTS, SEOUL

from harken.clock import DAY, HOUR, MINUTE, iso
from harken.files.reader import read
from harken.ids import bucket
from harken.people.apply import count_event
from harken.people.profile import ConsentChange, Profile, Reach, Trigger
from harken.segments.live import Traits, compile_rule, distance
from harken.segments.rules import Point, Rule

Past = list[tuple[str, int, dict[str, Any]]]
"""(name, how long ago in ms, properties)."""


def holds(written: dict[str, Any], past: Past, now: int = NOW, **fields: Any) -> bool:
    traits = Traits(SEGMENTS, SEOUL)
    check = compile_rule(read(written, Rule), traits)
    profile = Profile(id=1, **fields)
    for name, ago, properties in past:
        event = Trigger(name=name, at=NOW - ago, properties=properties)
        count_event(profile, event, traits.by_event, NOW)
    return check(profile, None, now)


SHOES: Past = [
    ("View", 2 * DAY, {"kind": "shoes", "price": 30}),
    ("View", 3 * HOUR, {"kind": "shoes", "price": 70.5}),
    ("View", HOUR, {"kind": "hats", "price": "9", "tags": [{"size": 38}, {"size": 41}]}),
]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"did": "View", "where": {"kind": "shoes"}, "exactly": 2}, True),
        ({"did": "View", "where": {"kind": "shoes"}, "within": "1d", "exactly": 1}, True),
        ({"did": "View", "within": "1d", "at_most": 1}, False),
        ({"did": "View", "within": "2d", "at_least": 3}, True),
        ({"did": "View", "within": {"days": 1, "timezone": "UTC"}, "exactly": 2}, True),
        ({"did": "View", "within": {"days": 3, "timezone": "UTC"}, "exactly": 3}, True),
        # 10:00 in London is 19:00 in Seoul; two days ago was 28 February, also there.
        ({"did": "View", "within": {"days": 2, "timezone": "Asia/Seoul"}, "exactly": 2}, True),
        ({"did": "View", "between": ["2026-02-28", "2026-03-01"], "exactly": 1}, True),
        ({"did": "View", "between": ["2026-02-28T10:00Z", "2026-03-02T07:00Z"], "exactly": 1},
         True),
        ({"did": "View", "where": {"tags": {"some": {"size": {"gte": 40}}}}}, True),
        ({"did": "View", "where": {"tags": {"some": {"size": {"gt": 41}}}}}, False),
        ({"did": "Buy", "exactly": 0}, True),
        ({"did": "Buy", "within": "1d", "at_most": 0}, True),
        ({"sum": "price", "of": "View", "equals": 100.5}, True),
        ({"sum": "price", "of": "View", "within": "1d", "gte": 70.5, "lt": 70.6}, True),
        ({"sum": "price", "of": "Buy", "equals": 0}, True),
        ({"average": "price", "of": "View", "equals": 50.25}, True),
        ({"average": "price", "of": "Buy", "lt": 5}, False),
        ({"min": "price", "of": "View", "equals": 30}, True),
        ({"max": "price", "of": "View", "within": "3d", "equals": 70.5}, True),
        ({"max": "price", "of": "Buy", "lt": 5}, False),
        ({"min": "price", "of": "View", "within": "30m", "lt": 500}, False),
        ({"distinct": "kind", "of": "View", "equals": 2}, True),
        ({"distinct": "kind", "of": "View", "within": "4h", "where": {"kind": "hats"}, "lte": 1},
         True),
        ({"distinct": "kind", "of": "Buy", "lt": 1}, True),
        ({"first": "View"}, True),
        ({"first": "Buy"}, False),
        ({"first": "View", "longer_ago": "1d"}, True),
        ({"last": "View", "longer_ago": "1h"}, False),
        ({"last": "View", "longer_ago": "59m"}, True),
        ({"last": "View", "within": "1h"}, True),
        ({"last": "View", "where": {"kind": "shoes"}, "within": "1h"}, False),
        ({"first": "View", "before": "2026-03-01"}, True),
        ({"first": "View", "after": "2026-02-28T10:00:00Z"}, False),
        ({"last": "View", "is": {"kind": "hats"}}, True),
        ({"last": "View", "is": {"kind": "shoes"}}, False),
        ({"last": "View", "where": {"kind": "shoes"}, "is": {"price": {"gt": 50}}}, True),
        ({"first": "View", "is": {"kind": "shoes"}, "within": "1d"}, False),
    ],
)  # fmt: skip
def test_what_they_did(rule: dict[str, Any], expected: bool) -> None:
    assert holds(rule, SHOES) == expected


A, B = {"id": "a"}, {"id": "b"}


@pytest.mark.parametrize(
    ("ago", "follow", "counted"),
    [
        # (when A, when B), what is asked of B, how many A count.
        ([(60, 30)], {"then": {"did": "B"}}, 1),
        ([(60, 60)], {"then": {"did": "B"}}, 0),
        ([(60, 61)], {"then": {"did": "B"}}, 0),
        ([(60, 30)], {"then": {"did": "B", "in": "30m"}}, 1),
        ([(60, 29)], {"then": {"did": "B", "in": "30m"}}, 0),
        ([(60, 30), (50, 10)], {"then": {"did": "B", "in": "30m"}}, 2),
        ([(60, None)], {"then_not": {"did": "B", "in": "30m"}}, 1),
        ([(30, None)], {"then_not": {"did": "B", "in": "30m"}}, 1),
        ([(29, None)], {"then_not": {"did": "B", "in": "30m"}}, 0),
        ([(60, 30)], {"then_not": {"did": "B", "in": "30m"}}, 0),
        ([(60, 29)], {"then_not": {"did": "B", "in": "30m"}}, 1),
        ([(60, 60)], {"then_not": {"did": "B", "in": "30m"}}, 1),
        ([(90, None), (60, 40), (20, None)], {"then_not": {"did": "B", "in": "20m"}}, 2),
    ],
)
@pytest.mark.parametrize("span", [{}, {"within": "2h"}, {"between": ["2026-03-01", "2026-03-03"]}])
def test_what_followed(
    ago: list[tuple[int, int | None]], follow: dict[str, Any], counted: int, span: dict[str, Any]
) -> None:
    past: Past = []
    for first, later in ago:
        past.append(("A", first * MINUTE, {}))
        if later is not None:
            past.append(("B", later * MINUTE, {}))
    for count in range(4):
        assert holds({"did": "A", **follow, **span, "exactly": count}, past) == (count == counted)


def test_what_followed_is_asked_of_its_properties() -> None:
    past: Past = [("A", 60, A), ("B", 50, B), ("A", 40, B), ("B", 30, A)]
    rule = {
        "did": "A",
        "where": {"id": "a"},
        "then": {"did": "B", "where": {"id": "a"}, "in": "1h"},
    }
    assert holds({**rule, "exactly": 1}, past)
    assert not holds({**rule, "where": {"id": "c"}}, past)
    assert holds({"did": "A", "then": {"did": "A"}, "exactly": 1}, past)


def told(*messages: tuple[str, str, int]) -> Past:
    return [
        (f"$message_{what}", ago, {"message": id, "channel": "email", "journey": "cart"})
        for what, id, ago in messages
    ]


FIVE = told(*(("sent", f"m{place}", 100 - place) for place in range(5)))


@pytest.mark.parametrize(
    ("happened", "rule", "expected"),
    [
        (FIVE, {"of_last": 5, "at_most": 0}, True),
        (FIVE[1:], {"of_last": 5, "at_most": 0}, False),
        (FIVE + told(("opened", "m4", 5)), {"of_last": 5, "at_most": 0}, False),
        (FIVE + told(("opened", "m0", 5)), {"of_last": 4, "at_most": 0}, True),
        (FIVE + told(("opened", "m0", 5)), {"of_last": 5}, True),
        (FIVE + told(("opened", "m1", 5), ("opened", "m1", 4)), {"of_last": 5, "exactly": 1}, True),
        (told(("opened", "m1", 5)) + FIVE, {"of_last": 5, "exactly": 1}, True),
        (FIVE + told(("clicked", "m4", 5)), {"of_last": 5, "at_least": 1}, False),
        (FIVE, {"of_last": 5, "channel": "email", "at_most": 0}, True),
        (FIVE, {"of_last": 5, "channel": "push", "at_most": 0}, False),
        (FIVE, {"of_last": 5, "journey": "cart", "at_most": 0}, True),
        (FIVE, {"of_last": 1, "journey": "other", "at_most": 0}, False),
    ],
)
def test_what_became_of_messages(happened: Past, rule: dict[str, Any], expected: bool) -> None:
    assert holds({"messages": "opened", **rule}, happened) == expected


@pytest.mark.parametrize(
    ("date", "rule", "expected"),
    [
        (iso(NOW - DAY), {"within": "1d"}, True),
        (iso(NOW - DAY - 1), {"within": "1d"}, False),
        (iso(NOW), {"within": "1d"}, True),
        (iso(NOW + 1), {"within": "1d"}, False),
        (iso(NOW), {"in_next": "1d"}, True),
        (iso(NOW + DAY), {"in_next": "1d"}, True),
        (iso(NOW + DAY + 1), {"in_next": "1d"}, False),
        (iso(NOW - DAY), {"longer_ago": "1d"}, False),
        (iso(NOW - DAY - 1), {"longer_ago": "1d"}, True),
        (iso(NOW - 2 * DAY), {"within": "3d", "longer_ago": "1d"}, True),
        (iso(NOW - 2 * DAY), {"within": "3d", "after": "2026-03-01"}, False),
        ("2026-03-02", {"within": "1d"}, True),
        ("2026-03-02T19:00:00+09:00", {"within": "1m"}, True),
        ("2026-3-2", {"within": "1d"}, False),
        ("20260302", {"within": "1d"}, False),
        ("2026-03-02 09:00", {"within": "1d"}, False),
        (NOW, {"within": "1d"}, False),
        (None, {"longer_ago": "1d"}, False),
        ("1990-03-02", {"anniversary": {"in_next": 1}}, True),
        ("1990-03-03", {"anniversary": {"in_next": 1}}, False),
        ("1990-03-08", {"anniversary": {"in_next": 7}}, True),
        ("1990-03-09", {"anniversary": {"in_next": 7}}, False),
        ("1990-03-01", {"anniversary": {"in_next": 7}}, False),
    ],
)
def test_dates(date: Any, rule: dict[str, Any], expected: bool) -> None:
    assert holds({"attribute": "date", **rule}, [], attributes={"date": date}) == expected


def test_an_anniversary_is_by_the_calendar_of_the_workspace_or_the_one_named() -> None:
    late = NOW + 6 * HOUR  # 16:00 in London: the 3rd in Seoul.
    rule = {"attribute": "date", "anniversary": {"in_next": 1}}
    assert holds(rule, [], late, attributes={"date": "1990-03-03"})
    named = {"attribute": "date", "anniversary": {"in_next": 1, "timezone": "Europe/London"}}
    assert holds(named, [], late, attributes={"date": "1990-03-02"})


def choice(state: str, channel: str = "email", at: int = 1) -> dict[str, ConsentChange]:
    return {
        f"{channel}:marketing": ConsentChange(
            channel=channel, purpose="marketing", state=state, at=at, by="x", how="x"
        )
    }


HERE = {"latitude": 37.5665, "longitude": 126.978}
BUSAN = {"latitude": 35.1796, "longitude": 129.0756}
NEAR_HERE = {"near": HERE, "radius": 1_000}
DEAD = {"email": Reach(address="A@shop.example", why="hard bounce", at=1)}


@pytest.mark.parametrize(
    ("rule", "fields", "expected"),
    [
        ({"in_list": "guests"}, {"lists": {"guests": 1}}, True),
        ({"in_list": "guests"}, {}, False),
        ({"reachable": "email"}, {"attributes": {"email": "a@shop.example"}}, True),
        ({"reachable": "email"}, {"learned": {"email": "a@shop.example"}}, True),
        ({"reachable": "email"}, {"attributes": {"email": "nobody"}}, False),
        ({"reachable": "email"}, {}, False),
        ({"reachable": "email"},
         {"attributes": {"email": "a@shop.example"}, "unreachable": DEAD}, False),
        ({"reachable": "email"},
         {"attributes": {"email": "b@shop.example"}, "unreachable": DEAD}, True),
        ({"reachable": "webhook"}, {"user_id": "mina"}, True),
        ({"reachable": "webhook"}, {}, False),
        ({"reachable": "webhook"}, {"user_id": "A@shop.example", "unreachable": DEAD}, True),
        ({"consent": "email", "is": "implied"}, {}, True),
        ({"consent": "email", "is": "opted_in"}, {"consent": choice("opted_in")}, True),
        ({"consent": "email", "is": "implied"}, {"consent": choice("opted_in")}, False),
        ({"consent": "email", "is": "opted_out"}, {"consent": choice("opted_out", "all")}, True),
        ({"consent": "email", "purpose": "night", "is": "opted_in"},
         {"consent": choice("opted_in")}, False),
        (NEAR_HERE, {"attributes": {"location": HERE}}, True),
        (NEAR_HERE, {"learned": {"location": HERE}}, True),
        (NEAR_HERE, {"attributes": {"location": BUSAN}, "learned": {"location": HERE}}, False),
        (NEAR_HERE, {"attributes": {"location": "Seoul"}, "learned": {"location": HERE}}, True),
        (NEAR_HERE, {"attributes": {"location": {"latitude": 37.5}}}, False),
        (NEAR_HERE, {"attributes": {"location": {"latitude": 375, "longitude": 1}}}, False),
        (NEAR_HERE, {}, False),
        ({"bucket": "s", "from": bucket(1, "s"), "to": bucket(1, "s")}, {}, True),
        ({"bucket": "s", "from": bucket(1, "s") + 1}, {}, False),
        ({"bucket": "s"}, {}, True),
        ({"in_segment": "buyers"}, {}, False),
        ({"not": {"in_segment": "buyers"}}, {}, True),
        ({"in_segment": "gone"}, {}, False),
    ],
)  # fmt: skip
def test_what_they_are(rule: dict[str, Any], fields: dict[str, Any], expected: bool) -> None:
    assert holds(rule, [], **fields) == expected


def test_another_segment_is_its_rule() -> None:
    assert holds({"in_segment": "buyers"}, [("Buy", 5, {}), ("Buy", 4, {})])
    assert holds({"in_segment": "lately"}, [("Go", HOUR, {})])
    assert not holds({"in_segment": "lately"}, [("Go", 4 * HOUR, {})])


def test_metres_from_seoul_to_busan() -> None:
    metres = distance((HERE["latitude"], HERE["longitude"]), Point(**BUSAN))
    assert 324_000 < metres < 326_000


def test_buckets_are_those_that_sql_makes() -> None:
    assert bucket(1, "salt") == int(md5(b"salt:1").hexdigest()[:8], 16) % 10_000
