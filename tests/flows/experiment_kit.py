"""A journey with an experiment, its customers, and what plain Python counts of them."""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

from driver import Shop
from msgspec.structs import replace

from harken.effects import Decision
from harken.reports.experiments import count_all, questions_of
from harken.reports.trials import Experiment, experiment
from harken.segments.dialects.clickhouse import CLICKHOUSE
from harken.segments.questions import Query
from harken.segments.sql_writing import Asked

sys.path.append(str(Path(__file__).parent.parent / "segments"))

from set_engines import both

VARIANTS = """
    variants:
      - {name: a, weight: 50, subject: "A", html: "<p>A</p>"}
      - {name: b, weight: 50, subject: "B", html: "<p>B</p>"}
"""

COLUMNS = {
    "events": ["ts", "profile_id", "name", "message", "props::JSON::VARCHAR AS props"],
    "decisions": [
        "ts", "profile_id", "journey", "outcome", "reason", "run", "step", "gate", "message",
        "facts::VARCHAR AS facts",
    ],
}  # fmt: skip
"""What experiments ask of."""

ARMS = """
SELECT profile_id, arg_max(facts->>'$.experiment.arm', ts) AS arm FROM decisions
WHERE journey = $1 AND step = $2 GROUP BY profile_id HAVING arm IS NOT NULL
"""


def with_experiment(experiment: str = "", *, head: str = "", variants: str = VARIANTS) -> str:
    """A journey `cart` on `Go` with a message `nudge` in two wordings."""
    return f"""
journey: cart
entry: {{event: Go, reentry: always}}
goal: {{event: Bought, within: 2d}}
{head}
steps:
  - message: nudge
    channel: email
    default: {{subject: "D", html: "<p>D</p>"}}
{variants.strip(chr(10))}
    {f"experiment: {experiment}" if experiment else ""}
"""


def come(shop: Shop, first: int, count: int) -> list[str]:
    """So many new customers enter."""
    users = [f"u{number}" for number in range(first, first + count)]
    items: list[dict[str, Any]] = []
    for user in users:
        traits = {"email": f"{user}@shop.example"}
        items.append(shop.item("identify", userId=user, traits=traits))
        items.append(shop.item("track", userId=user, event="Go", properties={}))
    for start in range(0, len(items), 500):
        shop.request(items[start : start + 500])
    return users


def buy(shop: Shop, users: list[str]) -> None:
    items = [shop.item("track", userId=user, event="Bought", properties={}) for user in users]
    for start in range(0, len(items), 500):
        shop.request(items[start : start + 500])


def arms(
    shop: Shop, users: list[str], journey: str = "cart", step: str = "nudge"
) -> dict[str, str]:
    """The arm that each customer's latest decision on the step names."""
    rows = dict(shop.history.query(ARMS, [journey, step], limit=100_000))
    return {user: rows[id] for user in users if (id := shop.id(user)) in rows}


def reports(shop: Shop, journey: str = "cart") -> dict[str, Experiment]:
    """What is reported of a journey's experiments, by name; every engine counts the same."""
    force = shop.harken.services.in_force
    asked = Asked(now=shop.now, zone=force.zone, segments={})
    live = force.journeys[journey]
    counted = count_all(questions_of(shop.history), live.source, force.trials, asked)
    elsewhere = replace(asked, dialect=CLICKHOUSE)
    assert count_all(in_clickhouse(shop), live.source, force.trials, elsewhere) == counted
    return {
        one.name: experiment(one, force.allocations.get(f"{journey}/{one.name}"), {})
        for one in counted
    }


def in_clickhouse(shop: Shop) -> Query:
    """How ClickHouse is asked, once it holds what the shop's history does."""
    columns = both()[1].columns
    for table, names in COLUMNS.items():
        columns.query(f"TRUNCATE TABLE {table}")
        rows = shop.history.query(f"SELECT {', '.join(names)} FROM {table}", limit=100_000)
        inserted = [name.split(" AS ")[-1] for name in names]
        for start in range(0, len(rows), 5_000):
            columns.insert(table, inserted, rows[start : start + 5_000])
    return columns.query


def by_hand(decisions: list[Decision]) -> Counter[str]:
    """The last word on each message, counted by outcome (and reason, of what was dropped)."""
    last = {one.message: one for one in decisions if one.gate}
    return Counter(
        f"{one.outcome} {one.reason}" if one.outcome == "dropped" else one.outcome
        for one in last.values()
    )
