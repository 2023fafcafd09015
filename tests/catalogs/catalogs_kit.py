"""A shop with a catalog, and short ways to change it."""

from typing import Any

from driver import Shop

from harken.catalogs import news
from harken.catalogs.items import Item
from harken.catalogs.rows import Version
from harken.catalogs.settings import CatalogSettings
from harken.catalogs.upload import encoded
from harken.store.catalogs import Row

WORKSPACE = """
workspace: shop
senders: {{default: {{from: "Shop <hi@shop.example>"}}}}
catalogs:
  products: {settings}
"""


def workspace(settings: str) -> str:
    return WORKSPACE.format(settings=settings)


def rows(items: dict[str, Item | None]) -> list[Row]:
    return [(id, None if one is None else encoded(one)) for id, one in items.items()]


def stock_up(
    shop: Shop, items: dict[str, Item | None], *, whole: bool = True, work: bool = True
) -> Version:
    """Make a version of the catalog `products`, as the API does; what follows from it is done."""
    settings = shop.harken.services.in_force.workspace.catalogs.get("products")
    made = shop.harken.services.catalogs.write(
        "products",
        rows(items),
        whole=whole,
        at=shop.now,
        by="a test",
        watch=lambda changes: news.watch(settings or CatalogSettings(), changes),
    )
    if work:
        shop.work()
    return made


def change(shop: Shop, **items: Item | None) -> Version:
    """Exchange some items of it."""
    return stock_up(shop, dict(items), whole=False)


def looks(shop: Shop, user: str, *ids: Any, event: str = "Product Viewed") -> None:
    for id in ids:
        shop.track(user, event, product_id=id)


def buys(shop: Shop, user: str, *ids: Any) -> None:
    shop.track(user, "Order Completed", products=[{"product_id": id, "price": 1} for id in ids])


def customer(shop: Shop, *users: str) -> None:
    for user in users:
        shop.identify(user, email=f"{user}@shop.example", firstName=user.title())
