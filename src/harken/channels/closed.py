"""A channel whose settings are wrong: it takes nothing, so that nothing is lost to it."""

from collections.abc import Sequence

from harken.channels.base import Outcome, Prepared

REST = 5.0


class Closed:
    """Messages wait in the ledger until its settings are mended."""

    lanes = 0
    repeatable = False
    marks = False

    def room(self) -> int | None:
        return 0

    def rest(self) -> float:
        return REST

    def send(self, batch: Sequence[Prepared], deadline: float) -> list[Outcome]:
        return [Outcome(state="temporary", reason="the channel is closed") for _ in batch]

    def close(self) -> None:
        """It holds nothing."""
