"""The engine: events a second over a million customers and fifty live journeys.

    ./run bench engine [--profiles N] [--events N] [--segments N] [--profile]

Two shapes of load: every event is another customer (each costs a document read and written at a
random place), and a realistic skew (a fifth of the customers do four fifths of everything, in
sessions). The floor of each does, in the same run and on the same documents, only what no engine
on this store can leave out: read and decode each batch's documents, encode and write them, in one
transaction a batch. What the engine does beyond it is the ratio. With `--segments`, an engine with
that many live segments takes every piece of each shape right after one without them, so that both
meet the machine as it is then, and the ratio is to the rate without them.
"""

import argparse
import random
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

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
PIECE = 40_000
"""Events that wait in the log when an engine begins."""
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
    for shape, owners_of in (("spread", spread), ("skewed", skewed)):
        owners = owners_of(given.profiles, given.events)
        with scratch() as folder, ExitStack() as ending:
            # Each ends before those whose pipes it has: the last first.
            some = [
                ending.enter_context(Working(folder / str(segments), given.profiles, segments))
                for segments in ((0, given.segments) if given.segments else (0,))
            ]
            floor = measure_floor(some[0].store, owners)
            with profiled(given.profile):
                for start in range(0, len(owners), PIECE):
                    for one in some:
                        one.handle(owners[start : start + PIECE])
            alone, more = some[0], some[-1]
            print(
                f"engine {shape}: {alone.rate():,.0f} events/s over {given.profiles:,} profiles and"
                f" 50 journeys; floor {floor:,.0f}/s; ratio {alone.rate() / floor:.2f}",
                flush=True,
            )
            if more is not alone:
                print(
                    f"with {given.segments} live segments: {more.rate() / alone.rate():.2f} of it;"
                    f" by processor time {alone.worked / more.worked:.2f}",
                    flush=True,
                )


class Working:
    """An engine with its writer and its store of so many customers, until the `with` ends."""

    def __init__(self, folder: Path, profiles: int, segments: int) -> None:
        folder.mkdir()
        self._writer = Writer(lambda: SqliteStore(folder / "state.db", cache_mib=CACHE_MIB))
        self.store = SqliteStore(folder / "state.db", cache_mib=CACHE_MIB)
        fill(self.store, profiles)
        self._log = Log(folder / "log")
        self._clock = SettableClock(NOW)
        reader = LogReader(folder / "log")
        self._engine = Engine(self.store, reader, self._clock, writer=self._writer)
        self._segments = segments
        self.taken = self.worked = 0.0
        """Seconds, and seconds of a processor, the writer's included."""
        self._handled = 0
        self._chance = random.Random(3)

    def __enter__(self) -> Self:
        written = msgspec.msgpack.encode(definitions(self._segments))
        self._log.append([Record(0, NOW, NOW, Kind.DEFINITIONS, written)])
        while self._engine.turn() or self._engine.backfill.prepare():
            pass
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
        self._log.close()
        self.store.close()

    def rate(self) -> float:
        return self._handled / self.taken

    def handle(self, owners: list[int]) -> None:
        """Handle an event of each of the customers."""
        write_events(self._log, owners, self._handled, self._chance)
        self._handled += len(owners)
        self._clock.advance(len(owners) // PER_MS)
        began, worked = time.perf_counter(), time.process_time() + busy(self._writer.pid)
        while self._engine.turn():
            pass
        self.taken += time.perf_counter() - began
        self.worked += time.process_time() + busy(self._writer.pid) - worked


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
    owners: list[int] = []
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


def write_events(log: Log, owners: list[int], first: int, chance: random.Random) -> None:
    records = []
    for number, owner in enumerate(owners, first):
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
