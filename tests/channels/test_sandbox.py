"""Mail kept instead of sent."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harken.channels.sandbox import Sandbox, SandboxMail, SandboxTransport
from harken.channels.smtp import Letter
from harken.clock import SettableClock


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path / "state.db")
    yield made
    made.close()


def kept(id: str, at: int, address: str = "mina@example.com") -> SandboxMail:
    return SandboxMail(
        id=id, profile_id=7, address=address, subject="Hi", raw=b"raw " + id.encode(), at=at
    )


def test_newest_first_in_pages_and_by_address(sandbox: Sandbox) -> None:
    sandbox.add([kept(f"m{i}", 100 + i // 2, f"c{i % 2}@example.com") for i in range(6)])
    first = sandbox.list(limit=4)
    assert [m.id for m in first] == ["m5", "m4", "m3", "m2"]
    assert [m.id for m in sandbox.list(before="m2", limit=4)] == ["m1", "m0"]
    assert [m.id for m in sandbox.list(address="c1@example.com")] == ["m5", "m3", "m1"]
    assert [m.id for m in sandbox.list(address="c1@example.com", before="m3")] == ["m1"]
    assert sandbox.list(before="unknown") == []
    assert first[0].raw == b""


def test_one_mail_with_its_bytes(sandbox: Sandbox) -> None:
    sandbox.add([kept("m1", 100)])
    assert sandbox.get("m1") == kept("m1", 100)
    assert sandbox.get("m2") is None


def test_the_same_message_is_kept_once(sandbox: Sandbox) -> None:
    sandbox.add([kept("m1", 100)])
    sandbox.add([kept("m1", 200), kept("m2", 200)])
    assert [(m.id, m.at) for m in sandbox.list()] == [("m2", 200), ("m1", 100)]


def test_old_mail_is_purged(sandbox: Sandbox) -> None:
    sandbox.add([kept("old", 100), kept("new", 200)])
    assert sandbox.purge(200) == 1
    assert [m.id for m in sandbox.list()] == ["new"]


def test_it_lives_beside_other_tables_and_other_connections(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE other (x)")
    sandbox = Sandbox(path)
    sandbox.add([kept("m1", 100)])
    assert other.execute("SELECT count(*) FROM sandbox_mail").fetchone() == (1,)
    other.close()
    sandbox.close()


def test_as_a_transport_it_takes_everything(sandbox: Sandbox) -> None:
    transport = SandboxTransport(sandbox, SettableClock(500))
    letter = Letter(sender="b@s.example", recipient="mina@example.com", data=b"the mail", id="m1",
                    profile_id=7, subject="Hi")  # fmt: skip
    (outcome,) = transport.send([letter], time.monotonic() + 5)
    assert (outcome.state, outcome.transport) == ("sent", "sandbox")
    found = sandbox.get("m1")
    assert found is not None
    assert (found.profile_id, found.address, found.subject, found.raw, found.at) == (
        7, "mina@example.com", "Hi", b"the mail", 500,
    )  # fmt: skip


def test_when_it_cannot_store_the_mail_waits(sandbox: Sandbox) -> None:
    transport = SandboxTransport(sandbox, SettableClock(500))
    sandbox._db.execute("DROP TABLE sandbox_mail")
    letter = Letter(sender="b@s.example", recipient="mina@example.com", data=b"x", id="m1")
    (outcome,) = transport.send([letter], time.monotonic() + 5)
    assert outcome.state == "temporary"
