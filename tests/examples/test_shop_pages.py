"""The shop over HTTP: every page, what each page has the SDK send, and what the backend sends."""

import time
from typing import Any

import httpx
import pytest
from examples.shop.catalogue import LANGUAGES, words
from examples.shop.demo import pages
from examples.shop.floor import local_path, preferred
from shop_kit import ABANDONED_AFTER, Recorder, config


def calls(answer: httpx.Response) -> dict[str, Any]:
    """The SDK calls of a page: event name (or `identify`) to its arguments."""
    return {
        call["arguments"][0] if call["method"] == "track" else call["method"]: call["arguments"]
        for call in config(answer)["calls"]
    }


def sign_up(visitor: httpx.Client, **fields: str) -> httpx.Response:
    usual = {
        "first_name": "Mina",
        "last_name": "Kim",
        "email": "Mina@Shop.example",
        "language": "ko",
        "country": "KR",
        "loyalty_member": "on",
        "news": "on",
    }
    return visitor.post("/sign-up", data=usual | fields)


def add(visitor: httpx.Client, product: str, count: int = 1) -> httpx.Response:
    back = f"/product/{product}"
    return visitor.post("/cart/set", data={"product_id": product, "add": str(count), "back": back})


def test_every_page_answers_in_every_language(visitor: httpx.Client) -> None:
    for language in LANGUAGES:
        visitor.post("/language", data={"language": language})
        for page in pages():
            if page.startswith("/sdk/"):
                continue
            answer = visitor.get(page)
            assert answer.status_code == 200, (page, answer.text[:500])
            if answer.headers["content-type"].startswith("text/html"):
                assert f'<html lang="{language}">' in answer.text
                assert words(language)["cart"] in answer.text
                assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("page", ["/category/hats", "/product/none", "/event/no", "/order/x", "/y"])
def test_what_is_not_there_is_said_in_the_visitors_language(
    visitor: httpx.Client, page: str
) -> None:
    visitor.get("/", headers={"accept-language": "id-ID,id;q=0.9"})
    answer = visitor.get(page)
    assert answer.status_code == 404
    assert words("id")["missing"] in answer.text


def test_pages_send_the_events_of_the_e_commerce_spec(visitor: httpx.Client) -> None:
    assert calls(visitor.get("/")) == {}
    (_, listed) = calls(visitor.get("/category/bags"))["Product List Viewed"]
    assert listed["list_id"] == "bags"
    assert [p["position"] for p in listed["products"]] == [1, 2, 3, 4]
    (_, viewed) = calls(visitor.get("/product/weekender"))["Product Viewed"]
    assert (viewed["sku"], viewed["price"], viewed["currency"]) == ("ASV-201", 240, "USD")
    (_, searched) = calls(visitor.get("/search?q=bag"))["Products Searched"]
    assert searched == {"query": "bag", "results": 4}
    assert calls(visitor.get("/cart")) == {}
    added = calls(add(visitor, "weekender"))
    assert list(added) == ["Product Added"]
    (_, cart) = calls(visitor.get("/cart"))["Cart Viewed"]
    assert (cart["cart_value"], cart["brand"]) == (240, "Aster & Vale")
    assert added["Product Added"][1]["cart_id"] == cart["cart_id"]
    removed = calls(visitor.post("/cart/set", data={"product_id": "weekender", "quantity": "0"}))
    assert removed["Product Removed"][1]["quantity"] == 1
    assert "Cart Viewed" not in removed


def test_signing_up_identifies_first_and_tells_the_traits(visitor: httpx.Client) -> None:
    before = config(visitor.get("/"))
    after = config(sign_up(visitor))
    assert [call["method"] for call in after["calls"]] == ["identify", "track"]
    user_id, traits = after["calls"][0]["arguments"]
    assert user_id == after["userId"]
    assert after["anonymousId"] == before["anonymousId"]
    assert traits == {
        "email": "mina@shop.example",
        "first_name": "Mina",
        "last_name": "Kim",
        "language": "ko",
        "country": "KR",
        "loyalty_member": True,
        "news": True,
    }
    assert after["calls"][1]["arguments"][0] == "Signed Up"
    assert '<html lang="ko">' in visitor.get("/").text
    out = config(visitor.post("/log-out"))
    assert out["userId"] is None
    assert out["anonymousId"] != before["anonymousId"]
    back = config(visitor.post("/log-in", data={"email": "mina@shop.example"}))
    assert back["userId"] == user_id


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"first_name": ""}, "bad_name"),
        ({"email": "no"}, "bad_email"),
        ({"email": "a@b"}, "bad_email"),
        ({"email": "a b@c.example"}, "bad_email"),
    ],
)
def test_a_bad_sign_up_says_what_is_wrong_and_keeps_the_rest(
    visitor: httpx.Client, fields: dict[str, str], word: str
) -> None:
    answer = sign_up(visitor, **fields)
    assert answer.status_code == 400
    assert words("en")[word] in answer.text
    assert 'value="Kim"' in answer.text
    assert config(answer)["userId"] is None


def test_what_visitors_write_is_shown_and_never_run(visitor: httpx.Client) -> None:
    attack = '</script><script>alert(1)</script>"'
    page = visitor.get("/search", params={"q": attack})
    assert "<script>alert" not in page.text
    assert calls(page)["Products Searched"][1]["query"] == attack
    signed_up = sign_up(visitor, first_name=attack)
    assert "<script>alert" not in signed_up.text
    assert "default-src 'self'" in page.headers["content-security-policy"]


def test_an_order_empties_the_cart_and_tells_the_whole_order(visitor: httpx.Client) -> None:
    sign_up(visitor, language="en")
    add(visitor, "reading-lamp", 2)
    assert list(calls(visitor.get("/checkout"))) == ["Checkout Started"]
    answer = visitor.post("/checkout", data={"first_name": "Mina", "email": "mina@shop.example"})
    assert answer.status_code == 200
    found = calls(answer)
    assert list(found) == ["Order Completed"]
    order = found["Order Completed"][1]
    assert (order["total"], order["currency"]) == (328, "USD")
    assert order["products"][0]["quantity"] == 2
    assert order["order_id"] in answer.text
    assert words("en")["cart_empty"] in visitor.get("/cart").text


def test_a_guest_who_orders_leaves_an_address_under_the_anonymous_id(
    visitor: httpx.Client,
) -> None:
    add(visitor, "canvas-low")
    answer = visitor.post("/checkout", data={"first_name": "Gus", "email": "gus@shop.example"})
    user_id, traits = calls(answer)["identify"]
    assert user_id is None
    assert traits == {"first_name": "Gus", "email": "gus@shop.example", "language": "en"}
    assert visitor.post("/checkout", data={}).url.path == "/cart"


@pytest.mark.parametrize("count", ["-1", "x", "²", "99999", ""])
def test_nonsense_in_a_form_changes_nothing(visitor: httpx.Client, count: str) -> None:
    visitor.post("/cart/set", data={"product_id": "weekender", "add": count})
    assert words("en")["cart_empty"] in visitor.get("/cart").text


def test_a_cart_left_behind_is_told_once_with_the_visitors_ids(
    visitor: httpx.Client, recorder: Recorder
) -> None:
    signed_up = config(sign_up(visitor))
    add(visitor, "weekender")
    visitor.post("/presence", content="left")
    (told,) = recorder.wait_for("Cart Abandoned")
    assert told["userId"] == signed_up["userId"]
    assert told["anonymousId"] == signed_up["anonymousId"]
    assert told["properties"]["cart_value"] == 240
    assert told["properties"]["products"][0]["name"] == "위켄더 백"
    # The shop notes that it has told only once the call is answered.
    for _ in range(100):
        cart = visitor.get("/mailbox/data").json()["cart"]
        if cart["state"] == "reported":
            break
        time.sleep(0.05)
    assert cart == {"state": "reported", "value": 240}
    add(visitor, "zip-pouch")
    visitor.post("/presence", content="left")
    later = recorder.wait_for("Cart Abandoned", 2)
    assert [call["properties"]["cart_value"] for call in later] == [240, 268]
    assert later[0]["properties"]["cart_id"] == later[1]["properties"]["cart_id"]


def test_a_cart_that_could_not_be_told_is_told_later(
    visitor: httpx.Client, recorder: Recorder
) -> None:
    recorder.status = 503
    add(visitor, "weekender")
    visitor.post("/presence", content="left")
    while len(recorder.paths) < 2:
        visitor.get("/healthz")
    assert recorder.named("Cart Abandoned") == []
    recorder.status = 200
    assert len(recorder.wait_for("Cart Abandoned")) == 1
    assert ABANDONED_AFTER < 5


def test_the_mail_box_shows_what_harken_says(visitor: httpx.Client, recorder: Recorder) -> None:
    mail = {"id": "m1", "to": "a@b.example", "subject": "Hi", "at": "2026-01-01T00:00:00Z"}
    person = f"anonymous:{config(visitor.get('/'))['anonymousId']}"
    story = {"answer": "They entered.", "story": [{"at": "2026-01-01T00:00:00Z", "text": "So."}]}
    nothing = {"answer": "No: they never did it.", "story": []}
    recorder.answers |= {
        "/api/v1/sandbox": {"mails": [mail]},
        "/api/v1/sandbox/m1": mail
        | {"html": "<p>Hi</p>", "text": "Hi", "from": "x", "headers": {}},
        "/api/v1/journeys": {"journeys": [{"name": "welcome"}, {"name": "cart"}]},
        f"/api/v1/people/{person}": {"attributes": {}},
        f"/api/v1/people/{person}/why/welcome": story,
        f"/api/v1/people/{person}/why/cart": nothing,
    }
    data = visitor.get("/mailbox/data").json()
    assert data["mails"] == [mail]
    # Where nothing was decided there is nothing to tell.
    assert data["why"] == [{"journey": "welcome", **story}]
    assert visitor.get("/mailbox/mail/m1").json()["html"] == "<p>Hi</p>"
    assert visitor.get("/mailbox/mail/none").status_code == 404


def test_the_mail_box_says_when_harken_does_not_know_the_visitor(visitor: httpx.Client) -> None:
    assert visitor.get("/mailbox/data").json()["why"] is None


@pytest.mark.parametrize(
    ("path", "safe"),
    [("/cart", "/cart"), ("//evil.example", "/"), ("http://evil.example", "/"), ("/\\evil", "/"),
     ("/a\r\nx: y", "/"), ("", "/")],
)  # fmt: skip
def test_forms_lead_back_into_the_shop_only(path: str, safe: str) -> None:
    assert local_path(path) == safe


@pytest.mark.parametrize(
    ("header", "language"),
    [("ko-KR,ko;q=0.9", "ko"), ("fr,id;q=0.5", "id"), ("de", "en"), ("", "en")],
)
def test_the_first_language_is_the_browsers(header: str, language: str) -> None:
    assert preferred(header) == language
