"""Tells link checkers from people: how often one message was clicked at about the same time."""

from collections import OrderedDict, deque

from harken.clock import SECOND

NEARBY = 10 * SECOND
MESSAGES_REMEMBERED = 10_000


class Clicks:
    """Times of the latest clicks by message: link checkers click everything at once."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, deque[int]] = OrderedDict()

    def nearby(self, message: str, now: int) -> int:
        """Clicks on the message in the last ten seconds, this one included."""
        times = self._times.pop(message, None) or deque(maxlen=20)
        while times and now - times[0] > NEARBY:
            times.popleft()
        times.append(now)
        self._times[message] = times
        while len(self._times) > MESSAGES_REMEMBERED:
            self._times.popitem(last=False)
        return len(times)
