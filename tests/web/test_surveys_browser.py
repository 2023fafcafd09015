"""The survey's page in a real browser: without scripts, by keyboard, on a phone, in Korean."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from coupons_kit import serving, until
from playwright.sync_api import Browser, Page, sync_playwright
from test_surveys import ASK, SURVEY
from web_kit import WRITE

QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking"]  # fmt: skip
PROJECT = {"journeys": {"ask": {"source": ASK}}, "surveys": {"taste": SURVEY}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    installed = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=installed, args=QUIET)
        yield found
        found.close()


@pytest.fixture
def http(tmp_path: Path) -> Iterator[httpx.Client]:
    """A real server with the survey in force."""
    with serving(tmp_path, PROJECT) as client:
        yield client


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(
        java_script_enabled=False, viewport={"width": 360, "height": 700}, locale="en-US"
    )
    found = context.new_page()
    found.set_default_timeout(15_000)
    yield found
    context.close()


def link_of(http: httpx.Client, user: str, **traits: str) -> str:
    """Where the mail to a new customer leads."""
    known = {"email": f"{user}@mail.example", **traits}
    auth = (WRITE, "")
    http.post("/v1/identify", json={"userId": user, "traits": known}, auth=auth)
    http.post("/v1/track", json={"userId": user, "event": "Go"}, auth=auth)

    def mails() -> list[dict[str, str]]:
        found: list[dict[str, str]] = http.get(f"/api/v1/sandbox?to={known['email']}").json()[
            "mails"
        ]
        return found

    until(mails)
    body: str = http.get(f"/api/v1/sandbox/{mails()[0]['id']}").json()["html"]
    found = re.search(r"https?://[^'\"]+/l/s/[\w-]+", body)
    assert found, body
    return found[0]


def test_a_form_is_filled_in_wrong_then_right(http: httpx.Client, page: Page) -> None:
    page.goto(link_of(http, "mina"))
    assert page.title() == "How was <it>?"
    page.get_by_label("Care").check()
    page.get_by_role("radio", name="4").first.check()
    page.get_by_label("Anything else?").fill("Fine")
    page.get_by_role("button", name="Send").click()

    # The first question was left open: it is named at the top, which leads to it.
    alert = page.get_by_role("alert")
    assert "Why not?: Please answer this question." in alert.inner_text()
    alert.get_by_role("link", name="Why not?").click()
    assert page.url.endswith("#reason-1")
    group = page.get_by_role("group", name="Why not?")
    assert group.get_attribute("aria-invalid") == "true"
    assert page.get_by_label("Care").is_checked()
    assert page.get_by_label("Anything else?").input_value() == "Fine"

    group.get_by_label("The price").check()
    page.get_by_role("button", name="Send").click()
    assert page.get_by_role("status").inner_text() == "Your answers have reached us."

    def report() -> list[dict[str, object]]:
        found = http.get("/api/v1/surveys/taste/report").json()
        questions: list[dict[str, object]] = found["questions"] if found["answered"] else []
        return questions

    until(report)
    counted = {one["id"]: one for one in report()}
    assert counted["reason"]["counts"] == {"price": 1, "x": 0}
    assert counted["topics"]["counts"] == {"care": 1, "news": 0}
    assert counted["stars"]["average"] == 4.0


def test_on_a_phone_in_korean_by_keyboard(http: httpx.Client, page: Page) -> None:
    page.goto(link_of(http, "민아", language="ko"))
    assert page.locator("html").get_attribute("lang") == "ko"
    assert page.get_by_role("heading", name="어떠셨나요?").is_visible()
    wide = page.locator("main").bounding_box()
    assert wide is not None
    assert wide["width"] <= 360
    for field in page.locator("input").all():
        box = field.locator("xpath=..").bounding_box()
        assert box is not None
        assert box["height"] >= 44, "a finger needs room"
        assert box["x"] + box["width"] <= 360
    page.get_by_label("가격").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="보내기").focus()
    page.keyboard.press("Enter")
    assert page.get_by_role("status").inner_text() == "고맙습니다."
    page.reload()
    assert page.get_by_role("status").inner_text() == "고맙습니다."
