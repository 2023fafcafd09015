"""History: events a second into the columns, and bytes an event on disk.

    ./run bench history [--events N] [--memory 100MB]

Each commit holds 10,000 events of a shop. The floors append the same rows to a bare DuckDB table
of the same columns, in turns with ours so that all meet the same machine; their rows stand ready in
memory as Arrow columns, so that they are nothing but DuckDB's own work: once with DuckDB as it
comes, once with checkpoints as seldom as ours. Ours begins with the engine's blobs (decoding,
columns) and also keeps the watermark.
"""

import argparse
import gc
import random
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb

from bench.engine import NAMES
from bench.kit import scratch
from harken.clock import parse_time
from harken.effects import Happening
from harken.history import duck_write
from harken.history.duck import CHECKPOINT, DuckHistory
from harken.history.rows import encode_batch, rows_of
from harken.ids import profile_id

NOW = parse_time("2026-06-01T12:00:00Z") or 0
PER_MS = 12
COMMIT = 10_000
BATCH = 2_000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--memory", default="100MB")
    given = arguments.parse_args()
    # As in the engine's process, where history is appended.
    gc.set_threshold(50_000, 50, 50)
    with scratch() as folder:
        run(folder, given.events, given.memory)


def run(folder: Path, events: int, memory: str) -> None:
    history = DuckHistory(folder / "history.duckdb", memory=memory)
    plain, tuned = (bare(folder / name, memory) for name in ("plain.duckdb", "tuned.duckdb"))
    tuned.execute(f"SET GLOBAL checkpoint_threshold = '{CHECKPOINT}'")
    spent = {"ours": 0.0, "plain": 0.0, "tuned": 0.0}
    count = 0
    for batches in commits(events):
        count += COMMIT
        blobs = [(number, encode_batch(batch, [])) for number, batch in batches]
        ready = list(
            duck_write.events_tables(
                [(number, rows_of(batch, "properties")) for number, batch in batches]
            )
        )
        began = time.perf_counter()
        history.append(blobs)
        spent["ours"] += time.perf_counter() - began
        for name, connection in (("plain", plain), ("tuned", tuned)):
            began = time.perf_counter()
            append(connection, ready)
            spent[name] += time.perf_counter() - began
    plain.close()
    tuned.close()
    history.close()
    size = (folder / "history.duckdb").stat().st_size
    rate = {name: count / taken for name, taken in spent.items()}
    print(
        f"history append: {rate['ours']:,.0f} events/s, a commit every {COMMIT:,};"
        f" floor {rate['plain']:,.0f}/s, ratio {rate['ours'] / rate['plain']:.2f}; floor with"
        f" our checkpoints {rate['tuned']:,.0f}/s, ratio {rate['ours'] / rate['tuned']:.2f};"
        f" {size / count:.1f} bytes an event on disk, {count:,} events",
        flush=True,
    )


def bare(path: Path, memory: str) -> duckdb.DuckDBPyConnection:
    """A database of the same tables and settings, and nothing of ours."""
    connection = duckdb.connect(str(path), config={"memory_limit": memory, "threads": 1})
    connection.execute(duck_write.SCHEMA)
    return connection


def append(connection: duckdb.DuckDBPyConnection, tables: Iterable[Any]) -> None:
    connection.execute("BEGIN")
    for rows in tables:
        connection.register("incoming", rows)
        connection.execute(duck_write.INSERT_EVENTS)
        connection.unregister("incoming")
    connection.execute("COMMIT")


def commits(events: int) -> Iterator[list[tuple[int, list[Happening]]]]:
    """Numbered batches of events as they come in, a commit at a time."""
    chance = random.Random(3)
    for start in range(0, events, COMMIT):
        yield [
            (1 + at // BATCH, [shop_event(number, chance) for number in range(at, at + BATCH)])
            for at in range(start, start + COMMIT, BATCH)
        ]


def shop_event(number: int, chance: random.Random) -> Happening:
    """An event like those of the engine's bench, with its message id as SDKs make them."""
    at = NOW + number // PER_MS
    return Happening(
        at=at,
        received_at=at,
        profile_id=profile_id("user", f"user-{chance.randrange(1_000_000)}"),
        name=chance.choice(NAMES),
        message_id=f"message-{number}",
        properties={
            "product_id": f"sku-{chance.randrange(500)}",
            "category": chance.choice(["shoes", "bags", "coats"]),
            "price": chance.randrange(5, 300),
            "quantity": 1,
        },
    )


if __name__ == "__main__":
    main()
