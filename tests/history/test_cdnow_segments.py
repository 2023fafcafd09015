"""The CDNOW purchases, imported: what segments hold is what a few lines of Python say.

Half of the segments are there before the import and follow it live; the others come after it, and
are told of the past. Both must agree with the set form, and all with the plain reading of the file.
"""

import asyncio
import base64
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest

from harken.app import Embedded
from harken.clock import DAY, SettableClock, parse_time
from harken.config import Settings
from harken.files import reader, yaml
from harken.ingest import fileimport
from harken.ingest.fileimport import Mapping
from harken.web.server import asgi

ROOT = Path(__file__).parents[2]
CDNOW = ROOT.parent / "shared" / "data" / "cdnow.txt"
MAPPING = ROOT / "examples" / "cdnow.mapping.yaml"
CUSTOMERS = 23_570
LATER = 40 * DAY
"""So long after the first look, the second is taken: only time has passed."""
TURNS = 5_000
WRITE, SECRET = "hw_cdnow", "hs_cdnow"


class Order(NamedTuple):
    """A line of the file."""

    at: int
    discs: int
    cents: int


def ms(date: str) -> int:
    at = parse_time(f"{date}T00:00:00Z")
    assert at is not None
    return at


NOW = ms("1998-07-01")
Holds = Callable[[list[Order], int], bool]
"""(a customer's orders by time, now) -> whether the rule holds."""


def orders_by_customer() -> dict[str, list[Order]]:
    found: dict[str, list[Order]] = defaultdict(list)
    for line in CDNOW.read_text().splitlines()[1:]:
        customer, date, discs, dollars = line.split()
        day = f"{date[:4]}-{date[4:6]}-{date[6:]}"
        found[customer].append(Order(ms(day), int(discs), round(float(dollars) * 100)))
    return {customer: sorted(orders) for customer, orders in found.items()}


def spent(orders: list[Order]) -> int:
    return sum(one.cents for one in orders)


def since(orders: list[Order], at: int) -> list[Order]:
    return [one for one in orders if one.at >= at]


def between(orders: list[Order], start: str, end: str) -> list[Order]:
    return [one for one in orders if ms(start) <= one.at < ms(end)]


def dear_after_small(orders: list[Order], _: int) -> bool:
    dear = [one.at for one in orders if one.cents > 50_00]
    return any(
        small.at < at <= small.at + 60 * DAY
        for small in orders if small.discs == 1
        for at in dear
    )  # fmt: skip


def left_alone_twice(orders: list[Order], now: int) -> bool:
    """Two orders or more that no other followed in 90 days, which are over."""
    return sum(
        one.at + 90 * DAY <= now
        and not any(one.at < other.at <= one.at + 90 * DAY for other in orders)
        for one in orders
    ) >= 2  # fmt: skip


OF = {"of": "Order Completed"}
DID: dict[str, Any] = {"did": "Order Completed"}
RULES: dict[str, tuple[dict[str, Any], Holds]] = {
    "three-orders": (
        DID | {"at_least": 3},
        lambda orders, now: len(orders) >= 3,
    ),
    "one-order": (
        DID | {"exactly": 1},
        lambda orders, now: len(orders) == 1,
    ),
    "spent-200": (
        OF | {"sum": "revenue", "gte": 200},
        lambda orders, now: spent(orders) >= 200_00,
    ),
    "spent-50-lately": (
        OF | {"sum": "revenue", "within": "180d", "gte": 50},
        lambda orders, now: spent(since(orders, now - 180 * DAY)) >= 50_00,
    ),
    "spent-nothing-lately": (
        OF | {"sum": "revenue", "within": "60d", "equals": 0},
        lambda orders, now: spent(since(orders, now - 60 * DAY)) == 0,
    ),
    "twice-in-90-days": (
        DID | {"within": "90d", "at_least": 2},
        lambda orders, now: len(since(orders, now - 90 * DAY)) >= 2,
    ),
    "some-in-a-year": (
        DID | {"within": "365d", "at_least": 2, "at_most": 4},
        lambda orders, now: 2 <= len(since(orders, now - 365 * DAY)) <= 4,
    ),
    "dear-on-average": (
        OF | {"average": "revenue", "gte": 40},
        lambda orders, now: spent(orders) >= 40_00 * len(orders),
    ),
    "dear-on-average-lately": (
        OF | {"average": "revenue", "within": "120d", "gt": 35.5},
        lambda orders, now: (
            (lately := since(orders, now - 120 * DAY)) != []
            and spent(lately) > 35_50 * len(lately)
        ),
    ),
    "one-for-150": (
        OF | {"max": "revenue", "gt": 150},
        lambda orders, now: max(one.cents for one in orders) > 150_00,
    ),
    "one-below-8": (
        OF | {"min": "revenue", "lt": 8},
        lambda orders, now: min(one.cents for one in orders) < 8_00,
    ),
    "four-sizes": (
        OF | {"distinct": "quantity", "gte": 4},
        lambda orders, now: len({one.discs for one in orders}) >= 4,
    ),
    "two-sizes-lately": (
        OF | {"distinct": "quantity", "within": "100d", "equals": 2},
        lambda orders, now: len({one.discs for one in since(orders, now - 100 * DAY)}) == 2,
    ),
    "boxes": (
        DID | {"where": {"quantity": {"gte": 5}}, "at_least": 2},
        lambda orders, now: sum(one.discs >= 5 for one in orders) >= 2,
    ),
    "between-10-and-20": (
        DID | {"where": {"revenue": {"between": [10, 20]}, "quantity": [1, 2]}, "exactly": 2},
        lambda orders, now: (
            sum(10_00 <= one.cents <= 20_00 and one.discs in (1, 2) for one in orders) == 2
        ),
    ),
    "calendar-days": (
        # Nine in the morning in Seoul: the day that began 44 midnights ago is the 18th of May.
        DID | {"within": {"days": 45, "timezone": "Asia/Seoul"}},
        lambda orders, now: since(orders, ms("1998-05-18") + now - NOW) != [],
    ),
    "summer-only": (
        {"all": [
            DID | {"between": ["1997-06-01", "1997-09-01"], "at_least": 2},
            {"not": DID | {"between": ["1998-01-01", "1998-07-01T00:00:00Z"]}},
        ]},
        lambda orders, now: (
            len(between(orders, "1997-06-01", "1997-09-01")) >= 2
            and not between(orders, "1998-01-01", "1998-07-01")
        ),
    ),
    "first-in-january": (
        {"first": "Order Completed", "before": "1997-02-01"},
        lambda orders, now: orders[0].at < ms("1997-02-01"),
    ),
    "first-was-large": (
        {"first": "Order Completed", "is": {"quantity": {"gte": 5}}},
        lambda orders, now: any(o.discs >= 5 for o in orders if o.at == orders[0].at),
    ),
    "last-was-dear": (
        {"last": "Order Completed", "is": {"revenue": {"gt": 60}}},
        lambda orders, now: any(o.cents > 60_00 for o in orders if o.at == orders[-1].at),
    ),
    "lapsed": (
        {"last": "Order Completed", "longer_ago": "365d"},
        lambda orders, now: now - orders[-1].at > 365 * DAY,
    ),
    "back-in-30-days": (
        DID | {"then": DID | {"in": "30d"}},
        lambda orders, now: any(0 < b.at - a.at <= 30 * DAY for a, b in pairwise(orders)),
    ),
    "dear-after-small": (
        DID | {
            "where": {"quantity": 1},
            "then": DID | {"where": {"revenue": {"gt": 50}}, "in": "60d"},
        },
        dear_after_small,
    ),
    "left-alone-twice": (
        DID | {"at_least": 2, "then_not": DID | {"in": "90d"}},
        left_alone_twice,
    ),
    "lapsed-spenders": (
        {"all": [{"in_segment": "spent-200"}, {"in_segment": "lapsed"}]},
        lambda orders, now: spent(orders) >= 200_00 and now - orders[-1].at > 365 * DAY,
    ),
    "odd-ones": (
        {"any": [
            {"all": [{"in_segment": "one-order"}, {"not": {"in_segment": "lapsed"}}]},
            {"not": {"any": [
                OF | {"min": "revenue", "gt": 5},
                {"last": "Order Completed", "within": "200d"},
            ]}},
        ]},
        lambda orders, now: (
            (len(orders) == 1 and now - orders[-1].at <= 365 * DAY)
            or not (min(o.cents for o in orders) > 5_00 or orders[-1].at >= now - 200 * DAY)
        ),
    ),
}  # fmt: skip
FIRST = list(RULES)[::2]
"""Those that are there before the import, and what they refer to."""


class Known(NamedTuple):
    """Who is in each segment."""

    live: dict[str, set[str]]
    streamed: dict[str, set[str]]
    counted: dict[str, int]


class Cdnow:
    """A Harken that was given the file."""

    def __init__(self, data: Path) -> None:
        self.clock = SettableClock(NOW)
        settings = Settings(data=data / "harken", write_key=WRITE, secret_key=SECRET)
        self.harken = Embedded(settings, self.clock)
        self.app = asgi(self.harken.services, handled=self._handled, patience=5.0)
        self.apply([*FIRST, "one-order", "lapsed"])
        self._import(data / "imports")
        self.apply(list(RULES))
        self.settle()

    def apply(self, names: list[str]) -> None:
        segments = {name: {"segment": name, "rule": RULES[name][0]} for name in names}
        body = {"workspace": {}, "journeys": {}, "segments": segments}
        answer = self.ask("POST", "/api/v1/definitions/apply", json=body)
        assert answer.status_code == 200, answer.text

    def settle(self) -> None:
        """Let all that is due be done, until every segment knows the past."""
        for _ in range(TURNS):
            self.harken.settle()
            every = self.ask("GET", "/api/v1/segments").json()["segments"]
            if all(one["state"] == "live" for one in every):
                return
        raise AssertionError(f"still warming: {every}")

    def known(self) -> Known:
        """Every answer to who is in which segment, now."""
        known = Known({name: set() for name in RULES}, {}, {})
        store = self.harken.store
        for profile in store.profiles(store.profile_ids(-(2**63), 2 * CUSTOMERS)).values():
            for name in profile.segments:
                known.live[name].add(profile.user_id or "?")
        for name, (rule, _) in RULES.items():
            lines = self.ask("GET", f"/api/v1/segments/{name}/members").text.splitlines()
            known.streamed[name] = {msgspec.json.decode(line)["user_id"] for line in lines}
            counted = self.ask("POST", "/api/v1/segments/count", json={"rule": rule})
            known.counted[name] = counted.json()["count"]
        return known

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)  # type: ignore[arg-type]
            headers = {"Authorization": f"Bearer {SECRET}", **given.pop("headers", {})}
            async with httpx.AsyncClient(transport=transport, base_url="http://harken") as client:
                return await client.request(method, path, headers=headers, timeout=60, **given)

        return asyncio.run(asked())

    def _import(self, state: Path) -> None:
        basic = "Basic " + base64.b64encode(f"{WRITE}:".encode()).decode()

        def send(body: bytes) -> list[tuple[int, str]]:
            answer = self.ask("POST", "/v1/import", content=body, headers={"Authorization": basic})
            assert answer.status_code == 200, answer.text
            assert answer.json().get("rejected", []) == []
            self.harken.settle()
            return []

        mapping = reader.read(yaml.parse(MAPPING.read_text()).value, Mapping)
        *_, progress = fileimport.run(CDNOW, mapping, state, send)
        assert (progress.sent, progress.refused_count) == (69_659, 0)

    def _handled(self, offset: int) -> bool:
        while self.harken.engine.turn():
            pass
        self.harken.feeder.flush()
        return self.harken.services.handled(offset)


@pytest.fixture(scope="module")
def orders() -> dict[str, list[Order]]:
    assert CDNOW.exists(), f"the test needs the CDNOW purchases at {CDNOW}"
    return orders_by_customer()


@pytest.fixture(scope="module")
def cdnow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cdnow]:
    found = Cdnow(tmp_path_factory.mktemp("cdnow"))
    yield found
    found.harken.close()


@pytest.fixture(scope="module", params=["at the end of the file", "later"])
def looked(request: pytest.FixtureRequest, cdnow: Cdnow) -> tuple[int, Known]:
    """When, and what is known then; the second time nothing but time has passed."""
    if request.param == "later":
        cdnow.clock.advance(LATER)
        cdnow.settle()
    return cdnow.clock.now(), cdnow.known()


@pytest.mark.parametrize("name", RULES)
def test_a_segment_holds_whom_plain_python_finds_in_the_file(
    name: str, looked: tuple[int, Known], orders: dict[str, list[Order]]
) -> None:
    now, known = looked
    holds = RULES[name][1]
    expected = {customer for customer, theirs in orders.items() if holds(theirs, now)}
    assert 0 < len(expected) < CUSTOMERS, "a rule that tells nobody apart tests nothing"
    assert known.counted[name] == len(expected)
    assert known.streamed[name] == expected
    assert known.live[name] == expected
