"""The shop's segments: whole as files, filled by its month, and live while a visitor looks on."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from examples.shop import history
from examples.shop.catalogue import HERE, LANGUAGES, words
from examples.shop.groups import NAMES, word
from examples.shop.places import CITIES, STORES
from kelana_kit import Kelana
from shop_kit import Recorder, config

from harken.clock import DAY, SECOND, iso
from harken.files.project import load
from harken.files.reader import read
from harken.segments.model import Segment
from harken.segments.rules import Any_, Near

MINA = {"email": "mina@mail.example", "first_name": "Mina", "country": "KR", "language": "ko"}
CART = {"cart_id": "c1", "cart_value": 240, "brand": "Aster & Vale", "currency": "USD"}


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kelana]:
    """Harken with the shop's files, a small month and the letters."""
    kelana = Kelana(tmp_path_factory.mktemp("month"))
    kelana.send(history.events(kelana.now, 300, 60), imported=True)
    kelana.send(history.letters(300))
    kelana.pass_time(30 * SECOND)
    yield kelana
    kelana.close()


@pytest.fixture
def kelana(tmp_path: Path) -> Iterator[Kelana]:
    """Harken with the shop's files and no customer."""
    found = Kelana(tmp_path)
    yield found
    found.close()


def test_each_segment_is_a_file_that_says_what_it_is_for() -> None:
    files = load(HERE).segments
    assert sorted(files) == sorted(NAMES)
    for name in NAMES:
        assert read(files[name], Segment).description
        assert all(words(language)[word(name)] for language in LANGUAGES)


def test_the_stores_are_where_the_segment_says() -> None:
    rule = read(load(HERE).segments["near-a-store"], Segment).rule
    assert isinstance(rule, Any_)
    near = [one.near for one in rule.any if isinstance(one, Near)]
    assert [(at.latitude, at.longitude) for at in near] == list(STORES.values())


def test_every_city_of_the_history_has_its_place() -> None:
    traits = [c["traits"] for c in history.events(DAY * 365, 60, 0) if c["type"] == "identify"]
    for one in traits:
        middle = CITIES[one["city"]]
        assert abs(one["location"]["latitude"] - middle.latitude) < 0.1
        assert abs(one["location"]["longitude"] - middle.longitude) < 0.1


def test_the_month_puts_customers_into_every_segment(month: Kelana) -> None:
    members = {name: month.members(name) for name in NAMES}
    assert [name for name in NAMES if not members[name]] == []
    everyone = month.everyone()
    assert all(len(found) < len(everyone) for found in members.values())


@pytest.mark.parametrize("name", NAMES)
def test_documents_and_history_agree_on_who_is_in(month: Kelana, name: str) -> None:
    live = {who for who, segments in month.everyone().items() if name in segments}
    assert live == month.members(name)


def test_who_looks_a_third_time_is_a_fan_and_gets_a_mail(kelana: Kelana) -> None:
    kelana.identify("mina", **MINA)
    for seen in range(3):
        assert "weekender-fans" not in kelana.segments("mina"), seen
        kelana.track("mina", "Product Viewed", product_id="weekender")
        kelana.track("mina", "Product Viewed", product_id="day-tote")
    assert "weekender-fans" in kelana.segments("mina")
    kelana.pass_time(5 * SECOND)
    assert kelana.subjects(MINA["email"]) == ["위켄더 백, 조금 더 가까이"]


def test_a_cart_counts_as_left_when_the_time_to_buy_is_over(kelana: Kelana) -> None:
    for who in ("mina", "buyer"):
        kelana.identify(who, **MINA | {"email": f"{who}@mail.example"}, news=False)
        kelana.track(who, "Cart Abandoned", **CART)
    kelana.pass_time(19 * SECOND)
    kelana.track("buyer", "Order Completed", order_id="1", revenue=240)
    assert "big-cart-left" not in kelana.segments("mina")
    kelana.pass_time(SECOND)
    assert "big-cart-left" in kelana.segments("mina")
    assert "big-cart-left" not in kelana.segments("buyer")
    kelana.pass_time(7 * DAY + SECOND)
    assert "big-cart-left" not in kelana.segments("mina")


def test_a_new_customer_moves_on_with_the_first_order_and_with_time(kelana: Kelana) -> None:
    kelana.identify("mina", **MINA, loyalty_member=True, location=STORES["seoul"].location())
    kelana.track("mina", "Signed Up")
    kelana.page("mina", "sign-up")
    assert kelana.segments("mina") == {
        "curious", "new-without-order", "loyalty-members", "near-a-store",
    }  # fmt: skip
    kelana.track("mina", "Order Completed", order_id="1", revenue=240)
    assert kelana.segments("mina") == {
        "curious", "bought-in-first-week", "loyalty-members", "near-a-store",
    }  # fmt: skip
    kelana.pass_time(14 * DAY + SECOND)
    assert "lapsed-spenders" in kelana.segments("mina")
    kelana.page("mina", "home")
    assert "lapsed-spenders" not in kelana.segments("mina")


def test_a_birthday_comes_near_by_itself(kelana: Kelana) -> None:
    kelana.identify("mina", **MINA, birthday=f"1990{iso(kelana.now + 8 * DAY)[4:10]}")
    assert kelana.segments("mina") == set()
    kelana.pass_time(2 * DAY)
    assert kelana.segments("mina") == {"birthday-soon"}
    kelana.pass_time(7 * DAY)
    assert kelana.segments("mina") == set()


def test_a_sign_up_tells_birthday_and_store(visitor: httpx.Client) -> None:
    fields = {"first_name": "Mina", "email": "a@b.example", "language": "en", "country": "KR"}
    told = {"birthday": "1990-02-28", "store": "seoul"}
    (identify, _) = config(visitor.post("/sign-up", data=fields | told))["calls"]
    traits = identify["arguments"][1]
    assert traits["birthday"] == "1990-02-28"
    assert traits["location"] == {"latitude": 37.5446, "longitude": 127.0557}


@pytest.mark.parametrize("birthday", ["", "31.12.1990", "0001-01-01", "1990-02-30"])
def test_what_is_no_birthday_is_not_told(visitor: httpx.Client, birthday: str) -> None:
    fields = {"first_name": "Mina", "email": "a@b.example", "birthday": birthday, "store": "moon"}
    (identify, _) = config(visitor.post("/sign-up", data=fields))["calls"]
    assert not {"birthday", "location"} & set(identify["arguments"][1])


def test_the_mail_box_page_asks_how_segments_stand(
    visitor: httpx.Client, recorder: Recorder
) -> None:
    recorder.answers |= {"/api/v1/sandbox": {"mails": []}, "/api/v1/journeys": {"journeys": []}}
    for name in NAMES:
        standing = {"name": name, "state": "live", "progress": 1.0, "count": 12, "rule": {}}
        recorder.answers[f"/api/v1/segments/{name}"] = standing
    anonymous = config(visitor.get("/mailbox"))["anonymousId"]
    found = visitor.get("/mailbox/data").json()
    assert found["why"] is None
    assert [one["name"] for one in found["segments"]] == list(NAMES)
    assert not any(one["mine"] for one in found["segments"])
    recorder.answers[f"/api/v1/people/anonymous:{anonymous}"] = {"segments": {"curious": "2026"}}
    found = visitor.get("/mailbox/data").json()
    assert [one["name"] for one in found["segments"] if one["mine"]] == ["curious"]
