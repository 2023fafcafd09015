"""Customers are put into a journey over the API, one or many, each once."""

from typing import Any

import pytest
from web_kit import PROJECT, Shop

GIFT = {
    "journey": "gift",
    "entry": {"api": True, "reentry": "always", "audience": {"attribute": "vip", "equals": True}},
    "steps": [
        {
            "message": "present",
            "channel": "email",
            "default": {"subject": "A {{ entry.thing | default: 'gift' }}", "html": "<p>Hi</p>"},
        }
    ],
}
ONCE = {**GIFT, "journey": "once", "entry": {"api": True}}


@pytest.fixture
def gifts(shop: Shop) -> Shop:
    journeys = {**PROJECT["journeys"], "gift": {"source": GIFT}, "once": {"source": ONCE}}
    shop.apply({**PROJECT, "journeys": journeys})
    for user in ("u1", "u2"):
        shop.customer(user, vip=user == "u1")
    shop.send("track", anonymousId="a1", event="Page Viewed", properties={})
    return shop


def enter(shop: Shop, journey: str = "gift", **wish: Any) -> dict[str, Any]:
    answer: dict[str, Any] = shop.post(f"/journeys/{journey}/entries", wish)
    shop.harken.settle()
    return answer


def subjects(shop: Shop) -> list[str]:
    return [mail["subject"] for mail in shop.get("/sandbox")["mails"]]


def said(shop: Shop, user: str, journey: str = "gift") -> list[str]:
    story = shop.get(f"/people/{user}/why/{journey}")["story"]
    return [f"{one['outcome']} {one['reason']}" for one in story]


def test_one_customer_enters_with_properties(gifts: Shop) -> None:
    answer = enter(gifts, user_id="u1", properties={"thing": "mug"})
    assert (answer["accepted"], answer["refused"], answer["in_force"]) == (1, [], True)
    assert subjects(gifts) == ["A mug"]


def test_who_was_identified_a_moment_ago_may_enter(gifts: Shop) -> None:
    gifts.identify("new")
    assert enter(gifts, user_id="new")["accepted"] == 1


def test_while_the_engine_is_behind_nobody_is_said_to_be_unknown(gifts: Shop) -> None:
    gifts.identify("new")
    gifts.troubled = True
    for method, path, body in (
        ("GET", "/people/new", {}),
        ("POST", "/journeys/gift/entries", {"json": {"user_id": "new"}}),
        ("POST", "/journeys/gift/entries", {"json": {"entries": [{"user_id": "new"}]}}),
        ("PUT", "/lists/ones", {"content": b"user_id\nnew\n"}),
    ):
        answer = gifts.ask(method, f"/api/v1{path}", **body)
        assert (answer.status_code, "the engine is behind" in answer.text) == (503, True), path
        assert answer.headers["retry-after"]
    gifts.troubled = False
    assert gifts.get("/people/new")["user_id"] == "new"
    assert gifts.ask("GET", "/api/v1/people/nobody").status_code == 404


def test_why_tells_what_came_of_it(gifts: Shop) -> None:
    enter(gifts, user_id="u2")
    assert said(gifts, "u2") == ["not_entered audience"]
    answer = gifts.get("/people/u2/why/gift")["answer"]
    assert "they were not in the audience" in answer


def test_many_enter_and_those_whom_nobody_knows_are_told(gifts: Shop) -> None:
    entries = [
        {"user_id": "u1"},
        {"user_id": "nobody"},
        {"anonymous_id": "a1", "properties": {"thing": "pen"}},
        {"anonymous_id": "a2"},
        {"user_id": "u1", "anonymous_id": "a1"},
        {},
        {"user_id": "u1", "properties": {"text": "x" * 33_000}},
    ]
    answer = enter(gifts, entries=entries)
    assert answer["accepted"] == 2
    assert [(one["index"], one["user_id"], one["anonymous_id"]) for one in answer["refused"]] == [
        (1, "nobody", None),
        (3, None, "a2"),
        (4, "u1", "a1"),
        (5, None, None),
        (6, "u1", None),
    ]
    problems = [one["problem"] for one in answer["refused"]]
    assert problems[0] == "nothing is known of a customer 'nobody'"
    assert problems[1] == "nothing is known of a customer 'anonymous:a2'"
    assert "one of the two" in problems[2]
    assert "32768 bytes" in problems[4]
    assert said(gifts, "u1")[0] == "entered event"
    assert said(gifts, "anonymous:a1") == ["not_entered audience"]
    assert gifts.ask("GET", "/api/v1/people/nobody").status_code == 404


def test_the_same_id_enters_once(gifts: Shop) -> None:
    for _ in range(3):
        assert enter(gifts, user_id="u1", id="order-1")["accepted"] == 1
    enter(gifts, user_id="u1", id="order-2")
    assert len(subjects(gifts)) == 2
    enter(gifts, user_id="u1")
    gifts.pass_time(1)
    enter(gifts, user_id="u1")
    assert len(subjects(gifts)) == 4


def test_reentry_holds_for_entries_too(gifts: Shop) -> None:
    for id in ("a", "b"):
        enter(gifts, "once", user_id="u2", id=id)
    assert [line for line in said(gifts, "u2", "once") if "entered" in line] == [
        "entered event",
        "not_entered reentry",
    ]


@pytest.mark.parametrize(
    ("journey", "wish", "status", "told"),
    [
        ("gitf", {"user_id": "u1"}, 404, "did you mean `gift`?"),
        ("abandoned-cart", {"user_id": "u1"}, 409, "by the event Cart Abandoned"),
        ("abandoned-cart", {"user_id": "u1"}, 409, "`entry: {api: true}`"),
        ("gift", {"user_id": "nobody"}, 404, "nothing is known of a customer 'nobody'"),
        ("gift", {}, 400, "`user_id` or `anonymous_id`"),
        ("gift", {"user_id": "u1", "entries": [{"user_id": "u1"}]}, 400, "`entries`"),
        ("gift", {"entries": []}, 400, "entries"),
        ("gift", {"entries": [{"user_id": "u1"}] * 2501}, 400, "entries"),
        ("gift", {"user": "u1"}, 400, "user"),
        ("gift", {"user_id": "u1", "properties": [1]}, 400, "properties"),
    ],
)
def test_what_cannot_be_is_refused(
    gifts: Shop, journey: str, wish: dict[str, Any], status: int, told: str
) -> None:
    answer = gifts.ask("POST", f"/api/v1/journeys/{journey}/entries", json=wish)
    assert answer.status_code == status
    assert told in answer.text
    assert subjects(gifts) == []


def test_a_paused_journey_starts_nothing_and_an_archived_one_takes_nobody(gifts: Shop) -> None:
    gifts.post("/journeys/gift/pause", {})
    enter(gifts, user_id="u1")
    assert said(gifts, "u1") == ["not_entered paused"]
    gifts.apply(PROJECT)
    answer = gifts.ask("POST", "/api/v1/journeys/gift/entries", json={"user_id": "u1"})
    assert answer.status_code == 409
    assert "archived" in answer.json()["detail"]


def test_a_preview_shows_the_latest_entry(gifts: Shop) -> None:
    wish = {"journey": "gift", "step": "present", "user_id": "u1"}
    assert gifts.post("/preview", wish)["subject"] == "A gift"
    enter(gifts, user_id="u1", properties={"thing": "mug"})
    assert gifts.post("/preview", wish)["subject"] == "A mug"


def test_a_plan_tries_messages_on_those_who_entered_lately(gifts: Shop) -> None:
    enter(gifts, user_id="u1", properties={"thing": "mug"})
    changed = {**GIFT, "tags": ["presents"]}
    planned = gifts.post("/definitions/plan", {"journeys": {"gift": {"source": changed}}})
    [cover] = planned["warnings"]["coverage"]
    assert (cover["journey"], cover["customers"]) == ("gift", 1)
