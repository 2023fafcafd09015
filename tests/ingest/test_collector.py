"""One thread, one order, one fsync for all who wait; and nothing acknowledged is lost to a kill."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import httpx
import pytest

from harken.clock import DAY, SettableClock
from harken.errors import TooMany, Unavailable
from harken.ingest.collector import Collector, open_collector
from harken.ingest.identity import Identities
from harken.ingest.intake import connect
from harken.ingest.limits import RateLimits
from harken.ingest.protocol import Accepted, Rejected, decode_event
from harken.ingest.rejected import RejectedLog
from harken.inputs import Consent, Definitions, Kind, Record, decode_command, decode_definitions
from harken.store.log import Log, LogReader

NOW = 1_780_000_000_000


def event(message: str, size: int = 0) -> Accepted:
    body = b'{"type":"track","userId":"u","event":"E","messageId":"%s","name":"%s"}'
    return Accepted("track", "u", None, None, NOW, body % (message.encode(), b"x" * size))


def records(directory: Path) -> list[Record]:
    with LogReader(directory / "log") as reader:
        return list(reader.records(reader.first()))


class Gate:
    """Holds the collector's thread at its bell, so that requests wait."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        self.rings = 0

    def __call__(self) -> None:
        self.rings += 1
        self.reached.set()
        self.open.wait(10)


def test_all_that_waits_is_written_together_and_answered_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fdatasync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (synced.append(fd), fdatasync(fd))[1])
    gate = Gate()
    collector = open_collector(
        Log(tmp_path / "log"), tmp_path / "intake.db", SettableClock(NOW), gate
    )
    collector.submit([event("first")], received_at=NOW)
    assert gate.reached.wait(10)
    waiting = [collector.submit([event(f"m{n}")], received_at=NOW) for n in range(50)]
    assert not any(future.done() for future in waiting)
    gate.open.set()
    offsets = {future.result(10) for future in waiting}
    collector.close()
    assert (len(offsets), len(synced), gate.rings) == (1, 2, 2)
    found = [decode_event(record.body).message_id for record in records(tmp_path)]
    assert found == ["first", *[f"m{n}" for n in range(50)]]


def test_when_too_much_waits_more_is_refused(tmp_path: Path) -> None:
    gate = Gate()
    log = Log(tmp_path / "log")
    db = connect(tmp_path / "intake.db")
    collector = Collector(
        log, Identities(db), RejectedLog(db), SettableClock(NOW), gate, waiting_bytes=10_000
    )
    collector.submit([event("first")], received_at=NOW)
    assert gate.reached.wait(10)
    accepted: list[Future[int]] = []

    def submit_many() -> None:
        for number in range(100):
            accepted.append(collector.submit([event(str(number), 1000)], received_at=NOW))

    with pytest.raises(Unavailable, match="too much is waiting"):
        submit_many()
    gate.open.set()
    assert 2 <= len(accepted) <= 10
    for future in accepted:
        future.result(10)
    collector.submit([event("later")], received_at=NOW).result(10)
    collector.close()
    assert len(records(tmp_path)) == len(accepted) + 2


def test_after_a_failure_nothing_of_the_group_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken_disk(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    collector = open_collector(
        Log(tmp_path / "log"), tmp_path / "intake.db", SettableClock(NOW), lambda: None
    )
    nameless = Accepted("track", None, "a", None, NOW, event("m").body)
    both = Accepted("track", "u", "a", None, NOW, event("m").body)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken_disk)
        with pytest.raises(Unavailable):
            collector.submit([nameless], received_at=NOW).result(10)
    collector.submit([both], received_at=NOW).result(10)
    collector.close()
    assert [record.kind for record in records(tmp_path)] == [Kind.EVENT], "nobody to merge with"


def test_commands_and_definitions_go_the_same_way(tmp_path: Path) -> None:
    collector = open_collector(
        Log(tmp_path / "log"), tmp_path / "intake.db", SettableClock(NOW), lambda: None
    )
    offsets = [
        collector.submit([event("m")], received_at=NOW).result(10),
        collector.append_definitions(Definitions(3, NOW, "ada")).result(10),
        collector.append_commands([(7, Consent([])), (8, Consent([]))]).result(10),
    ]
    assert offsets == sorted(offsets)
    assert offsets[-1] == collector.end
    collector.close()
    with pytest.raises(Unavailable, match="shutting down"):
        collector.submit([event("m")], received_at=NOW)
    found = records(tmp_path)
    assert [(r.kind, r.profile_id) for r in found[1:]] == [
        (Kind.DEFINITIONS, 0), (Kind.COMMAND, 7), (Kind.COMMAND, 8)
    ]  # fmt: skip
    assert decode_definitions(found[1].body).revision == 3
    assert decode_command(found[2].body) == Consent([])


def test_retention_keeps_what_identities_still_need(tmp_path: Path) -> None:
    clock = SettableClock(NOW)
    log = Log(tmp_path / "log", segment_bytes=1)
    db = connect(tmp_path / "intake.db")
    identities = Identities(db)
    collector = Collector(log, identities, RejectedLog(db), clock, lambda: None)
    for number in range(4):
        collector.submit([event(str(number))], received_at=NOW + number).result(10)
    assert collector.drop_before(collector.end, NOW + DAY) == 0, "their offset is not saved yet"
    nameless = Accepted("track", None, "a", None, NOW, event("m").body)
    collector.submit([nameless], received_at=NOW + 5).result(10)
    assert collector.drop_before(collector.end, NOW + DAY) == 4
    collector.close()


def test_the_rejected_log_is_bounded(tmp_path: Path) -> None:
    db = connect(tmp_path / "intake.db")
    log = RejectedLog(db, rows=500, age=DAY, per_minute=400)
    flood = [Rejected(n, f"reason {n}", "$", b"\xff" * 9000) for n in range(1000)]
    log.add(NOW, "shop", flood)
    assert (len(log.page(limit=9999)), log.not_kept()) == (400, 600)
    log.add(NOW + 1, "shop", flood)
    assert log.not_kept() == 1600
    log.add(NOW + 60_000, "app", flood[:350])
    page = log.page(limit=3)
    assert [(row.reason, row.key) for row in page] == [
        ("reason 349", "app"), ("reason 348", "app"), ("reason 347", "app")
    ]  # fmt: skip
    assert len(page[0].excerpt) <= 2048
    assert log.page(before=page[-1].id, limit=1)[0].reason == "reason 346"
    assert len(log.page(limit=9999)) == 500
    log.tidy(NOW + 60_000 + DAY)
    assert len(log.page(limit=9999)) == 350
    log.tidy(NOW + 60_001 + DAY)
    assert log.page() == []


def test_the_rate_limit_refills_and_lets_a_large_batch_pass_once() -> None:
    clock = SettableClock(NOW)
    limits = RateLimits(clock, per_second=100)
    limits.take("a", 2100)
    with pytest.raises(TooMany) as refused:
        limits.take("a", 1)
    assert refused.value.retry_after == 20
    limits.take("b", 1)
    clock.advance(20_001)
    limits.take("a", 1)


_SERVER = """
import sys
from pathlib import Path
import uvicorn
from harken.clock import SystemClock
from harken.ingest.collector import open_collector
from harken.ingest.http import Ingest
from harken.store.log import Log

clock = SystemClock()
data = Path(sys.argv[1])
collector = open_collector(Log(data / "log"), data / "intake.db", clock, lambda: None)
app = Ingest(collector, {"k": "k"}, clock)
uvicorn.run(app, port=int(sys.argv[2]), log_level="error", lifespan="off")
"""


def test_a_killed_server_has_every_acknowledged_event(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for turn in range(4):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-c", _SERVER, str(tmp_path), str(port)]
        server = subprocess.Popen(command)
        deadline = time.monotonic() + 30
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=("k", ""), timeout=5) as client:
            number, killer = 0, threading.Timer(30, server.kill)
            while time.monotonic() < deadline:
                messages = [f"{turn}-{number}-{k}" for k in range(20)]
                batch = [
                    {"type": "track", "anonymousId": m[-1], "userId": m[-3:], "event": "E"}
                    | {"messageId": m}
                    for m in messages
                ]
                try:
                    answer = client.post("/v1/batch", content=json.dumps({"batch": batch}))
                except httpx.HTTPError:
                    if server.poll() is not None:
                        break
                    time.sleep(0.05)
                    continue
                assert answer.status_code == 200
                acknowledged += messages
                number += 1
                if number == 5:
                    killer = threading.Timer(0.05 * turn, server.send_signal, [signal.SIGKILL])
                    killer.start()
            killer.cancel()
        server.kill()
        server.wait(10)
    found = [
        decode_event(record.body).message_id
        for record in records(tmp_path)
        if record.kind == Kind.EVENT
    ]
    assert len(acknowledged) >= 400
    assert set(acknowledged) <= set(found)
    order = {message: place for place, message in enumerate(found)}
    places = [order[message] for message in acknowledged]
    assert places == sorted(places), "in the order of acknowledgement"
