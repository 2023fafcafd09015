"""The engine: events a second over a million customers and fifty live journeys.

    ./run bench engine [--profiles N] [--events N] [--segments N] [--profile]

Two shapes of load: every event is another customer (each costs a document read and written at a
random place), and a realistic skew (a fifth of the customers do four fifths of everything, in
sessions). The floor of each does, in the same run and on the same documents, only what no engine
on this store can leave out: read and decode each batch's documents, encode and write them, in one
transaction a batch. What the engine does beyond it is the ratio. With `--segments`, each shape runs
again with that many live segments, and the ratio is to the rate without them.
"""

import argparse
import random
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.kit import as_the_engine, busy, profiled, scratch
from harken.clock import DAY, SettableClock, iso, parse_time
from harken.engine import RECORDS, Engine
from harken.ids import profile_id
from harken.inputs import Definitions, JourneySource, Kind, Record
from harken.people.profile import ConsentChange, EventStat, Profile, Send, encode
from harken.running.roles import CACHE_MIB
from harken.running.writer import Writer
from harken.store.base import Batch
from harken.store.log import Log, LogReader
from harken.store.sqlite import SqliteStore

NOW = parse_time("2026-06-01T12:00:00Z") or 0
PER_MS = 12
"""Events received in a millisecond: the rate that is aimed at."""
NAMES = ["Page Viewed", "Product Viewed", "Product Added", "Cart Viewed", "Products Searched"]
RARE = [f"Milestone {number}" for number in range(40)]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--profiles", type=int, default=1_000_000)
    arguments.add_argument("--events", type=int, default=200_000)
    arguments.add_argument("--segments", type=int, default=0)
    arguments.add_argument("--profile", action="store_true", help="say where the time goes")
    given = arguments.parse_args()
    as_the_engine()
    with scratch() as folder:
        for shape in ("spread", "skewed"):
            alone = run(folder / shape, shape, given.profiles, given.events, 0, given.profile)
            if given.segments:
                again = folder / f"{shape}-{given.segments}"
                more = run(
                    again, shape, given.profiles, given.events, given.segments, given.profile
                )
                print(
                    f"with {given.segments} live segments: {more.rate / alone.rate:.2f} of it;"
                    f" by processor time {alone.worked / more.worked:.2f}",
                    flush=True,
                )


class Run(NamedTuple):
    """Events a second, and seconds of the processor for all of them."""

    rate: float
    worked: float


def run(folder: Path, shape: str, profiles: int, events: int, segments: int, profile: bool) -> Run:
    folder.mkdir()
    writer = Writer(lambda: SqliteStore(folder / "state.db", cache_mib=CACHE_MIB))
    store = SqliteStore(folder / "state.db", cache_mib=CACHE_MIB)
    fill(store, profiles)
    owners = spread(profiles, events) if shape == "spread" else skewed(profiles, events)
    floor = measure_floor(store, owners)
    clock = SettableClock(NOW)
    with Log(folder / "log") as log:
        engine = Engine(store, LogReader(folder / "log"), clock, writer=writer)
        written = msgspec.msgpack.encode(definitions(segments))
        log.append([Record(0, NOW, NOW, Kind.DEFINITIONS, written)])
        while engine.turn() or engine.backfill.prepare():
            pass
        write_events(log, owners)
    clock.advance(len(owners) // PER_MS)
    with profiled(profile):
        began, worked = time.perf_counter(), time.process_time() + busy(writer.pid)
        while engine.turn():
            pass
        taken = time.perf_counter() - began
        worked = time.process_time() + busy(writer.pid) - worked
    rate = len(owners) / taken
    print(
        f"engine {shape}: {rate:,.0f} events/s over {profiles:,} profiles and 50 journeys;"
        f" floor {floor:,.0f}/s; ratio {rate / floor:.2f}",
        flush=True,
    )
    writer.close()
    store.close()
    return Run(rate, worked)


def fill(store: SqliteStore, count: int) -> None:
    """Customers as they are after some weeks."""
    for start in range(0, count, 20_000):
        documents = [customer(number) for number in range(start, min(start + 20_000, count))]
        store.commit(batch(documents))


def customer(number: int) -> Profile:
    id = f"user-{number}"
    return Profile(
        id=profile_id("user", id),
        user_id=id,
        created_at=NOW - 30 * DAY,
        seen_at=NOW - DAY,
        attributes={
            "first_name": "Mina",
            "email": f"user{number}@example.com",
            "country": "KR",
            "language": "ko",
            "loyalty_member": number % 3 == 0,
            "favourite_brand": "Acme",
        },
        learned={"timezone": "Asia/Seoul", "locale": "ko-KR"},
        consent={
            "email:marketing": ConsentChange(
                channel="email",
                purpose="marketing",
                state="opted_in",
                at=NOW,
                by="customer",
                how="form",
            )
        },
        events={name: EventStat(7, NOW - 20 * DAY, NOW - DAY) for name in NAMES},
        sends=[
            Send(id="m" * 26, at=NOW - 9 * DAY, channel="email", journey="welcome", step="hello")
        ],
    )


def spread(profiles: int, events: int) -> list[int]:
    """Every event another customer, in no order."""
    return random.Random(1).sample(range(profiles), min(events, profiles))


def skewed(profiles: int, events: int) -> list[int]:
    """A fifth of the customers do four fifths, in sessions of about eight events, interleaved."""
    chance = random.Random(2)
    open_sessions: list[tuple[int, int]] = []
    owners = []
    while len(owners) < events:
        if len(open_sessions) < 400:
            few = chance.random() < 0.8
            owner = chance.randrange(profiles // 5 if few else profiles)
            open_sessions.append((owner, 1 + int(chance.expovariate(1 / 8))))
        place = chance.randrange(len(open_sessions))
        owner, left = open_sessions[place]
        owners.append(owner)
        if left == 1:
            open_sessions[place] = open_sessions[-1]
            open_sessions.pop()
        else:
            open_sessions[place] = (owner, left - 1)
    return owners


def write_events(log: Log, owners: list[int]) -> None:
    chance = random.Random(3)
    records = []
    for number, owner in enumerate(owners):
        body = {
            "type": "track",
            "event": chance.choice(NAMES) if chance.random() < 0.95 else chance.choice(RARE),
            "messageId": f"message-{number}",
            "userId": f"user-{owner}",
            "timestamp": iso(NOW),
            "properties": {
                "product_id": f"sku-{chance.randrange(500)}",
                "category": chance.choice(["shoes", "bags", "coats"]),
                "price": chance.randrange(5, 300),
                "quantity": 1,
            },
            "context": {"library": {"name": "bench", "version": "1"}, "locale": "ko-KR"},
        }
        id = profile_id("user", f"user-{owner}")
        at = NOW + number // PER_MS
        records.append(Record(id, at, at, Kind.EVENT, msgspec.json.encode(body)))
        if len(records) == 20_000:
            log.append(records)
            records = []
    if records:
        log.append(records)


def definitions(segments: int) -> Definitions:
    """Ten journeys on what happens all the time, forty on what happens rarely."""
    journeys = {}
    for number in range(50):
        name = f"journey-{number}"
        event = NAMES[number % len(NAMES)] if number < 10 else RARE[number - 10]
        journeys[name] = JourneySource(1, journey(name, event, number))
    workspace = {"workspace": "bench", "timezone": "UTC"}
    groups = {f"segment-{number}": segment(number) for number in range(segments)}
    return Definitions(1, NOW, "bench", workspace, journeys, groups)


def segment(number: int) -> dict[str, object]:
    """Of ten: five on what happens all the time, three on what happens rarely, two on facts."""
    kind, name = number % 10, NAMES[number % len(NAMES)]
    rules: list[dict[str, object]] = [
        {
            "did": name,
            "where": {"category": "shoes"},
            "at_least": 3 + number // 20,
            "within": "30d",
        },
        {"sum": "price", "of": name, "within": "90d", "gte": 1000 + 10 * number},
        {
            "all": [
                {"did": name, "at_least": 5, "within": "7d"},
                {"not": {"did": RARE[number % 40]}},
            ]
        },
        {"last": name, "longer_ago": f"{1 + number}d"},
        {"distinct": "product_id", "of": name, "gte": 5 + number // 10},
        {"did": RARE[number % 40], "within": "30d"},
        {"did": RARE[number % 40], "then": {"did": name, "in": "1d"}},
        {"first": RARE[number % 40], "within": "7d"},
        {"all": [{"attribute": "country", "equals": "KR"}, {"consent": "email", "is": "opted_in"}]},
        {"attribute": "loyalty_member", "equals": number % 20 < 10},
    ]
    return {"segment": f"segment-{number}", "rule": rules[kind]}


def journey(name: str, event: str, number: int) -> dict[str, object]:
    return {
        "journey": name,
        "entry": {
            "event": event,
            "where": {"price": {"gte": 290 - number}, "category": "shoes"},
            "audience": {
                "all": [
                    {"attribute": "country", "in": ["KR", "ID", "US"]},
                    {"did": "Product Viewed", "where": {"category": "shoes"}, "within": "30d"},
                ]
            },
            "reentry": {"after": "1d"},
        },
        "exceptions": [{"event": "Order Completed"}],
        "steps": [
            {"wait": "30m"},
            {
                "message": "nudge",
                "channel": "email",
                "default": {"subject": "Still there?", "html": "<p>Have a look</p>"},
            },
        ],
    }


def measure_floor(store: SqliteStore, owners: list[int]) -> float:
    ids = [profile_id("user", f"user-{owner}") for owner in owners]
    began = time.perf_counter()
    for start in range(0, len(ids), RECORDS):
        found = store.profiles(sorted(set(ids[start : start + RECORDS])))
        store.commit(batch(list(found.values())))
    return len(ids) / (time.perf_counter() - began)


def batch(documents: list[Profile]) -> Batch:
    return Batch(
        offset=0,
        profiles=sorted((one.id, encode(one)) for one in documents),
        forgotten=[],
        woken=[],
        wake=[],
        cancel=[],
        messages=[],
        feedback=[],
        history=b"",
        notes={},
    )


if __name__ == "__main__":
    main()
