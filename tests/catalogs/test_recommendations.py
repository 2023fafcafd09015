"""Recommendations against a few lines of plain Python over the same events."""

from collections import Counter, defaultdict
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from harken.catalogs.items import Item
from harken.catalogs.recommend import KEPT_TOGETHER, work_out
from harken.catalogs.settings import CatalogSettings, Recommend, Shopping
from harken.clock import DAY
from harken.effects import Happening
from harken.history.duck import DuckHistory
from harken.history.rows import encode_batch
from harken.values import Duration

NOW = 1_780_000_000_000
NAMES = {"v": "Product Viewed", "a": "Product Added", "b": "Order Completed"}
SETTINGS = CatalogSettings(recommend=Recommend(at_least=3, window=Duration.parse("30d")))

Did = tuple[int, int, str, str]
"""(when, who, `v`, `a` or `b`, item)."""


def lives(seed: int, customers: int = 60) -> list[Did]:
    """What customers did in 40 days: each has a taste, some items are loved by all."""
    random, found = Random(seed), []
    for who in range(customers):
        taste = random.randrange(4)
        for _ in range(random.randrange(1, 25)):
            item = random.choice([random.randrange(8), 8 + taste * 6 + random.randrange(6)])
            at = NOW - random.randrange(40 * DAY)
            found.append((at, who, random.choice("vvvvvab"), f"item-{item:02d}"))
    return sorted(found)


def catalog() -> dict[str, Item]:
    """Some items are in two categories, some in none; the last is not in the catalog."""
    groups: dict[int, Any] = {0: "red", 1: "blue", 2: ["red", "blue"], 3: None}
    return {f"item-{item:02d}": {"category": groups[item % 4]} for item in range(31)}


def plain(events: list[Did]) -> dict[tuple[str, str], list[tuple[str, float]]]:
    """Every list, as docs/catalogs.md says it."""
    items = catalog()
    window = [one for one in events if NOW - 30 * DAY <= one[0] <= NOW]
    once = {(who, kind, item) for _, who, kind, item in window}
    customers = defaultdict(set)
    for who, _, item in once:
        customers[item].add(who)
    scores: Counter[str] = Counter()
    for _, kind, item in once:
        scores[item] += {"v": 1, "a": 3, "b": 10}[kind]
    best = sorted(
        ((item, float(score)) for item, score in scores.items()
         if len(customers[item]) >= 3 and item in items),
        key=lambda one: (-one[1], one[0]),
    )  # fmt: skip
    lists = {("popular", ""): best[:100]}
    for group in ("red", "blue"):
        chosen = [one for one in best if group in (items[one[0]]["category"] or ())]
        lists["popular_in", group] = chosen[:100]
    known = {item for item, _ in best}
    for name, kind in (("viewed_together", "v"), ("bought_together", "b")):
        baskets = defaultdict(set)
        for who, did, item in once:
            if did == kind and item in known:
                baskets[who].add(item)
        alone = Counter(item for basket in baskets.values() for item in basket)
        pairs = Counter(pair for basket in baskets.values() for pair in permutations(basket, 2))
        for item in known:
            others = [
                (b, both * both / (alone[a] * alone[b]))
                for (a, b), both in pairs.items()
                if a == item and both >= 3
            ]
            others.sort(key=lambda one: (-one[1], one[0]))
            if others:
                lists[name, item] = others[:KEPT_TOGETHER]
    return lists


def events_of(events: list[Did], settings: Shopping) -> list[Happening]:
    """As clients send them: of orders, several lines; of the others, one item."""
    found = []
    for at, who, kind, item in events:
        named = {settings.id: item}
        properties = {"products": [named, {"price": 3}, 7]} if kind == "b" else named
        found.append(
            Happening(
                at=at, received_at=at, profile_id=who, name=NAMES[kind], properties=properties
            )
        )
    return found


@pytest.mark.parametrize("seed", range(6))
def test_every_list_is_what_plain_python_finds(tmp_path: Path, seed: int) -> None:
    history = DuckHistory(tmp_path / "history.duckdb")
    events = lives(seed)
    history.append([(1, encode_batch(events_of(events, SETTINGS.events), []))])
    found = {
        (kind, key): [(item, score) for item, score in msgspec.json.decode(body)]
        for kind, key, body in work_out(history, catalog().items(), SETTINGS, NOW)
    }
    history.close()
    expected = plain(events)
    assert found == expected
    assert len(found) > 20


def test_what_few_did_is_in_no_list(tmp_path: Path) -> None:
    """Four of five is too few, whatever they do and however often."""
    history = DuckHistory(tmp_path / "history.duckdb")
    few = [(NOW - n, n % 4, "vab"[n % 3], f"item-{n % 2:02d}") for n in range(400)]
    history.append([(1, encode_batch(events_of(few, Shopping()), []))])
    settings = CatalogSettings(recommend=Recommend())
    assert list(work_out(history, catalog().items(), settings, NOW)) == []
    history.close()


def test_odd_events_do_no_harm(tmp_path: Path) -> None:
    history = DuckHistory(tmp_path / "history.duckdb")
    odd: list[dict[str, Any]] = [
        {}, {"product_id": None}, {"product_id": 1.5}, {"product_id": {"a": 1, "A": 2}},
        {"product_id": ""}, {"product_id": "x" * 300}, {"products": "none"}, {"products": []},
        {"products": [None, [], {"product_id": ["a"]}]}, {"product_id": True},
        {"product_id": 'a"b'}, {"product_id": "Ω'; DROP TABLE events"},
    ]  # fmt: skip
    rows = [
        Happening(at=NOW - 1, received_at=NOW, profile_id=who, name=name, properties=properties)
        for who in range(5)
        for name in NAMES.values()
        for properties in odd
    ]
    history.append([(1, encode_batch(rows, []))])
    items: dict[str, Item] = {'a"b': {}, "Ω'; DROP TABLE events": {"category": "x"}}
    settings = CatalogSettings(recommend=Recommend())
    found = {
        (kind, key): [item for item, _ in msgspec.json.decode(body)]
        for kind, key, body in work_out(history, items.items(), settings, NOW)
    }
    both = ['a"b', "Ω'; DROP TABLE events"]
    assert found == {
        ("popular", ""): both,
        ("popular_in", "x"): both[1:],
        ("viewed_together", both[0]): both[1:],
        ("viewed_together", both[1]): both[:1],
        ("bought_together", both[0]): both[1:],
        ("bought_together", both[1]): both[:1],
    }
    history.close()
