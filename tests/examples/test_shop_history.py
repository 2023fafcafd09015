"""The invented month: the same each time, in order, within the wire's limits, and believable."""

from collections import Counter, defaultdict

import msgspec
import pytest
from examples.shop import history
from shop_kit import Recorder

from harken.clock import DAY, iso, parse_time

NOW = parse_time("2026-11-01T09:00:00Z") or 0
FEW = list(history.events(NOW, 300, 60))


def name(call: dict[str, object]) -> str:
    return str(call.get("event") or call["type"])


def test_the_same_moment_gives_the_same_month() -> None:
    assert list(history.events(NOW, 300, 60)) == FEW
    assert list(history.events(NOW, 300, 60, seed=1)) != FEW


def test_the_month_ends_now_and_is_in_the_order_of_time() -> None:
    times = [str(call["timestamp"]) for call in FEW]
    assert times == sorted(times)
    assert iso(NOW - 30 * DAY) <= times[0] < times[-1] < iso(NOW)


def test_calls_are_valid_small_and_told_apart_by_their_id() -> None:
    assert len({call["messageId"] for call in FEW}) == len(FEW)
    for call in FEW:
        assert call["type"] in ("identify", "track", "page")
        assert call["anonymousId"]
        assert len(msgspec.json.encode(call)) < 32_000


def test_a_whole_month_is_two_thousand_customers_and_sixty_thousand_events() -> None:
    calls = list(history.events(NOW))
    assert 50_000 <= len(calls) <= 80_000
    assert 1_950 <= len({call["userId"] for call in calls if "userId" in call}) <= 2_000


def test_the_funnel_narrows_at_every_step() -> None:
    counts = Counter(map(name, FEW))
    steps = ["Product Viewed", "Product Added", "Checkout Started", "Order Completed"]
    assert [counts[step] for step in steps] == sorted((counts[s] for s in steps), reverse=True)
    assert counts["Cart Abandoned"] > counts["Order Completed"] > 50
    assert counts["Signed Up"] > 50


def test_orders_follow_checkouts_and_sign_ups_come_once() -> None:
    per_person: dict[object, list[str]] = defaultdict(list)
    for call in FEW:
        per_person[call["anonymousId"]].append(name(call))
    for story in per_person.values():
        assert story.count("Signed Up") <= 1
        assert story.count("Order Completed") <= story.count("Checkout Started")
        assert story.count("Product Removed") <= story.count("Product Added")


def test_customers_live_in_three_languages_at_example_domains() -> None:
    traits = [call["traits"] for call in FEW if call["type"] == "identify"]
    assert {t["language"] for t in traits} == {"ko", "id", "en"}
    assert {(t["language"], t["country"]) for t in traits} == {
        ("ko", "KR"), ("id", "ID"), ("en", "US"),
    }  # fmt: skip
    domains = {t["email"].split("@")[1] for t in traits}
    assert domains == {"example.com", "example.org", "example.net"}
    assert all(t["email"].isascii() for t in traits)


def test_evenings_are_busier_than_nights() -> None:
    korean = [call for call in FEW if call["context"]["timezone"] == "Asia/Seoul"]
    hours = Counter((int(call["timestamp"][11:13]) + 9) % 24 for call in korean)
    assert sum(hours[h] for h in (20, 21, 22)) > 4 * sum(hours[h] for h in (3, 4, 5))


def test_batches_keep_order_and_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "BATCH_BYTES", 20_000)
    found = list(history.batches(FEW))
    assert all(len(body) <= 20_050 and count <= history.BATCH_EVENTS for count, body in found)
    decoded = [call for _, body in found for call in msgspec.json.decode(body)["batch"]]
    assert decoded == FEW


def test_sending_imports_everything_and_says_how_far_it_is(recorder: Recorder) -> None:
    told: list[int] = []
    assert history.send(FEW, recorder.url, "key", told.append) == len(FEW)
    assert sum(told) == len(FEW)
    assert set(recorder.paths) == {"/v1/import"}
    assert [call["messageId"] for call in recorder.calls] == [c["messageId"] for c in FEW]


def test_a_refusal_is_an_error_that_says_what_harken_said(recorder: Recorder) -> None:
    recorder.status = 400
    with pytest.raises(history.NotTaken, match="400"):
        history.send(FEW[:1], recorder.url, "key", lambda _: None)
    assert len(recorder.paths) == 1
