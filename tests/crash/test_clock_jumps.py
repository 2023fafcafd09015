"""A clock that is set back or ahead: nothing happens twice, nothing is forgotten."""

import time
from pathlib import Path

import pytest
from crash_kit import WRITE

from harken.app import Embedded
from harken.clock import DAY, HOUR, MINUTE, SettableClock, SystemClock
from harken.config import Settings
from harken.ingest.protocol import Reader
from harken.inputs import Definitions, JourneySource

NOW = 1_772_420_400_000
JOURNEY = {
    "journey": "cart",
    "entry": {"event": "Cart Abandoned", "reentry": "always", "key": "cart_id"},
    "steps": [
        {"wait": "1h"},
        {
            "message": "nudge",
            "channel": "email",
            "default": {"subject": "You left something", "html": "<p>Come back</p>"},
        },
    ],
}


class Shop:
    """One Harken in this process, on a clock that can be set to anything."""

    def __init__(self, data: Path) -> None:
        self.clock = SettableClock(NOW)
        self.harken = Embedded(Settings(data=data, write_key=WRITE), self.clock)
        journeys = {"cart": JourneySource(1, JOURNEY)}
        collector = self.harken.services.collector
        collector.append_definitions(Definitions(1, NOW, "a test", {}, journeys)).result()
        self.harken.settle()

    def leaves(self, cart: str) -> None:
        """A cart is left now, by the clock."""
        bodies = [
            b'{"userId":"u","traits":{"email":"u@mail.example"},"type":"identify"}',
            b'{"userId":"u","event":"Cart Abandoned","properties":{"cart_id":"%b"},"type":"track",'
            b'"messageId":"%b"}' % (cart.encode(), cart.encode()),
        ]
        now = self.clock.now()
        for body in bodies:
            call = "identify" if b"identify" in body else "track"
            accepted, rejected = Reader(now, call).read([body])
            assert not rejected
            self.harken.services.collector.submit(accepted, received_at=now).result()
        self.harken.settle()

    def at(self, now: int) -> int:
        """Set the clock; how many mails have left in all."""
        self.clock.set(now)
        self.harken.settle()
        return len(self.harken.services.sandbox.list(limit=100))


def test_a_clock_set_back_delays_and_one_set_ahead_hurries_but_nothing_comes_twice(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path)
    shop.leaves("before")
    assert shop.at(NOW - DAY) == 0
    shop.leaves("yesterday")
    assert shop.at(NOW - DAY + HOUR + MINUTE) == 1, "an hour by the clock of those who left"
    assert shop.at(NOW - 10 * DAY) == 1
    assert shop.at(NOW + 400 * DAY) == 2
    shop.leaves("far ahead")
    assert shop.at(NOW) == 2
    shop.leaves("back again")
    assert shop.at(NOW + HOUR) == 3
    assert shop.at(NOW + 400 * DAY + HOUR) == 4
    assert shop.at(NOW) == 4
    assert shop.at(NOW + 1000 * DAY) == 4
    assert {row.state for row in shop.harken.store.messages()} == {"sent"}
    profile = next(
        iter(shop.harken.store.profiles([row.profile_id for row in shop.harken.store.messages()])
             .values())
    )  # fmt: skip
    assert profile.events["Cart Abandoned"].count == 4
    shop.harken.close()


def test_the_clock_of_a_process_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = [NOW, NOW + 5, NOW - DAY, NOW + 4, NOW + 6, NOW + DAY]
    monkeypatch.setattr(time, "time_ns", lambda: shown.pop(0) * 1_000_000)
    clock = SystemClock()
    assert [clock.now() - NOW for _ in range(6)] == [0, 5, 5, 5, 6, DAY]
