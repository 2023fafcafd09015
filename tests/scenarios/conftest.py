"""The scenarios of `examples/scenarios`, on a virtual clock: the folder is applied as it stands."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from driver import START, Shop

PROJECT = Path(__file__).parent.parent.parent / "examples" / "scenarios"

Opener = Callable[..., Shop]


@pytest.fixture
def scenario(tmp_path: Path) -> Iterator[Opener]:
    """Opens a shop with some of the scenarios' journeys in force: `scenario("trial", now=...)`."""
    shops: list[Shop] = []

    def open_(*journeys: str, now: str = START) -> Shop:
        shop = Shop(tmp_path / f"shop-{len(shops)}", now)
        shops.append(shop)
        shop.use(PROJECT, journeys)
        return shop

    yield open_
    for shop in shops:
        shop.close()
