"""Recommendations worked out anew over a million events, and asked for by a sender.

    ./run bench recommend [--events 1000000] [--customers 50000] [--items 10000]

The floor of working them out is one pass of the same file over the same events that reads only
whose they are and of which item.
"""

import argparse
import resource
import shutil
import tempfile
import time
from pathlib import Path

import duckdb
import msgspec

from bench.render import rate
from harken.catalogs.recommend import work_out
from harken.catalogs.settings import CatalogSettings, Recommend
from harken.catalogs.shelves import Shelves
from harken.history.duck import DuckHistory
from harken.messages.outside import Wish
from harken.store.catalogs import Catalogs

NOW = 1_780_000_000_000
SETTINGS = CatalogSettings(recommend=Recommend())
# Of ten events six are views, two additions to a cart, one an order of two items, one a page; few
# items are popular.
EVENTS = """
INSERT INTO events BY NAME
SELECT $1 - n AS ts, $1 AS received, (hash(n) % $3)::BIGINT AS profile_id,
    CASE WHEN n % 10 < 6 THEN 'Product Viewed' WHEN n % 10 < 8 THEN 'Product Added'
        WHEN n % 10 = 8 THEN 'Order Completed' ELSE 'Page Viewed' END AS name,
    CASE WHEN n % 10 = 8 THEN ('{"products": [{"product_id": "' || a || '", "price": 3},'
            || ' {"product_id": "' || b || '", "price": 4}]}')::JSON::VARIANT
        ELSE ('{"product_id": "' || a || '", "price": 3}')::JSON::VARIANT END AS props
FROM (
    SELECT n, 'p' || (hash(n + 1) % k) * (hash(n + 2) % k) // 1 AS a,
        'p' || (hash(n + 3) % k) * (hash(n + 4) % k) // 1 AS b
    FROM (SELECT n, sqrt($4)::BIGINT AS k FROM range($2) AS r(n))
)
"""
FLOOR = """
SELECT count(DISTINCT (profile_id, props.product_id::VARCHAR)) FROM events
WHERE name <> 'Page Viewed'
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--customers", type=int, default=50_000)
    arguments.add_argument("--items", type=int, default=10_000)
    given = arguments.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="harken-bench-"))
    try:
        make(folder / "history.duckdb", given.events, given.customers, given.items)
        measure(folder, given.items)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make(path: Path, events: int, customers: int, items: int) -> None:
    """A history of so many events."""
    DuckHistory(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute(EVENTS, [NOW, events, customers, items])


def measure(folder: Path, items: int) -> None:
    """Print what working out and asking cost."""
    history = DuckHistory(folder / "history.duckdb")
    started, spent = time.perf_counter(), time.process_time()
    history.query(FLOOR)
    print(f"floor: {time.perf_counter() - started:.2f} s")
    goods = {f"p{item}": {"title": f"Item {item}", "category": f"c{item % 20}"} for item in
             range(items)}  # fmt: skip
    started, spent = time.perf_counter(), time.process_time()
    shelves = list(work_out(history, goods.items(), SETTINGS, NOW))
    taken, busy = time.perf_counter() - started, time.process_time() - spent
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{len(shelves):,} lists in {taken:.2f} s ({busy:.2f} s of a core), {memory} MB at most")
    history.close()
    catalogs = Catalogs(folder / "catalogs.db")
    rows = ((id, msgspec.json.encode(one)) for id, one in goods.items())
    catalogs.write("products", rows, whole=True, at=NOW, by="bench")
    catalogs.put_shelves("products", shelves, NOW)
    reader = Shelves(Catalogs(folder / "catalogs.db"))
    ids = iter([f"p{number % items}" for number in range(2_000_000)])

    def wish() -> object:
        wanted = Wish(kind="bought_together", catalog="products", limit=4, items=(next(ids),))
        return reader.latest().recommend(wanted, SETTINGS)

    print(f"look-ups: {rate(lambda: reader.latest().item('products', next(ids))):,.0f} a second")
    print(f"recommendations: {rate(wish):,.0f} a second")
    catalogs.close()


if __name__ == "__main__":
    main()
