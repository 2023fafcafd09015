"""Import: events a second from a file into documents and history, and what that takes.

    ./run bench importing [--events N] [--customers N] [--folder DIR] [--keep]

A file of events in order of time, of customers in no order, goes through the real `harken import`
into the real `harken serve`; the clock stops when the engine has handled and history holds them
all. The floor does, in the same run with the events already in memory and in order by customer,
only what no import of them could leave out: decode, fsynced append to a log, one write of each
customer's document, and the rows into a bare DuckDB table; one after another on one core.
"""

import argparse
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from itertools import islice
from pathlib import Path

import msgspec
import psutil

from bench.history import append, bare
from bench.kit import called
from bench.running import WRITE_KEY, Running
from harken import clock, ids
from harken.effects import Happening
from harken.history import duck_write
from harken.history.rows import rows_of
from harken.ingest import protocol

BEGIN = 1_735_689_600_000
"""2025-01-01 in ms; the events fill the year from it."""
YEAR = 365 * 86_400_000
FLOOR_EVENTS = 1_000_000
FLOOR_TOGETHER = 10_000
NAMES = ["Page Viewed", "Product Viewed", "Product Added", "Cart Viewed", "Order Completed"]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--customers", type=int, default=50_000)
    arguments.add_argument("--folder", type=Path, help="where file and data go")
    arguments.add_argument("--keep", action="store_true", help="leave the data folder")
    given = arguments.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="harken-bench-", dir=given.folder))
    try:
        run(folder, given.events, given.customers)
    finally:
        if not given.keep:
            shutil.rmtree(folder)


def write(path: Path, events: int, customers: int) -> None:
    """A year of a shop: a twentieth says who someone is, the rest what they did."""
    chance = random.Random(1)
    with path.open("w") as file:
        for number in range(events):
            file.write(line(chance, BEGIN + number * YEAR // events, number, customers))


def line(chance: random.Random, at: int, number: int, customers: int) -> str:
    owner = int(customers * chance.random())
    days, ms = divmod(at, 86_400_000)
    minutes, seconds = divmod(ms // 1000, 60)
    day = time.strftime("%Y-%m-%d", time.gmtime(days * 86_400))
    moment = f"{day}T{minutes // 60:02}:{minutes % 60:02}:{seconds:02}.{ms % 1000:03}Z"
    head = f'{{"messageId":"m-{number}","userId":"user-{owner}","timestamp":"{moment}",'
    if number % 20 == 0:
        return (
            f'{head}"type":"identify","traits":{{"email":"user{owner}@customers.example",'
            f'"first_name":"Mina","country":"{chance.choice(("KR", "ID", "US"))}"}}}}\n'
        )
    return (
        f'{head}"type":"track","event":"{chance.choice(NAMES)}",'
        f'"properties":{{"product_id":"sku-{number % 977}","category":"shoes",'
        f'"price":{5 + number % 295}.5,"quantity":{1 + number % 3}}}}}\n'
    )


class Watched:
    """What processes took, by name: peak memory, looked at once a second, and processor time."""

    def __init__(self, **roots: int) -> None:
        self.memory: dict[str, float] = {}
        """Peak MB."""
        self.busy: dict[str, float] = {}
        """Seconds of a core."""
        self._roots = roots
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stopping.wait(1):
            self.look()

    def look(self) -> None:
        for name, root in self._roots.items():
            try:
                self._measure(name, psutil.Process(root))
            except psutil.Error:
                pass  # it ended just now

    def _measure(self, name: str, parent: psutil.Process) -> None:
        resident = shared = 0.0
        for process in (parent, *parent.children(recursive=True)):
            memory, times = process.memory_full_info(), process.cpu_times()
            resident += memory.rss / 1e6
            shared += memory.pss / 1e6
            role = f"{name} {called(process)}"
            if name != "import" or process is parent:
                self.busy[role] = times.user + times.system + times.children_user
        for what, size in ((f"{name} RSS", resident), (f"{name} PSS", shared)):
            self.memory[what] = max(self.memory.get(what, 0), size)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()


def run(folder: Path, events: int, customers: int) -> None:
    path = folder / "events.ndjson"
    write(path, events, customers)
    size = path.stat().st_size
    print(
        f"{events:,} events of {customers:,} customers, {size / events:.0f} bytes each", flush=True
    )
    with Running(folder / "data") as harken:
        began = time.perf_counter()
        importing = start(path, harken, folder)
        watched = Watched(serve=harken.pid, **{"import": importing.pid})
        sent = steps(importing, began)
        while not harken.handled():
            time.sleep(0.05)
        handled = time.perf_counter() - began
        while count(harken) < events:
            time.sleep(0.5)
        taken = time.perf_counter() - began
        watched.look()
        watched.stop()
    print(f"  sent after    {sent:8.1f} s", flush=True)
    print(f"  handled after {handled:8.1f} s")
    print(f"  in history    {taken:8.1f} s   {events / taken:10,.0f} events/s (target 40,000)")
    for role, seconds in watched.busy.items():
        print(f"  {1e6 * seconds / events:5.1f} microseconds of a core an event: {role}")
    for name, peak in watched.memory.items():
        print(f"  peak {name} {peak:8.0f} MB")
    data = folder / "data"
    print(f"  history {bytes_of(data / 'history.duckdb') / events:.1f} bytes an event on disk")
    print(f"  documents and state {bytes_of(data / 'state.db') / customers:,.0f} bytes a customer")
    lowest = floor(folder, path)
    print(f"  floor {lowest:,.0f} events/s on one core; ratio {events / taken / lowest:.2f}")


def start(path: Path, harken: Running, folder: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "harken", "import", str(path), "--json"]
    return subprocess.Popen(
        [*command, "--server", harken.url, "--state", str(folder / "state")],
        env={**os.environ, "HARKEN_WRITE_KEY": WRITE_KEY},
        stdout=subprocess.PIPE,
    )


def steps(importing: "subprocess.Popen[bytes]", began: float) -> float:
    out, _ = importing.communicate()
    if importing.returncode:
        raise SystemExit(f"harken import failed: {out[:500]!r}")
    return time.perf_counter() - began


def count(harken: Running) -> int:
    question = {"sql": "SELECT count(*) FROM events WHERE imported"}
    answer = harken.api.post("/api/v1/sql", json=question)
    answer.raise_for_status()
    return int(answer.json()["rows"][0][0])


def bytes_of(path: Path) -> int:
    return sum(found.stat().st_size for found in path.parent.glob(f"{path.name}*"))


def floor(folder: Path, path: Path) -> float:
    """Events a second of what cannot be left out, over the first of the file."""
    with path.open("rb") as file:
        found = list(islice(file, FLOOR_EVENTS))
    owned = sorted((ids.profile_id("user", json.loads(line)["userId"]), line) for line in found)
    log = os.open(folder / "floor.log", os.O_CREAT | os.O_WRONLY)
    documents = sqlite3.connect(folder / "floor.db", isolation_level=None)
    documents.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
        "CREATE TABLE documents (id INTEGER PRIMARY KEY, body BLOB)"
    )
    columns = bare(folder / "floor.duckdb", "100MB")
    began = time.perf_counter()
    for at in range(0, len(owned), FLOOR_TOGETHER):
        rows = owned[at : at + FLOOR_TOGETHER]
        events = [protocol.decode_event(line) for _, line in rows]
        os.write(log, b"".join([line for _, line in rows]))
        os.fdatasync(log)
        people = {owner: msgspec.msgpack.encode(line) for owner, line in rows}
        documents.execute("BEGIN")
        documents.executemany("INSERT OR REPLACE INTO documents VALUES (?, ?)", people.items())
        documents.execute("COMMIT")
        happened = [happening(owner, event) for (owner, _), event in zip(rows, events, strict=True)]
        append(columns, duck_write.events_tables([(1, rows_of(happened, "properties"))]))
    rate = len(owned) / (time.perf_counter() - began)
    columns.close()
    documents.close()
    os.close(log)
    return rate


def happening(owner: int, event: protocol.Event) -> Happening:
    return Happening(
        at=clock.parse_time(event.timestamp or "") or 0,
        received_at=BEGIN,
        profile_id=owner,
        name=event.event or "$identify",
        message_id=event.message_id or "",
        properties=event.properties or {},
        imported=True,
    )


if __name__ == "__main__":
    main()
