"""Waiting until history holds what had happened when a question was asked."""

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harken.running.services import Services

PATIENCE = 10.0
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
