"""A disk that is full: 503, nothing acknowledged is lost, and work goes on when there is space.

The kernel stops the files of the running processes from growing (RLIMIT_FSIZE, set from outside):
a write past the limit is cut short or fails, as on a full disk, for root and for anyone else.
"""

import resource
from collections.abc import Callable

import psutil
from crash_kit import WRITE, Books, Customers, Harken, until

SEED = 13
FREE = resource.RLIM_INFINITY


def allow(processes: list[psutil.Process], size: int) -> None:
    """Files may grow to so many bytes."""
    for one in processes:
        resource.prlimit(one.pid, resource.RLIMIT_FSIZE, (size, FREE))


def ask(harken: Harken, event: str) -> int:
    """The answer to one event that nobody sends again."""
    call = {"type": "track", "userId": "hasty", "event": event, "messageId": event}
    answer = harken.http.post(f"{harken.url}/v1/batch", json={"batch": [call], "writeKey": WRITE})
    return answer.status_code


def test_a_full_disk_refuses_and_recovers(serving: Callable[..., Harken]) -> None:
    harken = serving()
    harken.start()
    harken.apply()
    customers = Customers(harken, SEED)
    customers.act(["early"], 6)
    engine = harken.child("engine")
    family = [harken.web, *harken.children()]
    assert engine is not None
    assert len(family) == 6
    early = f"{harken.url}/api/v1/people/early"
    until(lambda: harken.http.get(early).status_code == 200, "the engine has handled them")
    # A process that is still starting ends when it can open no file, and is started again.
    customers.does("Cart Abandoned", "early")
    until(lambda: harken.ledger(user_id="early", state="sent"), "the sender is at work")
    engine.suspend()
    customers.act(["acknowledged"], 20)

    # The log's next record fits in part; then nothing fits, anywhere.
    log = max((harken.data / "log").glob("*.log"))
    allow([harken.web], log.stat().st_size + 60)
    assert ask(harken, "cut short") == 503
    size = log.stat().st_size
    allow(family, 0)
    engine.resume()
    assert [ask(harken, f"refused {n}") for n in range(5)] == [503] * 5
    assert log.stat().st_size == size, "what was not acknowledged is not in the log"
    ready = harken.http.get(f"{harken.url}/readyz")
    assert ready.status_code == 503
    assert "cannot be written" in ready.json()["troubles"]["log"]
    assert harken.get("/people/early")["user_id"] == "early"
    with customers.busy("during", threads=2):
        until(lambda: customers.refused[503] > 40, "they are refused")
        allow(family, FREE)
        until(lambda: any(user.startswith("during") for user in customers.done), "it goes on")

    assert ask(harken, "in time") == 200
    states = Books(harken, customers).balance(f"seed {SEED}")
    assert set(states) == {"sent"}
    assert [one.pid for one in [harken.web, *harken.children()]] == [one.pid for one in family], (
        f"nobody had to be started again\n{harken.log()}"
    )
    until(harken.ready, "ready again", 10)
    hasty = harken.get("/people/hasty")["events"]
    counts = {name: stat["count"] for name, stat in hasty.items() if not name.startswith("$")}
    assert counts == {"in time": 1}, "and nothing that was refused"
    assert harken.stop() == 0
