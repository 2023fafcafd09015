"""The set form: counts of five rules over a million customers and twenty million events.

    ./run bench segments [--profiles N] [--events N] [--file PATH] [--runs N]

The history is made inside DuckDB and kept in `--file` for the next time, if that is given. Beside
each rule stands the SQL that somebody who knows DuckDB would write by hand for the same question;
the two are run in turn, and of each the fastest run counts. The ratio is of processor time, in
which busy neighbours meddle least; rules are to take at most 1.3 times as much. Both must count the
same.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from harken.clock import DAY
from harken.files.reader import read
from harken.history.duck_write import NOTE, SCHEMA
from harken.numeric import mark
from harken.segments.questions import count, estimate
from harken.segments.rules import Rule
from harken.segments.sql_writing import Asked

NOW = 1_772_445_600_000
STEP = 1_000_000
"""Events made by one statement."""

PEOPLE = """
INSERT INTO profiles
SELECT id, id, 'u' || i, created, {
    'country': ['KR', 'ID', 'US', 'DE', 'FR'][(1 + hash(i, 1) % 5)::BIGINT],
    'plan': ['free', 'gold', 'silver'][(1 + hash(i, 2) % 3)::BIGINT],
    'age': (18 + hash(i, 3) % 60)::UBIGINT, 'email': 'u' || i || '@shop.example',
    'loyalty': hash(i, 4) % 10 = 0, 'score': (hash(i, 5) % 1000) / 7.0,
    'created_at': strftime(epoch_ms(created), '%Y-%m-%dT%H:%M:%SZ')
}::VARIANT, {'created_at': created::UBIGINT}::VARIANT, ['email'],
    CASE WHEN i % 3 = 0 THEN ['email:marketing:opted_in'] ELSE [] END, [], 37.0, 127.0
FROM (SELECT i, (hash(i) >> 1)::BIGINT AS id, $2 - (i % 400) * 86400000 AS created
      FROM range($1) AS r(i))
"""
# In the order of time, as history takes them. Of a hundred: so many of each name.
EVENTS = """
INSERT INTO events BY NAME
SELECT happened AS ts, happened AS received, id AS profile_id, id AS origin, name,
    'm' || i AS message_id, '' AS anonymous_id, '' AS journey, '' AS step, '' AS variant,
    '' AS channel, '' AS message,
    false AS imported, i // 10000 AS batch, CASE name
    WHEN 'Product Viewed' THEN {
        'category': ['shoes', 'bags', 'hats', 'coats'][(1 + hash(i, 7) % 4)::BIGINT],
        'price': (hash(i, 8) % 20000) / 100.0, 'product_id': 'p' || (hash(i, 9) % 5000)}::VARIANT
    WHEN 'Order Completed' THEN {
        'revenue': (hash(i, 8) % 30000) / 100.0, 'order_id': 'o' || i,
        'quantity': (1 + hash(i, 3) % 5)::UBIGINT}::VARIANT
    WHEN 'Page Viewed' THEN {
        'path': '/page/' || (hash(i, 8) % 300), 'title': 'Page ' || (hash(i, 8) % 300)}::VARIANT
    WHEN 'Product Added' THEN {
        'product_id': 'p' || (hash(i, 9) % 5000), 'quantity': (1 + hash(i, 3) % 5)::UBIGINT
    }::VARIANT ELSE '{}'::JSON::VARIANT END AS props
FROM (
    SELECT i, $4 - 31536000000 + (i * 31536000000.0 / $3)::BIGINT AS happened,
        (hash((hash(i, 11) % $5)::BIGINT) >> 1)::BIGINT AS id,
        CASE WHEN k < 40 THEN 'Page Viewed' WHEN k < 65 THEN 'Product Viewed'
            WHEN k < 82 THEN '$session_started' WHEN k < 90 THEN 'Product Added'
            WHEN k < 95 THEN 'Order Completed' ELSE 'Signed Up' END AS name
    FROM (SELECT i, hash(i, 12) % 100 AS k FROM range($1, $2) AS r(i))
)
"""

TEXTS = {
    "attributes": ("country", "plan", "email", "created_at", "loyalty"),
    "props": ("category", "product_id", "order_id", "path", "title"),
}
"""What is no number in them, as history notes it when rows come by it."""

FACTS = {"all": [{"attribute": "country", "equals": "KR"}, {"attribute": "age", "gte": 30}]}
VIEWED = {"did": "Product Viewed", "where": {"category": "shoes"}, "at_least": 2, "within": "30d"}
NO_ORDER = {"did": "Signed Up", "then_not": {"did": "Order Completed", "in": "7d"}}
LAPSED = {
    "all": [
        {"sum": "revenue", "of": "Order Completed", "within": "90d", "gte": 200},
        {"not": {"did": "$session_started", "within": "14d"}},
    ]
}
RULES: dict[str, dict[str, Any]] = {
    "two attributes": FACTS,
    "property count in 30 days": VIEWED,
    "signed up, no purchase within 7 days": NO_ORDER,
    "spent 200 in 90 days, no session in 14": LAPSED,
    "all of them": {"all": [FACTS, VIEWED, NO_ORDER, LAPSED]},
}

# By hand: casts as the documentation says; TRY_CAST where a text would end the query otherwise.
BY_HAND = {
    "two attributes": "attributes.country::VARCHAR = 'KR' AND attributes.age::DOUBLE >= 30",
    "property count in 30 days": f"""profile_id IN (
        SELECT profile_id FROM events WHERE name = 'Product Viewed' AND ts >= {NOW - 30 * DAY}
        AND props.category::VARCHAR = 'shoes' GROUP BY profile_id HAVING count(*) >= 2)""",
    "signed up, no purchase within 7 days": f"""profile_id IN (
        SELECT profile_id FROM events AS s WHERE name = 'Signed Up' AND ts <= {NOW - 7 * DAY}
        AND NOT EXISTS (FROM events AS o WHERE o.name = 'Order Completed'
            AND o.profile_id = s.profile_id AND o.ts > s.ts AND o.ts <= s.ts + {7 * DAY}))""",
    "spent 200 in 90 days, no session in 14": f"""profile_id IN (
        SELECT profile_id FROM events WHERE name = 'Order Completed' AND ts >= {NOW - 90 * DAY}
        GROUP BY profile_id HAVING sum(props.revenue::DOUBLE) >= 200)
        AND profile_id NOT IN (SELECT profile_id FROM events
            WHERE name = '$session_started' AND ts >= {NOW - 14 * DAY})""",
}
BY_HAND["all of them"] = " AND ".join(f"({part})" for part in BY_HAND.values())


def make(cursor: duckdb.DuckDBPyConnection, people: int, events: int) -> None:
    """Fill the tables."""
    started = time.perf_counter()
    cursor.execute(SCHEMA)
    cursor.execute(PEOPLE, [people, NOW])
    for start in range(0, events, STEP):
        cursor.execute(EVENTS, [start, min(start + STEP, events), events, NOW, people])
    cursor.execute(NOTE, [[mark(column, key) for column, keys in TEXTS.items() for key in keys]])
    cursor.execute("CHECKPOINT")
    print(f"made {people:,} customers, {events:,} events in {time.perf_counter() - started:.0f} s")


class Best:
    """The fastest of several runs."""

    def __init__(self) -> None:
        self.seconds = self.processor = float("inf")

    def run(self, cursor: duckdb.DuckDBPyConnection, sql: str, params: tuple[str, ...] = ()) -> int:
        """The number in the answer."""
        started, worked = time.perf_counter(), time.process_time()
        (found, *_), *_ = cursor.execute(sql, list(params)).fetchall()
        self.processor = min(self.processor, time.process_time() - worked)
        self.seconds = min(self.seconds, time.perf_counter() - started)
        return int(found)


def compare(cursor: duckdb.DuckDBPyConnection, runs: int) -> None:
    """A line a rule: what it counts, its time, the time by hand, the ratio; and an estimate."""
    asked = Asked(now=NOW, zone=ZoneInfo("UTC"), segments={})
    print(
        f"{'rule':40} {'count':>9} {'ms':>7} {'by hand':>8} {'ratio':>6} {'estimate':>9} {'ms':>6}"
    )
    for name, written in RULES.items():
        rule = read(written, Rule)
        ours, guess = count(rule, asked), estimate(rule, asked)
        by_hand = f"SELECT count(*) FROM profiles WHERE {BY_HAND[name]}"
        best, hand, quick = Best(), Best(), Best()
        for _ in range(runs):
            floor = hand.run(cursor, by_hand)
            found = best.run(cursor, ours.sql, ours.params)
            about = quick.run(cursor, guess.sql, guess.params)
            assert floor == found, f"{name}: {found}, and by hand {floor}"
        print(
            f"{name:40} {found:9,} {best.seconds * 1000:7.0f} {hand.seconds * 1000:8.0f}"
            f" {best.processor / hand.processor:6.2f} {about:9,} {quick.seconds * 1000:6.0f}"
        )


def main() -> None:
    """Make or open the history, then compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiles", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = given.file or Path(folder) / "history.duckdb"
        fresh = not path.exists()
        with duckdb.connect(str(path)) as cursor:
            if fresh:
                make(cursor, given.profiles, given.events)
            compare(cursor, given.runs)


if __name__ == "__main__":
    main()
