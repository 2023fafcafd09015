"""Segment's own clients, unmodified, pointed at Harken: every event arrives."""

import logging
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from segment.analytics.client import Client

from harken import clock
from harken.inputs import Kind, Merge, decode_command

from .conftest import KEY, NODE, Server


@pytest.mark.parametrize("gzip", [False, True])
@pytest.mark.parametrize("sync_mode", [False, True])
def test_python(server: Server, gzip: bool, sync_mode: bool) -> None:
    problems: list[object] = []
    client = Client(
        KEY,
        host=server.url,
        gzip=gzip,
        sync_mode=sync_mode,
        on_error=lambda error, items: problems.append(error),
        upload_size=20,
        upload_interval=0.1,
        max_retries=1,
    )
    count = 10 if sync_mode else 150
    client.identify("u1", {"first_name": "Ada"}, anonymous_id="a1")
    for number in range(count):
        client.track("u1", "Product Viewed", {"number": number})
    client.page("u1", "Shop", "Home", {"path": "/"})
    client.screen(anonymous_id="a2", name="Start")
    client.group("u1", "club", {"plan": "gold"})
    client.alias("u0", "u1")
    old = datetime(2020, 2, 3, 4, 5, 6, 7000, tzinfo=UTC)
    client.track(17, "Order Completed", {"revenue": 12.5}, timestamp=old)
    if not sync_mode:
        client.shutdown()
    assert problems == []
    events = server.events()
    kinds = ["identify", *["track"] * count, "page", "screen", "group", "alias", "track"]
    assert [event.type for event in events] == kinds
    numbers = [e.properties["number"] for e in events if e.event == "Product Viewed"]
    assert numbers == list(range(count)), "in the order of sending"
    assert events[-1].user_id == "17"
    (last,) = [record for record in server.records() if record.timestamp < clock.DAY * 19_000]
    assert abs(last.timestamp - clock.from_datetime(old)) < clock.MINUTE


def test_node(server: Server, node_modules: Path) -> None:
    script = shutil.copy(NODE / "send.mjs", node_modules / "send.mjs")
    done = subprocess.run(
        ["node", script, server.url, KEY, "100"], timeout=60, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    events = server.events()
    assert len(events) == 106
    assert server.rejected().page() == []
    numbers = [e.properties["number"] for e in events if e.event == "Product Viewed"]
    assert sorted(numbers) == list(range(100))
    (order,) = [event for event in events if event.event == "Order Completed"]
    assert order.properties == {
        "half": "a\ufffd", "nothing": None, "nested": {"list": [1, {"deep": True}]}
    }  # fmt: skip
    commands = [decode_command(r.body) for r in server.records() if r.kind == Kind.COMMAND]
    assert [type(command) for command in commands] == [Merge]


def test_a_client_with_a_wrong_key_is_told(server: Server) -> None:
    problems: list[Exception] = []
    client = Client("wrong", host=server.url, on_error=lambda e, _: problems.append(e))
    logging.getLogger("segment").setLevel(logging.CRITICAL)
    client.track("u1", "Product Viewed")
    client.shutdown()
    assert [getattr(error, "status", None) for error in problems] == [401]
    assert server.records() == []
