"""Harken with the shop's own files, in this process and on a clock that the test sets."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from examples.shop.catalogue import HERE

from harken.app import Embedded
from harken.clock import SettableClock, parse_time
from harken.files.plan import bundle
from harken.files.project import load
from harken.files.reader import read
from harken.ingest.protocol import Envelope, Reader
from harken.people.profile import Profile
from harken.segments import questions
from harken.segments.model import Segment
from harken.segments.sql_writing import Asked

START = parse_time("2026-11-01T09:00:00Z") or 0
BATCH = 2_000
MOST_STEPS = 2_000


class Kelana:
    """The shop's Harken."""

    def __init__(self, folder: Path) -> None:
        self.clock = SettableClock(START)
        self.harken = Embedded(folder, self.clock)
        project = load(HERE)
        self.rules = {name: read(one, Segment).rule for name, one in project.segments.items()}
        made = bundle(self.harken.store.definitions(), project, self.now, "a test")
        self.harken.services.collector.append_definitions(made).result()
        self.harken.settle()

    @property
    def now(self) -> int:
        return self.clock.now()

    def send(self, calls: Iterable[dict[str, Any]], *, imported: bool = False) -> None:
        """Segment calls, handled before this returns."""
        every = [msgspec.Raw(json.dumps(call).encode()) for call in calls]
        for at in range(0, len(every), BATCH):
            part = every[at : at + BATCH]
            accepted, rejected = Reader(self.now, None, Envelope(part)).read(part)
            assert not rejected, rejected
            sent = self.harken.services.collector.submit(
                accepted, received_at=self.now, imported=imported
            )
            sent.result()
            self.harken.settle()

    def identify(self, user: str, **traits: Any) -> None:
        self._call(type="identify", userId=user, traits=traits)

    def track(self, user: str, event: str, **properties: Any) -> None:
        self._call(type="track", userId=user, event=event, properties=properties)

    def page(self, user: str, name: str) -> None:
        self._call(type="page", userId=user, name=name)

    def _call(self, **call: Any) -> None:
        """A call of its own, a millisecond after the last."""
        self.clock.advance(1)
        self.send([{"messageId": f"m{self.now}", **call}])

    def pass_time(self, ms: int) -> None:
        """Let so much time pass, and all that is due on the way be done when it is due."""
        end = self.now + ms
        for _ in range(MOST_STEPS):
            times = (self.harken.store.next_due(), self.harken.store.next_message())
            due = [at for at in times if at is not None and self.now < at <= end]
            if not due:
                self.clock.set(end)
                self.harken.settle()
                return
            self.clock.set(min(due))
            self.harken.settle()
        raise AssertionError("there is always something due")

    def segments(self, user: str) -> set[str]:
        """The segments that a customer is in now."""
        found = self.harken.services.lookup.resolve(user_id=user)
        return set(self.harken.store.profiles([found])[found].segments)

    def everyone(self) -> dict[int, set[str]]:
        """The segments of each customer."""
        store = self.harken.store
        every: Iterable[Profile] = store.profiles(store.profile_ids(-(2**63), 10_000)).values()
        return {one.id: set(one.segments) for one in every if one.tombstone is None}

    def members(self, name: str) -> set[int]:
        """Who is in a segment, by history."""
        asked = Asked(now=self.now, zone=ZoneInfo("UTC"), segments=self.rules)
        statement = questions.members(self.rules[name], asked, None, 10_000)
        rows = self.harken.history.query(statement.sql, statement.params)
        return {int(row[0]) for row in rows}

    def subjects(self, address: str) -> list[str]:
        """Of the mails to an address, oldest first."""
        found = self.harken.services.sandbox.list(limit=100, address=address)
        return [one.subject for one in reversed(found)]

    def close(self) -> None:
        self.harken.close()
