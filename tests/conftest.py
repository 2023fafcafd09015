"""What holds for all tests."""

import atexit
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from driver import Shop

# The same cases each time, so that a test which fails now does so for what has changed. To look for
# what nobody has met yet: `./run test --hypothesis-profile=exploring`.
settings.register_profile("steady", derandomize=True)
settings.register_profile("exploring", print_blob=True)
settings.load_profile("steady")

# Scenarios drive the same shop as flows do; several post to the receiver of channels.
for folder in ("flows", "channels"):
    sys.path.append(str(Path(__file__).parent / folder))


@atexit.register
def _let_the_summary_be_last() -> None:
    """DuckDB's bindings count their own static objects as leaked when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


@pytest.fixture
def open_shop(tmp_path: Path) -> "Iterator[Callable[..., Shop]]":
    """Opens shops of `flows/driver.py`, `open_shop(cart=YAML, workspace=YAML)`; closes them."""
    from driver import START, Shop

    shops: list[Shop] = []

    def open_(now: str = START, **files: str) -> Shop:
        shops.append(Shop(tmp_path / f"shop-{len(shops)}", now, **files))
        return shops[-1]

    yield open_
    for shop in shops:
        shop.close()
