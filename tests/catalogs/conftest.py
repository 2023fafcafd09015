"""Shops that close behind themselves."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from driver import START, Shop


@pytest.fixture
def open_shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """Opens shops: `open_shop(cart=YAML, workspace=YAML)`."""
    shops: list[Shop] = []

    def open_(now: str = START, **files: str) -> Shop:
        shops.append(Shop(tmp_path / f"shop-{len(shops)}", now, **files))
        return shops[-1]

    yield open_
    for shop in shops:
        shop.close()
