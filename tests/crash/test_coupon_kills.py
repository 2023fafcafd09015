"""The engine is killed around the issue of coupons: no code goes to two customers, none is lost."""

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_kit import Customers, Mortal, mortal, until

SEED = 11
CODES = 3_000
SEAMS = ("handled", "not committed", "committed, bell not rung", "log read")
GIVE = {
    "journey": "give",
    "entry": {"event": "Cart Abandoned", "reentry": "always", "key": "cart_id"},
    "steps": [
        {"coupon": "gift"},
        {
            "message": "tell",
            "channel": "email",
            "default": {"subject": "{{ coupon.code }}", "html": "<p>{{ coupon.code }}</p>"},
        },
    ],
}
PROJECT = {
    "workspace": {},
    "journeys": {"give": {"source": GIVE}},
    "coupons": {"gift": {"coupon": "gift", "imported": True}},
}
ISSUED = """
SELECT props.code::VARCHAR, profile_id::VARCHAR FROM events WHERE name = '$coupon_issued'
"""


@pytest.fixture
def harken(tmp_path: Path) -> Iterator[Mortal]:
    with mortal(tmp_path) as made:
        yield made


@pytest.mark.parametrize("whom", ["alone", "family"])
def test_killed_around_the_issue_of_codes(harken: Mortal, whom: str) -> None:
    harken.post("/definitions/apply", PROJECT)
    codes = [f"G-{number:04}" for number in range(CODES)]
    brought = harken.http.post(f"{harken.url}/api/v1/coupons/gift/codes", content="\n".join(codes))
    assert brought.json()["added"] == CODES
    customers = Customers(harken, SEED)
    for round, seam in enumerate(itertools.chain(SEAMS, SEAMS)):
        with customers.busy(f"r{round}", threads=1, pause=0.05):
            harken.dies_at(seam, whom)
            harken.came_to(seam)
            if whom == "family":
                harken.rise()
    done = [event for all_done in customers.done.values() for event, _ in all_done]
    wanted = done.count("Cart Abandoned")
    assert len(SEAMS) < wanted < CODES

    def issued() -> list[list[str]]:
        asked = {"sql": ISSUED, "limit": 10_000}
        answer = harken.http.post(f"{harken.url}/api/v1/sql", json=asked)
        # History's keeper is just being started again.
        rows: list[list[str]] = answer.json()["rows"] if answer.status_code == 200 else []
        return rows

    until(lambda: len(issued()) >= wanted, f"{wanted} codes are told of in history")
    told = issued()
    assert len(told) == wanted
    assert [code for code, times in Counter(code for code, _ in told).items() if times > 1] == []
    # In the order in which they were imported, without a gap: none was skipped or lost.
    assert sorted(code for code, _ in told) == codes[:wanted]
    counts = harken.get("/coupons/gift")
    assert (counts["issued"], counts["free"]) == (wanted, CODES - wanted)
    for code, profile in told:
        assert harken.get(f"/coupons/codes/{code}")["profile"] == profile
    assert len(harken.ledger(journey="give")) == wanted
