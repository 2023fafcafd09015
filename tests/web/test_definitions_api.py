"""Check, plan, apply; preview and test send; pausing a journey."""

import copy
from typing import Any

import pytest
from web_kit import CART, PROJECT, Shop

DKIM = {"domain": "a.example", "selector": "s"}


def changed(**step: Any) -> dict[str, Any]:
    project = copy.deepcopy(PROJECT)
    project["journeys"]["abandoned-cart"]["source"]["steps"][1] |= step
    return project


def broken() -> dict[str, Any]:
    project = changed(chanel="email")
    project["workspace"]["timezone"] = "Mars"
    return project


def test_apply_puts_in_force_and_says_what_changed(shop: Shop) -> None:
    applied = shop.apply()
    assert applied["in_force"] is True
    assert applied["revision"] == 1
    assert ("journey", "abandoned-cart", "new") in [
        (one["kind"], one["name"], one["action"]) for one in applied["changes"]
    ]
    again = shop.apply()
    assert again["revision"] == 1
    assert {one["action"] for one in again["changes"]} == {"unchanged"}


def test_plan_changes_nothing(open_shop: Shop) -> None:
    planned = open_shop.post("/definitions/plan", changed(priority="high"))
    [change] = [one for one in planned["changes"] if one["action"] == "changed"]
    assert change["detail"] == ["steps[1].priority: 'high' added"]
    assert open_shop.get("/definitions")["revision"] == 1


def test_every_fault_is_told_and_nothing_applied(shop: Shop) -> None:
    checked = shop.post("/definitions/check", broken())
    assert checked["ok"] is False
    places = {(one["kind"], one["name"], one["path"]) for one in checked["faults"]}
    assert ("workspace", "", "$.timezone") in places
    assert ("journey", "abandoned-cart", "$.steps[1].chanel") in places
    refused = shop.ask("POST", "/api/v1/definitions/apply", json=broken())
    assert refused.status_code == 422
    assert len(refused.json()["faults"]) == len(checked["faults"])
    assert shop.get("/definitions")["revision"] == 0


@pytest.mark.parametrize(
    ("schedule", "zone", "warned"),
    [
        ("2020-01-01T10:00", "workspace", True),
        ("2020-01-01T10:00", "recipient", True),
        ("2999-01-01T10:00", "workspace", False),
        ({"rrule": "FREQ=DAILY", "starts_at": "2020-01-01T10:00"}, "workspace", False),
        ({"rrule": "FREQ=DAILY;COUNT=3", "starts_at": "2020-01-01T10:00"}, "workspace", True),
    ],
)
def test_a_schedule_that_is_over_is_warned_of_once(
    shop: Shop, schedule: Any, zone: str, warned: bool
) -> None:
    project = copy.deepcopy(PROJECT)
    source = project["journeys"]["abandoned-cart"]["source"]
    source["entry"] = {
        "schedule": schedule,
        "zone": zone,
        "audience": {"attribute": "country", "exists": True},
    }
    source["exceptions"] = []
    del source["steps"][1]["variants"]
    applied = shop.post("/definitions/apply", project)
    past = [one["path"] for one in applied["faults"] if "is past" in one["problem"]]
    assert past == ["$.entry.schedule"] * warned
    again = shop.post("/definitions/apply", project)
    assert not any("is past" in one["problem"] for one in again["faults"])


@pytest.mark.parametrize(
    ("ends_at", "told"), [("2026-02-28T00:00", True), ("2026-03-31T00:00", False)]
)
def test_a_window_that_is_over_is_warned_of(shop: Shop, ends_at: str, told: bool) -> None:
    source = {**CART, "window": {"ends_at": ends_at}}
    body = {**PROJECT, "journeys": {"abandoned-cart": {"source": source}}}
    for path in ("check", "plan", "apply"):
        faults = str(shop.post(f"/definitions/{path}", body))
        assert ("it is past already, so the journey lets nobody in" in faults) is told


def test_no_fault_hides_another(shop: Shop) -> None:
    """Shape faults of a journey and of the workspace, a wrong name, and templates beside them."""
    project = changed(chanel="email")
    cart = project["journeys"]["abandoned-cart"]
    cart["source"]["entry"] = {"evnt": "Cart Abandoned"}
    cart["source"]["steps"][1]["default"]["subject"] = "{{ profile.frist_name }}"
    project["journeys"]["other"] = {
        "source": {
            **copy.deepcopy(PROJECT["journeys"]["abandoned-cart"]["source"]),
            "steps": [{"message": "a", "channel": "email", "sender": "vip", "default": {}}],
        }
    }
    project["workspace"] |= {
        "timezone": "Mars",
        "policy_packs": ["XX"],
        "senders": {"default": {"from": "Shop"}, "vip": {"form": "vip@shop.example"}},
        "transports": [{"name": "main", "url": "http://mail.example", "weight": "a"}],
    }
    checked = shop.post("/definitions/check", project)
    assert {(one["name"], one["path"]) for one in checked["faults"]} == {
        ("", "$.timezone"),
        ("", "$.policy_packs[0]"),
        ("", "$.senders.default.from"),
        ("", "$.senders.vip.form"),
        ("", "$.transports[0].weight"),
        ("", "$.transports[0].url"),
        ("abandoned-cart", "$.entry.evnt"),
        ("abandoned-cart", "$.steps[1].chanel"),
        ("abandoned-cart", "$.steps[1].default.subject"),
        ("other", "$.journey"),
        ("other", "$.steps[0].default"),
    }


@pytest.mark.parametrize(
    ("workspace", "path", "problem"),
    [
        ({"senders": {"default": {"from": "Shop <hello>"}}}, "senders.default.from", "no e-mail"),
        (
            {"senders": {"default": {"from": "a@shop.example", "reply_to": "b"}}},
            "senders.default.reply_to",
            "no e-mail address",
        ),
        ({"retention": {"history": "30d"}}, "retention.history", "more than 30d"),
        ({"transports": [{"name": "m"}]}, "transports[0]", "url_env"),
        ({"transports": [{"name": "m", "url": "a", "url_env": "A"}]}, "transports[0]", "one of"),
        ({"transports": [{"name": "m", "url": "http://a"}]}, "transports[0].url", "smtp://"),
        (
            {"transports": [{"name": "m", "url_env": "smtp://a:b@c"}]},
            "transports[0].url_env",
            "name of a variable",
        ),
        (
            {"transports": [{"name": "m", "url": "smtp://a", "connections": 0}]},
            "transports[0].connections",
            "at least 1",
        ),
        (
            {"transports": [{"name": "m", "url": "smtp://a", "return_path": "a b"}]},
            "transports[0].return_path",
            "no domain name",
        ),
        (
            {"transports": [{"name": "m", "url": "smtp://a", "dkim": DKIM}]},
            "transports[0].dkim",
            "key_env",
        ),
    ],
)  # fmt: skip
def test_what_mail_and_upkeep_need_is_checked_on_save(
    shop: Shop, workspace: dict[str, Any], path: str, problem: str
) -> None:
    project = {**PROJECT, "workspace": {**PROJECT["workspace"], **workspace}}
    [fault] = shop.post("/definitions/check", project)["faults"]
    assert fault["path"] == f"$.{path}"
    assert problem in fault["problem"]
    assert "smtp://a:b" not in fault["problem"]


def test_a_journey_has_one_name(shop: Shop) -> None:
    project = copy.deepcopy(PROJECT)
    project["journeys"]["other"] = project["journeys"].pop("abandoned-cart")
    refused = shop.ask("POST", "/api/v1/definitions/apply", json=project)
    assert refused.status_code == 422
    assert "is called `abandoned-cart`" in refused.json()["faults"][0]["problem"]


def test_apply_waits_for_no_dead_engine(shop: Shop) -> None:
    shop.apply()
    shop.troubled = True
    answer = shop.ask("POST", "/api/v1/definitions/apply", json=changed(priority="high"))
    assert answer.status_code == 503


def test_what_to_know_before_applying(open_shop: Shop) -> None:
    """Who lives in Korea, and whose first name a variant lacks, is told before."""
    open_shop.customer("u1", country="KR")
    open_shop.send("identify", userId="u2", traits={"email": "u2@mail.example"})
    for user in ("u1", "u2"):
        open_shop.leaves_cart(user)
    checked = open_shop.post("/definitions/check", changed(priority="high"))
    assert checked["warnings"]["packs_off"] == ["KR"]
    [cover] = checked["warnings"]["coverage"]
    assert (cover["customers"], cover["to_default"], cover["share_to_default"]) == (2, 1, 0.5)
    assert cover["by_variant"] == {"premium": 1, "default": 1}
    assert any("profile.first_name" in reason for reason in cover["reasons"])


def test_a_journey_is_paused_and_resumed(open_shop: Shop) -> None:
    paused = open_shop.post("/journeys/abandoned-cart/pause", {})
    assert (paused["state"], paused["in_force"]) == ("paused", True)
    assert open_shop.get("/journeys")["journeys"][0]["state"] == "paused"
    open_shop.send(
        "track", userId="u1", event="Cart Abandoned", properties={"cart_id": "c", "cart_value": 150}
    )
    assert open_shop.get("/people/u1")["runs"] == []
    assert open_shop.post("/journeys/abandoned-cart/resume", {})["state"] == "live"
    open_shop.leaves_cart(cart="d")
    counts = open_shop.get("/journeys/abandoned-cart")["counts"]
    found = {(one["outcome"], one["reason"]): one["decisions"] for one in counts}
    assert found["not_entered", "paused"] == 1
    assert found["entered", "event"] == 1
    assert open_shop.ask("POST", "/api/v1/journeys/none/pause").status_code == 404


def test_an_archived_journey_is_not_resumed(open_shop: Shop) -> None:
    open_shop.apply({**PROJECT, "journeys": {}})
    assert open_shop.get("/journeys/abandoned-cart")["state"] == "archived"
    assert open_shop.ask("POST", "/api/v1/journeys/abandoned-cart/resume").status_code == 409


@pytest.mark.parametrize("kind", ["workspace", "journey", "segment"])
def test_schemas(shop: Shop, kind: str) -> None:
    assert shop.get(f"/schemas/{kind}")["title"] == f"Harken {kind} file"


WISH = {"journey": "abandoned-cart", "step": "nudge", "user_id": "u1"}


def test_preview_takes_the_latest_event_or_the_given(open_shop: Shop) -> None:
    without = open_shop.post("/preview", WISH)
    assert (without["variant"], without["subject"]) == ("default", "You left something behind")
    open_shop.leaves_cart()
    latest = open_shop.post("/preview", WISH)
    assert (latest["variant"], latest["subject"]) == ("premium", "Minji, your Acme")
    given = open_shop.post("/preview", {**WISH, "event": {"cart_value": 300, "brand": "Zed"}})
    assert given["subject"] == "Minji, your Zed"
    asked = open_shop.post("/preview", {**WISH, "variant": "default"})
    assert "asked for in a test" in asked["why_variant"]
    assert "https://shop.example/cart" in asked["html"]


def test_preview_of_a_draft_in_another_language(open_shop: Shop) -> None:
    draft = changed(
        default={
            "subject": "Draft",
            "text": "Hello",
            "locales": {"ko": {"subject": "초안", "text": "안녕하세요"}},
        }
    )
    wish = {**WISH, "project": draft, "language": "ko"}
    shown = open_shop.post("/preview", wish)
    assert (shown["subject"], shown["language"]) == ("초안", "ko")
    faulty = open_shop.ask("POST", "/api/v1/preview", json={**WISH, "project": broken()})
    assert faulty.status_code == 422


def test_the_law_s_label_shows_in_a_preview(shop: Shop) -> None:
    project = copy.deepcopy(PROJECT)
    sender = {"from": "Shop <hi@shop.example>", "phone": "02-123-4567", "postal_address": "Seoul 1"}
    project["workspace"] |= {"policy_packs": ["KR"], "senders": {"default": sender}}
    shop.apply(project)
    shop.customer(country="KR")
    consent = {"channel": "email", "purpose": "marketing", "state": "opted_in"}
    shop.post("/people/u1/consent", {"changes": [consent]}, "PUT")
    assert shop.post("/preview", WISH)["subject"].startswith("(광고)")


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"journey": "none"}, 404),
        ({"step": "none"}, 404),
        ({"user_id": "none"}, 404),
        ({"variant": "none"}, 400),
    ],
)
def test_previews_of_nothing(open_shop: Shop, wish: dict[str, str], status: int) -> None:
    assert open_shop.ask("POST", "/api/v1/preview", json={**WISH, **wish}).status_code == status


def test_a_test_send_is_marked_and_leaves_no_trace(open_shop: Shop) -> None:
    open_shop.leaves_cart()
    sent = open_shop.post("/test-send", {**WISH, "to": "me@shop.example"})
    assert (sent["state"], sent["transport"]) == ("sent", "sandbox")
    mail = open_shop.get(f"/sandbox/{sent['id']}")
    assert mail["to"] == "me@shop.example"
    assert mail["subject"] == "Minji, your Acme"
    assert ["X-Harken-Test", "yes"] in mail["headers"]
    assert "/l/" not in mail["html"]
    assert len(open_shop.get("/messages")["messages"]) == 1
    bad = open_shop.ask("POST", "/api/v1/test-send", json={**WISH, "to": "no address"})
    assert bad.status_code == 400
