"""The folder of the scenarios, and its products for those that offer some."""

from pathlib import Path

from driver import Shop

from harken.catalogs.upload import Form, read, rows

PROJECT = Path(__file__).parent.parent.parent / "examples" / "scenarios"
PRODUCTS = PROJECT / "products.csv"
LANGUAGES = ("en", "ko", "id")


def stock_up(shop: Shop) -> None:
    """Upload the products, as `harken catalogs import` does."""
    lines = read(PRODUCTS.read_bytes(), Form(csv=True))
    catalogs = shop.harken.services.catalogs
    catalogs.write("products", rows(lines), whole=True, at=shop.now, by="a test")
