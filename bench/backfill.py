"""A new windowed segment over a million customers, while mail goes out.

    ./run bench backfill [--customers 1000000] [--events 10000000] [--mails 20000]

A data folder is made with that many customers and their past in history. `harken serve` runs on it
and sends a mail for each order to an SMTP sink; the floor is the rate of doing only that. Then a
segment on a new trait ("viewed A three times within 30 days") is applied and mails are sent until
it is `live`: the ratio says what the back-fill costs the sender. The time is from the apply until
the segment says that it is `live`.
"""

import argparse
import time

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
    arguments.add_argument("--mails", type=int, default=20_000)
    given = arguments.parse_args()
    with scratch() as folder:
        make(Settings(data=folder), given.customers, given.events)
        with Sink() as sink:
            environment = {"HARKEN_SMTP_URL": f"smtp://127.0.0.1:{sink.port}"}
            with Running(folder, **environment) as harken:
                measure(harken, sink, given.customers, given.mails)


def make(settings: Settings, customers: int, events: int) -> None:
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


def measure(harken: Running, sink: Sink, customers: int, mails: int) -> None:
    journeys = {"mail": mail_journey("Order Completed")}
    harken.apply(journeys, workspace(sink, signed=False))
    floors = [rate(harken, sink, 0, mails)]
    began = time.perf_counter()
    harken.apply(journeys, workspace(sink, signed=False), {"keen": RULE})
    during, filled, sent = 0.0, 0.0, mails
    rates = []
    while not filled:
        rates.append(rate(harken, sink, sent, mails // 4))
        sent += mails // 4
        if harken.api.get("/api/v1/segments/keen").json()["state"] == "live":
            filled = time.perf_counter() - began
    during = len(rates) / sum(1 / one for one in rates)
    # Neighbours come and go: the floor is taken on both sides.
    floors.append(rate(harken, sink, sent, mails))
    floor = 2 / sum(1 / one for one in floors)
    members = harken.api.get("/api/v1/segments/keen").json()["count"]
    print(
        f"back-fill of {customers:,} customers ({members:,} members): {filled:.0f} s while sending"
        f" {during:,.0f} mails/s; floor without it {floor:,.0f}/s; ratio {during / floor:.2f}",
        flush=True,
    )


def rate(harken: Running, sink: Sink, start: int, mails: int) -> float:
    """Mails a second, from the first order to the last mail accepted."""
    before = sink.count()
    began = time.perf_counter()
    for first in range(start, start + mails, BATCH):
        harken.send([order(number) for number in range(first, min(first + BATCH, start + mails))])
    wait_for(sink, before + mails)
    return mails / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
