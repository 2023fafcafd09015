"""Microseconds that a condition costs for each event, live, against a bare look-up and compare.

    ./run bench live [--every HOURS] [--customers N]

Customers with an order a week for 60 days; each of them orders once more, the trait takes it, and
the rule is asked. What the event costs without the condition is taken away. "Looked ahead" is the
same with the time at which the answer may change by itself, as segments ask it. The floor is one
look-up and one comparison of a bare dict.
"""

import argparse
import gc
import time
from typing import Any

from harken.clock import HOUR
from harken.files.reader import read
from harken.people.apply import TraitsByEvent, count_event
from harken.people.profile import ConsentChange, Profile, Trigger, decode, encode
from harken.segments.live import Traits, compile_rule
from harken.segments.rules import Rule
from harken.segments.watch import compile_watch

NOW = 1_772_445_600_000
BUDGET = 2.0
ROUNDS = 15
CONDITIONS: dict[str, dict[str, Any]] = {
    "attribute": {"attribute": "country", "equals": "KR"},
    "attribute in a list": {"attribute": "country", "in": ["KR", "ID", "US"]},
    "attribute, nested": {"attribute": "address.city", "equals": "Seoul"},
    "attribute, a regular expression": {
        "attribute": "email",
        "regex": "^[a-z0-9.]+@shop\\.(example|test)$",
    },
    "date within 7 days": {"attribute": "signed_up", "within": "7d"},
    "birthday within 7 days": {"attribute": "birthday", "anniversary": {"in_next": 7}},
    "did, ever": {"did": "Order Completed", "at_least": 3},
    "did, a property": {"did": "Order Completed", "where": {"kind": "shoes"}, "at_least": 3},
    "did within 30 days": {"did": "Order Completed", "within": "30d", "at_least": 3},
    "did within 30 days, a property": {
        "did": "Order Completed", "where": {"kind": "shoes"}, "within": "30d", "at_least": 3,
    },
    "did exactly, within 30 days": {"did": "Order Completed", "within": "30d", "exactly": 3},
    "did within calendar days": {
        "did": "Order Completed", "within": {"days": 30, "timezone": "Asia/Seoul"}, "at_most": 3,
    },
    "sum, ever": {"sum": "revenue", "of": "Order Completed", "gte": 200},
    "sum within 90 days": {"sum": "revenue", "of": "Order Completed", "within": "90d", "gte": 200},
    "distinct": {"distinct": "kind", "of": "Order Completed", "gte": 3},
    "last, long ago": {"last": "Order Completed", "longer_ago": "14d"},
    "first, and what it was": {"first": "Order Completed", "is": {"kind": "shoes"}},
    "A then B": {
        "did": "Order Completed", "within": "7d", "then": {"did": "Page Viewed", "in": "1d"},
    },
    "A then not B": {
        "did": "Order Completed", "within": "7d", "then_not": {"did": "Page Viewed", "in": "1d"},
    },
    "on a list": {"in_list": "guests"},
    "reachable": {"reachable": "email"},
    "consent": {"consent": "email", "is": "opted_in"},
    "near": {"near": {"latitude": 37.5, "longitude": 127.0}, "radius": 5_000},
    "bucket": {"bucket": "test-1", "to": 4_999},
}  # fmt: skip


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--every", type=int, default=7 * 24, help="hours between orders")
    arguments.add_argument("--customers", type=int, default=2_000)
    given = arguments.parse_args()
    # As in the engine's process.
    gc.set_threshold(50_000, 50, 50)
    past = orders(given.every)
    floor = bare(given.customers)
    print(f"floor, a bare look-up and compare: {floor:.2f} microseconds")
    print(f"{'condition':34} {'live':>6} {'looked ahead':>14}   (microseconds an event)")
    worst, total = 0.0, 0.0
    for name, written in CONDITIONS.items():
        nothing, live, ahead = measure(written, past, given.customers)
        live, ahead = live - nothing, ahead - nothing
        worst, total = max(worst, live), total + live
        print(f"{name:34} {live:6.2f} {ahead:14.2f}")
    mean = total / len(CONDITIONS)
    print(f"live: mean {mean:.2f}, worst {worst:.2f}; floor {floor:.2f}; aim at most {BUDGET:g}")


def measure(
    written: dict[str, Any], past: list[Trigger], customers: int
) -> tuple[float, float, float]:
    """Microseconds a customer and event: with nothing asked, live, and looking ahead.

    The best of many rounds, in each of which all three take their turn: others share the machine.
    """
    traits = Traits()
    rule = read(written, Rule)
    check, watch = compile_rule(rule, traits), compile_watch(rule, traits)

    def took(ask: str) -> float:
        counting = {} if ask == "nothing" else traits.by_event
        profiles = [decode(stored[ask]) for _ in range(customers)]
        at = NOW
        began = time.process_time()
        for profile in profiles:
            at += 10
            event = Trigger(name="Order Completed", at=at, properties=PROPERTIES)
            count_event(profile, event, counting, at)
            if ask == "live":
                check(profile, None, at)
            elif ask == "ahead":
                watch(profile, at)
        return (time.process_time() - began) / customers * 1e6

    known = encode(with_past(past, traits.by_event))
    stored = {"nothing": encode(with_past(past, {})), "live": known, "ahead": known}
    rounds = [[took(ask) for ask in stored] for _ in range(ROUNDS)]
    nothing, live, ahead = map(min, zip(*rounds, strict=True))
    return nothing, live, ahead


def with_past(past: list[Trigger], counting: TraitsByEvent) -> Profile:
    found = customer()
    for event in past:
        count_event(found, event, counting, event.at)
    return found


def bare(times: int) -> float:
    """Microseconds of one look-up and comparison."""
    values, best = {"country": "KR"}, 1e9
    for _ in range(7):
        began = time.process_time()
        for _ in range(times):
            if values.get("country") != "KR":
                raise AssertionError
        best = min(best, time.process_time() - began)
    return best / times * 1e6


PROPERTIES = {"kind": "shoes", "revenue": 59.9, "currency": "USD", "order_id": "o-1"}


def customer() -> Profile:
    """Someone of whom everything is known."""
    yes = ConsentChange(
        channel="email", purpose="marketing", state="opted_in", at=1, by="customer", how="form"
    )
    return Profile(
        id=4711,
        attributes={
            "country": "KR",
            "email": "mina@shop.example",
            "signed_up": "2026-02-27T10:00:00Z",
            "birthday": "1990-03-05",
            "address": {"city": "Seoul"},
            "location": {"latitude": 37.51, "longitude": 127.02},
        },
        consent={"email:marketing": yes},
        lists={"guests": 1},
    )


def orders(every: int) -> list[Trigger]:
    """An order every so many hours for 60 days, and a page view some hours after each."""
    found = []
    for hours in range(60 * 24, 0, -every):
        at = NOW - hours * HOUR
        found.append(Trigger(name="Order Completed", at=at, properties=PROPERTIES))
        found.append(Trigger(name="Page Viewed", at=at + HOUR // 2, properties={}))
    return found


if __name__ == "__main__":
    main()
