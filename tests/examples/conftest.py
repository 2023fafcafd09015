"""The examples are no part of the package: they are imported from the project's folder."""

import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
sys.path.insert(0, str(Path(__file__).parent))

from examples.shop.server import create_app
from examples.shop.settings import Settings
from shop_kit import ABANDONED_AFTER, Recorder, recording


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording() as found:
        yield found


@pytest.fixture
def shop(recorder: Recorder) -> Iterator[str]:
    """The address of a shop that sends its events to the recorder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = Settings(port=port, harken_url=recorder.url, abandoned_after=ABANDONED_AFTER)
    server = uvicorn.Server(
        uvicorn.Config(create_app(settings), host="127.0.0.1", port=port, log_level="warning")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < end, "the shop did not open"
        time.sleep(0.02)
    yield settings.site
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def visitor(shop: str) -> Iterator[httpx.Client]:
    """A browser without scripts, English at first."""
    with httpx.Client(
        base_url=shop, follow_redirects=True, headers={"accept-language": "en"}, timeout=10
    ) as client:
        yield client
