"""What is noted of messages that begin to leave, and what a new process may conclude from it."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from delivery_kit import START, Shop, transport
from servers import Mailbox, Peer, Scripted, real_server

from harken.channels import begun
from harken.channels.begun import Begun
from harken.channels.smtp import Connection, Letter, parse_url
from harken.store.base import LedgerRow

CLAIMED_AT = 1_000


def row(id: str, *, at: int = CLAIMED_AT, channel: str = "email") -> LedgerRow:
    return LedgerRow(
        id=id, profile_id=7, journey="cart", revision=1, step="nudge", run="r", channel=channel,
        purpose="marketing", address="mina@example.com", state="handed", handed_at=at,
    )  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sender-0.begun"


def left_by(path: Path, *ids: str, claimed: int = 4) -> None:
    """A process claims m0, m1 ...; marks these, and is killed."""
    killed = Begun(path)
    killed.claimed(row(f"m{number}") for number in range(claimed))
    for id in ids:
        killed.mark(id)
    killed.close()


def untouched(path: Path) -> list[str]:
    after = Begun(path)
    found = [f"m{number}" for number in range(4) if after.left.untouched(row(f"m{number}"))]
    after.close()
    return found


def test_who_was_claimed_and_not_marked_surely_did_not_leave(path: Path) -> None:
    left_by(path, "m1", "m3")
    assert untouched(path) == ["m0", "m2"]
    assert untouched(path) == ["m0", "m2"], "nor after one that was killed while it looked"


def test_nothing_is_sure_of_what_another_version_claimed(path: Path) -> None:
    left_by(path, "m1")
    after = Begun(path)
    assert not after.left.untouched(row("m0", at=CLAIMED_AT + 1))
    assert not after.left.untouched(row("m0", channel="sms"))
    assert untouched(path.with_name("another.begun")) == []


def test_nothing_is_sure_once_the_machine_was_started_anew(path: Path, tmp_path: Path) -> None:
    left_by(path)
    boot = tmp_path / "boot"
    boot.write_text("another\n")
    after = Begun(path, boot)
    assert not after.left.untouched(row("m0"))
    after.close()
    assert untouched(path) == [], "nor later, on the old machine"


def test_nothing_is_sure_where_no_start_of_the_machine_is_known(path: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    killed = Begun(path, nowhere)
    killed.claimed([row("m0")])
    assert not Begun(path, nowhere).left.untouched(row("m0"))


def test_the_file_is_written_anew_with_what_is_open(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(begun, "MOST", 10)
    killed = Begun(path)
    killed.claimed([row("m0"), row("m1")])
    killed.mark("m1")
    for number in range(100):
        other = row(f"other-{number}", at=CLAIMED_AT + 1 + number)
        killed.claimed([other])
        killed.mark(other.id)
        killed.settled([other.id])
    killed.claimed([row("m2", at=CLAIMED_AT + 500)])
    assert len(path.read_text().splitlines()) < 20
    killed.close()
    after = Begun(path)
    assert after.left.untouched(row("m0"))
    assert not after.left.untouched(row("m1"))
    assert after.left.untouched(row("m2", at=CLAIMED_AT + 500))


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_cannot_be_noted_does_not_leave(path: Path) -> None:
    notes, box = Begun(path), Mailbox()
    notes.claimed([row("m0"), row("m1")])

    def letter(id: str) -> Letter:
        return Letter(
            sender="hello@shop.example",
            recipient=f"{id}@example.com",
            data=b"Subject: hi\r\n\r\nhi\r\n",
            id=id,
            begin=lambda: notes.mark(id),
        )

    with real_server(box) as port:
        connection = Connection(parse_url(f"smtp://127.0.0.1:{port}"), 5)
        # The line is cut after the end of the one before it and a letter.
        with no_file_larger_than(os.stat(path).st_size + 2):
            (outcome,) = connection.send([letter("m0")], time.monotonic() + 5)
        assert outcome.state == "temporary"
        assert "noted" in outcome.reason
        connection = Connection(parse_url(f"smtp://127.0.0.1:{port}"), 5)
        (outcome,) = connection.send([letter("m1")], time.monotonic() + 5)
        assert outcome.state == "sent"
        connection.close()
    assert [one.rcpt_tos for one in box.envelopes] == [["m1@example.com"]]
    notes.close()
    assert "m1" not in untouched(path), "it is noted although a line before it is cut"
    with pytest.raises(OSError):
        notes.mark("m0")


KILLED = """
import sys
from pathlib import Path
from delivery_kit import START, Shop, message, transport
shop = Shop(Path(sys.argv[1]))
shop.queue(*(message(f"m{i}") for i in range(3)))
delivery = shop.delivery(transport(int(sys.argv[2])))
while delivery.turn(START):
    pass
"""


@pytest.mark.parametrize("answers_first", [0, 1])
def test_killed_after_the_provider_accepted_nothing_is_sent_twice_and_the_rest_once(
    tmp_path: Path, answers_first: int
) -> None:
    mails: list[str] = []
    sender: list[subprocess.Popen[bytes]] = []

    def accept_and_kill(peer: Peer) -> None:
        peer.greet("PIPELINING")
        for _ in range(answers_first):
            mails.append(peer.accept()[1])
        for answer in ("250 ok", "250 ok", "354 go"):
            peer.hear()
            peer.say(answer)
        mails.append(peer.mail())
        sender[0].kill()

    with Scripted(accept_and_kill) as server:
        command = [sys.executable, "-c", KILLED, str(tmp_path), str(server.port)]
        folder = Path(__file__).parent
        with subprocess.Popen(command, cwd=folder) as process:
            sender.append(process)
            assert process.wait(30) == -signal.SIGKILL
        shop, box = Shop(tmp_path), Mailbox()
        with real_server(box) as port:
            delivery = shop.delivery(transport(port))
            assert delivery.recover(START) == 3
            shop.drain(delivery)
        unsure = {f"m{i}" for i in range(answers_first + 1)}
        assert shop.states() == dict.fromkeys(sorted(shop.states()), "sent") | dict.fromkeys(
            unsure, "unsure"
        )
        assert shop.row("m2").attempts == 1
        assert server.connections == 1
        shop.close()
    assert len(mails) == answers_first + 1
    assert len(box.envelopes) == 3 - len(unsure), "what surely did not leave, leaves now"
