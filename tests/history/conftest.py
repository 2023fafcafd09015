from collections.abc import Iterator
from pathlib import Path

import pytest

from harken.history.base import History
from harken.history.duck import DuckHistory
from harken.history.remote import RemoteHistory, serve


@pytest.fixture
def duck(tmp_path: Path) -> Iterator[DuckHistory]:
    history = DuckHistory(tmp_path / "history.duckdb")
    yield history
    history.close()


@pytest.fixture(params=["embedded", "remote"])
def history(request: pytest.FixtureRequest, duck: DuckHistory, tmp_path: Path) -> Iterator[History]:
    """The same history, held by this process or asked over the socket."""
    if request.param == "embedded":
        yield duck
        return
    server = serve(duck, tmp_path / "address")
    remote = RemoteHistory(tmp_path / "address", answer_seconds=20)
    yield remote
    remote.close()
    server.close()
