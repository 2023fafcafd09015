"""What is told of messages, taken into the log once: who tells again is answered that it is known.

The engine decides what counts (`handle`): it remembers for 48 h what it was told of a customer's
messages. What stands in the log and is not handled yet is remembered here. After a restart, what is
told again before the engine has come to it is logged again, and changes nothing.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future

from msgspec import Struct

from harken.clock import Clock
from harken.ingest.collector import Collector
from harken.inputs import Command, Feedback
from harken.people.apply import remembers
from harken.people.profile import Profile
from harken.store.base import Store
from harken.web.catchup import durable


class Telling(Struct, frozen=True):
    """One thing that became of a customer's message."""

    profile_id: int
    feedback: Feedback
    rest: Sequence[Command] = ()
    """What else is to be logged with it."""


class Tellings:
    """Takes what is told of messages. For any number of threads."""

    def __init__(self, store: Store, collector: Collector, clock: Clock) -> None:
        self._store, self._collector, self._clock = store, collector, clock
        self._lock = threading.Lock()
        # Where the log ends that holds what a mark tells, in the order in which it was told.
        self._told: dict[str, Future[int]] = {}

    def take(self, tellings: Sequence[Telling]) -> int:
        """Log what is told for the first time; how much of it that was.

        All of it is durable then, also what another request is just logging. Raises Unavailable;
        then it is to be told again, and what was kept nevertheless is known.
        """
        answer: Future[int] = Future()
        first, others = self._reserve(tellings, answer)
        marks = [one.feedback.mark for one in first]
        try:
            new = self._new(first)
            commands = [(one.profile_id, what) for one in new for what in (one.feedback, *one.rest)]
            appended = self._collector.append_commands(commands) if commands else None
        except BaseException as fault:
            self._settle(marks, answer, fault)
            raise
        if appended is None:
            # The engine has handled all of it.
            self._settle(marks, answer, 0)
        else:
            # Not here: the log may answer when nobody waits any more.
            appended.add_done_callback(
                lambda done: self._settle(marks, answer, done.exception() or done.result())
            )
            durable(appended)
        for other in others:
            durable(other)
        return len(new)

    def _reserve(
        self, tellings: Sequence[Telling], answer: "Future[int]"
    ) -> tuple[list[Telling], set["Future[int]"]]:
        """Those that nobody is logging, from now on this request's, and what to wait for."""
        first: list[Telling] = []
        others: set[Future[int]] = set()
        marks: set[str] = set()
        with self._lock:
            self._let_go()
            for one in tellings:
                mark = one.feedback.mark
                told = self._told.setdefault(mark, answer) if mark else answer
                if told is not answer:
                    others.add(told)
                elif not mark or mark not in marks:
                    first.append(one)
                    marks.add(mark)
        return first, others

    def _let_go(self) -> None:
        """Forget what the engine has handled: it stands in the customers' documents."""
        if not self._told:
            return
        handled = self._store.offset()
        for mark, told in list(self._told.items()):
            if not told.done() or told.result() > handled:
                break
            del self._told[mark]

    def _settle(
        self, marks: Sequence[str], answer: "Future[int]", end: int | BaseException
    ) -> None:
        if isinstance(end, int):
            answer.set_result(end)
            return
        with self._lock:
            for mark in marks:
                self._told.pop(mark, None)
        answer.set_exception(end)

    def _new(self, tellings: Sequence[Telling]) -> list[Telling]:
        """Those that the engine does not remember."""
        now = self._clock.now()
        customers = self._customers({one.profile_id for one in tellings if one.feedback.mark})

        def known(one: Telling) -> bool:
            mark, customer = one.feedback.mark, customers.get(one.profile_id)
            return bool(mark) and customer is not None and remembers(customer, mark, now)

        return [one for one in tellings if not known(one)]

    def _customers(self, ids: set[int]) -> dict[int, Profile | None]:
        """Their documents, or those of whom they were joined into."""
        found: dict[int, Profile | None] = {**self._store.profiles(list(ids))}
        for id, document in found.items():
            one = document
            while one is not None and one.tombstone is not None:
                into = one.tombstone.into
                one = self._store.profiles([into]).get(into)
            found[id] = one
        return found
