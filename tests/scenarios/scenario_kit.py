"""The products of `examples/scenarios`, for the scenarios that offer some."""

from pathlib import Path

from driver import Shop

from harken.catalogs.upload import Form, read, rows

PRODUCTS = Path(__file__).parent.parent.parent / "examples" / "scenarios" / "products.csv"


def stock_up(shop: Shop) -> None:
    """Upload the products, as `harken catalogs import` does."""
    lines = read(PRODUCTS.read_bytes(), Form(csv=True))
    catalogs = shop.harken.services.catalogs
    catalogs.write("products", rows(lines), whole=True, at=shop.now, by="a test")
