"""Waiting until the log holds what was submitted, and history what had happened when asked."""

import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING

from harken.errors import Unavailable

if TYPE_CHECKING:
    from harken.running.services import Services

PATIENCE = 10.0
DURABLE_SECONDS = 25.0
"""Less than who hands over mails waits for an answer."""
LOOK_EVERY = 0.02


def caught_up(services: "Services", patience: float = PATIENCE) -> bool:
    """Wait until history has all that the engine had handled at the call.

    False when that takes longer than `patience` seconds. History usually is a fraction of a
    second behind.
    """
    end = services.store.history_end()
    until = time.monotonic() + patience
    while services.history.watermark() < end:
        if time.monotonic() >= until:
            return False
        time.sleep(LOOK_EVERY)
    return True


def durable(future: "Future[int]") -> int:
    """The offset at which the log holds what was submitted. Raises Unavailable."""
    try:
        return future.result(DURABLE_SECONDS)
    except FutureTimeout:
        raise Unavailable("the log does not answer; it is not known whether it was kept") from None
