"""Messages, the sandbox, and a backup that does not send twice."""

import sqlite3
from pathlib import Path

import pytest
from web_kit import Shop

from harken.config import Settings


def test_messages_are_listed_by_what_is_asked(open_shop: Shop) -> None:
    open_shop.customer("u2")
    first, second = open_shop.leaves_cart("u1"), open_shop.leaves_cart("u2")
    assert [row["id"] for row in open_shop.get("/messages")["messages"]] == [second, first]
    for question, ids in {
        "user_id=u1": [first],
        "user_id=nobody": [],
        "state=sent": [second, first],
        "state=failed": [],
        "journey=abandoned-cart": [second, first],
        "journey=other": [],
        "user_id=u2&state=sent&journey=abandoned-cart": [second],
    }.items():
        found = open_shop.get(f"/messages?{question}")["messages"]
        assert [row["id"] for row in found] == ids, question
    page = open_shop.get("/messages?limit=1")
    assert page["next"] == second
    rest = open_shop.get(f"/messages?limit=1&before={page['next']}")["messages"]
    assert [row["id"] for row in rest] == [first]


def test_messages_of_a_merged_customer_come_along(open_shop: Shop) -> None:
    open_shop.customer("u2")
    ids = [open_shop.leaves_cart("u1"), open_shop.leaves_cart("u2")]
    open_shop.post("/people/u1/merge", {"absorb": "u2"})
    found = open_shop.get("/messages?user_id=u1")["messages"]
    assert sorted(row["id"] for row in found) == sorted(ids)


def unsure(shop: Shop, id: str) -> None:
    """As a crash of the sender leaves a message."""
    with sqlite3.connect(shop.services.settings.state) as db:
        db.execute("UPDATE messages SET state = 'unsure' WHERE id = ?", [id])
    db.close()


def test_status_says_why_messages_wait(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "data", smtp_url="smtp://127.0.0.1:9")
    shop.apply()
    shop.customer()
    assert "messages" not in shop.get("/status")["warnings"]
    shop.leaves_cart()
    status = shop.get("/status")
    assert status["messages"] == {"queued": 1}
    assert "some wait to be tried again: smtp: " in status["warnings"]["messages"]
    assert "refused" in status["warnings"]["messages"]
    shop.close()


def test_counting_what_waits_looks_at_nothing_that_was_sent(open_shop: Shop) -> None:
    asked: list[str] = []
    store = open_shop.services.store
    connection = store.database.connection
    connection.set_trace_callback(asked.append)
    store.message_states()
    store.obstacle()
    for state in ("unsure", "failed"):
        store.messages(state=state)
    connection.set_trace_callback(None)
    counts = [sql for sql in asked if "FROM messages" in sql]
    assert counts
    for sql in counts:
        for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {sql}"):
            assert "messages USING" in step or "messages" not in step, (sql, step)


def test_only_unsure_messages_can_be_resent_or_closed(open_shop: Shop) -> None:
    id = open_shop.leaves_cart()
    for action in ("resend", "close"):
        refused = open_shop.ask("POST", f"/api/v1/messages/{id}/{action}")
        assert refused.status_code == 409
        assert "this one is sent" in refused.json()["detail"]
    unsure(open_shop, id)
    assert open_shop.post(f"/messages/{id}/resend", {})["state"] == "queued"
    unsure(open_shop, id)
    closed = open_shop.post(f"/messages/{id}/close", {})
    assert (closed["state"], closed["reason"]) == ("failed", "closed by key environment")
    assert open_shop.ask("POST", "/api/v1/messages/none/close").status_code == 404


def test_the_sandbox_shows_what_would_have_left(open_shop: Shop) -> None:
    id = open_shop.leaves_cart()
    [mail] = open_shop.get("/sandbox?to=u1@mail.example")["mails"]
    assert mail == {
        "id": id,
        "to": "u1@mail.example",
        "subject": "Minji, your Acme",
        "channel": "email",
        "at": "2026-03-02T03:31:00.000Z",
        "profile_id": mail["profile_id"],
        "user_id": "u1",
    }
    whole = open_shop.get(f"/sandbox/{id}")
    assert whole["from"] == "Shop <hi@shop.example>"
    assert "Hi cart" in whole["text"]
    assert ["Subject", "Minji, your Acme"] in whole["headers"]
    assert whole["raw"].startswith("From: Shop")
    assert open_shop.get("/sandbox?to=nobody@x.example")["mails"] == []
    assert open_shop.ask("GET", "/api/v1/sandbox/none").status_code == 404


@pytest.mark.parametrize("name", ["../x", "a/b", ".x", "", "x" * 65])
def test_a_backup_stays_in_its_folder(shop: Shop, name: str) -> None:
    assert shop.ask("POST", "/api/v1/backup", json={"to": name}).status_code == 400


def test_a_restored_backup_knows_all_and_sends_nothing_twice(
    open_shop: Shop, tmp_path: Path
) -> None:
    sent = open_shop.leaves_cart()
    queued = {"cart_id": "c9", "cart_value": 120}
    open_shop.send("track", userId="u1", event="Cart Abandoned", properties=queued)
    open_shop.clock.advance(31 * 60_000)
    while open_shop.harken.engine.turn():
        pass  # the message is queued, and no sender has seen it
    made = open_shop.post("/backup", {"to": "monday"})
    assert (made["path"], made["messages_unsure"]) == ("backups/monday", 1)
    again = open_shop.ask("POST", "/api/v1/backup", json={"to": "monday"})
    assert again.status_code == 409
    open_shop.send("track", userId="u1", event="After The Backup")

    copy = open_shop.services.settings.data / "backups" / "monday"
    restored = tmp_path / "restored"
    copy.rename(restored)
    other = Shop(restored)
    try:
        other.clock.set(open_shop.clock.now())
        other.harken.settle()
        person = other.get("/people/u1")
        assert person["events"]["Cart Abandoned"]["count"] == 2
        assert "After The Backup" not in person["events"]
        states = {row["id"]: (row["state"], row["reason"]) for row in person["messages"]}
        assert states.pop(sent)[0] == "sent"
        assert list(states.values()) == [("unsure", "restored from a backup")]
        assert len(other.get("/sandbox")["mails"]) == 1
        assert other.get("/people/u1/timeline")["timeline"]
        # It goes on as before, and history takes what is new.
        other.send("track", userId="u1", event="After The Restore")
        rows = other.harken.history.query(
            "SELECT count(*) FROM events WHERE name = 'After The Restore'"
        )
        assert rows == [(1,)]
    finally:
        other.close()
    assert Settings(data=restored).log.exists()
