"""What messages say of people: refused, approved, and told in the creepiness report."""

import copy
from typing import Any

import pytest
from receivers import receiving
from web_kit import PROJECT, Shop

DIET = "{{ profile.attributes.diet | default: 'all' }}"
APPROVAL = {"journey": "abandoned-cart", "message": "nudge", "attribute": "diet"}


def project(html: str = DIET) -> dict[str, Any]:
    made = copy.deepcopy(PROJECT)
    made["workspace"]["attributes"] = {
        "diet": {"class": "sensitive", "purpose": "recipes", "benefit": "nothing that harms"},
        "team": {"class": "personal", "purpose": "scores", "benefit": "sees their team first"},
    }
    made["journeys"]["abandoned-cart"]["source"]["steps"][1]["default"] = {
        "subject": "Your cart",
        "html": f"<body><p>Back</p>{html}</body>",
    }
    return made


def refused(shop: Shop, what: dict[str, Any]) -> list[str]:
    answer = shop.ask("POST", "/api/v1/definitions/apply", json=what)
    if answer.status_code == 200:
        return []
    assert answer.status_code == 422, answer.text
    return [fault["problem"] for fault in answer.json()["faults"]]


def test_a_sensitive_attribute_is_refused_until_somebody_answers_for_it(shop: Shop) -> None:
    [problem] = refused(shop, project())
    assert "shows `diet`" in problem
    assert "harken approve abandoned-cart nudge diet" in problem
    given = shop.post("/approvals", {**APPROVAL, "attribute": "Diet", "reason": "they chose it"})
    assert (given["by"], given["reason"]) == ("key environment", "they chose it")
    assert given["at"] == "2026-03-02T03:00:00.000Z"
    assert refused(shop, project()) == []
    assert given.pop("notes") == [
        "there is no journey `abandoned-cart` yet",
        "nothing makes `Diet` more than ordinary yet",
    ]
    assert shop.get("/approvals")["approvals"] == [given]
    shop.post("/approvals", {**APPROVAL, "reason": "asked again"})
    assert [one["reason"] for one in shop.get("/approvals")["approvals"]] == ["asked again"]
    shop.post("/approvals/withdraw", APPROVAL)
    assert shop.get("/approvals")["approvals"] == []
    assert shop.ask("POST", "/api/v1/approvals/withdraw", json=APPROVAL).status_code == 404
    assert len(refused(shop, project())) == 1


def test_an_approval_may_stand_in_the_workspace(shop: Shop) -> None:
    made = project()
    made["workspace"]["approvals"] = [{**APPROVAL, "by": "Ana", "reason": "they chose it"}]
    assert refused(shop, made) == []
    [shown] = shop.get("/approvals")["approvals"]
    assert (shown["by"], shown["at"]) == ("Ana", None)


@pytest.mark.parametrize(
    ("changed", "notes"),
    [
        ({}, []),
        ({"journey": "abandoned-crat"}, [
            "there is no journey `abandoned-crat` yet; did you mean `abandoned-cart`?"]),
        ({"message": "nudeg"}, [
            "`abandoned-cart` has no message `nudeg` yet; did you mean `nudge`?"]),
        ({"attribute": "relligion"}, [
            "nothing makes `relligion` more than ordinary yet; did you mean `religion`?"]),
        ({"attribute": "religion"}, []),
        ({"attribute": "*"}, []),
    ],
)  # fmt: skip
def test_names_that_nothing_has_are_told(
    shop: Shop, changed: dict[str, str], notes: list[str]
) -> None:
    assert refused(shop, project("Hello")) == []
    given = shop.post("/approvals", {**APPROVAL, **changed, "reason": "they chose it"})
    assert given["notes"] == notes


def test_an_approval_needs_a_reason(shop: Shop) -> None:
    answer = shop.ask("POST", "/api/v1/approvals", json={**APPROVAL, "reason": ""})
    assert answer.status_code == 400


def test_the_report_tells_what_is_said_whence_what_for_and_to_how_many(shop: Shop) -> None:
    shop.post("/approvals", {**APPROVAL, "reason": "they chose it"})
    body = (
        "{{ profile.attributes.diet | default: 'all' }} {{ event.properties.size | default: 1 }}"
        "{{ profile.country | default: 'here' }}{% if profile.attributes.team %}go{% endif %}"
    )
    shop.apply(project(body))
    for number in range(6):
        traits: dict[str, Any] = {"team": "Tigers"} if number < 2 else {}
        shop.customer(f"u{number}", **traits, **({"diet": "vegan"} if number < 3 else {}))
    shop.send("import", batch=[{"type": "identify", "userId": "u3", "traits": {"diet": "halal"}}])
    place = {"location": {"country": "KR"}}
    shop.send("track", userId="u4", event="Looked", properties={}, context=place)
    for number in range(4):
        shop.leaves_cart(f"u{number}", value=150)
    shop.leaves_cart("u4", value=250)
    shop.send("track", userId="u5", event="Cart Abandoned", properties=CART)
    report = shop.get("/journeys/abandoned-cart/creepiness")
    assert (report["recipients"], report["audience"]) == (5, 6)
    told = {
        (one["fact"], one["use"]): (
            one["is_"],
            one["variants"],
            one["came_from"],
            one["got"],
            one["would_get"],
        )
        for one in report["shown"]
    }
    assert told == {
        ("profile.attributes.diet", "shown"): (
            "sensitive", ["default"], {"stated": 3, "imported": 1}, 4, 4,
        ),
        ("profile.attributes.team", "chooses the words"): (
            "personal", ["default"], {"stated": 2}, 2, 2,
        ),
        ("profile.country", "shown"): ("ordinary", ["default"], {}, 0, 0),
        ("profile.first_name", "shown"): ("personal", ["premium"], {"stated": 1}, 1, 1),
        ("event.properties.brand", "shown"): ("of the event", ["premium"], {"event": 1}, 1, 1),
        ("event.properties.size", "shown"): ("of the event", ["default"], {"event": 1}, 0, 1),
    }  # fmt: skip
    diet = report["shown"][0]
    assert (diet["purpose"], diet["benefit"]) == ("recipes", "nothing that harms")
    assert diet["approved"]["reason"] == "they chose it"
    assert shop.ask("GET", "/api/v1/journeys/nothing/creepiness").status_code == 404


CART = {"cart_id": "c9", "cart_value": 120, "size": "m"}


def test_what_a_client_told_in_passing_was_learned(shop: Shop) -> None:
    shop.apply(project("{{ profile.country | default: 'here' }}"))
    shop.customer("u1")
    place = {"location": {"country": "KR"}}
    shop.send("track", userId="u1", event="Looked", properties={}, context=place)
    shop.leaves_cart("u1", value=150)
    report = shop.get("/journeys/abandoned-cart/creepiness")
    [country] = [one for one in report["shown"] if one["fact"] == "profile.country"]
    assert (country["came_from"], country["got"]) == ({"learned": 1}, 1)


def test_who_falls_to_the_default_is_counted_with_what_that_says(shop: Shop) -> None:
    made = project("{{ profile.first_name | default: 'you' }}")
    steps = made["journeys"]["abandoned-cart"]["source"]["steps"]
    [message] = [step for step in steps if "message" in step]
    message["variants"] = [{"name": "near", "weight": 100, "subject": "In {{ profile.city }}"}]
    shop.apply(made)
    for number in range(6):
        where = {"city": "Seoul"} if number < 2 else {}
        shop.customer(f"u{number}", first_name="Mina", **where)
        shop.leaves_cart(f"u{number}", value=150)
    report = shop.get("/journeys/abandoned-cart/creepiness")
    told = {one["fact"]: (one["got"], one["would_get"]) for one in report["shown"]}
    assert told == {"profile.city": (2, 2), "profile.first_name": (6, 6)}


def test_the_report_tells_what_a_webhook_is_told(shop: Shop) -> None:
    with receiving() as receiver:
        made = project("Hello")
        made["workspace"]["webhooks"] = {"crm": {"url": receiver.url, "private": True}}
        payload = {"team": "{{ profile.attributes.team | default: 'none' }}", "diet": DIET}
        call = {"webhook": "crm", "id": "tell", "payload": payload}
        made["journeys"]["abandoned-cart"]["source"]["steps"].insert(0, call)
        [problem] = refused(shop, made)
        assert "it tells the webhook crm `diet`" in problem
        wish = {**APPROVAL, "message": "tell", "reason": "they cook"}
        shop.apply(project("Hello"))
        notes = shop.post("/approvals", wish)["notes"]
        assert notes == ["`abandoned-cart` has no message `tell` yet"]
        shop.apply(made)
        assert shop.post("/approvals", wish)["notes"] == []
        shop.customer("u1", team="Tigers")
        shop.leaves_cart("u1", value=150)
        assert receiver.bodies()[0]["data"]["payload"] == {"team": "Tigers", "diet": "all"}
    report = shop.get("/journeys/abandoned-cart/creepiness")
    told = {one["fact"]: one for one in report["shown"] if one["message"] == "tell"}
    team, diet = told["profile.attributes.team"], told["profile.attributes.diet"]
    assert (team["webhook"], team["use"], team["is_"]) == ("crm", "told", "personal")
    assert (team["got"], team["would_get"]) == (1, 1)
    assert (diet["is_"], diet["approved"]["reason"]) == ("sensitive", "they cook")
    assert (diet["got"], diet["would_get"]) == (0, 0)
