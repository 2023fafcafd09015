"""What the links in a mail lead to: as a browser, a mail program, and a scanner see them."""

import copy
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from web_kit import PROJECT, Shop

from harken.web.page_words import LANGUAGES, WORDS, language_of

BROWSER = {"user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari/605.1"}


class Mail:
    """A mail that the sandbox caught, and its links."""

    def __init__(self, shop: Shop, id: str) -> None:
        self.shop, self.id = shop, id
        self.mail: dict[str, Any] = shop.get(f"/sandbox/{id}")
        found = re.findall(
            r"https://hi\.shop\.example(/l/(\w)/[\w-]+(?:\.gif)?)", self.mail["html"]
        )
        self.links = {kind: path for path, kind in found}
        header = dict(self.mail["headers"])["List-Unsubscribe"]
        self.one_click = re.findall(r"<https://hi\.shop\.example(/[^>]+)>", header)[0]

    def visit(self, kind: str, method: str = "GET", **options: Any) -> httpx.Response:
        headers = {**BROWSER, **options.pop("headers", {})}
        return self.shop.ask(method, self.links[kind], key=None, headers=headers, **options)

    def row(self) -> dict[str, Any]:
        self.shop.harken.settle()
        found: dict[str, Any] = self.shop.get(f"/messages/{self.id}")
        return found

    def events(self, name: str) -> list[dict[str, Any]]:
        self.shop.harken.settle()
        lines = self.shop.get("/people/u1/timeline")["timeline"]
        return [line["properties"] for line in lines if line["name"] == name]

    def consent(self) -> list[tuple[str, str, str, str]]:
        self.shop.harken.settle()
        lines = self.shop.get("/people/u1")["consent_log"]
        return [(c["channel"], c["purpose"], c["state"], c["how"]) for c in lines]


@pytest.fixture
def mail(open_shop: Shop) -> Mail:
    return Mail(open_shop, open_shop.leaves_cart())


def test_an_open_is_counted_once_it_is_a_persons(mail: Mail) -> None:
    early = mail.visit("o")
    assert (early.status_code, early.headers["content-type"]) == (200, "image/gif")
    assert "no-store" in early.headers["cache-control"]
    assert mail.row()["opened_at"] is None
    mail.shop.pass_time(60_000)
    mail.visit("o")
    assert mail.row()["opened_at"] == "2026-03-02T03:32:00.000Z"
    assert [one.get("machine", False) for one in mail.events("$message_opened")] == [False, True]


@pytest.mark.parametrize("token", ["x", "x.gif", "%00", "A" * 9000])
def test_the_pixel_never_fails(shop: Shop, token: str) -> None:
    answer = shop.ask("GET", f"/l/o/{token}", key=None)
    assert answer.status_code in (200, 400, 404)
    assert answer.status_code == 200 or len(token) > 8000


def test_a_click_leads_on(mail: Mail) -> None:
    mail.shop.pass_time(60_000)
    answer = mail.visit("c")
    assert answer.status_code == 302
    assert answer.headers["location"] == "https://shop.example/cart?a=1"
    assert mail.row()["clicked_at"] == "2026-03-02T03:32:00.000Z"


@pytest.mark.parametrize(
    ("method", "agent", "after"),
    [("HEAD", BROWSER["user-agent"], 60_000), ("GET", "curl/8", 60_000), ("GET", "x", 100)],
)
def test_a_scanner_s_click_is_told_apart(mail: Mail, method: str, agent: str, after: int) -> None:
    mail.shop.pass_time(after)
    answer = mail.visit("c", method, headers={"user-agent": agent})
    assert answer.status_code == 302
    assert mail.row()["clicked_at"] is None
    assert mail.events("$message_clicked")[0]["machine"] is True


def test_many_clicks_at_once_are_a_scanner_s(mail: Mail) -> None:
    mail.shop.pass_time(60_000)
    for _ in range(4):
        mail.visit("c")
    assert mail.events("$message_clicked")[0]["machine"] is True


@pytest.mark.parametrize("kind", ["c", "u", "p", "v"])
def test_a_forged_link_leads_nowhere(mail: Mail, kind: str) -> None:
    if kind == "v":
        link = mail.links["u"].replace("/l/u/", "/l/v/")
    else:
        path = mail.links[kind]
        link = path[:-2] + ("A" if path[-2] != "A" else "B") + path[-1]
    for method in ("GET", "POST") if kind in "up" else ("GET",):
        answer = mail.shop.ask(method, link, key=None, headers={"accept-language": "id"})
        assert answer.status_code == 404
        assert WORDS["id"]["missing"] in answer.text
        assert "location" not in answer.headers


def test_a_get_unsubscribes_nobody(mail: Mail) -> None:
    page = mail.visit("u")
    assert page.status_code == 200
    assert '<form method="post"' in page.text
    assert mail.consent() == []


def test_unsubscribing_by_the_page_and_back(mail: Mail) -> None:
    done = mail.visit("u", "POST")
    assert WORDS["en"]["unsubscribed"] in done.text
    assert mail.consent() == [("email", "marketing", "opted_out", "unsubscribe link")]
    assert mail.events("$message_unsubscribed")[0]["journey"] == "abandoned-cart"
    back = mail.visit("u", "POST", data={"action": "resubscribe"})
    assert WORDS["en"]["resubscribed"] in back.text
    assert mail.consent()[-1][2:] == ("opted_in", "unsubscribe page, taken back")


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"List-Unsubscribe": "One-Click"}},
        {"files": {"List-Unsubscribe": (None, "One-Click")}},
    ],
    ids=["urlencoded", "multipart"],
)
def test_one_click_unsubscribe(mail: Mail, body: dict[str, Any]) -> None:
    """RFC 8058: one POST without cookies, in either form, and no redirect."""
    headers = dict(mail.mail["headers"])
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    answer = mail.shop.ask("POST", mail.one_click, key=None, **body)
    assert answer.status_code == 200
    assert mail.consent() == [("email", "marketing", "opted_out", "one-click unsubscribe")]


def test_who_unsubscribed_gets_no_more(mail: Mail) -> None:
    mail.visit("u", "POST")
    mail.shop.pass_time(1000)
    properties = {"cart_id": "c2", "cart_value": 300}
    mail.shop.send("track", userId="u1", event="Cart Abandoned", properties=properties)
    mail.shop.pass_time(31 * 60_000)
    assert len(mail.shop.get("/messages?user_id=u1")["messages"]) == 1


def test_preferences_keep_what_changed(mail: Mail) -> None:
    page = mail.visit("p")
    assert 'name="email:marketing" value="on" checked' in page.text
    assert "u1@mail.example" in page.text
    saved = mail.visit("p", "POST", data={"language": "ko"})
    assert WORDS["ko"]["saved"] in saved.text
    assert mail.consent() == [("email", "marketing", "opted_out", "preference page")]
    assert mail.shop.get("/people/u1")["attributes"]["language"] == "ko"
    again = mail.visit("p", "POST", data={"language": "ko"})
    assert again.status_code == 200
    assert len(mail.consent()) == 1
    mail.visit("p", "POST", data={"email:marketing": "on", "language": "ko"})
    assert mail.consent()[-1][2] == "opted_in"


def test_without_a_choice_the_workspace_says_what_is_on(mail: Mail) -> None:
    workspace = {**PROJECT["workspace"], "consent": {"marketing": "opted_in"}}
    mail.shop.apply({**PROJECT, "workspace": workspace})
    assert "checked" not in mail.visit("p").text
    mail.visit("p", "POST", data={"email:marketing": "on"})
    assert mail.consent() == [("email", "marketing", "opted_in", "preference page")]


def test_stop_everything(mail: Mail) -> None:
    page = mail.visit("p", "POST", data={"action": "stop"})
    assert WORDS["en"]["stopped"] in page.text
    assert mail.consent() == [("all", "marketing", "opted_out", "preference page")]
    assert "checked" not in mail.visit("p").text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("by", ["profile", "browser"])
def test_pages_speak_the_customer_s_language(mail: Mail, language: str, by: str) -> None:
    headers = {"accept-language": f"fr;q=1, {language}-XX;q=0.9, en;q=0.1"}
    if by == "profile":
        mail.shop.post("/people/u1/attributes", {"language": language}, "PATCH")
        headers = {"accept-language": "en" if language != "en" else "ko"}
    asked = mail.visit("u", headers=headers)
    assert f'<html lang="{language}">' in asked.text
    assert WORDS[language]["unsubscribe_ask"] in asked.text
    assert WORDS[language]["preferences_title"] in mail.visit("p", headers=headers).text
    assert WORDS[language]["unsubscribed"] in mail.visit("u", "POST", headers=headers).text


def test_every_language_has_every_word() -> None:
    for language in LANGUAGES:
        assert set(WORDS[language]) == set(WORDS["en"])


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("", "en"), ("ko", "ko"), ("in", "id"), ("en;q=0, id;q=0.2", "id"), ("x;q=y,*", "en")],
)
def test_the_browser_s_language(accepted: str, language: str) -> None:
    assert language_of(None, accepted) == language


def test_pages_load_nothing_and_are_not_indexed(mail: Mail) -> None:
    for kind in ("u", "p"):
        page = mail.visit(kind)
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "noindex" in page.headers["x-robots-tag"]
        assert "<script" not in page.text
        assert 'src="' not in page.text


@pytest.mark.parametrize(("asks", "language"), [("", "en"), ("ko-KR,en;q=0.5", "ko")])
def test_the_bare_address_says_what_this_is(shop: Shop, asks: str, language: str) -> None:
    page = shop.ask("GET", "/", key=None, headers={"accept-language": asks})
    assert (page.status_code, page.headers["content-type"][:9]) == (200, "text/html")
    assert WORDS[language]["home"] in page.text.replace("&#x27;", "'")
    for path in re.findall(r'href="([^"]+)"', page.text):
        assert shop.ask("GET", path, key=None).status_code == 200


def test_view_in_browser(mail: Mail) -> None:
    links = mail.shop.services.links
    link = links.verify(mail.links["u"].removeprefix("/l/u/"), "unsubscribe")
    assert link is not None
    path = links.of(link).url("view").removeprefix("https://hi.shop.example")
    page = mail.shop.ask("GET", path, key=None)
    assert page.status_code == 200
    assert ">cart</a>" in page.text
    assert "script" not in page.headers["content-security-policy"]
    mail.shop.ask("DELETE", "/api/v1/people/u1")
    gone = mail.shop.ask("GET", path, key=None)
    assert gone.status_code == 404
    assert WORDS["en"]["gone"] in gone.text


def test_the_page_of_an_ad_says_so_as_its_mail_did(open_shop: Shop) -> None:
    project = copy.deepcopy(PROJECT)
    sender = {"from": "Shop <hi@shop.example>", "phone": "02-1", "postal_address": "Seoul 1"}
    project["workspace"] |= {"policy_packs": ["KR"], "senders": {"default": sender}}
    open_shop.apply(project)
    open_shop.customer("u1", country="KR")
    wish = {"channel": "email", "purpose": "marketing", "state": "opted_in"}
    open_shop.post("/people/u1/consent", {"changes": [wish]}, "PUT")
    mail = Mail(open_shop, open_shop.leaves_cart())
    assert mail.mail["subject"].startswith("(광고) ")
    link = open_shop.services.links.verify(mail.links["u"].removeprefix("/l/u/"), "unsubscribe")
    assert link is not None
    path = open_shop.services.links.of(link).url("view").removeprefix("https://hi.shop.example")
    page = open_shop.ask("GET", path, key=None)
    assert f">{mail.mail['subject']}</div>" in page.text.partition("<body>")[2]
    assert "Seoul 1" in page.text


def test_storage_trouble_is_said_and_clicks_still_lead_on(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "data")
    shop.apply()
    shop.customer()
    mail = Mail(shop, shop.leaves_cart())
    shop.services.collector.close()
    page = mail.visit("u", "POST")
    assert page.status_code == 503
    assert WORDS["en"]["trouble"] in page.text
    assert mail.visit("c").status_code == 302
    assert mail.visit("o").status_code == 200
