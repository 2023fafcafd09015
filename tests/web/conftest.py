from collections.abc import Iterator
from pathlib import Path

import pytest
from web_kit import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def open_shop(shop: Shop) -> Shop:
    """A shop with its journey applied and one customer."""
    shop.apply()
    shop.customer()
    return shop
