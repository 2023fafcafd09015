"""A new windowed segment over a million customers, while mail goes out.

    ./run bench backfill [--customers 1000000] [--events 10000000] [--piece 4000]

Two `harken serve` run on equal data folders with that many customers and their past in history,
and send a mail for each order to an SMTP sink. A segment on a new trait ("viewed A three times
within 30 days") is applied to the one. Both send pieces of so many mails in turn, each while the
other is frozen, so that they meet the machine as it is then, until the segment is `live`: the
ratio of their rates says what the back-fill costs the sender. The time is what the one took from
the apply until the segment says that it is `live`, without that in which it was frozen.
"""

import argparse
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import duckdb

from bench.engine import batch, customer
from bench.kit import scratch
from bench.mails import BATCH, wait_for, workspace
from bench.running import Running, mail_journey, order
from bench.sink import Sink
from harken.clock import DAY, SystemClock
from harken.config import Settings
from harken.history.duck import DuckHistory
from harken.ids import profile_id
from harken.store.sqlite import SqliteStore

RULE = {"did": "Product Viewed", "where": {"product": "A"}, "at_least": 3, "within": "30d"}
EVENTS = """
INSERT INTO events BY NAME
SELECT $1 - hash(e.n)::HUGEINT % 5184000000 AS ts, $1 AS received, c.profile_id, c.profile_id
    AS origin, CASE WHEN e.n % 2 = 0 THEN 'Product Viewed' ELSE 'Page Viewed' END AS name,
    '' AS message_id, '' AS anonymous_id,
    {'product': CASE WHEN e.n % 4 = 0 THEN 'A' ELSE 'B' END, 'price': e.n % 300}::VARIANT AS props,
    '' AS journey, '' AS step, '' AS variant, '' AS channel, '' AS message, true AS imported,
    0 AS batch
FROM range($2) AS e(n) JOIN customers AS c ON c.n = e.n % $3
"""

PEOPLE = """
INSERT INTO profiles BY NAME
SELECT profile_id, 'user-' || n AS user_id, $1 AS created_at, '{}'::JSON::VARIANT AS attributes,
    '{}'::JSON::VARIANT AS dates, [] AS reachable, [] AS consent, [] AS lists
FROM customers
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, default=1_000_000)
    arguments.add_argument("--events", type=int, default=10_000_000)
    arguments.add_argument("--piece", type=int, default=4_000)
    given = arguments.parse_args()
    with scratch() as folder, Sink() as sink, ExitStack() as ending:
        make(Settings(data=folder / "alone"), given.customers, given.events)
        shutil.copytree(folder / "alone", folder / "filling")
        alone, filling = [
            ending.enter_context(Sending(folder / name, sink, given.piece))
            for name in ("alone", "filling")
        ]
        measure(alone, filling, given.customers)


def make(settings: Settings, customers: int, events: int) -> None:
    settings.data.mkdir()
    store = SqliteStore(settings.state, cache_mib=64)
    for start in range(0, customers, 20_000):
        store.commit(batch([customer(n) for n in range(start, min(start + 20_000, customers))]))
    store.close()
    DuckHistory(settings.history).close()
    ids = [profile_id("user", f"user-{number}") for number in range(customers)]
    with duckdb.connect(str(settings.history)) as history:
        history.execute("SET preserve_insertion_order = false")
        history.execute("CREATE TEMP TABLE customers AS SELECT unnest($1::BIGINT[]) AS profile_id,"
                        " unnest(range($2)) AS n", [ids, customers])  # fmt: skip
        history.execute(EVENTS, [SystemClock().now() - DAY, events, customers])
        history.execute(PEOPLE, [SystemClock().now() - DAY])


class Sending:
    """A Harken that mails, frozen but for the `with` of its turns."""

    def __init__(self, folder: Path, sink: Sink, piece: int) -> None:
        self._running = Running(folder, HARKEN_SMTP_URL=f"smtp://127.0.0.1:{sink.port}")
        self._sink, self._piece = sink, piece
        self._sent = 0
        self.taken: list[float] = []
        """Seconds of each piece."""

    def __enter__(self) -> Self:
        with ExitStack() as ending:
            ending.enter_context(self._running)
            self.apply({})
            # The first mails find everything cold.
            self.send()
            self.taken.clear()
            self._running.freeze()
            self._ending = ending.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.thaw()
        self._ending.close()

    @contextmanager
    def turn(self) -> Iterator[None]:
        self._running.thaw()
        yield
        self._running.freeze()

    def apply(self, segments: dict[str, dict[str, Any]]) -> None:
        journeys = {"mail": mail_journey("Order Completed")}
        self._running.apply(journeys, workspace(self._sink, signed=False), segments)

    def send(self) -> None:
        """A piece of the mails, from the first order to the last mail accepted."""
        before, began = self._sink.count(), time.perf_counter()
        for first in range(self._sent, self._sent + self._piece, BATCH):
            some = range(first, min(first + BATCH, self._sent + self._piece))
            self._running.send([order(number) for number in some])
        wait_for(self._sink, before + self._piece)
        self._sent += self._piece
        self.taken.append(time.perf_counter() - began)

    def rate(self) -> float:
        """Mails a second."""
        return self._piece * len(self.taken) / sum(self.taken)

    def segment(self) -> dict[str, Any]:
        answer = self._running.api.get("/api/v1/segments/keen")
        return dict(answer.raise_for_status().json())


def measure(alone: Sending, filling: Sending, customers: int) -> None:
    took = 0.0
    with filling.turn():
        began = time.perf_counter()
        filling.apply({"keen": RULE})
        took += time.perf_counter() - began
    live = False
    while not live:
        with alone.turn():
            alone.send()
        with filling.turn():
            began = time.perf_counter()
            filling.send()
            keen = filling.segment()
            live = keen["state"] == "live"
            took += time.perf_counter() - began
    print(
        f"back-fill of {customers:,} customers ({keen['count']:,} members): {took:.0f} s while"
        f" sending {filling.rate():,.0f} mails/s; floor without it {alone.rate():,.0f}/s;"
        f" ratio {filling.rate() / alone.rate():.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
