"""What a sender left that does not come back: another settles it, and nothing is sent twice."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from delivery_kit import START, Shop, message, transport
from servers import Mailbox, Peer, Scripted, real_server

from harken.channels.begun import Begun, Left, left_by_dead
from harken.channels.delivery import LEASE
from harken.clock import MINUTE
from harken.store import sqlite
from harken.store.base import LedgerRow

LAPSED = START + LEASE + 1

FORMER = """
import sys, threading
from pathlib import Path
from delivery_kit import START, Shop, message, transport
from harken.running.roles import alone
from harken.values import Duration
folder = Path(sys.argv[1])
assert alone(folder / "sender-7.lock", threading.Event())
shop = Shop(folder, "sender-7")
shop.queue(*(message(f"m{i}", address=f"m{i}@example.com") for i in range(3)))
delivery = shop.delivery(transport(int(sys.argv[2]), timeout=Duration.parse("1m")))
while delivery.turn(START):
    pass
"""


class Former:
    """A sender in a process of its own, which the server has just taken the first mail of."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.mails: list[str] = []
        """Whom it has written to."""
        self.at_the_first, self.go_on = threading.Event(), threading.Event()

    def serve(self, peer: Peer) -> None:
        peer.greet()
        while peer.hear():
            peer.say("250 ok")
            self.mails.append(peer.hear())
            peer.say("250 ok")
            peer.hear()
            peer.say("354 go")
            peer.mail()
            self.at_the_first.set()
            self.go_on.wait(30)
            peer.say("250 taken")


@contextmanager
def former(folder: Path) -> Iterator[Former]:
    talks: list[Former] = []
    with Scripted(lambda peer: talks[0].serve(peer)) as server:
        command = [sys.executable, "-c", FORMER, str(folder), str(server.port)]
        with subprocess.Popen(command, cwd=Path(__file__).parent) as process:
            talks.append(Former(process))
            try:
                assert talks[0].at_the_first.wait(30)
                yield talks[0]
            finally:
                process.kill()
                talks[0].go_on.set()


@contextmanager
def next_one(folder: Path) -> Iterator[tuple[Shop, Mailbox]]:
    """Another sender on the same ledger, after the lease of the former, has done its work."""
    shop, box = Shop(folder, "sender-1"), Mailbox()
    shop.clock.set(LAPSED)
    with real_server(box) as port:

        def left_by(sender: str) -> Left | None:
            return left_by_dead(folder / f"{sender}.lock", folder / f"{sender}.begun")

        delivery = shop.delivery(transport(port), left_by=left_by)
        delivery.recover(LAPSED)
        assert delivery.take_over(LAPSED) == 3
        shop.drain(delivery)
        yield shop, box
        shop.drain(delivery)
    shop.close()


def test_what_a_killed_sender_had_not_begun_another_sends(tmp_path: Path) -> None:
    with former(tmp_path) as killed:
        killed.process.kill()
        killed.process.wait()
        with next_one(tmp_path) as (shop, box):
            assert shop.states() == {"m0": "unsure", "m1": "sent", "m2": "sent"}
            assert shop.row("m1").attempts == 1
    sent = [one.rcpt_tos for one in box.envelopes]
    assert sent == [["m1@example.com"], ["m2@example.com"]]
    assert len(killed.mails) == 1


def test_what_a_frozen_sender_held_nobody_else_sends_for_it_may_wake(tmp_path: Path) -> None:
    with former(tmp_path) as frozen:
        frozen.process.send_signal(signal.SIGSTOP)
        with next_one(tmp_path) as (shop, box):
            assert shop.states() == dict.fromkeys(("m0", "m1", "m2"), "unsure")
            frozen.process.send_signal(signal.SIGCONT)
            frozen.go_on.set()
            assert frozen.process.wait(30) == 0
            # It sent them after all, and no longer held what it could have told of.
            assert shop.states() == dict.fromkeys(("m0", "m1", "m2"), "unsure")
    assert [mail.split("<")[1] for mail in frozen.mails] == [f"m{i}@example.com>" for i in range(3)]
    assert box.envelopes == []


def test_only_whose_lock_is_free_is_dead(tmp_path: Path) -> None:
    lock, notes = tmp_path / "sender-7.lock", tmp_path / "sender-7.begun"
    Begun(notes).close()
    dead = partial(left_by_dead, lock, notes)
    assert dead() is None, "a folder that was copied has no lock"
    with former(tmp_path):
        assert dead() is None
    assert dead() is not None
    assert dead() is not None, "nor does looking hold it"


class Killed(BaseException):
    """The process ends here."""


def claimed_by(shop: Shop, sender: str, *ids: str) -> list[LedgerRow]:
    """The messages are queued, and the sender claims them."""
    shop.queue(*(message(id) for id in ids))
    return shop.store.claim(sender, START, {"email": len(ids)}, MINUTE)


def test_killed_while_taking_over_it_leaves_nothing_that_looks_like_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, box = Shop(tmp_path), Mailbox()
    assert claimed_by(shop, "sender-7", "m1"), "and it has sent it, for all that one knows"
    # In the same millisecond the other claims something of the same channel, and notes that.
    shop.begun.claimed(claimed_by(shop, "sender-1", "m2"))

    def killed(*_: object) -> int:
        raise Killed

    taker = shop.delivery()
    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "write_rows", killed)
        with pytest.raises(Killed):
            taker.take_over(LAPSED)
    shop.close()

    shop = Shop(tmp_path)
    with real_server(box) as port:
        delivery = shop.delivery(transport(port))
        delivery.recover(LAPSED)
        delivery.take_over(LAPSED)
        shop.clock.set(LAPSED)
        shop.drain(delivery)
    assert shop.states() == {"m1": "unsure", "m2": "sent"}
    assert [one.rcpt_tos for one in box.envelopes] == [["mina@example.com"]]
    shop.close()


def test_what_a_sender_holds_itself_it_settles_itself_however_late(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    assert claimed_by(shop, "sender-1", "m1")
    assert shop.delivery().take_over(LAPSED) == 0
    assert shop.row("m1").state == "handed"
    shop.close()
