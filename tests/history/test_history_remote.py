"""History over the socket, when the process at the other end is away, new, or not ours."""

import os
import socket
import stat
from collections.abc import Callable
from multiprocessing.connection import Client
from multiprocessing.context import AuthenticationError
from pathlib import Path

import msgspec
import pytest

from harken.errors import BadInput, Unavailable
from harken.history.duck import DuckHistory
from harken.history.remote import Address, RemoteHistory, serve


def test_the_address_file_is_private(duck: DuckHistory, tmp_path: Path) -> None:
    server = serve(duck, tmp_path / "address")
    assert stat.S_IMODE(os.stat(tmp_path / "address").st_mode) == 0o600
    assert list(tmp_path.glob("address.*")) == []
    server.close()


def nobody(folder: Path) -> None:
    """No address file at all."""


def garbage(folder: Path) -> None:
    """An address file with something else in it."""
    (folder / "address").write_bytes(b"{}")


def gone(folder: Path) -> None:
    """An address at which nobody listens any more."""
    address = Address(str(folder / "gone"), b"key")
    (folder / "address").write_bytes(msgspec.json.encode(address))


def silent(folder: Path) -> None:
    """A process that takes the connection and is then stopped."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "silent"))
    listener.listen()
    SILENT.append(listener)
    address = Address(str(folder / "silent"), b"key")
    (folder / "address").write_bytes(msgspec.json.encode(address))


SILENT: list[socket.socket] = []


@pytest.mark.parametrize("away", [nobody, garbage, gone, silent])
def test_an_engine_that_is_away_is_unavailable(
    tmp_path: Path, away: Callable[[Path], None]
) -> None:
    away(tmp_path)
    with pytest.raises(Unavailable):
        RemoteHistory(tmp_path / "address", answer_seconds=0.2).watermark()
    while SILENT:
        SILENT.pop().close()


def test_an_engine_that_was_restarted_is_found_again(duck: DuckHistory, tmp_path: Path) -> None:
    server = serve(duck, tmp_path / "address")
    remote = RemoteHistory(tmp_path / "address", answer_seconds=20)
    assert remote.watermark() == 0
    server.close()
    with pytest.raises(Unavailable):
        remote.watermark()
    server = serve(duck, tmp_path / "address")
    assert remote.watermark() == 0
    # Restarted between two questions, with no failed one in between.
    server.close()
    server = serve(duck, tmp_path / "address")
    assert remote.watermark() == 0
    server.close()


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next(
    duck: DuckHistory, tmp_path: Path
) -> None:
    server = serve(duck, tmp_path / "address")
    remote = RemoteHistory(tmp_path / "address", answer_seconds=0.3)
    slow = "SELECT count(*) FROM range(1000000000) a, range(1000000) b"
    with pytest.raises(Unavailable):
        remote.query(slow, seconds=1.0)
    patient = RemoteHistory(tmp_path / "address", answer_seconds=20)
    assert patient.query("SELECT 7") == [(7,)]
    server.close()


def test_a_stranger_is_refused_and_holds_up_nobody(duck: DuckHistory, tmp_path: Path) -> None:
    server = serve(duck, tmp_path / "address")
    address = msgspec.json.decode((tmp_path / "address").read_bytes(), type=Address)
    mute = Client(address.socket, "AF_UNIX")
    with pytest.raises((AuthenticationError, EOFError, ConnectionResetError)):
        Client(address.socket, "AF_UNIX", authkey=b"wrong")
    remote = RemoteHistory(tmp_path / "address", answer_seconds=20)
    assert remote.watermark() == 0
    mute.close()
    server.close()


def test_only_verbs_of_history_are_answered(duck: DuckHistory, tmp_path: Path) -> None:
    server = serve(duck, tmp_path / "address")
    remote = RemoteHistory(tmp_path / "address", answer_seconds=20)
    with pytest.raises(BadInput, match="close"):
        remote._ask("close", [], object)
    with pytest.raises(Unavailable, match="TypeError"):
        remote._ask("prune", [], object)
    with pytest.raises(BadInput):
        remote.query("SELECT ?", [object()])
    assert remote.watermark() == 0
    server.close()
