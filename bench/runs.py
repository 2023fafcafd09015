"""Runs that go on: ten thousand are due among a hundred thousand parked in a journey of 20 steps.

    ./run bench runs [--parked N] [--due N] [--profile]

Each due run ends its wait, takes what lies before the next one (a branch, a split, an update, a
message in some places) and parks again. The floor does, in the same run and on the same documents,
only what no engine on this store can leave out: claim the wake-ups, read and decode the documents,
encode and write them.
"""

import argparse
import random
import time

import msgspec

from bench.engine import NOW, batch, customer
from bench.kit import as_the_engine, profiled, scratch
from harken.clock import DAY, SettableClock
from harken.engine import WAKEUPS, Engine
from harken.inputs import Definitions, JourneySource, Kind, Record, WakeUp
from harken.people.profile import Profile, Run, Trigger
from harken.running.roles import CACHE_MIB
from harken.running.writer import Writer
from harken.store.log import Log, LogReader
from harken.store.sqlite import SqliteStore

MESSAGE = {"channel": "email", "default": {"subject": "Hello", "html": "<p>Have a look</p>"}}
PLACES = (0, 4, 8, 12, 16)
"""Of the waits among the steps, laid out in one row."""


def steps() -> list[dict[str, object]]:
    """Twenty: five times a wait, a branch with an update in it, a split or a message."""
    found: list[dict[str, object]] = []
    for turn in range(5):
        found.append({"wait": "1d", "id": f"wait-{turn}"})
        rule = {"attribute": "loyalty_member", "equals": turn % 2 == 0}
        update = {"update": {"stage": turn, "seen": {"now": True}}, "id": f"update-{turn}"}
        found.append({"branch": [{"when": rule, "then": [update]}], "id": f"branch-{turn}"})
        if turn == 4:
            found.append({"message": "last", **MESSAGE})
        else:
            arms = [{"name": "a", "weight": 50}, {"name": "b", "weight": 50}]
            found.append({"split": f"split-{turn}", "arms": arms})
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--parked", type=int, default=100_000)
    arguments.add_argument("--due", type=int, default=10_000)
    arguments.add_argument("--profile", action="store_true", help="say where the time goes")
    given = arguments.parse_args()
    as_the_engine()
    with scratch() as folder:
        writer = Writer(lambda: SqliteStore(folder / "state.db", cache_mib=CACHE_MIB))
        store = SqliteStore(folder / "state.db", cache_mib=32)
        due = fill(store, given.parked, given.due)
        floor = measure_floor(store, due)
        clock = SettableClock(NOW)
        with Log(folder / "log") as log:
            engine = Engine(store, LogReader(folder / "log"), clock, writer=writer)
            journey = {"journey": "long", "entry": {"event": "Go"}, "steps": steps()}
            written = Definitions(1, NOW, "bench", {}, {"long": JourneySource(1, journey)})
            body = msgspec.msgpack.encode(written)
            log.append([Record(0, NOW, NOW, Kind.DEFINITIONS, body)])
            engine.turn()
        with profiled(given.profile):
            began, handled = time.perf_counter(), 0
            while done := engine.turn():
                handled += done
            rate = handled / (time.perf_counter() - began)
        print(
            f"runs that go on: {rate:,.0f}/s, {handled:,} due of {given.parked:,} parked in a"
            f" journey of 20 steps (aim at 5,000); floor {floor:,.0f}/s; ratio {rate / floor:.2f}"
        )
        engine.close()
        writer.close()
        store.close()


def fill(store: SqliteStore, parked: int, due: int) -> list[int]:
    """Customers with a run each; the ids of those whose run is due."""
    chance = random.Random(1)
    chosen = set(chance.sample(range(parked), due))
    found = []
    for start in range(0, parked, 20_000):
        documents, wake = [], []
        for number in range(start, min(start + 20_000, parked)):
            at = (
                NOW - chance.randrange(DAY) if number in chosen else NOW + 1 + chance.randrange(DAY)
            )
            one = customer(number)
            run = parked_run(f"run-{number}", chance.choice(PLACES), at)
            one.runs[run.id] = run
            documents.append(one)
            wake.append(WakeUp(at, one.id, f"run:{run.id}"))
            if number in chosen:
                found.append(one.id)
        parking = batch(documents)
        parking.wake = wake
        store.commit(parking)
    store.database.checkpoint()
    return found


def parked_run(id: str, place: int, due: int) -> Run:
    properties = {"cart_id": id, "cart_value": 120, "brand": "Acme"}
    event = Trigger(name="Go", at=NOW - 5 * DAY, message_id=id, properties=properties)
    return Run(
        id=id,
        journey="long",
        revision=1,
        entered_at=NOW - 5 * DAY,
        event=event,
        step=place,
        due=due,
        since=due - DAY,
        delayed=True,
    )


def measure_floor(store: SqliteStore, ids: list[int]) -> float:
    """Runs a second when nothing is decided: claimed, read and written."""
    began = time.perf_counter()
    for start in range(0, len(ids), WAKEUPS):
        store.due(NOW, WAKEUPS)
        found: dict[int, Profile] = store.profiles(sorted(ids[start : start + WAKEUPS]))
        store.commit(batch(list(found.values())))
    return len(ids) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
