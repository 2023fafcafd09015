"""Killed between any two steps of a broadcast: every customer gets exactly one message."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from crash_kit import SECRET, WRITE, Mortal, mortal, until

CUSTOMERS = 500
"""More than one slice."""
NEWS = {
    "journey": "news",
    "entry": {"api": True, "reentry": "always"},
    "steps": [
        {"message": "news", "channel": "email",
         "default": {"subject": "News", "html": "<p>Hello</p>"}}
    ],
}  # fmt: skip
SEAMS = (
    "wish decided",
    "called up",
    "selection not committed",
    "selected, nobody told",
    "selection told",
    "ids not read",
    "ids read, nobody told",
    "slice read",
    "slice handled",
    "handled",
    "not committed",
    "slice committed",
    "selection not let go",
    "selection let go",
)
FAMILY = ("selected, nobody told", "slice handled", "slice committed")
TABLE = [*((seam, "alone") for seam in SEAMS), *((seam, "family") for seam in FAMILY)]


class Station:
    """One Harken and its customers, for the whole table."""

    def __init__(self, harken: Mortal) -> None:
        self.harken, self.mail = harken, harken.mail
        self.harken.apply(NEWS)
        calls = [
            {"type": "identify", "userId": f"u{n}", "traits": {"email": f"u{n}@mail.example"}}
            for n in range(CUSTOMERS)
        ]
        answer = self.harken.http.post(
            f"{self.harken.url}/v1/batch", json={"batch": calls, "writeKey": WRITE}
        )
        assert answer.status_code == 200, SECRET
        until(lambda: self.harken.get("/status")["log_lag"] == 0, "customers are known")
        self.broadcasts = 0

    def start(self) -> str:
        """Put everybody in; the broadcast's id."""
        self.broadcasts += 1
        body = {"rule": {"reachable": "email"}, "id": f"b{self.broadcasts}"}
        answer: Any = self.harken.post("/journeys/news/broadcasts", body)
        return str(answer["broadcast"]["id"])

    def find(self, id: str) -> Any:
        return self.harken.get(f"/broadcasts/{id}")["broadcast"]


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    with mortal(tmp_path_factory.mktemp("station")) as harken:
        yield Station(harken)


@pytest.mark.parametrize(("seam", "who"), TABLE, ids=[" - ".join(row) for row in TABLE])
def test_killed_at(station: Station, seam: str, who: str) -> None:
    harken, note = station.harken, f"killed ({who}) at {seam!r}"
    harken.dies_at(seam, who)
    id = station.start()
    harken.came_to(seam, note)
    if who == "family":
        harken.rise()
    until(lambda: station.find(id)["state"] == "done", f"{note}: done")
    over = station.find(id)
    assert (over["selected"], over["considered"], over["entered"]) == (CUSTOMERS,) * 3, note
    wanted = station.broadcasts * CUSTOMERS
    until(lambda: sum(station.mail.arrivals().values()) >= wanted, f"{note}: all mail arrived")
    assert set(station.mail.arrivals().values()) == {1}, note
    rows = harken.ledger()
    assert set(Counter(row["profile_id"] for row in rows).values()) == {station.broadcasts}, note
    assert {row["id"] for row in rows} == station.mail.arrivals().keys(), note


def test_stopped_where_it_was_though_killed(station: Station) -> None:
    """What was acknowledged to whoever stopped it holds, whatever dies then."""
    station.broadcasts += 1
    body = {"rule": {"reachable": "email"}, "per_second": 50}
    id = station.harken.post("/journeys/news/broadcasts", body)["broadcast"]["id"]
    until(lambda: station.find(id)["entered"] > 20, "some have entered")
    station.harken.dies_at("wish decided")
    station.harken.post(f"/broadcasts/{id}/stop", {"cancel_messages": False})
    station.harken.came_to("wish decided")
    until(lambda: station.find(id)["state"] == "stopped", "stopped")
    entered = station.find(id)["entered"]
    assert entered < CUSTOMERS
    rows = (station.broadcasts - 1) * CUSTOMERS + entered
    until(lambda: sum(station.mail.arrivals().values()) == rows, "theirs arrived")
    assert len(station.harken.ledger()) == rows
