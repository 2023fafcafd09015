"""What comes back about mails: who is believed, and what it changes."""

import asyncio
import smtplib
import socket
from typing import Any

import pytest
from msgspec.structs import replace
from web_kit import Shop

from harken.web.returns import ReturnPath


def hook(shop: Shop) -> str:
    url: str = shop.get("/status")["bounces_hook"]
    return url.removeprefix("https://hi.shop.example")


def post(shop: Shop, *events: dict[str, Any]) -> Any:
    answer = shop.ask("POST", hook(shop), key=None, json={"events": list(events)})
    assert answer.status_code == 200, answer.text
    shop.harken.settle()
    return answer.json()


def bounce(message: str, **more: Any) -> dict[str, Any]:
    return {"message_id": message, "type": "bounced", "address": "u1@mail.example", **more}


def test_a_hard_bounce_suppresses(open_shop: Shop) -> None:
    id = open_shop.leaves_cart()
    detail = "550 5.1.1 no such user"
    hard = bounce(id, hard=True, detail=detail)
    assert post(open_shop, hard) == {"taken": 1, "known": 0, "ignored": 0}
    assert post(open_shop, hard, hard) == {"taken": 0, "known": 2, "ignored": 0}
    row = open_shop.get(f"/messages/{id}")
    assert (row["state"], row["reason"]) == ("bounced", "5.1.1 550 5.1.1 no such user")
    [suppression] = open_shop.get("/suppressions")["suppressions"]
    assert suppression["address"] == "u1@mail.example"
    assert open_shop.get("/people/u1")["unreachable"]["email"]["why"] == "hard bounce"


def test_an_address_that_is_allowed_again_is_written_to_again(open_shop: Shop) -> None:
    id = open_shop.leaves_cart()
    post(open_shop, bounce(id, hard=True))
    open_shop.pass_time(3_600_000)
    gone = "/api/v1/suppressions/U1@mail.example"
    assert open_shop.ask("DELETE", gone).status_code == 204
    assert open_shop.get("/people/u1")["unreachable"] == {}
    assert open_shop.leaves_cart(cart="c2") != id
    lines = [line["text"] for line in open_shop.get("/people/u1/timeline")["timeline"]]
    assert any("may be written to again by email" in line for line in lines)
    assert open_shop.ask("DELETE", gone).status_code == 404


def test_a_soft_bounce_does_not(open_shop: Shop) -> None:
    post(open_shop, bounce(open_shop.leaves_cart(), detail="452 4.2.2 mailbox full"))
    assert open_shop.get("/suppressions")["suppressions"] == []


def test_a_complaint_opts_out(open_shop: Shop) -> None:
    id = open_shop.leaves_cart()
    post(open_shop, bounce(id, type="complained"))
    [change] = open_shop.get("/people/u1")["consent_log"]
    assert (change["purpose"], change["state"]) == ("marketing", "opted_out")
    assert open_shop.get("/suppressions")["suppressions"][0]["why"] == "complaint"


def test_a_wish_to_leave(open_shop: Shop) -> None:
    post(open_shop, bounce(open_shop.leaves_cart(), type="unsubscribed"))
    [change] = open_shop.get("/people/u1")["consent_log"]
    assert (change["state"], change["by"]) == ("opted_out", "customer")


@pytest.mark.parametrize(
    "event",
    [
        {"address": "other@mail.example"},
        {"message_id": "a" * 26},
        {"type": "delayed"},
    ],
)
def test_who_is_not_believed(open_shop: Shop, event: dict[str, Any]) -> None:
    """A Message-ID is known to the other side too: the address must be the ledger's own."""
    id = open_shop.leaves_cart()
    assert post(open_shop, {**bounce(id, hard=True), **event}) == {
        "taken": 0,
        "known": 0,
        "ignored": 1,
    }
    assert open_shop.get(f"/messages/{id}")["state"] == "sent"
    assert open_shop.get("/suppressions")["suppressions"] == []


def test_the_hook_s_address_is_a_secret(open_shop: Shop) -> None:
    wrong = open_shop.ask("POST", "/hooks/bounces/wrong", key=None, json={"events": []})
    assert wrong.status_code == 404
    assert open_shop.ask("POST", hook(open_shop), key=None, json={"x": 1}).status_code == 400
    assert open_shop.ask("POST", hook(open_shop), key=None, content=b"{").status_code == 400
    big = b'"' + b"x" * (6 << 20) + b'"'
    assert open_shop.ask("POST", hook(open_shop), key=None, content=big).status_code == 413


DSN = b"""From: MAILER-DAEMON@mx.example
To: {address}
Subject: failed
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; u1@mail.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

--b--
"""


def come_back(shop: Shop, address: str, raw: bytes) -> None:
    """A mail to the return path, by LMTP."""

    async def given() -> None:
        path = ReturnPath(shop.services)
        await path.start()
        await asyncio.to_thread(send)
        await path.close()

    def send() -> None:
        with smtplib.LMTP("127.0.0.1", port) as client:
            client.sendmail("", [address], raw)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shop.services.settings = replace(shop.services.settings, lmtp_port=port)
    asyncio.run(given())
    shop.harken.settle()


def test_a_bounce_by_lmtp_is_durable_when_it_is_taken(open_shop: Shop) -> None:
    id = open_shop.leaves_cart()
    row = open_shop.services.store.message(id)
    assert row is not None
    address = open_shop.services.links.mailbox("bounce", row.profile_id, id) + "@shop.example"
    come_back(open_shop, address, DSN.replace(b"{address}", address.encode()))
    assert open_shop.get(f"/messages/{id}")["state"] == "bounced"
    assert open_shop.get("/suppressions")["suppressions"][0]["address"] == "u1@mail.example"


WISH = b"From: u1@mail.example\nTo: {address}\nSubject: unsubscribe\n\n"


def test_a_mail_to_the_unsubscribe_address_opts_out(open_shop: Shop) -> None:
    id = open_shop.leaves_cart()
    row = open_shop.services.store.message(id)
    assert row is not None
    mailbox = open_shop.services.links.mailbox
    stolen = mailbox("bounce", row.profile_id, id).replace("bounce", "unsubscribe") + "@b.example"
    come_back(open_shop, stolen, WISH.replace(b"{address}", stolen.encode()))
    assert open_shop.get("/people/u1")["consent_log"] == []
    address = mailbox("leave", row.profile_id, id) + "@b.example"
    come_back(open_shop, address, WISH.replace(b"{address}", address.encode()))
    [change] = open_shop.get("/people/u1")["consent_log"]
    assert (change["state"], change["how"]) == ("opted_out", "unsubscribe by mail")
