"""A real browser with the real SDK: what reaches the collector, and that nothing else is asked."""

import shutil
from collections.abc import Iterator

import pytest
from examples.shop.catalogue import words
from examples.shop.demo import install_sdk
from examples.shop.groups import NAMES, word
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from shop_kit import Recorder

QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    install_sdk(Console(quiet=True))
    installed = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=installed, args=QUIET)
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser, shop: str) -> Iterator[Page]:
    context = browser.new_context(base_url=shop, locale="ko-KR", timezone_id="Asia/Seoul")
    found = context.new_page()
    found.set_default_timeout(15_000)
    yield found
    context.close()


def test_a_visitor_who_leaves_a_full_cart(page: Page, recorder: Recorder, shop: str) -> None:
    asked: set[str] = set()
    errors: list[str] = []
    page.on("request", lambda request: asked.add("/".join(request.url.split("/")[:3])))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)

    page.goto("/category/bags")
    (listed,) = recorder.wait_for("Product List Viewed")
    page.goto("/sign-up")
    page.fill("[name=first_name]", "민아")
    page.fill("[name=email]", "mina@shop.example")
    page.check("[name=loyalty_member]")
    page.click("form.fields button")
    (signed_up,) = recorder.wait_for("Signed Up")
    page.goto("/product/weekender")
    recorder.wait_for("Product Viewed")
    page.click(".buy button")
    (added,) = recorder.wait_for("Product Added")
    page.goto("/mailbox")
    (left,) = recorder.wait_for("Cart Abandoned")

    identified = next(call for call in recorder.calls if call["type"] == "identify")
    assert identified["traits"]["first_name"] == "민아"
    assert identified["traits"]["language"] == "ko"
    assert identified["traits"]["timezone"] == "Asia/Seoul"
    order = [call.get("event") or call["type"] for call in recorder.calls]
    assert order.index("identify") < order.index("Signed Up")
    assert listed["anonymousId"] == signed_up["anonymousId"] == left["anonymousId"]
    assert signed_up["userId"] == added["userId"] == left["userId"] == identified["userId"]
    assert listed.get("userId") is None
    assert {"/v1/t", "/v1/i", "/v1/p"} <= set(recorder.paths)
    assert asked <= {shop, recorder.url}
    assert [said for said in errors if "404" not in said and "ERR_" not in said] == []


def test_logging_out_makes_the_next_visitor_someone_else(page: Page, recorder: Recorder) -> None:
    page.goto("/sign-up")
    page.fill("[name=first_name]", "A")
    page.fill("[name=email]", "a@shop.example")
    page.click("form.fields button")
    (first,) = recorder.wait_for("Signed Up")
    page.click("form[action='/log-out'] button")
    page.goto("/product/day-tote")
    (viewed,) = recorder.wait_for("Product Viewed")
    assert viewed.get("userId") is None
    assert viewed["anonymousId"] != first["anonymousId"]


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_no_page_is_wider_than_its_screen(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/product/weekender")
    page.click(".buy button")
    for path in ("/", "/category/home", "/product/weekender", "/cart", "/checkout", "/sign-up",
                 "/event/long-weekend", "/search?q=tas", "/mailbox", "/scenes"):  # fmt: skip
        page.goto(path)
        over = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert over <= 0, path


BENEATH = """() => {
    const boxes = [...document.querySelectorAll(".scenes article")].map((card) => {
        const { left, top, bottom } = card.getBoundingClientRect();
        return { left: Math.round(left), top, bottom };
    });
    const lefts = [...new Set(boxes.map((box) => box.left))];
    return lefts.flatMap((left) => boxes.filter((box) => box.left === left)
        .map((box, place, all) => place ? box.top - all[place - 1].bottom : 20));
}"""
"""The space above each card: how far below the one before it in its column it begins."""


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_scenes_leave_no_blank_space_under_short_cards(
    page: Page, recorder: Recorder, width: int
) -> None:
    line = {"at": "2026-01-01T00:00:00Z", "text": "They entered. " * 20}
    page.set_viewport_size({"width": width, "height": 900})
    page.goto("/scenes")
    before = page.evaluate(BENEATH)
    anonymous = page.evaluate("shop.anonymousId")
    # One card grows by what is told in it.
    why = f"/api/v1/people/anonymous:{anonymous}/why/store-nearby"
    recorder.answers[why] = {"answer": "So.", "story": [line] * 8}
    page.wait_for_selector(".told li", timeout=60_000)
    page.evaluate("new Promise(requestAnimationFrame)")
    for gaps in (before, page.evaluate(BENEATH)):
        assert len(gaps) > 5
        assert all(20 <= gap < 26 for gap in gaps), gaps


def test_the_mail_box_lists_only_journeys_that_decided_something(
    page: Page, recorder: Recorder
) -> None:
    names = [{"name": "welcome"}, {"name": "cart"}]
    recorder.answers |= {"/api/v1/sandbox": {"mails": []}, "/api/v1/journeys": {"journeys": names}}
    page.goto("/")
    person = f"/api/v1/people/anonymous:{page.evaluate('shop.anonymousId')}"
    nothing = {"answer": "No.", "story": []}
    recorder.answers |= {
        person: {"segments": {}}, f"{person}/why/welcome": nothing, f"{person}/why/cart": nothing
    }  # fmt: skip
    page.goto("/mailbox")
    page.wait_for_selector("#journeys .quiet")
    said = words("ko")
    assert page.text_content("#journeys") == said["scenes_nothing"]
    line = {"at": "2026-01-01T00:00:00Z", "text": "They entered."}
    recorder.answers[f"{person}/why/cart"] = {"answer": "They entered.", "story": [line]}
    page.wait_for_selector("#journeys article")
    assert [one.text_content() for one in page.query_selector_all("#journeys h3")] == ["cart"]


def test_the_mail_box_shows_a_mail_that_cannot_run_scripts(page: Page, recorder: Recorder) -> None:
    attack = "<img src=x onerror=parent.document.title='run'><script>parent.x=1</script>"
    mail = {"id": "m1", "to": "a@b.example", "subject": "<b>Hi</b>", "at": "2026-01-01T00:00:00Z"}
    parts = {"html": f"<p id=said>Hello</p>{attack}", "text": "Plain", "from": "shop"}
    recorder.answers |= {
        "/api/v1/sandbox": {"mails": [mail]},
        "/api/v1/sandbox/m1": mail | parts | {"headers": {"X-Kind": "test"}},
    }
    page.goto("/mailbox")
    page.click("#mails button")
    assert page.frame_locator("#mail").locator("#said").text_content() == "Hello"
    assert page.text_content("#subject") == "<b>Hi</b>"
    page.click("[data-part=text]")
    assert page.text_content("#plain") == "Plain"
    page.click("[data-part=headers]")
    assert page.text_content("#plain") == "X-Kind: test"
    assert "Kelana" in page.title()


@pytest.mark.parametrize(
    ("language", "mine"), [("en", "You are in"), ("ko", "나도 포함"), ("id", "Anda termasuk")]
)
def test_the_mail_box_page_shows_segments_by_name(
    page: Page, recorder: Recorder, shop: str, language: str, mine: str
) -> None:
    recorder.answers |= {"/api/v1/sandbox": {"mails": []}, "/api/v1/journeys": {"journeys": []}}
    for number, name in enumerate(NAMES):
        standing = {"name": name, "state": "live", "progress": 1.0, "count": 1_200 + number}
        recorder.answers[f"/api/v1/segments/{name}"] = standing
    warming = {"name": "curious", "state": "warming", "progress": 0.456, "count": 7}
    recorder.answers["/api/v1/segments/curious"] = warming
    page.goto("/")
    page.click(f"[name=language][value={language}]")
    anonymous = page.evaluate("shop.anonymousId")
    known = {"segments": {"weekender-fans": "2026-11-01T09:00:00Z"}}
    recorder.answers[f"/api/v1/people/anonymous:{anonymous}"] = known
    page.goto("/mailbox")
    page.wait_for_selector("#groups li")
    rows = page.query_selector_all("#groups li")
    assert [row.get_attribute("data-segment") for row in rows] == list(NAMES)
    said = [(row.text_content() or "") for row in rows]
    assert mine in said[0]
    assert not any(mine in text for text in said[1:])
    assert "45%" in said[1]
    assert ("1,202" if language != "id" else "1.202") in said[2]
    assert all(words(language)[word(name)] in text for name, text in zip(NAMES, said, strict=True))
