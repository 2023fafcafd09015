"""Webhooks over HTTP: what is listed, what they tell, previews and test sends, the hosted pages."""

import json
from typing import Any

import pytest
from receivers import receiving
from web_kit import Shop

from harken.channels.posting import signature

CART: dict[str, Any] = {
    "journey": "cart",
    "entry": {"event": "Cart Abandoned", "reentry": "always"},
    "steps": [
        {
            "message": "nudge",
            "channel": "webhook",
            "default": {"payload": {"title": "Hi {{ profile.first_name | default: 'you' }}"}},
        }
    ],
}


def use(shop: Shop, **webhooks: Any) -> None:
    shop.apply(
        {
            "workspace": {"webhooks": webhooks},
            "journeys": {"cart": {"source": CART}},
            "segments": {},
        }
    )
    shop.send("identify", userId="mina", traits={"firstName": "Mina"})


def tell(shop: Shop, body: Any, id: str = "r1", secret: str = "", name: str = "crm") -> Any:
    secret = secret or shop.get("/webhooks")["webhooks"][0]["signing_secret"]
    raw, seconds = json.dumps(body).encode(), shop.clock.now() // 1000
    headers = {
        "webhook-id": id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": signature(secret, id, seconds, raw),
    }
    answer = shop.ask("POST", f"/hooks/webhook/{name}", key=None, headers=headers, content=raw)
    shop.harken.settle()
    return answer


def test_webhooks_are_listed_with_the_keys_that_harken_made(open_shop: Shop) -> None:
    use(open_shop, default={"url": "sandbox:"}, erp={"url_env": "NO_URL", "secret_env": "NO_KEY"})
    assert open_shop.ask("GET", "/api/v1/webhooks", key=None).status_code == 401
    crm, erp = open_shop.get("/webhooks")["webhooks"]
    assert crm.pop("signing_secret").startswith("whsec_")
    assert crm == {
        "name": "default",
        "url": "sandbox:",
        "sandbox": True,
        "trouble": "",
        "receipts": "https://hi.shop.example/hooks/webhook/default",
    }
    assert (erp["signing_secret"], erp["trouble"]) == (None, "NO_URL is not set")


def test_variables_that_are_not_set_where_harken_runs_are_warned_of(
    open_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = {
        "transports": [
            {"name": "main", "url": "smtp://localhost:25"},
            {"name": "spare", "url_env": "NO_SMTP", "dkim": {
                "domain": "shop.example", "selector": "s", "key_env": "NO_DKIM"}},
        ],
        "webhooks": {
            "crm": {"url": "https://crm.example/", "secret_env": "NO_KEY"},
            "erp": {"url_env": "NO_URL", "secret_env": "NO_KEY"},
            "kept": {"url": "sandbox:", "secret_env": "NO_KEY"},
        },
        "connected": {
            "weather": {"url": "https://w.example/", "header": "X-Key", "secret_env": "NO_WEATHER"}
        },
    }  # fmt: skip
    waits = "until it is mended and Harken started again"
    warned = {
        "transports[1].url_env": f"NO_SMTP is not set; {waits}, all e-mail waits",
        "transports[1].dkim": f"NO_DKIM, the DKIM key of shop.example, is not set; {waits}, "
        "all e-mail waits",
        "webhooks.crm.secret_env": f"NO_KEY is not set; {waits}, what is for it waits",
        "webhooks.erp.url_env": f"NO_URL is not set; {waits}, what is for it waits",
        "connected.weather.secret_env": f"NO_WEATHER is not set; {waits}, its feeds answer nothing",
    }
    applied = open_shop.apply({"workspace": workspace, "journeys": {}, "segments": {}})
    told = {f["path"]: f["problem"] for f in applied["faults"] if f["kind"] == "workspace"}
    assert told == {f"$.{path}": problem for path, problem in warned.items()}
    assert open_shop.get("/status")["warnings"] == warned
    monkeypatch.setenv("NO_KEY", "secret")
    [said] = [text for path, text in open_shop.get("/status")["warnings"].items() if "crm" in path]
    assert said.startswith("NO_KEY is no signing key; it is whsec_ and at least 24 bytes")


def test_what_a_webhook_tells_is_believed_when_it_signs(open_shop: Shop) -> None:
    use(open_shop, crm={"url": "sandbox:"})
    open_shop.send("track", userId="mina", event="Cart Abandoned")
    [row] = open_shop.get("/messages?user_id=mina")["messages"]
    told = {"type": "message.delivered", "data": {"message": row["id"]}}
    other = {"type": "message.opened", "data": {"message": "none"}}
    answer = tell(open_shop, [told, other])
    assert (answer.status_code, answer.json()) == (200, {"taken": 1, "known": 0, "ignored": 1})
    assert tell(open_shop, [told, other]).json() == {"taken": 0, "known": 1, "ignored": 1}
    assert open_shop.get(f"/messages/{row['id']}")["state"] == "delivered"
    assert tell(open_shop, told, secret="whsec_" + "QUFB" * 10).status_code == 401
    assert tell(open_shop, told, name="erp").status_code == 404
    wrong = tell(open_shop, {"type": "message.eaten", "data": {"message": "x"}})
    assert wrong.status_code == 400
    assert "it is message.delivered, message.opened" in wrong.json()["detail"]
    assert tell(open_shop, {"type": "message.opened"}).status_code == 400
    assert tell(open_shop, 5).status_code == 400


def test_a_message_of_another_channel_is_not_a_webhooks_to_tell_of(open_shop: Shop) -> None:
    open_shop.apply(
        {
            "workspace": {"webhooks": {"crm": {"url": "sandbox:"}}},
            "journeys": {"cart": {"source": {**CART, "steps": [
                {"message": "nudge", "channel": "email",
                 "default": {"subject": "Hi", "text": "Hi"}}]}}},
            "segments": {},
        }
    )  # fmt: skip
    open_shop.customer("u1")
    open_shop.send("track", userId="u1", event="Cart Abandoned")
    [row] = open_shop.get("/messages?user_id=u1")["messages"]
    told = {"type": "message.bounced", "data": {"message": row["id"], "hard": True}}
    assert tell(open_shop, told).json() == {"taken": 0, "known": 0, "ignored": 1}


def test_the_sandbox_shows_what_would_be_posted(open_shop: Shop) -> None:
    use(open_shop, crm={"url": "sandbox:"})
    open_shop.send("track", userId="mina", event="Cart Abandoned")
    [kept] = open_shop.get("/sandbox")["mails"]
    assert (kept["channel"], kept["to"], kept["subject"]) == ("webhook", "mina", "POST crm")
    whole = open_shop.get(f"/sandbox/{kept['id']}")
    assert json.loads(whole["text"])["data"]["payload"] == {"title": "Hi Mina"}
    assert whole["raw"] == whole["text"]


@pytest.mark.parametrize("private", [True, False])
def test_previews_and_test_sends(open_shop: Shop, private: bool) -> None:
    with receiving() as receiver:
        use(open_shop, crm={"url": receiver.url, "private": private})
        wish = {"journey": "cart", "step": "nudge", "user_id": "mina"}
        shown = open_shop.post("/preview", wish)
        assert (shown["channel"], shown["payload"]) == ("webhook", {"title": "Hi Mina"})
        sent = open_shop.post("/test-send", {**wish, "to": "tester"})
        if not private:
            assert (sent["state"], receiver.posted) == ("temporary", [])
            assert "no public address" in sent["reason"]
            return
        assert (sent["state"], sent["channel"]) == ("sent", "webhook")
        [body] = receiver.bodies()
        assert (body["type"], body["data"]["to"]) == ("message.test", "tester")
        assert open_shop.get("/messages?user_id=mina")["messages"] == []


def test_the_hosted_pages_speak_of_its_own_channel(open_shop: Shop) -> None:
    use(open_shop, crm={"url": "sandbox:"})
    open_shop.send("track", userId="mina", event="Cart Abandoned")
    [kept] = open_shop.get("/sandbox")["mails"]
    data = json.loads(open_shop.get(f"/sandbox/{kept['id']}")["text"])["data"]
    here = data["unsubscribe"].removeprefix("https://hi.shop.example")
    asked = open_shop.ask("GET", here, key=None).text
    assert "stop getting these messages" in asked
    assert "e-mail" not in asked
    done = open_shop.ask("POST", here, key=None).text
    assert "no more of these messages" in done
    open_shop.harken.settle()
    assert (
        "webhook:marketing"
        in open_shop.harken.services.store.profiles(
            [open_shop.harken.services.lookup.resolve(user_id="mina")]
        )[open_shop.harken.services.lookup.resolve(user_id="mina")].consent
    )
    preferences = data["footer"].partition("receive: ")[2].removeprefix("https://hi.shop.example")
    page = open_shop.ask("GET", preferences.split()[0], key=None).text
    assert 'name="webhook:marketing" value="on">' in page
    assert 'name="email:marketing" value="on" checked' in page
