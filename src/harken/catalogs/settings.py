"""Catalogs as `workspace.yaml` has them: what their fields mean, and what is done with them.

    catalogs:
      products:
        back_in_stock: {}
        price_drop: {percent: 10}
        recommend: {every: 1h}

The items themselves are uploaded (`harken catalogs import`). Events and their properties are those
of the e-commerce spec unless said otherwise: https://segment.com/docs/connections/spec/ecommerce/v2/
"""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from harken.clock import DAY, MINUTE
from harken.errors import Fault
from harken.values import Duration, Name

LONGEST_WINDOW = 400 * DAY
SHORTEST_REFRESH = MINUTE
FEWEST_CUSTOMERS = 2
"""Below, what one customer did could be read from what another is shown."""
_PATH = re.compile(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*\Z", re.ASCII)


class Shopping(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The events that tell what a customer does with an item, and where its id stands in them."""

    viewed: str = "Product Viewed"
    added: str = "Product Added"
    """To a cart."""
    bought: str = "Order Completed"
    asked: str = "Back In Stock Requested"
    """The customer wants to be told when there is some again."""
    id: str = "product_id"
    """The property that holds the item's id; nested ones with dots."""
    products: str = "products"
    """Of `bought`: the property that lists what was bought, each with its `id`."""

    @property
    def bought_ids(self) -> str:
        """Where the ids of what was bought stand, as traits write it."""
        return f"{self.products}[].{self.id}"


class BackInStock(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Tell who showed interest in an item that there is some of it again: `$back_in_stock`."""

    within: Duration = Duration.parse("30d")
    """How long ago they may have viewed, added or asked for it; whoever bought it since is left
    out."""


class PriceDrop(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Tell who showed interest in an item that it costs less now: `$price_dropped`."""

    percent: float = 10.0
    """By how much of the old price it must have become cheaper at least."""
    within: Duration = Duration.parse("30d")
    """How long ago they may have viewed or added it; whoever bought it since is left out."""


class Recommend(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Work out from history what to recommend, for `{% recommend %}`."""

    every: Duration = Duration.parse("1h")
    """How often it is worked out anew."""
    window: Duration = Duration.parse("30d")
    """How far back it looks."""
    viewed: float = 1.0
    """What a customer who viewed an item adds to its popularity."""
    added: float = 3.0
    bought: float = 10.0
    at_least: int = 5
    """So many customers must have done something for it to count: nobody can read from a
    recommendation what a single customer did."""


class CatalogSettings(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the fields of a catalog's items mean, and what is done with it."""

    stock: str | None = None
    """The field that says whether there is any: a number, or true and false. When it is not given,
    `in_stock`, else `stock`. An item without it counts as one that there is."""
    price: str = "price"
    category: str = "category"
    """A text, or a list of texts."""
    events: Shopping = Shopping()
    back_in_stock: BackInStock | None = None
    price_drop: PriceDrop | None = None
    recommend: Recommend | None = None


Catalogs = Mapping[str, CatalogSettings]


def catalog_faults(catalogs: Catalogs) -> Iterator[Fault]:
    """What is wrong with the `catalogs` of a workspace."""
    for name, catalog in catalogs.items():
        path = f"$.catalogs.{name}"
        try:
            Name.parse(name)
        except ValueError as wrong:
            yield Fault(path, str(wrong))
        yield from _event_faults(catalog.events, f"{path}.events")
        for key in ("back_in_stock", "price_drop"):
            news = getattr(catalog, key)
            if news is not None:
                yield from _span_fault(news.within, f"{path}.{key}.within")
        drop, recommend = catalog.price_drop, catalog.recommend
        if drop is not None and not 0 < drop.percent <= 100:
            problem = "must be a percentage, more than 0 and at most 100"
            yield Fault(f"{path}.price_drop.percent", problem)
        if recommend is not None:
            yield from _recommend_faults(recommend, f"{path}.recommend")


def _event_faults(events: Shopping, path: str) -> Iterator[Fault]:
    for key in ("viewed", "added", "bought", "asked"):
        if not getattr(events, key).strip():
            yield Fault(f"{path}.{key}", "name the event")
    for key in ("id", "products"):
        if not _PATH.match(getattr(events, key)):
            problem = "name a property: letters, digits, '_' and '-', with dots between nested ones"
            yield Fault(f"{path}.{key}", problem)


def _recommend_faults(recommend: Recommend, path: str) -> Iterator[Fault]:
    yield from _span_fault(recommend.window, f"{path}.window")
    if recommend.every < SHORTEST_REFRESH:
        yield Fault(f"{path}.every", "must be 1m or longer")
    if recommend.at_least < FEWEST_CUSTOMERS:
        problem = f"must be {FEWEST_CUSTOMERS} or more, or it would tell what one customer did"
        yield Fault(f"{path}.at_least", problem)
    for key in ("viewed", "added", "bought"):
        if not 0 <= getattr(recommend, key) <= 1_000_000:
            yield Fault(f"{path}.{key}", "must be a number from 0 to 1,000,000")


def _span_fault(span: Duration, path: str) -> Iterator[Fault]:
    if not 0 < span <= LONGEST_WINDOW:
        yield Fault(path, "must be more than nothing and at most 400d")
