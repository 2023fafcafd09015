"""Senders are killed, and there are fewer afterwards: what they held leaves once."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

from crash_kit import AT_ONCE, Books, Customers, Harken
from mailserver import MailServer

SEED, SENDERS, HELD = 23, 3, 90
PATIENT = {"name": "patient", "url_env": "HARKEN_SMTP_URL", "timeout": "5m", "connections": 1}


def test_what_a_killed_sender_had_not_begun_is_sent_by_one_that_is_left(
    serving: Callable[..., Harken], mail: MailServer
) -> None:
    harken = serving(HARKEN_SENDERS=str(SENDERS))
    harken.start()
    harken.apply(AT_ONCE, transports=[PATIENT])
    customers = Customers(harken, SEED)
    mail.be("mute")
    users = [f"u{number}" for number in range(40)]
    while mail.arrivals().total() < SENDERS or len(harken.ledger(state="handed")) < HELD:
        customers.act(users, 100)
        # No more than it takes until each of them has its share.
        time.sleep(0.2)
    harken.kill("all")
    mail.be("ok")
    with closing(sqlite3.connect(harken.data / "state.db")) as state, state:
        # A quarter of an hour goes by.
        lapsed = state.execute("UPDATE messages SET lease_until = 1 WHERE state = 'handed'")
        assert lapsed.rowcount >= HELD
        held_by = state.execute("SELECT count(DISTINCT sender) FROM messages WHERE sender <> ''")
        assert held_by.fetchone() == (SENDERS,)

    customers.harken = serving(HARKEN_SENDERS="1")
    customers.harken.starts = harken.starts
    customers.harken.start()
    states = Books(customers.harken, customers).balance(f"seed {SEED}")
    assert states["unsure"] == SENDERS, "of each only the one that it was handing over"
    assert set(states) == {"sent", "unsure"}
    assert customers.harken.stop() == 0
