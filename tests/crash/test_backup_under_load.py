"""A copy made while events pour in: it starts, agrees with itself, and sends nothing again."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable

from crash_kit import AT_ONCE, Books, Customers, Harken, until
from mailserver import MailServer

SEED = 23


def test_a_backup_under_load_is_whole_and_sends_nothing_twice(
    serving: Callable[..., Harken], mail: MailServer
) -> None:
    harken = serving()
    harken.start()
    harken.apply(AT_ONCE)
    customers = Customers(harken, SEED)
    customers.act(["early"], 20)
    Books(harken, customers).balance()
    with customers.busy("b", threads=1):
        # Some mail has left, some waits to leave when the copy is made, and leaves after it.
        mail.be("down")
        until(lambda: len(harken.ledger(state="queued")) > 10, "mail waits")
        before = {user: Counter(done) for user, done in customers.done.items()}
        made = harken.post("/backup", {"to": "nightly"})
        mail.be("up")
        time.sleep(0.5)
    assert made["messages_unsure"] > 10
    assert set(Books(harken, customers).balance(f"seed {SEED}")) == {"sent"}
    assert harken.stop() == 0
    left = mail.arrivals()

    target = harken.data.with_name("restored")
    done = subprocess.run(
        [sys.executable, "-m", "harken", "restore", str(harken.data / made["path"]), str(target)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    copy = serving("restored")
    copy.starts = harken.starts
    copy.start()
    time.sleep(2)
    assert mail.arrivals() == left, "the copy sent something again"

    rows = Counter(row["state"] for row in copy.ledger())
    assert set(rows) == {"sent", "unsure"}
    assert rows["unsure"] == made["messages_unsure"]
    for user, wanted in before.items():
        # What the log held beyond the state is handled after the start, and then told to history.
        until(lambda user=user: counted(copy, user) == kept(copy, user), f"{user} agrees")
        asked = Counter(name for name, _ in wanted.elements())
        assert all(counted(copy, user)[name] >= count for name, count in asked.items()), user

    # The copy is a Harken like any other: what comes in goes out, once.
    fresh = Customers(copy, SEED + 1)
    fresh.does("Cart Abandoned", "fresh")
    until(lambda: copy.ledger(user_id="fresh", state="sent"), "it sends")
    assert set(mail.arrivals().values()) == {1}
    assert copy.stop() == 0


def counted(harken: Harken, user: str) -> Counter[str]:
    """How often the customer's document says that each event happened."""
    events = harken.get(f"/people/{user}")["events"]
    return Counter({name: stat["count"] for name, stat in events.items() if name[0] != "$"})


def kept(harken: Harken, user: str) -> Counter[str]:
    """How often each event stands in history."""
    lines = harken.get(f"/people/{user}/timeline?limit=500")["timeline"]
    return Counter(
        line["name"] for line in lines if line["kind"] == "event" and line["name"][0] != "$"
    )
