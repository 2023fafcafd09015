"""Surveys: the hosted page as browsers and nuisances see it, the answers as events, the report."""

import html
import re
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from web_kit import Shop

from harken.messages.links import Link

SURVEY: dict[str, Any] = {
    "survey": "taste",
    "title": "How was <it>?",
    "intro": "Three minutes at most.",
    "questions": [
        {"single": "reason", "ask": "Why not?", "options": {"price": "The price", "x": "<b>"},
         "required": True},
        {"multiple": "topics", "ask": "What next?", "options": {"care": "Care", "news": "News"}},
        {"rating": "stars", "ask": "Stars?", "low": "bad", "high": "good"},
        {"nps": "recommend", "ask": "Recommend?"},
        {"text": "comment", "ask": "Anything else?", "longest": 20, "hint": "In your own words"},
    ],
    "locales": {
        "ko": {
            "title": "어떠셨나요?",
            "thanks": "고맙습니다.",
            "questions": {"reason": {"ask": "왜 아닌가요?", "options": {"price": "가격"}}},
        },
        "id": {"title": "Bagaimana rasanya?"},
    },
}  # fmt: skip
ASK = {
    "journey": "ask",
    "entry": {"event": "Go", "reentry": "always"},
    "steps": [
        {
            "message": "question",
            "channel": "email",
            "variants": [
                {"name": "again", "when": {"did": "Bought", "within": "30d"}, "subject": "Again"}
            ],
            "default": {
                "subject": "Tell us",
                "html": "<body><a href='{{ links.survey.taste }}'>Answer</a></body>",
            },
        },
        {
            "wait_for": [{"event": "$survey_answered", "where": {"survey": "taste"}}],
            "at_most": "14d",
            "id": "told",
        },
        {
            "branch": [
                {
                    "when": {"answer": "told.reason", "equals": "price"},
                    "then": [{"update": {"sensitive_to": "price"}}],
                }
            ]
        },
    ],
}
PROJECT = {
    "workspace": {"senders": {"default": {"from": "Shop <hi@shop.example>"}}},
    "journeys": {"ask": {"source": ASK}},
    "surveys": {"taste": SURVEY},
    "segments": {
        "dear": {
            "segment": "dear",
            "rule": {"did": "$survey_answered", "where": {"reason": "price"}},
        },
        "paying": {"segment": "paying", "rule": {"attribute": "paid", "gte": 5}},
        "u2-to-u6": {
            "segment": "u2-to-u6",
            "rule": {"attribute": "email", "regex": "u[2-6]@"},
        },
    },
}
GOOD = {"reason": "price", "topics": ["care", "news"], "stars": "4", "recommend": "9",
        "comment": "Fine\r\nbut dear"}  # fmt: skip


class Asked:
    """A customer who was sent the link."""

    def __init__(self, shop: Shop, user: str = "mina", **traits: Any) -> None:
        self.shop, self.user = shop, user
        shop.customer(user, **traits)
        shop.send("track", userId=user, event="Go")
        self.message: str = shop.get(f"/messages?user_id={user}")["messages"][0]["id"]
        body = shop.get(f"/sandbox/{self.message}")["html"]
        found = re.search(r"https://hi\.shop\.example(/l/s/[\w-]+)", body)
        assert found, body
        self.path = found[1]

    def open(self, **headers: str) -> httpx.Response:
        return self.shop.ask("GET", self.path, key=None, headers=headers)

    def send(self, answers: dict[str, Any], **headers: str) -> httpx.Response:
        form = urlencode(answers, doseq=True)
        kind = {"content-type": "application/x-www-form-urlencoded", **headers}
        return self.shop.ask("POST", self.path, key=None, headers=kind, content=form)

    def answered(self) -> list[dict[str, Any]]:
        self.shop.harken.settle()
        lines = self.shop.get(f"/people/{self.user}/timeline")["timeline"]
        return [one["properties"] for one in lines if one["name"] == "$survey_answered"]


@pytest.fixture
def asking(shop: Shop) -> Shop:
    shop.apply(PROJECT)
    return shop


def test_the_answers_are_the_customers_event(asking: Shop) -> None:
    asked = Asked(asking)
    form = asked.open()
    assert form.status_code == 200
    assert "How was &lt;it&gt;?" in form.text
    assert "<b>" not in form.text
    assert "script" not in form.text
    thanks = asked.send(GOOD)
    assert thanks.status_code == 200
    assert "Your answers have reached us." in thanks.text
    assert asked.answered() == [
        {
            "survey": "taste", "message": asked.message, "journey": "ask", "step": "question",
            "variant": "default", "channel": "email", "reason": "price",
            "topics": ["care", "news"], "stars": 4, "recommend": 9, "comment": "Fine\nbut dear",
        }
    ]  # fmt: skip
    person = asking.get("/people/mina")
    assert person["attributes"]["sensitive_to"] == "price"
    assert asking.get("/segments/dear/members/mina")["member"]


def test_the_first_answers_count(asking: Shop) -> None:
    asked = Asked(asking)
    asked.send(GOOD)
    asked.send({**GOOD, "reason": "x"})
    asking.harken.settle()
    assert "Your answers have reached us." in asked.send({**GOOD, "reason": "x"}).text
    assert "Your answers have reached us." in asked.open().text
    assert [one["reason"] for one in asked.answered()] == ["price"]


def test_each_message_asks_anew(asking: Shop) -> None:
    first = Asked(asking)
    first.send(GOOD)
    asking.pass_time(1_000)
    second = Asked(asking)
    assert second.message != first.message
    second.send({"reason": "x"})
    assert sorted(one["reason"] for one in second.answered()) == ["price", "x"]


@pytest.mark.parametrize(
    ("changed", "field", "says"),
    [
        ({"reason": ""}, "reason", "Please answer this question."),
        ({"reason": "cost"}, "reason", "Please choose from what is offered."),
        ({"reason": ["price", "x"]}, "reason", "Please choose from what is offered."),
        ({"topics": ["care", "none"]}, "topics", "Please choose from what is offered."),
        ({"stars": "6"}, "stars", "Please choose from what is offered."),
        ({"recommend": "-1"}, "recommend", "Please choose from what is offered."),
        ({"comment": "x" * 21}, "comment", "Please shorten this to 20 characters."),
    ],
)
def test_what_is_wrong_is_named_and_the_rest_stays(
    asking: Shop, changed: dict[str, Any], field: str, says: str
) -> None:
    asked = Asked(asking)
    again = asked.send({**GOOD, **changed})
    assert again.status_code == 422
    assert f'<p class="fault" id="{field}-fault">{says}</p>' in again.text
    assert f'href="#{field}-1"' in again.text
    assert f'aria-describedby="{"comment-hint " if field == "comment" else ""}{field}-fault"' in (
        again.text
    )
    if field != "comment":
        assert html.escape("Fine\r\nbut dear") in again.text
    if field != "stars":
        assert 'name="stars" value="4" checked' in again.text
    assert asked.answered() == []
    assert asked.send(GOOD).status_code == 200


@pytest.mark.parametrize(
    ("traits", "accept", "language", "title", "button"),
    [
        ({"language": "ko"}, "en", "ko", "어떠셨나요?", "보내기"),
        ({"locale": "id-ID"}, "en", "id", "Bagaimana rasanya?", "Kirim"),
        ({}, "ko-KR,en;q=0.5", "ko", "어떠셨나요?", "보내기"),
        # A survey's own language is no worse than those that it has beside it.
        ({"language": "en"}, "ko", "en", "How was &lt;it&gt;?", "Send"),
        ({"language": "en-GB"}, "ko", "en", "How was &lt;it&gt;?", "Send"),
        ({}, "fr,en;q=0.8,ko;q=0.5", "en", "How was &lt;it&gt;?", "Send"),
        ({"language": "fr"}, "fr", "en", "How was &lt;it&gt;?", "Send"),
        ({}, "", "en", "How was &lt;it&gt;?", "Send"),
    ],
)
def test_the_page_is_in_the_customers_language(
    asking: Shop, traits: dict[str, str], accept: str, language: str, title: str, button: str
) -> None:
    page = Asked(asking, **traits).open(**{"accept-language": accept}).text
    assert f'<html lang="{language}">' in page
    assert f"<h1>{title}</h1>" in page
    assert f">{button}</button>" in page


def test_whoever_opens_it_has_clicked(asking: Shop) -> None:
    asked = Asked(asking)
    asking.pass_time(60_000)
    asked.open(**{"user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari"})
    asking.harken.settle()
    assert asking.get(f"/messages/{asked.message}")["clicked_at"] is not None


def test_only_our_links_open_it(asking: Shop) -> None:
    asked = Asked(asking)
    damaged = asked.path[:-1] + ("A" if asked.path[-1] != "A" else "B")
    assert asking.ask("GET", damaged, key=None).status_code == 404
    assert asking.ask("POST", damaged, key=None, content="reason=price").status_code == 404
    profile = asking.services.lookup.resolve(user_id="mina")
    others = asking.services.links.of(Link(profile, asked.message))
    for purpose in ("click", "unsubscribe", "view"):
        token = others.url(purpose, "taste" if purpose == "click" else "").rpartition("/")[2]  # type: ignore[arg-type]
        assert asking.ask("GET", f"/l/s/{token}", key=None).status_code == 404
    gone = others.url("survey", "other").rpartition("/")[2]
    assert asking.ask("GET", f"/l/s/{gone}", key=None).status_code == 404


def test_a_flood_of_forms_is_turned_away(asking: Shop) -> None:
    asked = Asked(asking)
    statuses = [asked.send({"reason": ""}).status_code for _ in range(17)]
    assert statuses == [422] * 15 + [429] * 2
    asking.clock.advance(11_000)
    assert asked.send(GOOD).status_code == 200
    assert asked.send({"comment": "x" * 300_000}).status_code == 413


def test_who_was_forgotten_is_asked_no_more(asking: Shop) -> None:
    asked = Asked(asking)
    asking.ask("DELETE", "/api/v1/people/mina")
    asking.harken.settle()
    assert asked.open().status_code == 404
    assert asked.send(GOOD).status_code == 404


def test_the_report_tells_what_was_answered(asking: Shop) -> None:
    for number in range(10):
        asked = Asked(asking, f"u{number}")
        if number < 6:
            asked.send({
                "reason": "price" if number < 4 else "x", "stars": str(number % 5 + 1),
                "recommend": str(10 - number * 2), "comment": f"I am {number}",
                "topics": ["care"] if number < 2 else ["care", "news"],
            })  # fmt: skip
            asking.pass_time(1_000)
    found = asking.get("/surveys/taste/report?texts=2")
    counted = {one["id"]: one for one in found["questions"]}
    assert (found["sent"], found["answered"], found["share"]) == (10, 6, 0.6)
    assert counted["reason"]["counts"] == {"price": 4, "x": 2}
    assert counted["topics"]["counts"] == {"care": 6, "news": 4}
    assert counted["stars"]["counts"] == {"1": 2, "2": 1, "3": 1, "4": 1, "5": 1}
    assert counted["stars"]["average"] == 2.67
    # 10, 8, 6, 4, 2, 0: one promoter, four critics of six.
    assert (counted["recommend"]["average"], counted["recommend"]["score"]) == (5.0, -50)
    assert [one["text"] for one in counted["comment"]["texts"]] == ["I am 5", "I am 4"]
    later = asking.get("/surveys/taste/report?since=2026-03-02T03:00:04Z")
    assert later["answered"] == 2
    dear = asking.get("/surveys/taste/report?segment=dear")
    assert (dear["sent"], dear["answered"], dear["share"]) == (4, 4, 1.0)
    assert {one["id"]: one for one in dear["questions"]}["reason"]["counts"]["x"] == 0
    some = asking.get("/surveys/taste/report?segment=u2-to-u6&since=2026-03-02T03:00:04Z")
    assert (some["sent"], some["answered"], some["share"]) == (3, 2, 0.6667)
    asking.customer("u9", paid="much")
    assert asking.get("/surveys/taste/report?segment=paying")["sent"] == 0
    assert asking.ask("GET", "/api/v1/surveys/taste/report?segment=none").status_code == 404
    assert asking.ask("GET", "/api/v1/surveys/taste/report?since=soon").status_code == 400
    assert asking.ask("GET", "/api/v1/surveys/none/report").status_code == 404


def test_surveys_are_listed_with_the_messages_that_lead_to_them(asking: Shop) -> None:
    assert asking.get("/surveys")["surveys"] == [
        {"survey": "taste", "title": "How was <it>?", "description": "", "questions": 5,
         "languages": ["en", "id", "ko"], "linked_from": ["ask/question"]},
    ]  # fmt: skip


def test_a_preview_of_the_page_sends_nothing(asking: Shop) -> None:
    page = asking.ask("GET", "/api/v1/surveys/taste/preview?language=ko")
    assert page.headers["content-type"].startswith("text/html")
    assert "미리보기입니다" in page.text
    assert '<button type="submit" disabled>' in page.text
    assert asking.ask("GET", "/api/v1/surveys/taste/preview", key=None).status_code == 401


def test_a_preview_of_the_message_leads_nowhere(asking: Shop) -> None:
    Asked(asking)
    wish = {"journey": "ask", "step": "question", "user_id": "mina"}
    assert "#survey-taste" in asking.post("/preview", wish)["html"]
