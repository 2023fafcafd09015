"""What the engine will need of history is worked out beside it, in a thread of its own."""

import threading
from abc import ABC, abstractmethod

from harken.logs import structlog

log = structlog.get_logger("preparing")

RETRY = 1.0
"""Seconds until history is asked again whether it has all that was before."""


class Preparer(ABC):
    """Prepares things as they come up."""

    trouble: str
    """What is logged when it fails."""

    def __init__(self) -> None:
        self._bell = threading.Event()

    @abstractmethod
    def prepare(self) -> bool:
        """Prepare what comes next; False when that must wait, or there is nothing."""

    def ring(self) -> None:
        """There may be something to prepare, or it is time to stop."""
        self._bell.set()

    def run(self, stopping: threading.Event) -> None:
        """Prepare until told to stop."""
        while not stopping.is_set():
            try:
                if not self.prepare():
                    self._bell.wait(RETRY)
                    self._bell.clear()
            except Exception as fault:
                if stopping.is_set():
                    return
                # Whatever it was, it stays to be done, and nobody else would try again.
                log.warning(self.trouble, fault=repr(fault), retry_in=RETRY)
                stopping.wait(RETRY)
