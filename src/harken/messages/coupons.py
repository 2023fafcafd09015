"""Coupons in the words of a message: what may be said of them, and examples for a trial."""

from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from harken.journeys.certain import coupons_before
from harken.journeys.compile import LiveJourney, lay_out
from harken.journeys.kinds import IssueCoupon, walk
from harken.journeys.model import Journey
from harken.messages.evaluate import path_text
from harken.messages.pools import OWN, CouponPool, example_of, names_of, values_of
from harken.people.profile import Trigger
from harken.segments.live import Traits
from harken.store.base import CouponRow


def with_examples(
    event: Trigger | None,
    journey: LiveJourney,
    step: str,
    pools: Mapping[str, CouponPool],
    now: int,
    zone: ZoneInfo,
) -> Trigger | None:
    """The event as a trial of the message `step` sees it: with examples instead of coupons.

    No code is used up, and none that a customer has is shown to whoever tries.
    """
    made: dict[str, dict[str, Any]] = {}
    latest = ""
    for node in journey.nodes:
        if node.id == step and latest:
            break
        if isinstance(node.step, IssueCoupon) and node.step.coupon in pools:
            latest = node.id
            made[latest] = example_of(pools[node.step.coupon], now, zone, zone)
    if not latest:
        return event
    event = event or Trigger(name=journey.source.entry.event, at=now)
    return replace(event, answers={**event.answers, **made}, coupon=latest)


def with_coupons(
    event: Trigger | None, rows: Iterable[CouponRow], pools: Mapping[str, CouponPool]
) -> Trigger | None:
    """The event as the run saw it that issued these coupons, the oldest first."""
    for row in rows:
        if event is not None and row.pool in pools:
            values = values_of(pools[row.pool], row.code, row.expires_at)
            event = replace(event, answers={**event.answers, row.step: values}, coupon=row.step)
    return event


def certain_coupons(journey: Journey, pools: Mapping[str, CouponPool]) -> dict[str, frozenset[str]]:
    """For each step, by its path, the values (`coupon.code`) that every run has of its coupons."""
    issuing = [step for _, step in walk(journey.steps) if isinstance(step, IssueCoupon)]
    if not issuing:
        return {}
    nodes = lay_out(journey.steps, Traits())
    # Of a pool that is misspelt or broken that is told; not also, that it gives nothing.
    anything = set(OWN).union(*(pool.facts for pool in pools.values()))
    names = {
        node.id: names_of(pools[node.step.coupon]) if node.step.coupon in pools else anything
        for node in nodes
        if isinstance(node.step, IssueCoupon)
    }
    found = {}
    for path, had in coupons_before(nodes).items():
        own = {path_text(["answers", id, name]) for id in had.surely for name in names[id]}
        # Which coupon is the latest depends on the way: what all of them have is there on each.
        latest = [names.get(id, set()) for id in had.latest]
        found[path] = frozenset(own | {f"coupon.{name}" for name in set.intersection(*latest)})
    return found
