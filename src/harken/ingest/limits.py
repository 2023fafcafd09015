"""The rate limit of the tracking API: events a second, for each write key."""

from harken.clock import SECOND, Clock
from harken.errors import TooMany


class RateLimits:
    """A bucket for each key, which fills by `per_second` events and holds a second's worth.

    A batch is taken whole while the bucket is not empty, even if it then owes some: so a batch
    larger than the bucket still passes, and the next one waits longer.
    """

    def __init__(self, clock: Clock, per_second: float) -> None:
        self._clock = clock
        self._rate = per_second
        self._buckets: dict[str, tuple[float, int]] = {}

    def take(self, key: str, events: int) -> None:
        """Let so many events of the key pass. Raises `TooMany` with the time to wait."""
        now = self._clock.now()
        left, at = self._buckets.get(key, (self._rate, now))
        left = min(self._rate, left + (now - at) / SECOND * self._rate)
        if left <= 0:
            self._buckets[key] = (left, now)
            raise TooMany(f"more than {self._rate:g} events a second", -left / self._rate)
        self._buckets[key] = (left - events, now)
