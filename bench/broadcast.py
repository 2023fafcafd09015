"""A broadcast to a million profiles: decisions a second, with nothing sent.

    ./run bench broadcast [--profiles N] [--profile]

Everybody in the segment is looked at again, enters, passes the gates, gets a row in the ledger and
rows in history; nothing is rendered or sent. As in `harken serve`, history is a process of its own,
which takes what the engine leaves for it meanwhile. The floor does, in the same run and on the
same documents, only what no engine on this store can leave out: read and decode each slice's
documents, encode and write them with a message each, in one transaction a slice. Before it, the
segment's customers are selected by history; that is timed by itself.
"""

import argparse
import os
import resource
import threading
import time
from pathlib import Path

import duckdb
import msgspec

from bench.engine import NOW, batch, customer, fill
from bench.kit import as_the_engine, busy, profiled, scratch
from harken.clock import DAY, SettableClock
from harken.config import Settings
from harken.effects import Outgoing
from harken.engine import INVITED, Engine
from harken.history.duck import DuckHistory
from harken.history.remote import ADDRESS, RemoteHistory
from harken.ids import derived_id, profile_id
from harken.inputs import Definitions, JourneySource, Kind, Record, StartBroadcast
from harken.running.bell import Bells
from harken.running.forked import Lifeline, forked
from harken.running.processes import GRACE, Child
from harken.running.roles import CACHE_MIB
from harken.running.writer import Writer
from harken.store.log import Log, LogReader
from harken.store.sqlite import SqliteStore

PEOPLE = """
INSERT INTO profiles BY NAME
SELECT profile_id, 'user-' || n AS user_id, $1 AS created_at,
    {'country': 'KR', 'email': 'user' || n || '@example.com'}::VARIANT AS attributes,
    '{}'::JSON::VARIANT AS dates, ['email'] AS reachable, ['email:marketing:opted_in'] AS consent,
    [] AS lists
FROM customers
"""
JOURNEY = {
    "journey": "news",
    "entry": {"api": True},
    "steps": [
        {
            "message": "news",
            "channel": "email",
            "default": {"subject": "{{ entry.title | default: 'News' }}", "html": "<p>Hello</p>"},
        }
    ],
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--profiles", type=int, default=1_000_000)
    arguments.add_argument("--profile", action="store_true", help="say where the time goes")
    given = arguments.parse_args()
    as_the_engine()
    with scratch() as folder:
        run(folder, given.profiles, given.profile)


def run(folder: Path, profiles: int, profile: bool) -> None:
    settings, bells = Settings(data=folder), Bells.new()
    settings.run.mkdir()
    # DuckDB is loaded by others only, and nobody is forked from who has.
    os.waitpid(forked("filler", lambda: make_history(settings.history, profiles)), 0)
    feeding = Child("history", 0, settings, bells, Lifeline())
    feeding.watch()
    writer = Writer(lambda: SqliteStore(settings.state, cache_mib=CACHE_MIB))
    store = SqliteStore(settings.state, cache_mib=CACHE_MIB)
    fill(store, profiles)
    floor = measure_floor(store, min(profiles, 100_000))
    while not (settings.run / ADDRESS).exists():
        time.sleep(0.01)
    clock = SettableClock(NOW)
    with Log(settings.log) as log:
        history = RemoteHistory(settings.run / ADDRESS)
        reader = LogReader(settings.log)
        ring = bells.history.ring
        engine = Engine(store, reader, clock, history=history, writer=writer, on_history=ring)
        log.append([Record(0, NOW, NOW, Kind.DEFINITIONS, msgspec.msgpack.encode(definitions()))])
        while engine.turn() or engine.backfill.prepare():
            pass
        wish = StartBroadcast(id="bench", journey="news", by="bench", segment="koreans")
        log.append([Record(0, NOW, NOW, Kind.BROADCAST, msgspec.msgpack.encode(wish))])
        while engine.turn():
            pass
        began = time.perf_counter()
        while not engine.broadcasts.prepare():
            time.sleep(0.01)
        print(f"selected in {time.perf_counter() - began:.1f} s", flush=True)
        decide(engine, writer, feeding, store, floor, profile)
    engine.close()
    writer.close()
    feeding.stop()
    feeding.join(time.monotonic() + GRACE)
    store.close()


def decide(
    engine: Engine,
    writer: Writer,
    feeding: Child,
    store: SqliteStore,
    floor: float,
    profile: bool,
) -> None:
    stopping = threading.Event()
    checkpoints = threading.Thread(target=checkpoint, args=(store, stopping), daemon=True)
    checkpoints.start()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    others = {"the writer": writer.pid, "history": feeding.pid}
    with profiled(profile):
        began, longest = time.perf_counter(), 0.0
        mine, before_it = time.thread_time(), {name: busy(pid) for name, pid in others.items()}
        while True:
            started = time.perf_counter()
            if not engine.turn():
                break
            longest = max(longest, time.perf_counter() - started)
        taken = time.perf_counter() - began
        mine = time.thread_time() - mine
    stopping.set()
    checkpoints.join()
    (one,) = engine.broadcasts.known.past.over
    assert one.entered == one.selected == one.considered, one
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rate = one.considered / taken
    spent = {
        "the engine": mine,
        **{name: busy(others[name]) - was for name, was in before_it.items()},
    }
    each = ", ".join(f"{name} {took / one.considered * 1e6:.0f}" for name, took in spent.items())
    print(
        f"broadcast: {rate:,.0f} decisions/s over {one.selected:,} profiles; floor {floor:,.0f}/s;"
        f" ratio {rate / floor:.2f}; the longest slice took {longest * 1000:.0f} ms;"
        f" memory grew by {(peak - before) / 1024:.0f} MB; us of a processor a decision: {each}",
        flush=True,
    )


def checkpoint(store: SqliteStore, stopping: threading.Event) -> None:
    """As beside the engine in `roles`."""
    while not stopping.wait(1.0):
        store.database.checkpoint()


def make_history(path: Path, profiles: int) -> None:
    DuckHistory(path).close()
    ids = [profile_id("user", f"user-{number}") for number in range(profiles)]
    with duckdb.connect(str(path)) as history:
        history.execute("CREATE TEMP TABLE customers AS SELECT unnest($1::BIGINT[]) AS profile_id,"
                        " unnest(range($2)) AS n", [ids, profiles])  # fmt: skip
        history.execute(PEOPLE, [NOW - 30 * DAY])


def definitions() -> Definitions:
    segment = {"segment": "koreans", "rule": {"attribute": "country", "equals": "KR"}}
    workspace = {"workspace": "bench", "timezone": "UTC"}
    journeys = {"news": JourneySource(1, JOURNEY)}
    return Definitions(1, NOW, "bench", workspace, journeys, {"koreans": segment})


def measure_floor(store: SqliteStore, profiles: int) -> float:
    """The first so many documents, in the order of ids."""
    began, done, cursor = time.perf_counter(), 0, -1
    context = msgspec.msgpack.encode({"profile": msgspec.to_builtins(customer(1).attributes)})
    while done < profiles:
        ids = store.profile_ids(cursor, INVITED)
        found = store.profiles(ids)
        written = batch(list(found.values()))
        written.messages = [message(id, context) for id in ids]
        store.commit(written)
        cursor, done = ids[-1], done + len(ids)
    taken = time.perf_counter() - began
    store.database.connection.execute("DELETE FROM messages")
    return done / taken


def message(id: int, context: bytes) -> Outgoing:
    return Outgoing(
        id=derived_id("floor", id),
        profile_id=id,
        journey="floor",
        revision=1,
        step="news",
        run=derived_id("run", id),
        channel="email",
        purpose="marketing",
        address="user@example.com",
        queued_at=NOW,
        not_before=NOW,
        context=context,
    )


if __name__ == "__main__":
    main()
