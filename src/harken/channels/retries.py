"""When to try again: exponential back-off, with jitter that is the same for the same try."""

from msgspec import Struct

from harken.clock import DAY, HOUR, SECOND
from harken.ids import bucket


class Retries(Struct, frozen=True, kw_only=True):
    """How long to go on with a message after temporary errors. Times are ms."""

    first: int = 30 * SECOND
    longest: int = HOUR
    max_age: int = 3 * DAY
    """Counted from when the message was queued."""
    max_attempts: int = 100

    def wait(self, id: str, attempt: int) -> int:
        """How long after try number `attempt` (from 1) the next one comes.

        Doubles each time; the jitter takes up to a quarter off or adds one, so that what failed
        together does not come back together.
        """
        doubled = min(self.first << min(max(attempt - 1, 0), 40), self.longest)
        share = bucket(attempt, id)
        return doubled * (7_500 + share // 2) // 10_000
