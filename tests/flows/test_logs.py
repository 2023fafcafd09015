"""Logs go where standard error goes when a line is written, and never stop the work."""

import io
import json
import sys
from collections.abc import Iterator

import pytest

from harken import logs


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    logs.structlog.reset_defaults()
    logs.structlog.contextvars.clear_contextvars()


def test_a_line_goes_to_standard_error_as_it_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    before, now = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", before)
    logs.set_up("info", "engine")
    log = logs.structlog.get_logger()
    log.info("first")
    before.close()
    monkeypatch.setattr(sys, "stderr", now)
    log.info("second", profile="ab12")
    told = json.loads(now.getvalue())
    assert (told["event"], told["role"], told["profile"]) == ("second", "engine", "ab12")


@pytest.mark.parametrize("fault", [OSError("No space left on device"), ValueError("closed")])
def test_a_line_that_cannot_be_written_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    tried: list[str] = []

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            tried.append(text)
            raise fault

    monkeypatch.setattr(sys, "stderr", Full())
    logs.set_up("info", "engine")
    logs.structlog.get_logger().error("the disk is full")
    assert "the disk is full" in "".join(tried)
