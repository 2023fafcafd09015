"""Answers what templates ask of catalogs: items by their ids, and recommendations. Cached.

A message asks the same `Standing` from its first word to its last, so that it never sees two
versions of a catalog.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from harken.catalogs.items import Item, in_stock
from harken.catalogs.rows import Catalog, CatalogRows
from harken.catalogs.settings import CatalogSettings
from harken.messages.outside import Wish

TOGETHER = ("viewed_together", "bought_together")

MOST_CACHED = 50_000
"""Items kept decoded, and lists of recommendations, before all are let go of."""

Key = TypeVar("Key")
Kept = TypeVar("Kept")
Scored = list[tuple[str, float]]
_scored = msgspec.json.Decoder(Scored).decode
_item = msgspec.json.Decoder(Item).decode


class Shelves:
    """The catalogs of a file, for templates of this process. Safe for many threads."""

    def __init__(self, rows: CatalogRows) -> None:
        self._rows = rows
        self._standing = Standing(rows, [])

    def latest(self) -> "Standing":
        """All catalogs as they stand now."""
        if self._rows.touched():
            catalogs = self._rows.all()
            if catalogs != self._standing.catalogs:
                self._standing = Standing(self._rows, catalogs)
        return self._standing


class Standing:
    """All catalogs as they stood at one moment."""

    def __init__(self, rows: CatalogRows, catalogs: Sequence[Catalog]) -> None:
        self.catalogs = catalogs
        self._rows = rows
        self._versions = {one.name: one.version for one in catalogs}
        self._items: dict[tuple[str, str], Item | None] = {}
        self._lists: dict[tuple[str, str, str], Scored] = {}

    def item(self, catalog: str, id: str) -> Item | None:
        """An item with its fields and `id`; None of one that there is not."""
        version, cache = self._versions.get(catalog), self._items
        if version is None:
            return None
        key = (catalog, id)
        try:
            return cache[key]
        except KeyError:
            pass  # other threads may clear it at any time
        body = self._rows.item(catalog, id, version)
        found = None if body is None else {**_item(body), "id": id}
        _keep(cache, key, found)
        return found

    def recommend(
        self, wish: Wish, settings: CatalogSettings, bought: Iterable[str] = ()
    ) -> list[Item]:
        """The best items for a wish, the best first; filled with popular ones where it is short.

        What is out of stock, what the wish starts from, and what the customer has `bought`, is
        never among them.
        """
        left_out = {*wish.items, *bought}
        found: list[Item] = []
        for scored in (self._candidates(wish), self._list(wish.catalog, "popular", "")):
            for id, _ in scored:
                if len(found) >= wish.limit:
                    return found
                if id in left_out:
                    continue
                left_out.add(id)
                item = self.item(wish.catalog, id)
                if item is not None and in_stock(item, settings) is not False:
                    found.append(item)
        return found

    def _candidates(self, wish: Wish) -> Scored:
        if wish.kind in TOGETHER:
            return self._together(wish)
        if wish.category is not None and wish.kind != "popular":
            return self._list(wish.catalog, "popular_in", wish.category)
        return []

    def _together(self, wish: Wish) -> Scored:
        """What goes with several items is what goes best with all of them, added up."""
        lists = [self._list(wish.catalog, wish.kind, id) for id in wish.items]
        if len(lists) == 1:
            return lists[0]
        scores: dict[str, float] = {}
        for scored in lists:
            for id, score in scored:
                scores[id] = scores.get(id, 0.0) + score
        return sorted(scores.items(), key=lambda one: (-one[1], one[0]))

    def _list(self, catalog: str, kind: str, key: str) -> Scored:
        cache, place = self._lists, (catalog, kind, key)
        try:
            return cache[place]
        except KeyError:
            pass
        body = self._rows.shelf(catalog, kind, key)
        found = [] if body is None else _scored(body)
        _keep(cache, place, found)
        return found


def _keep(cache: dict[Key, Kept], key: Key, value: Kept) -> None:
    if len(cache) >= MOST_CACHED:
        cache.clear()
    cache[key] = value
