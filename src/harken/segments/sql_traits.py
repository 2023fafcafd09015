"""Traits from history: what counting every event would have made, for all customers at once.

A new trait is filled by one statement over history up to the batch at which live counting began;
merging its state into the document's gives the state of all events (`people.traits`).
"""

from typing import Any

from harken.people.traits import KEPT, SENT_KEPT, TOLD_KEPT, Trait, fitting
from harken.segments.dialects.base import Dialect, Place
from harken.segments.needs import UTC
from harken.segments.sql_behaviour import PROPS, amounts, happened, keys
from harken.segments.sql_values import where
from harken.segments.sql_writing import Asked, Statement, Writing, careful


def trait_states(
    trait: Trait,
    upto: int,
    dialect: Dialect,
    *,
    since: int | None = None,
) -> Statement:
    """Rows (profile_id, raw state) of all customers for whom the trait counts something.

    Of events in batches up to `upto`, at `since` (ms) or later. `state_from` makes the state of a
    raw one.
    """
    # A back-fill runs alone for a while; it should not fail in its midst and begin anew.
    writing = Writing(careful(Asked(now=0, zone=UTC, segments={}, dialect=dialect)))
    only = f" AND e.batch <= {int(upto)}"
    if since is not None:
        only += f" AND e.ts >= {int(since)}"
    if trait.between is not None:
        only += f" AND e.ts >= {trait.between[0]} AND e.ts < {trait.between[1]}"
    return writing.statement(_states(trait, writing, only))


def state_from(trait: Trait, raw: Any) -> Any:
    """The state as documents keep it."""
    match trait.kind:
        case "total":
            return [int(raw[0]), fitting(int(raw[1]))]
        case "amounts" | "seen":
            return [_pair(one) for one in raw]
        case "messages":
            sent, told = ([_pair(one) for one in side] for side in raw)
            return {
                "sent": {message: at for at, message in sent},
                "told": {message: at for at, message in told},
            }
        case "items":
            return {id: at for at, id in map(_pair, raw)}
        case "times" | "values":
            return list(raw)
        case _:
            return raw


def _pair(one: Any) -> list[Any]:
    return list(one.values() if isinstance(one, dict) else one)


def _states(trait: Trait, writing: Writing, only: str) -> str:
    if trait.kind == "messages":
        return _message_states(trait, writing, only)
    if trait.kind == "items":
        return _item_states(trait, writing, only)
    dialect, name = writing.dialect, trait.events[0]
    events = _passing(trait, name, writing) + only
    match trait.kind:
        case "values" | "seen":
            rows, value = keys(trait.path, events, writing), "m.k"
        case "total" | "min" | "max" | "amounts":
            rows, value = amounts(trait.path, events, writing), "m.k"
        case _:
            rows, value = f"SELECT e.profile_id, e.ts, 1 AS k FROM {events}", "m.ts"
    state = {
        "count": "count(*)",
        "first": f"min({value})",
        "last": f"max({value})",
        "min": f"min({value})",
        "max": f"max({value})",
        "times": dialect.last_sorted(value, KEPT),
        "values": dialect.first_distinct(value, KEPT),
        "amounts": dialect.last_sorted(dialect.pair("m.ts", value), KEPT),
        "seen": dialect.last_sorted(dialect.pair("m.ts", value), KEPT),
        # As texts, because a sum may not fit into 64 bits.
        "total": f"[CAST(count(*) AS VARCHAR), CAST({dialect.wide_sum(value)} AS VARCHAR)]",
    }[trait.kind]
    return (
        f"SELECT m.profile_id, {state} FROM ({rows}) AS m WHERE m.k IS NOT NULL"
        " GROUP BY m.profile_id"
    )


def _passing(trait: Trait, name: str, writing: Writing) -> str:
    conditions = [part for one in trait.where for part in where(one, PROPS, writing)]
    return " AND ".join([happened(name, {}, writing), *conditions])


def _item_states(trait: Trait, writing: Writing, only: str) -> str:
    dialect = writing.dialect
    products, _, id = trait.path.partition("[].")
    ids = dialect.item_ids(PROPS, products.split("."), id.split("."))
    events = _passing(trait, trait.events[0], writing) + only
    each = f"SELECT e.profile_id, e.ts, {dialect.each(ids)} AS id FROM {events}"
    latest = f"SELECT u.profile_id, u.id, max(u.ts) AS at FROM ({each}) AS u"
    return (
        f"SELECT m.profile_id, {dialect.last_sorted(dialect.pair('m.at', 'm.id'), KEPT)}"
        f" FROM ({latest} GROUP BY u.profile_id, u.id) AS m GROUP BY m.profile_id"
    )


def _message_states(trait: Trait, writing: Writing, only: str) -> str:
    dialect, (sent, told) = writing.dialect, trait.events
    message = dialect.text(Place(PROPS, ("message",)))

    def side(events: str, is_sent: str) -> str:
        return (
            f"SELECT e.profile_id, e.ts, {message} AS id, {is_sent} AS was_sent FROM {events}{only}"
        )

    both = (
        f"{side(_passing(trait, sent, writing), 'true')} UNION ALL"
        f" {side(happened(told, {}, writing), 'false')}"
    )
    latest = (
        f"SELECT u.profile_id, u.was_sent, u.id, max(u.ts) AS at FROM ({both}) AS u"
        " WHERE u.id <> '' GROUP BY u.profile_id, u.was_sent, u.id"
    )
    pair = dialect.pair("m.at", "m.id")
    return (
        f"SELECT m.profile_id, [{dialect.last_sorted(pair, SENT_KEPT, 'm.was_sent')},"
        f" {dialect.last_sorted(pair, TOLD_KEPT, 'NOT m.was_sent')}]"
        f" FROM ({latest}) AS m GROUP BY m.profile_id"
    )
