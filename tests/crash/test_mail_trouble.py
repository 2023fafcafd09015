"""A mail server in trouble: each message leaves once in the end, or is known to be unsure."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import psutil
from crash_kit import AT_ONCE, Books, Customers, Harken, until
from mailserver import MailServer

SEED = 11
IMPATIENT = {"name": "impatient", "url_env": "HARKEN_SMTP_URL", "timeout": "1s", "connections": 2}


def carts(customers: Customers, *users: str) -> None:
    """Each of the users leaves one cart."""
    for user in users:
        customers.does("Cart Abandoned", user)


def states(harken: Harken) -> Counter[str]:
    return Counter(row["state"] for row in harken.ledger())


def row_of(harken: Harken, user: str) -> dict[str, Any]:
    """The user's one message, once the engine has made it."""
    rows = harken.ledger(user_id=user)
    assert len(rows) <= 1
    return rows[0] if rows else {"state": "none yet", "reason": "", "attempts": 0}


def test_a_server_that_is_down_refuses_hangs_and_comes_back(
    serving: Callable[..., Harken], mail: MailServer
) -> None:
    harken = serving()
    harken.start()
    harken.apply(AT_ONCE, transports=[IMPATIENT])
    customers = Customers(harken, SEED)
    # Those who are put off are asked again after half a minute, beside all that follows.
    carts(customers, "later-1", "neighbour-1", "nobody-1", "neighbour-2", "later-2")
    until(lambda: states(harken)["sent"] == 2, "the neighbours have theirs")
    until(lambda: row_of(harken, "nobody-1")["state"] == "failed", "nobody is not found")
    assert "no such user" in row_of(harken, "nobody-1")["reason"]
    until(lambda: "come back later" in row_of(harken, "later-1")["reason"], "it is put off")

    mail.be("temporary")
    carts(customers, "refused-1", "refused-2")
    until(lambda: "not now" in row_of(harken, "refused-2")["reason"], "they are refused")
    mail.be("ok")

    mail.be("silent")
    carts(customers, "hung-1", "hung-2")
    until(lambda: row_of(harken, "hung-2")["attempts"] != 0, "someone tries")
    time.sleep(1.5)
    mail.be("ok")

    mail.be("down")
    carts(customers, *(f"down-{n}" for n in range(30)))
    time.sleep(2)
    assert not any(id in mail.arrivals() for id in queued(harken, "down-"))
    mail.be("up")
    carts(customers, "after-1")

    found = Books(harken, customers).balance(f"seed {SEED}")
    assert found == {"sent": 2 + 2 + 2 + 2 + 30 + 1, "failed": 1}
    assert harken.stop() == 0


def queued(harken: Harken, prefix: str) -> list[str]:
    return [row["id"] for row in harken.ledger(state="queued") if row["address"].startswith(prefix)]


def test_mail_that_may_have_been_taken_is_unsure_until_an_operator_says(
    serving: Callable[..., Harken], mail: MailServer
) -> None:
    harken = serving()
    harken.start()
    harken.apply(AT_ONCE, transports=[IMPATIENT])
    customers = Customers(harken, SEED)

    # The server takes it and says nothing more; another one takes nothing and is as silent.
    for mode in ("mute", "deaf"):
        mail.be(mode)
        carts(customers, mode)
        until(lambda user=mode: row_of(harken, user)["state"] == "unsure", f"{mode} is unsure")
    mail.be("ok")
    # The server takes it and we are killed before it can say so: the sender, then everyone.
    sender = harken.child("sender")
    assert sender is not None
    mail.be("kill", sender.pid)
    carts(customers, "killed")
    until(lambda: row_of(harken, "killed")["state"] == "unsure", "killed is unsure")
    family = [harken.web, *harken.children()]
    mail.be("kill", *(one.pid for one in family))
    carts(customers, "all-killed")
    psutil.wait_procs(family, 10)
    harken.start()
    until(lambda: row_of(harken, "all-killed")["state"] == "unsure", "all-killed is unsure")

    copies = {user: mail.arrivals()[row_of(harken, user)["id"]] for user in customers.done}
    assert copies == {"mute": 1, "deaf": 0, "killed": 1, "all-killed": 1}
    Books(harken, customers).balance(f"seed {SEED}")

    resent = harken.post(f"/messages/{row_of(harken, 'deaf')['id']}/resend")
    assert resent["state"] == "queued"
    until(lambda: row_of(harken, "deaf")["state"] == "sent", "what was resent is sent")
    closed = harken.post(f"/messages/{row_of(harken, 'mute')['id']}/close")
    assert closed["state"] == "failed"
    again = harken.http.post(f"{harken.url}/api/v1/messages/{closed['id']}/close")
    assert again.status_code == 409
    copies = {user: mail.arrivals()[row_of(harken, user)["id"]] for user in customers.done}
    assert copies == {"mute": 1, "deaf": 1, "killed": 1, "all-killed": 1}
    assert harken.stop() == 0
