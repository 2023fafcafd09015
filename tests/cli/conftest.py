"""One server for all tests of commands that ask one."""

from collections.abc import Iterator

import pytest
from cli_kit import SECRET_KEY, WRITE_KEY, Running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("cli") / "data"
    running = Running(
        data,
        HARKEN_WRITE_KEY=WRITE_KEY,
        HARKEN_SECRET_KEY=SECRET_KEY,
        HARKEN_FROM="Shop <hello@shop.example>",
    )
    try:
        yield running.wait_until_ready()
    finally:
        running.end()
