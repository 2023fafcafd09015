"""Requests of an event loop that wait until the collector's thread has made them durable."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Protocol

from msgspec import Struct


class Answer(Protocol):
    """Who is told what became of a submission: in the collector's thread, once."""

    def set_result(self, result: int, /) -> None: ...

    def set_exception(self, exception: Exception, /) -> None: ...


class Waiting:
    """Wakes requests of one event loop: all of a group with one call into it.

    A future of `concurrent.futures` for each, and a call, cost as much as the rest of a request
    with a single event.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._told: deque[tuple[asyncio.Future[int], int | Exception]] = deque()
        self._called = False

    def join(self) -> "Waiter":
        """Somebody more, with a future to await."""
        return Waiter(self, self.loop.create_future())

    def tell(self, future: "asyncio.Future[int]", outcome: int | Exception) -> None:
        """From any thread."""
        self._told.append((future, outcome))
        if not self._called:
            self._called = True
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self.loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        # Before the queue is emptied: whoever is added from here on calls again.
        self._called = False
        while self._told:
            future, outcome = self._told.popleft()
            if future.done():
                continue  # its client has left
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)


class Waiter(Struct, frozen=True):
    """One request's `Answer`, and the future that it awaits meanwhile."""

    waiting: Waiting
    future: asyncio.Future[int]

    def set_result(self, result: int, /) -> None:
        self.waiting.tell(self.future, result)

    def set_exception(self, exception: Exception, /) -> None:
        self.waiting.tell(self.future, exception)
