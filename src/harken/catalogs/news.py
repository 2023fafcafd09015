"""What is new in a version of a catalog: items back in stock, lower prices, and whom to tell.

A customer hears of a version once, whatever it brings them: the event's `id` is the item that they
looked at last, `items` holds all.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from harken.catalogs.items import Item, in_stock, price_of
from harken.catalogs.rows import News
from harken.catalogs.settings import CatalogSettings, Shopping
from harken.catalogs.sql import bought_ids, id_of
from harken.history.base import History
from harken.ids import derived_id
from harken.inputs import Command, Happened

BACK_IN_STOCK = "$back_in_stock"
PRICE_DROPPED = "$price_dropped"

AT_ONCE = 2_000
"""Customers told together."""
MOST_ITEMS = 20
"""Items of one event."""
QUERY_SECONDS = 50.0

# Interest counts up to the version; who bought the item even after it does not want to hear of it.
INTERESTED = """
WITH wanted AS (SELECT unnest($1::VARCHAR[]) AS item),
looked AS (
    SELECT profile_id, item, max(ts) AS at FROM (
        SELECT profile_id, ts, {id} AS item FROM events
        WHERE name IN (SELECT unnest($2::VARCHAR[])) AND ts >= $3 AND ts <= $4 AND profile_id > $5
    ) WHERE item IN (FROM wanted) GROUP BY profile_id, item
),
bought AS (
    SELECT profile_id, item, max(ts) AS at FROM (
        SELECT profile_id, ts, unnest({ids}) AS item FROM events
        WHERE name = $6 AND ts >= $3 AND profile_id > $5
    ) WHERE item IN (FROM wanted) GROUP BY profile_id, item
)
SELECT profile_id, list(item ORDER BY looked.at DESC, item)[:{most}]
FROM looked LEFT JOIN bought USING (profile_id, item)
WHERE bought.at IS NULL OR bought.at < looked.at
GROUP BY profile_id ORDER BY profile_id LIMIT {at_once}
"""


class Change(Struct, frozen=True, array_like=True):
    """What a version changed of an item: its stock, or its price."""

    id: str
    old: Any
    new: Any


_changes = msgspec.json.Decoder(list[Change]).decode
_item = msgspec.json.Decoder(Item).decode


def watch(
    settings: CatalogSettings, changed: Iterable[tuple[str, bytes, bytes]]
) -> Iterator[tuple[str, bytes]]:
    """Of all that a version changed: the events to be told of, each with its changes."""
    back: list[Change] = []
    cheaper: list[Change] = []
    if settings.back_in_stock is None and settings.price_drop is None:
        return
    for id, before, after in changed:
        old, new = _item(before), _item(after)
        if settings.back_in_stock and in_stock(old, settings) is False and in_stock(new, settings):
            back.append(Change(id, _stock(old, settings), _stock(new, settings)))
        was, now = price_of(old, settings), price_of(new, settings)
        if was is not None and now is not None and _much_cheaper(was, now, settings):
            cheaper.append(Change(id, was, now))
    for event, changes in ((BACK_IN_STOCK, back), (PRICE_DROPPED, cheaper)):
        if changes:
            yield event, msgspec.json.encode(changes)


def _stock(item: Item, settings: CatalogSettings) -> Any:
    names = ("in_stock", "stock") if settings.stock is None else (settings.stock,)
    return next((item[name] for name in names if name in item), None)


def _much_cheaper(was: float, now: float, settings: CatalogSettings) -> bool:
    drop = settings.price_drop
    return drop is not None and 0 <= now < was and (was - now) * 100 >= drop.percent * was


def still_true(
    news: News, settings: CatalogSettings, find: Callable[[str], Item | None]
) -> dict[str, Change]:
    """The changes of the news, by item, that a later version has not taken back."""
    found = {}
    for change in _changes(news.changes):
        item = find(change.id)
        if item is None:
            continue
        price = price_of(item, settings)
        if news.event == BACK_IN_STOCK:
            holds = in_stock(item, settings) is True
        else:
            # What cannot be bought is no bargain.
            there = in_stock(item, settings) is not False
            holds = there and price is not None and price <= change.new
        if holds:
            found[change.id] = change
    return found


def interested(
    history: History, news: News, settings: CatalogSettings, items: Sequence[str]
) -> list[tuple[int, list[str]]]:
    """The next customers to be told: (profile id, items, the one looked at last first)."""
    events = settings.events
    wish = settings.back_in_stock if news.event == BACK_IN_STOCK else settings.price_drop
    if wish is None or not items:
        return []
    names = [events.viewed, events.added]
    if news.event == BACK_IN_STOCK:
        names.append(events.asked)
    rows = history.query(
        _sql(events),
        [list(items), names, news.at - wish.within, news.at, news.after, events.bought],
        limit=AT_ONCE,
        seconds=QUERY_SECONDS,
    )
    return [(profile_id, found) for profile_id, found in rows]


def _sql(events: Shopping) -> str:
    return INTERESTED.format(
        id=id_of(events), ids=bought_ids(events), most=MOST_ITEMS, at_once=AT_ONCE
    )


def event_of(
    news: News,
    profile_id: int,
    items: Sequence[str],
    changes: dict[str, Change],
    find: Callable[[str], Item | None],
) -> tuple[int, Command]:
    """What is written to the log: the same each time, so that telling it again tells nothing."""
    first = changes[items[0]]
    return profile_id, Happened(
        name=news.event,
        id=derived_id(news.event, news.catalog, news.version, news.at, profile_id),
        properties={
            "catalog": news.catalog,
            "version": news.version,
            "id": first.id,
            "item": find(first.id),
            "old": first.old,
            "new": first.new,
            "items": [{"id": id, "old": changes[id].old, "new": changes[id].new} for id in items],
        },
    )
