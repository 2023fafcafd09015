"""What the API says of customers, and what it changes about them."""

import copy
from urllib.parse import quote

import pytest
from web_kit import PROJECT, Shop

from harken.clock import DAY


def test_everything_known_of_a_customer(open_shop: Shop) -> None:
    open_shop.send("track", userId="u1", anonymousId="a1", event="Product Viewed")
    message = open_shop.leaves_cart()
    person = open_shop.get("/people/u1")
    assert person["user_id"] == "u1"
    assert person["attributes"] == {"email": "u1@mail.example", "first_name": "Minji"}
    assert person["timezone"] == "Asia/Seoul"
    assert person["anonymous_ids"] == ["a1"]
    viewed = person["events"]["Product Viewed"]
    assert viewed == {"count": 1, "first": "2026-03-02T03:00:00.000Z", "last": viewed["first"]}
    assert [row["id"] for row in person["messages"]] == [message]
    assert person["messages"][0]["state"] == "sent"


@pytest.mark.parametrize("id", ["u1", "user:u1", "anonymous:a1", "profile:{profile_id}"])
def test_a_customer_has_several_names(open_shop: Shop, id: str) -> None:
    open_shop.send("track", userId="u1", anonymousId="a1", event="Product Viewed")
    known = open_shop.get("/people/u1")
    assert open_shop.get(f"/people/{id.format(**known)}") == known


def test_who_was_identified_a_moment_ago_is_known(shop: Shop) -> None:
    shop.identify("new")
    change = {"channel": "email", "purpose": "marketing", "state": "opted_out"}
    shop.post("/people/new/consent", {"changes": [change]}, "PUT")
    (kept,) = shop.get("/people/new")["consent"]
    assert (kept["channel"], kept["state"]) == ("email", "opted_out")


@pytest.mark.parametrize("id", ["a/b", "a/why/b", "/", "a%2Fb", "ü 한?#", "a/../b"])
def test_a_customer_has_any_user_id(open_shop: Shop, id: str) -> None:
    open_shop.send("identify", userId=id, traits={"email": "x@mail.example"})
    path = f"/people/{quote(id, safe='')}"
    assert open_shop.get(path)["user_id"] == id
    assert open_shop.get(f"{path}/timeline")
    assert open_shop.get(f"{path}/why/abandoned-cart")["story"] == []
    gone = open_shop.ask("GET", "/api/v1/people/no%2Fbody")
    assert "nothing is known of a customer 'no/body'" in gone.json()["detail"]


@pytest.mark.parametrize("id", ["profile:5", "profile:x", "anonymous:u1", "user:u1"])
def test_a_user_id_may_look_like_another_name(open_shop: Shop, id: str) -> None:
    open_shop.send("track", userId="u1", anonymousId="u1", event="Product Viewed")
    open_shop.send("identify", userId=id, traits={"email": "x@mail.example"})
    assert open_shop.get(f"/people/user:{id}")["user_id"] == id
    assert open_shop.get(f"/messages?user_id=user:{id}")["messages"] == []
    changed = open_shop.post(f"/people/user:{id}/attributes", {"city": "Busan"}, "PATCH")
    assert (changed["user_id"], changed["attributes"]["city"]) == (id, "Busan")


@pytest.mark.parametrize("id", ["a:b", "user:", "anonymous:", "User:x"])
def test_a_user_id_with_a_colon_is_one(open_shop: Shop, id: str) -> None:
    open_shop.send("identify", userId=id, traits={"email": "x@mail.example"})
    assert open_shop.get(f"/people/{id}")["user_id"] == id


def test_the_id_of_a_user_who_was_joined_is_a_former_user_id(open_shop: Shop) -> None:
    open_shop.send("track", userId="old", anonymousId="phone", event="Product Viewed")
    open_shop.send("alias", previousId="old", userId="u1")
    open_shop.send("alias", previousId="ghost", userId="u1")
    joined = open_shop.get("/people/old")
    assert (joined["user_id"], joined["former_user_ids"]) == ("u1", ["old"])
    assert joined["anonymous_ids"] == ["ghost", "phone"]
    open_shop.customer("u2")
    [absorbed] = joined["absorbed"]
    open_shop.post("/people/u2/merge", {"absorb": "u1"})
    assert sorted(open_shop.get("/people/u2")["former_user_ids"]) == ["old", "u1"]
    open_shop.post("/people/u2/unmerge", {"profile": joined["profile_id"]})
    assert open_shop.get("/people/u2")["former_user_ids"] == []
    assert open_shop.get("/people/u1")["former_user_ids"] == ["old"]
    parted = open_shop.post("/people/u1/unmerge", {"profile": absorbed})
    assert (parted["former_user_ids"], parted["anonymous_ids"]) == ([], ["ghost"])
    assert open_shop.get("/people/old")["anonymous_ids"] == ["phone"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/people/nobody", 404),
        ("/people/anonymous:nobody", 404),
        ("/people/profile:1", 404),
        ("/people/profile:x", 400),
        ("/people/profile:99999999999999999999", 400),
        ("/people/u1/why/nothing", 404),
        ("/people/u1/timeline?before=yesterday", 400),
        ("/people/u1/timeline?limit=0", 400),
        ("/people/u1/timeline?limt=5", 400),
    ],
)
def test_bad_questions_get_problems(open_shop: Shop, path: str, status: int) -> None:
    answer = open_shop.ask("GET", f"/api/v1{path}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_an_unknown_question_names_the_near_one(open_shop: Shop) -> None:
    answer = open_shop.ask("GET", "/api/v1/people/u1/timeline?limt=5")
    assert answer.json()["detail"] == (
        "unknown query parameter `limt`; did you mean `limit`?; this route has: before, limit"
    )


def test_a_run_in_flight_is_shown(open_shop: Shop) -> None:
    open_shop.send(
        "track", userId="u1", event="Cart Abandoned", properties={"cart_id": "c", "cart_value": 150}
    )
    [run] = open_shop.get("/people/u1")["runs"]
    assert (run["journey"], run["step"], run["key"]) == ("abandoned-cart", "wait-1", "c")
    assert run["due"] == "2026-03-02T03:30:00.000Z"
    assert (run["revision"], run["goes_on_on"]) == (1, None)


@pytest.mark.parametrize(("move", "to"), [(["abandoned-cart"], 2), ([], None)])
def test_of_a_run_that_was_moved_both_revisions_are_shown(
    open_shop: Shop, move: list[str], to: int | None
) -> None:
    """It moves when it goes on, but its editor wants to see at once that it will."""
    open_shop.send(
        "track", userId="u1", event="Cart Abandoned", properties={"cart_id": "c", "cart_value": 150}
    )
    changed = copy.deepcopy(PROJECT)
    changed["journeys"]["abandoned-cart"]["source"]["steps"][1]["default"]["subject"] = "Hello"
    open_shop.apply({**changed, "move": move})
    [run] = open_shop.get("/people/u1")["runs"]
    assert (run["revision"], run["goes_on_on"], run["step"]) == (1, to, "wait-1")


def test_the_time_line_reads_and_pages(open_shop: Shop) -> None:
    open_shop.leaves_cart()
    page = open_shop.get("/people/u1/timeline?limit=3")
    texts = [line["text"] for line in page["timeline"]]
    assert any("They were sent the message nudge of abandoned-cart" in text for text in texts)
    assert any(text.startswith("On 2 March 2026 at 12:31:00 (") for text in texts), texts
    older = open_shop.get(f"/people/u1/timeline?before={page['next']}")["timeline"]
    assert any(
        "Cart Abandoned (" in line["text"] and "cart_value 250" in line["text"] for line in older
    )
    assert all(line["at"] < page["next"] for line in older)


def test_the_time_line_says_what_a_journey_set(open_shop: Shop) -> None:
    steps = [{"update": {"vip": True, "old": {"remove": True}}}]
    journey = {"journey": "mark", "entry": {"event": "Go"}, "steps": steps}
    open_shop.apply({**PROJECT, "journeys": {"mark": {"source": journey}}})
    open_shop.customer("u9", old=1)
    open_shop.send("track", userId="u9", event="Go")
    texts = [line["text"] for line in open_shop.get("/people/u9/timeline")["timeline"]]
    said = "The journey mark took away old, set vip to true."
    assert [text for text in texts if text.endswith(said)], "\n".join(texts)


def test_why(open_shop: Shop) -> None:
    open_shop.leaves_cart()
    why = open_shop.get("/people/u1/why/abandoned-cart")
    assert why["answer"].startswith("1 message was sent.")
    assert why["zone"] == "Asia/Seoul"
    first = why["story"][0]
    assert first["text"].startswith("They entered, because of the event Cart Abandoned")
    assert first["when"] == "2 March 2026 at 12:00"


def test_attributes_are_stated_and_taken_away(open_shop: Shop) -> None:
    changed = open_shop.post("/people/u1/attributes", {"city": "Seoul"}, "PATCH")
    assert changed["attributes"]["city"] == "Seoul"
    assert changed["attributes"]["first_name"] == "Minji"
    replaced = open_shop.post("/people/u1/attributes", {"lastName": "Kim"}, "PUT")
    assert replaced["attributes"] == {"last_name": "Kim"}


def test_attributes_of_someone_without_user_id(open_shop: Shop) -> None:
    open_shop.send("track", anonymousId="a9", event="Product Viewed")
    changed = open_shop.post("/people/anonymous:a9/attributes", {"city": "Busan"}, "PATCH")
    assert changed["attributes"] == {"city": "Busan"}


def test_attributes_have_a_size(open_shop: Shop) -> None:
    answer = open_shop.ask("PATCH", "/api/v1/people/u1/attributes", json={"a": "x" * 40_000})
    assert answer.status_code == 400
    assert "32768 is the most" in answer.json()["detail"]


def test_consent_is_recorded_with_who_and_how(open_shop: Shop) -> None:
    change = {"channel": "email", "purpose": "marketing", "state": "opted_out", "how": "by phone"}
    person = open_shop.post("/people/u1/consent", {"changes": [change]}, "PUT")
    [line] = person["consent_log"]
    assert (line["state"], line["by"], line["how"]) == ("opted_out", "key environment", "by phone")
    assert person["consent"] == [line]
    answer = open_shop.ask(
        "PUT", "/api/v1/people/u1/consent", json={"changes": [{**change, "channel": "pigeon"}]}
    )
    assert answer.status_code == 400


def test_a_merge_and_its_undoing(open_shop: Shop) -> None:
    open_shop.customer("u2", city="Busan")
    other = open_shop.get("/people/u2")["profile_id"]
    merged = open_shop.post("/people/u1/merge", {"absorb": "u2"})
    assert merged["attributes"]["city"] == "Busan"
    assert open_shop.get("/people/u2")["profile_id"] == merged["profile_id"]
    again = open_shop.ask("POST", "/api/v1/people/u1/merge", json={"absorb": "u2"})
    assert again.status_code == 409
    parted = open_shop.post("/people/u1/unmerge", {"profile": other})
    assert "city" not in parted["attributes"]
    assert open_shop.get("/people/u2")["attributes"]["city"] == "Busan"
    assert (
        open_shop.ask("POST", "/api/v1/people/u1/unmerge", json={"profile": other}).status_code
        == 409
    )


def test_attributes_of_a_visitor_are_not_stated_of_who_has_their_device_now(
    open_shop: Shop,
) -> None:
    for visitor in ("b", "a"):
        open_shop.send("track", anonymousId=visitor, event="Go")
    open_shop.post("/people/anonymous:b/merge", {"absorb": "anonymous:a"})
    open_shop.send("identify", userId="u9", anonymousId="a")
    found = open_shop.post("/people/anonymous:b/attributes", {"plan": "paid"}, "PATCH")
    assert found["anonymous_ids"] == ["b"]
    assert found["attributes"] == {"plan": "paid"}
    assert "plan" not in open_shop.get("/people/u9")["attributes"]


def test_who_was_joined_by_way_of_another_is_taken_out_after_them(open_shop: Shop) -> None:
    numbers = {}
    for user in ("u2", "u3"):
        open_shop.customer(user, **{f"of_{user}": 1})
        numbers[user] = open_shop.get(f"/people/{user}")["profile_id"]
    open_shop.post("/people/u2/merge", {"absorb": "u3"})
    open_shop.post("/people/u1/merge", {"absorb": "u2"})
    wish = {"profile": numbers["u3"]}
    answer = open_shop.ask("POST", "/api/v1/people/u1/unmerge", json=wish)
    assert answer.status_code == 409
    assert f"profile:{numbers['u2']}: take that one out first" in answer.json()["detail"]
    open_shop.post("/people/u1/unmerge", {"profile": numbers["u2"]})
    open_shop.post("/people/u2/unmerge", wish)
    for user, own in (("u2", "of_u2"), ("u3", "of_u3")):
        found = open_shop.get(f"/people/{user}")["attributes"]
        assert {name for name in found if name.startswith("of_")} == {own}


def test_a_merge_can_be_undone_for_thirty_days(open_shop: Shop) -> None:
    open_shop.customer("u2")
    other = open_shop.get("/people/u2")["profile_id"]
    open_shop.post("/people/u1/merge", {"absorb": "u2"})
    open_shop.pass_time(30 * DAY + 1)
    answer = open_shop.ask("POST", "/api/v1/people/u1/unmerge", json={"profile": other})
    assert answer.status_code == 409
    assert "30 days" in answer.json()["detail"]


def test_what_was_refused_under_a_former_user_id_is_erased_with_the_customer(
    open_shop: Shop,
) -> None:
    open_shop.customer("u2")
    bad = {"userId": "u2", "event": "", "type": "track"}
    open_shop.ask("POST", "/v1/track", key=None, json={**bad, "writeKey": "hw_test"})
    open_shop.post("/people/u1/merge", {"absorb": "u2"})
    open_shop.ask("DELETE", "/api/v1/people/u1")
    assert open_shop.get("/rejected")["rejected"] == []


def test_an_erased_customer_is_nowhere(open_shop: Shop) -> None:
    message = open_shop.leaves_cart()
    bad = {"userId": "u1", "event": "", "type": "track"}
    open_shop.ask("POST", "/v1/track", key=None, json={**bad, "writeKey": "hw_test"})
    assert "u1" in open_shop.get("/rejected")["rejected"][0]["excerpt"]
    answer = open_shop.ask("DELETE", "/api/v1/people/u1")
    assert (answer.status_code, answer.json()) == (200, {"in_force": True})
    open_shop.harken.settle()
    assert open_shop.ask("GET", "/api/v1/people/u1").status_code == 404
    assert open_shop.get("/sandbox")["mails"] == []
    assert open_shop.get("/rejected")["rejected"] == []
    assert open_shop.get(f"/messages/{message}")["address"] == ""
    assert open_shop.harken.history.query("SELECT count(*) FROM events") == [(0,)]


def test_an_export_holds_everything(open_shop: Shop) -> None:
    open_shop.leaves_cart()
    export = open_shop.get("/people/u1/export")
    assert export["person"]["user_id"] == "u1"
    names = {entry["name"] for entry in export["history"] if entry["kind"] == "event"}
    assert {"$identify", "Cart Abandoned", "$message_sent"} <= names
    assert [mail["to"] for mail in export["sandbox"]] == ["u1@mail.example"]
