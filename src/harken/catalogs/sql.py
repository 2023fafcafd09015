"""Where the ids of items stand in events, as SQL over history."""

from harken.catalogs.settings import Shopping
from harken.segments.dialects.base import Place
from harken.segments.dialects.duckdb import DUCKDB


def id_of(events: Shopping) -> str:
    """The id of the item that an event is about, as text; NULL when there is none."""
    return DUCKDB.item_id(Place("props", tuple(events.id.split("."))))


def bought_ids(events: Shopping) -> str:
    """The ids of what was bought with an event, as a list of texts."""
    return DUCKDB.item_ids("props", events.products.split("."), events.id.split("."))
