"""Requests that wait for the collector: each has its own answer, a group wakes the loop once."""

import asyncio
import threading

import pytest

from harken.errors import Unavailable
from harken.ingest.waiting import Waiter, Waiting


class Counting(asyncio.SelectorEventLoop):
    """A loop that counts the calls that came from other threads."""

    calls = 0

    def call_soon_threadsafe(self, *given, **named) -> asyncio.Handle:  # type: ignore[no-untyped-def]
        self.calls += 1
        return super().call_soon_threadsafe(*given, **named)


def tell(waiters: list[Waiter]) -> None:
    """As the collector's thread does: all of a group, one after the other."""

    def told() -> None:
        for number, waiter in enumerate(waiters):
            if number % 2:
                waiter.set_exception(Unavailable(f"no {number}"))
            else:
                waiter.set_result(number)

    thread = threading.Thread(target=told)
    thread.start()
    thread.join()


def test_each_has_its_own_answer_and_a_group_is_one_call() -> None:
    loop = Counting()

    async def answers() -> list[int | BaseException]:
        waiting = Waiting(loop)
        found: list[int | BaseException] = []
        for _ in range(3):
            group = [waiting.join() for _ in range(10)]
            tell(group)
            found += await asyncio.gather(*(w.future for w in group), return_exceptions=True)
        return found

    try:
        found = loop.run_until_complete(answers())
        assert loop.calls == 3
    finally:
        loop.close()
    wanted = [f"no {n}" if n % 2 else str(n) for n in range(10)]
    assert [str(one) for one in found] == wanted * 3


def test_whoever_has_left_keeps_nobody_waiting() -> None:
    async def answers() -> int:
        waiting = Waiting(asyncio.get_running_loop())
        gone, stays = waiting.join(), waiting.join()
        gone.future.cancel()
        tell([gone])
        tell([stays])
        return await asyncio.wait_for(stays.future, 10)

    assert asyncio.run(answers()) == 0


def test_a_closed_loop_is_no_trouble_to_the_collector() -> None:
    loop = asyncio.new_event_loop()
    waiter = Waiting(loop).join()
    loop.close()
    waiter.set_result(1)
    waiter.set_exception(Unavailable("late"))
    with pytest.raises(asyncio.InvalidStateError):
        waiter.future.result()
