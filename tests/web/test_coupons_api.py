"""Coupons over the API: pools and counts, imports, one code's story, and use exactly once."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from coupons_kit import coupon_of, serving
from web_kit import Shop

from harken.messages.links import Link

COUPON = {
    "journey": "give",
    "entry": {"event": "Go", "reentry": "always"},
    "steps": [
        {"coupon": "trial", "id": "trial"},
        {"coupon": "gift", "id": "gift", "otherwise": []},
        {
            "message": "tell",
            "channel": "email",
            "default": {
                "subject": "{{ answers.trial.percent }} % off",
                "html": "<body><p>{{ answers.trial.code }}"
                "{% if answers.gift.code %} and {{ answers.gift.code }}{% endif %}</p></body>",
            },
        },
        {"wait": "30d"},
    ],
}
PROJECT = {
    "workspace": {"senders": {"default": {"from": "Shop <hi@shop.example>"}}},
    "journeys": {"give": {"source": COUPON}},
    "coupons": {
        "trial": {
            "coupon": "trial",
            "mint": {"prefix": "T-"},
            "valid_for": "3d",
            "percent": 20,
            "facts": {"note": "not on sale items"},
        },
        "gift": {"coupon": "gift", "imported": True, "warn_below": 2},
    },
}


@pytest.fixture
def given(shop: Shop) -> Shop:
    shop.apply(PROJECT)
    shop.customer("mina")
    shop.send("track", userId="mina", event="Go")
    return shop


def code_of(shop: Shop, user: str = "mina") -> str:
    profile = shop.services.store.profiles([shop.services.lookup.resolve(user_id=user)])
    return next(iter(next(iter(profile.values())).coupons))


def redeem(shop: Shop, code: str, **wish: object) -> httpx.Response:
    return shop.ask("POST", "/api/v1/coupons/redeem", json={"code": code, **wish})


def send_codes(shop: Shop, pool: str, body: bytes) -> httpx.Response:
    return shop.ask("POST", f"/api/v1/coupons/{pool}/codes", content=body)


def test_pools_tell_how_many_codes_are_where(given: Shop) -> None:
    assert given.get("/coupons")["pools"] == [
        {"pool": "gift", "description": "", "kind": "imported", "free": 0, "issued": 0,
         "redeemed": 0, "expired": 0, "void": 0, "released": 0},
        {"pool": "trial", "description": "", "kind": "minted", "free": None, "issued": 1,
         "redeemed": 0, "expired": 0, "void": 0, "released": 0},
    ]  # fmt: skip
    assert given.get("/coupons/trial")["issued"] == 1
    assert given.ask("GET", "/api/v1/coupons/none").status_code == 404


def test_an_empty_pool_is_warned_of(given: Shop) -> None:
    assert "no codes are left" in given.get("/status")["warnings"]["coupons gift"]
    send_codes(given, "gift", b"G-1\n")
    assert given.get("/status")["warnings"] == {"coupons gift": "only 1 codes are left"}
    send_codes(given, "gift", b"G-2\nG-3\n")
    assert given.get("/status")["warnings"] == {}


@pytest.mark.parametrize(
    ("body", "added", "duplicates", "refused"),
    [
        (b"A-1\nA-2\n", 2, 0, 0),
        (b"\xef\xbb\xbfcode\r\nA-1\r\nA-2\r\n", 2, 0, 0),
        (b"value;Code\n5;A-1\n10;A-2", 2, 0, 0),
        (b"A-1\n\nA-1\nA-2\n", 2, 1, 0),
        (b"A 1\nA-2\n" + b"x" * 65 + b"\n", 1, 0, 2),
        (b"", 0, 0, 0),
        (b"".join(b"B-%d\n" % number for number in range(12_000)), 12_000, 0, 0),
    ],
)
def test_codes_are_imported(
    given: Shop, body: bytes, added: int, duplicates: int, refused: int
) -> None:
    found = send_codes(given, "gift", body).json()
    counts = (found["added"], found["duplicates"], found["refused_lines"])
    assert counts == (added, duplicates, refused)
    assert given.get("/coupons/gift")["free"] == added
    again = send_codes(given, "gift", body).json()
    assert (again["added"], again["duplicates"]) == (0, added + duplicates)


@pytest.mark.parametrize(
    ("pool", "body", "status", "says"),
    [
        ("none", b"A\n", 404, "apply its file coupons/none.yaml first"),
        ("trial", b"A\n", 409, "mints its codes"),
        ("gift", b"A\n\xff\n", 400, "no UTF-8"),
        ("gift", b"A" * 20_000, 400, "line 1 is longer than"),
    ],
)
def test_what_cannot_be_imported_says_why(
    given: Shop, pool: str, body: bytes, status: int, says: str
) -> None:
    found = send_codes(given, pool, body)
    assert found.status_code == status
    assert says in found.json()["detail"]


def test_a_coupon_is_redeemed_and_its_story_told(given: Shop) -> None:
    code = code_of(given)
    done = redeem(given, code.lower(), reference="o-1", amount=80.5).json()
    assert (done["user_id"], done["pool"], done["state"]) == ("mina", "trial", "redeemed")
    assert done["values"] == {
        "percent": 20, "note": "not on sale items", "expires_at": done["expires_at"],
    }  # fmt: skip
    again = redeem(given, code, reference="o-1", amount=80.5)
    assert (again.status_code, again.json()) == (200, done)
    story = given.get(f"/coupons/codes/{code}")
    assert [one["event"] for one in story["story"]] == ["$coupon_issued", "$coupon_redeemed"]
    assert (story["reference"], story["amount"]) == ("o-1", 80.5)


def test_what_is_not_good_is_refused_with_the_reason(given: Shop) -> None:
    code = code_of(given)
    send_codes(given, "gift", b"FREE-1\n")
    assert redeem(given, "NO-SUCH").status_code == 404
    free = redeem(given, "FREE-1")
    assert (free.status_code, free.json()["reason"]) == (409, "free")
    assert redeem(given, code).status_code == 200
    other = redeem(given, code, reference="o-2")
    assert (other.status_code, other.json()["reason"]) == (409, "redeemed")
    assert other.json()["detail"] == f"{code} was redeemed before"


def test_an_expired_coupon_is_refused_also_before_its_end_was_noted(given: Shop) -> None:
    code = code_of(given)
    given.clock.advance(5 * 86_400_000)
    assert redeem(given, code).json()["reason"] == "expired"
    given.harken.settle()
    assert redeem(given, code).json()["reason"] == "expired"
    assert given.get("/coupons/trial")["expired"] == 1


def test_when_the_engine_is_behind_it_is_not_known_yet_and_asking_again_is_safe(
    given: Shop,
) -> None:
    code = code_of(given)
    given.troubled = True
    behind = redeem(given, code, reference="o-1")
    assert behind.status_code == 503
    assert "ask again with the same reference" in behind.json()["detail"]
    given.troubled = False
    assert redeem(given, code, reference="o-1").status_code == 200
    assert redeem(given, code, reference="o-2").status_code == 409


def test_a_preview_shows_an_example_and_uses_up_no_code(given: Shop) -> None:
    send_codes(given, "gift", b"G-1\n")
    wish = {"journey": "give", "step": "tell", "user_id": "mina"}
    shown = given.post("/preview", wish)
    assert shown["subject"] == "20 % off"
    assert "T-EXAMPLE and EXAMPLE" in shown["text"]
    given.post("/test-send", {**wish, "to": "me@shop.example"})
    assert code_of(given) not in shown["text"]
    assert given.get("/coupons/gift")["free"] == 1
    assert given.get("/coupons/trial")["issued"] == 1


def test_the_message_in_the_browser_tells_the_same_code(given: Shop) -> None:
    [mail] = given.get("/messages?user_id=mina")["messages"]
    profile = given.services.lookup.resolve(user_id="mina")
    link = Link(profile, mail["id"], "give", 1, "tell", "default")
    token = given.services.links.of(link).url("view").rpartition("/")[2]
    code = code_of(given)
    redeem(given, code)
    assert code in given.ask("GET", f"/l/v/{token}", key=None).text


@pytest.fixture
def served(tmp_path: Path) -> Iterator[httpx.Client]:
    """A real server that has the pools."""
    with serving(tmp_path, PROJECT) as client:
        yield client


def test_of_many_who_redeem_at_once_exactly_one_does(served: httpx.Client) -> None:
    code = coupon_of(served, "mina")
    answers: list[tuple[int, str]] = []
    begin = threading.Barrier(16)

    def ask(number: int) -> None:
        begin.wait()
        # Every order asks twice, as a till does that had no answer.
        wish = {"code": code, "reference": f"o-{number // 2}"}
        found = served.post("/api/v1/coupons/redeem", json=wish)
        answers.append((found.status_code, wish["reference"]))

    threads = [threading.Thread(target=ask, args=[number]) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(status for status, _ in answers) == {200: 2, 409: 14}
    assert len({reference for status, reference in answers if status == 200}) == 1
