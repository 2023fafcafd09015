"""The scenarios of `examples/scenarios`, on a virtual clock: the folder is applied as it stands."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from driver import START, Shop
from feed_kit import FEED, Running
from scenario_kit import PROJECT

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


@pytest.fixture
def running() -> Iterator[Running]:
    """A feed of weather."""
    made = Running()
    yield made
    made.stop()


@pytest.fixture
def weather(tmp_path: Path, running: Running) -> Iterator[Shop]:
    """A shop with the scenario of the weather, which asks the running feed."""
    project = tmp_path / "scenarios"
    shutil.copytree(PROJECT, project)
    journey = project / "journeys" / "weather.yaml"
    journey.write_text(journey.read_text().replace(FEED, f"http://127.0.0.1:{running.port}"))
    made = Shop(tmp_path / "shop", "2026-03-02 00:00", private_networks="127.0.0.1")
    made.use(project, ["weather"])
    yield made
    made.close()
