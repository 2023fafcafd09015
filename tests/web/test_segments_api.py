"""Segments over the API: counted, listed, explained, and what is wrong with a rule."""

import csv
import io
import json
from typing import Any

import pytest
from web_kit import NOW, PROJECT, SECRET, Shop

from harken.clock import iso
from harken.web import segments

RULE: dict[str, Any] = {
    "all": [
        {"attribute": "country", "equals": "KR"},
        {"did": "Order Completed", "where": {"revenue": {"gte": 100}}, "at_least": 1},
    ]
}
SEGMENTS: dict[str, Any] = {
    "buyers": {"segment": "buyers", "description": "They bought well", "rule": RULE},
    "korean": {"segment": "korean", "rule": {"attribute": "country", "equals": "KR"}},
    "guests": {"segment": "guests", "rule": {"not": {"attribute": "email", "exists": True}}},
}
CUSTOMERS = (("u1", "KR", 250), ("u2", "KR", 50), ("u3", "ID", 300), ("u4", "ID", None))
DAY = 86_400_000


@pytest.fixture
def people(shop: Shop) -> Shop:
    """Segments in force, and four customers: u1 is in `buyers`, u1 and u2 are in `korean`."""
    shop.apply({**PROJECT, "segments": SEGMENTS})
    for user, country, revenue in CUSTOMERS:
        shop.customer(user, country=country, home={"city": "Seoul"})
        if revenue is not None:
            properties = {"revenue": revenue}
            shop.send("track", userId=user, event="Order Completed", properties=properties)
    return shop


def count(shop: Shop, rule: Any) -> int:
    return int(shop.post("/segments/count", {"rule": rule})["count"])


def members(shop: Shop, name: str, **questions: str) -> str:
    answer = shop.ask("GET", f"/api/v1/segments/{name}/members", params=questions)
    assert answer.status_code == 200
    return answer.text


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (RULE, 1),
        ({"attribute": "country", "equals": "KR"}, 2),
        ({"any": [{"in_segment": "buyers"}, {"attribute": "country", "equals": "ID"}]}, 3),
        ({"not": {"did": "Order Completed"}}, 1),
        ({"sum": "revenue", "of": "Order Completed", "within": "1d", "gte": 250}, 2),
        ({"attribute": "email", "exists": True}, 4),
    ],
)
def test_a_rule_is_counted_exactly(people: Shop, rule: Any, expected: int) -> None:
    assert people.post("/segments/count", {"rule": rule}) == {"count": expected}
    estimate = people.post("/segments/estimate", {"rule": rule})
    assert estimate == {"estimate": expected, "of": 4, "margin": 0}


def test_a_count_knows_what_had_happened_when_it_was_asked(people: Shop) -> None:
    """Nobody settles between the event and the question."""
    answer = people.ask(
        "POST",
        "/v1/track",
        key=None,
        headers={"Authorization": "Basic aHdfdGVzdDo="},
        json={"userId": "u2", "event": "Order Completed", "properties": {"revenue": 500}},
    )
    assert answer.status_code == 200
    people.get("/people/u2")
    assert people.services.collector.end > people.services.store.offset()
    people.app.rest.state.api.settled_definitions()
    assert count(people, RULE) == 2


@pytest.mark.parametrize("odd", ["250", "a lot", {"of": "money"}, [1], True])
def test_what_is_no_number_among_numbers_spoils_no_answer(people: Shop, odd: Any) -> None:
    """Anybody may send it, and it would be in every question about the property from then on."""
    odd_ones = {"revenue": odd}
    people.customer("odd", country="KR", points=odd)
    people.send("track", userId="odd", event="Order Completed", properties=odd_ones)
    people.customer("u1", country="KR", points=7)
    assert count(people, RULE) == 1
    assert count(people, {"attribute": "points", "gte": 5}) == 1
    assert count(people, {"sum": "revenue", "of": "Order Completed", "gte": 250}) == 2
    assert people.post("/segments/estimate", {"rule": RULE})["estimate"] == 1
    assert people.post("/segments/breakdown", {"rule": RULE})["count"] == 1
    assert people.post("/segments/overlap", {"a": "buyers", "b": "korean"})["both"] == 1
    assert len(people.post("/segments/preview", {"rule": RULE})["members"]) == 1
    assert [one["user_id"] for one in lines(members(people, "buyers"))] == ["u1"]
    assert people.get("/segments/buyers")["count"] == 1
    assert {one["name"]: one["count"] for one in people.get("/segments")["segments"]} == {
        "buyers": 1, "korean": 3, "guests": 0,
    }  # fmt: skip
    assert people.app.rest.state.api.segments.record_sizes() == 3


def test_a_wrong_word_is_told_with_those_that_are_known(people: Shop) -> None:
    answer = people.ask("GET", "/api/v1/segments/buyers/members", params={"format": "xml"})
    assert answer.status_code == 400
    assert answer.json()["errors"] == ["query format: 'xml' is none of ndjson, csv"]
    answer = people.ask("GET", "/api/v1/rejected", params={"limit": "many"})
    assert answer.json()["errors"] == ["query limit: must be a whole number, not text"]


def test_a_question_with_a_wrong_rule_speaks_of_no_change(people: Shop) -> None:
    answer = people.ask("POST", "/api/v1/segments/count", json={"rule": {"attribut": "x"}})
    assert (answer.status_code, answer.json()["detail"]) == (422, "2 faults")


def test_a_segment_that_cannot_be_counted_keeps_no_other_from_it(
    people: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine the time for all counts may be up before the last.
    monkeypatch.setattr(segments, "BUDGET", 60.0)
    # Within what may be written, and more than the engine of history takes.
    heavy = {"any": [{"attribute": f"a{number}", "contains": number} for number in range(1000)]}
    more = {"heavy": {"segment": "heavy", "rule": heavy}}
    people.apply({**PROJECT, "segments": {**SEGMENTS, **more}})
    counts = {one["name"]: one["count"] for one in people.get("/segments")["segments"]}
    assert counts == {"buyers": 1, "guests": 0, "heavy": None, "korean": 2}
    assert people.app.rest.state.api.segments.record_sizes() == 3


def test_each_condition_tells_what_it_lets_through(people: Shop) -> None:
    found = people.post("/segments/breakdown", {"rule": RULE})
    assert (found["count"], found["total"]) == (1, 4)
    told = [(one["condition"], one["passes"], one["alone"]) for one in found["conditions"]]
    assert told == [
        ("country is KR", 2, 1),
        ("did Order Completed at least once where revenue is at least 100", 2, 1),
    ]
    either = people.post("/segments/breakdown", {"rule": {"any": RULE["all"]}})
    assert (either["count"], [one["alone"] for one in either["conditions"]]) == (3, [1, 1])


def test_some_customers_are_shown_with_what_is_known_of_them(people: Shop) -> None:
    found = people.post(
        "/segments/preview", {"rule": RULE, "attributes": ["email", "home.city", "none"]}
    )
    assert found["members"] == [
        {
            "user_id": "u1",
            "profile_id": people.get("/people/u1")["profile_id"],
            "attributes": {"email": "u1@mail.example", "home.city": "Seoul"},
        }
    ]
    everybody = {"rule": {"attribute": "email", "exists": True}, "limit": 3}
    assert len(people.post("/segments/preview", everybody)["members"]) == 3


@pytest.mark.parametrize("a", ["korean", {"attribute": "country", "equals": "KR"}])
def test_two_groups_are_compared(people: Shop, a: Any) -> None:
    b = {"did": "Order Completed"}
    assert people.post("/segments/overlap", {"a": a, "b": b}) == {
        "a": 2, "b": 3, "both": 2, "only_a": 0, "only_b": 1,
    }  # fmt: skip


def test_segments_are_listed_and_shown(people: Shop) -> None:
    listed = people.get("/segments")["segments"]
    assert [(one["name"], one["state"], one["count"]) for one in listed] == [
        ("buyers", "live", 1), ("guests", "live", 0), ("korean", "live", 2),
    ]  # fmt: skip
    shown = people.get("/segments/buyers")
    assert (shown["rule"], shown["count"], shown["progress"]) == (RULE, 1, 1.0)
    assert shown["words"].startswith("country is KR and did Order Completed")
    assert shown["counted_at"] == iso(NOW)
    assert people.ask("GET", "/api/v1/segments/none").status_code == 404


@pytest.mark.parametrize("name", ["count", "estimate", "breakdown", "preview", "overlap"])
def test_a_segment_may_be_called_as_a_question(people: Shop, name: str) -> None:
    people.apply({**PROJECT, "segments": {name: {"segment": name, "rule": RULE}}})
    assert people.get(f"/segments/{name}")["name"] == name
    assert people.ask("DELETE", f"/api/v1/segments/{name}").status_code == 405


def test_a_segment_says_who_refers_to_it(people: Shop) -> None:
    vip = {"segment": "vip", "rule": {"all": [{"in_segment": "buyers"}]}}
    people.apply({**PROJECT, "segments": {**SEGMENTS, "vip": vip}})
    assert people.get("/segments/buyers")["used_by"] == ["segment vip"]


def test_members_are_streamed_as_lines_or_csv(people: Shop) -> None:
    people.send("track", anonymousId="a1", event="Page Viewed")
    assert {one["user_id"] for one in lines(members(people, "korean"))} == {"u1", "u2"}
    (nobody,) = lines(members(people, "guests"))
    assert nobody["anonymous"] is True
    assert people.get(f"/people/profile:{nobody['profile']}")["anonymous_ids"] == ["a1"]
    rows = list(csv.reader(io.StringIO(members(people, "guests", format="csv"))))
    assert rows == [["user_id", "profile"], ["", nobody["profile"]]]
    assert people.ask("GET", "/api/v1/segments/none/members").status_code == 404


def test_a_stream_of_many_pages_has_everybody_once(
    people: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harken.web.segments.PAGE", 3)
    for number in range(10):
        people.customer(f"k{number}", country="KR")
    found = [one["user_id"] for one in lines(members(people, "korean"))]
    assert sorted(found) == sorted(["u1", "u2", *(f"k{number}" for number in range(10))])


def test_a_fault_is_told_before_the_stream_begins(people: Shop) -> None:
    people.harken.history.close()
    assert people.ask("GET", "/api/v1/segments/korean/members").status_code == 503


def test_a_customer_is_told_with_their_segments(people: Shop) -> None:
    person = people.get("/people/u1")
    assert list(person["segments"]) == ["buyers", "korean"]
    assert person["segments"]["buyers"] == iso(NOW)
    assert person["lists"] == {}


def test_who_is_in_a_segment_is_told_why(people: Shop) -> None:
    found = people.get("/segments/buyers/members/u1")
    assert (found["member"], found["since"], found["unmet"]) == (True, iso(NOW), [])
    assert found["reason"].startswith(f"In buyers since {iso(NOW)}: country is KR and did")
    assert [(one["holds"], one["value"]) for one in found["conditions"]] == [
        (True, "KR"),
        (True, 1),
    ]


def test_who_is_not_is_told_what_is_missing(people: Shop) -> None:
    found = people.get("/segments/buyers/members/u4")
    assert (found["member"], found["since"]) == (False, None)
    assert found["reason"].startswith(
        "Not in buyers, for this does not hold: country is KR (is: ID); did Order Completed"
    )
    assert [one["value"] for one in found["unmet"]] == ["ID", 0]
    assert people.ask("GET", "/api/v1/segments/buyers/members/nobody").status_code == 404


def test_days_tell_who_came_and_went(people: Shop) -> None:
    people.pass_time(DAY)
    people.customer("u1", country="ID")
    people.customer("u4", country="KR")
    found = people.get("/segments/korean/growth?days=3")
    assert found["zone"] == "Asia/Seoul"
    assert [(one["day"], one["entered"], one["exited"]) for one in found["days"]] == [
        ("2026-03-01", 0, 0), ("2026-03-02", 2, 0), ("2026-03-03", 1, 1),
    ]  # fmt: skip
    assert found["days"][-1]["size"] == 2


def test_sizes_that_were_written_down_are_shown_of_their_day(people: Shop) -> None:
    people.app.rest.state.api.segments.record_sizes()
    people.pass_time(DAY)
    people.customer("u4", country="KR")
    days = people.get("/segments/korean/growth?days=3")["days"]
    assert [one["size"] for one in days] == [None, 2, 3]


def test_a_segment_is_warming_until_every_past_was_looked_through(shop: Shop) -> None:
    """Its count is exact all the same, and who is in it is answered by history."""
    for user, country, _ in CUSTOMERS:
        shop.customer(user, country=country)
    shop.apply({**PROJECT, "segments": {"korean": SEGMENTS["korean"]}})
    found = shop.get("/segments/korean")
    assert (found["state"], found["progress"], found["count"]) == ("warming", 0.0, 2)
    assert shop.get("/people/u1")["segments"] == {}
    why = shop.get("/segments/korean/members/u1")
    assert (why["state"], why["member"], why["since"]) == ("warming", True, None)
    assert shop.get("/segments/korean/members/u3")["member"] is False
    shop.harken.settle()
    assert shop.get("/segments/korean")["state"] == "live"
    assert list(shop.get("/people/u1")["segments"]) == ["korean"]


@pytest.mark.parametrize(
    ("rule", "path", "problem"),
    [
        ({"attribute": "country", "equal": "KR"}, "$.rule.equal", "equals"),
        (
            {"all": [{"event_property": "a", "equals": 1}]},
            "$.rule.all[0].event_property",
            "no triggering event",
        ),
        ({"any": [{"in_segment": "buyers"}] * 1_001}, "$.rule", "more than 1000 conditions"),
        ({"in_segment": "buyer"}, "$.rule.in_segment", "did you mean `buyers`?"),
        ({"any": [{"did": "A", "within": "soon"}]}, "$.rule.any[0].within", "duration"),
    ],
)
def test_a_fault_of_a_rule_is_told_with_its_path(
    people: Shop, rule: Any, path: str, problem: str
) -> None:
    for route in ("count", "estimate", "breakdown", "preview"):
        answer = people.ask("POST", f"/api/v1/segments/{route}", json={"rule": rule})
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        (fault,) = answer.json()["faults"]
        assert (fault["path"], problem in fault["problem"]) == (path, True)


@pytest.mark.parametrize(
    ("rule", "path", "problem"),
    [
        ({"did": "Order Complete"}, "$.rule.did", "did you mean `Order Completed`?"),
        ({"attribute": "contry", "equals": 1}, "$.rule.attribute", "did you mean `country`?"),
        (
            {"sum": "revenu", "of": "Order Completed", "gte": 1},
            "$.rule.sum",
            "did you mean `revenue`?",
        ),
        (
            {"not": {"did": "Order Completed", "where": {"brand": "Acme"}}},
            "$.rule.not.where.brand",
            "none of the latest `Order Completed` had a property `brand`",
        ),
        ({"in_list": "vips"}, "$.rule.in_list", "no list `vips` was uploaded yet"),
    ],
)
def test_names_that_no_data_has_are_warned_of(
    people: Shop, rule: Any, path: str, problem: str
) -> None:
    (warning,) = people.post("/segments/count", {"rule": rule})["warnings"]
    assert (warning["path"], warning["warning"]) == (path, True)
    assert problem in warning["problem"]


def test_names_that_the_data_has_are_not_warned_of(people: Shop) -> None:
    rule = {"all": [{"attribute": "home.city", "equals": "Busan"}, {"did": "$session_started"}]}
    assert people.post("/segments/count", {"rule": rule}) == {"count": 0}


def test_a_new_installation_warns_of_no_names(shop: Shop) -> None:
    rule = {"all": [{"attribute": "country", "exists": True}, {"did": "Order Completed"}]}
    assert shop.post("/segments/count", {"rule": rule}) == {"count": 0}


def test_it_is_told_which_segments_look_further_back_than_history_is_kept(people: Shop) -> None:
    """Counts, members and exports come from history, which forgets what was before."""
    rules: dict[str, dict[str, Any]] = {
        "far": {"did": "Order Completed", "within": "60d"},
        "days": {"did": "Order Completed", "within": {"days": 41, "timezone": "UTC"}},
        "ever": {"all": [{"sum": "revenue", "of": "Order Completed", "gte": 5}]},
        "old": {"did": "Order Completed", "between": ["2020-01-01", "2020-02-01"]},
        "lapsed": {"last": "Order Completed", "longer_ago": "14d"},
        "near": {"did": "Order Completed", "within": "40d"},
        "fresh": {"last": "Order Completed", "within": "7d"},
        "korean": {"attribute": "country", "equals": "KR"},
    }
    segments = {name: {"segment": name, "rule": rule} for name, rule in rules.items()}
    project = {"segments": segments, "workspace": {"retention": {"history": "40d"}}}
    told = {
        one["name"]: (one["path"], one["problem"].partition(" (")[0])
        for one in people.post("/definitions/apply", project)["faults"]
        if "history" in one["problem"]
    }
    assert told.pop("old")[0] == "$.rule"
    assert told == {
        "far": ("$.rule", "looks back 60d, but history is kept for 40d"),
        "days": ("$.rule", "looks back 41d, but history is kept for 40d"),
        "ever": ("$.rule.all[0]", "looks at all time, but history is kept for 40d"),
        "lapsed": ("$.rule", "looks at all time, but history is kept for 40d"),
    }


def test_check_plan_and_apply_warn_of_names_too(people: Shop) -> None:
    wrong = {"segment": "typos", "rule": {"did": "Order Complete"}}
    project = {**PROJECT, "segments": {**SEGMENTS, "typos": wrong}}
    for route in ("check", "plan", "apply"):
        told = [
            (one["kind"], one["name"], one["path"], one["warning"])
            for one in people.post(f"/definitions/{route}", project)["faults"]
        ]
        assert ("segment", "typos", "$.rule.did", True) in told
        assert ("journey", "abandoned-cart", "$.entry.event", True) in told


def test_a_segment_leaves_for_a_webhook_from_the_api(people: Shop) -> None:
    url = "https://93.184.215.14/in"
    wish = {"url": url, "batch": 10, "hashed": ["email"]}
    answer = people.ask("POST", "/api/v1/segments/korean/export", json=wish)
    assert answer.status_code == 202
    begun = answer.json()
    assert (begun["state"], begun["url"], begun["by"]) == ("waiting", url, "key environment")
    assert begun.pop("signing_secret").startswith("whsec_")
    assert people.get("/exports")["exports"] == [begun]
    assert people.get(f"/exports/{begun['id']}") == begun
    stopped = people.ask("DELETE", f"/api/v1/exports/{begun['id']}").json()
    assert stopped["state"] == "stopped"
    assert people.ask("DELETE", f"/api/v1/exports/{begun['id']}").status_code == 409
    assert people.ask("GET", "/api/v1/exports/none").status_code == 404


@pytest.mark.parametrize(
    ("name", "wish", "status"),
    [
        ("korean", {"url": "http://127.0.0.1:9/"}, 400),
        ("korean", {"url": "file:///etc/passwd"}, 400),
        ("korean", {"url": "https://93.184.215.14/", "batch": 0}, 400),
        ("none", {"url": "https://93.184.215.14/"}, 404),
    ],
)
def test_an_export_that_cannot_be_is_refused(
    people: Shop, name: str, wish: Any, status: int
) -> None:
    answer = people.ask("POST", f"/api/v1/segments/{name}/export", json=wish)
    assert answer.status_code == status
    assert people.get("/exports")["exports"] == []


def test_what_a_segment_asks_is_told_apart_also_by_way_of_another(people: Shop) -> None:
    asks = people.app.rest.state.api.segments.asks
    inner = {"segment": "inner", "rule": {"attribute": "country", "equals": "KR"}}
    outer = {"segment": "outer", "rule": {"all": [{"in_segment": "inner"}]}}
    other = {"segment": "other", "rule": {"attribute": "country", "equals": "KR"}}

    def apply(*segments: dict[str, Any], **workspace: Any) -> list[str]:
        named = {one["segment"]: one for one in segments}
        people.apply({**PROJECT, "segments": named, "workspace": workspace})
        return [asks("outer"), asks("other")]

    before = apply(inner, outer, other)
    assert apply(inner, outer, other) == before
    more = apply({**inner, "rule": {"attribute": "country", "equals": "ID"}}, outer, other)
    assert (more[0] != before[0], more[1] == before[1]) == (True, True)
    there = apply(inner, outer, other, timezone="Asia/Seoul")
    assert not set(there) & set(before)


def test_all_of_it_needs_a_secret_key(people: Shop) -> None:
    for path in ("/segments", "/segments/korean", "/segments/korean/members", "/lists", "/exports"):
        assert people.ask("GET", f"/api/v1{path}", key=None).status_code == 401
        assert people.ask("GET", f"/api/v1{path}", key=SECRET).status_code == 200
