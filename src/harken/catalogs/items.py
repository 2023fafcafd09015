"""One item of a catalog: its id, and what its fields say."""

from typing import Any

from harken.catalogs.settings import CatalogSettings

Item = dict[str, Any]

STOCK_FIELDS = ("in_stock", "stock")


def in_stock(item: Item, settings: CatalogSettings) -> bool | None:
    """Whether there is any of it; None when the item does not say."""
    for name in STOCK_FIELDS if settings.stock is None else (settings.stock,):
        value = item.get(name)
        if isinstance(value, bool | int | float):
            return value > 0
    return None


def price_of(item: Item, settings: CatalogSettings) -> float | None:
    """What it costs; None when the item does not say."""
    value = item.get(settings.price)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def categories_of(item: Item, settings: CatalogSettings) -> list[str]:
    """The categories that it is in."""
    value = item.get(settings.category)
    found = value if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, str) and one]
