"""`harken serve`: start, refusal to start, stop."""

import asyncio
import errno
import json
import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import uvicorn
from cli_kit import Running, free_port, harken

from harken.app import Embedded
from harken.clock import SettableClock
from harken.config import Settings
from harken.errors import Unavailable
from harken.running.bell import Bells
from harken.running.processes import Family
from harken.running.serve import _loop, listening


def test_first_start_prints_keys_once_and_they_work(tmp_path: Path) -> None:
    running = Running(tmp_path / "data").wait_until_ready()
    try:
        told = running.told()
        write, secret = re.findall(r": +(h[ws]_\S+)", told)
        sent = httpx.post(
            f"{running.url}/v1/track", json={"userId": "u", "event": "X"}, auth=(write, "")
        )
        assert sent.status_code == 200
        asked = httpx.get(
            f"{running.url}/api/v1/status", headers={"Authorization": f"Bearer {secret}"}
        )
        assert asked.status_code == 200
        assert asked.json()["children"] == {"history-0": True, "engine-0": True, "sender-0": True}
    finally:
        code = running.stop()
    assert code == 0, running.told()
    again = Running(tmp_path / "data").wait_until_ready()
    try:
        assert "hs_" not in again.told()
        person = harken("profile", "u", HARKEN_SERVER=again.url, HARKEN_SECRET_KEY=secret)
        assert "X" in person.stdout
    finally:
        again.end()


def test_a_start_says_where_mail_goes_when_it_does_not_leave(tmp_path: Path) -> None:
    """A misspelt variable would not be noticed otherwise until somebody misses a mail."""
    for variable, kept in (("HARKEN_SMPT_URL", True), ("HARKEN_SMTP_URL", False)):
        running = Running(tmp_path / variable, **{variable: "smtp://127.0.0.1:1"})
        try:
            told = running.wait_until_ready().told()
            assert ("Mail: kept in the sandbox" in told) is kept
        finally:
            running.end()


def test_a_taken_port_and_a_taken_folder(server: Running, tmp_path: Path) -> None:
    port = harken("serve", "--data", tmp_path / "other", "--port", str(server.port))
    assert port.returncode == 1
    assert f"port {server.port} on 127.0.0.1 is in use" in port.stderr
    folder = harken("serve", "--data", server.data, "--port", "0")
    assert folder.returncode == 1
    assert f"(pid {server.process.pid})" in folder.stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = str(taken.getsockname()[1])
        lmtp = harken("serve", "--data", tmp_path / "other", "--port", "0", "--lmtp-port", number)
    assert lmtp.returncode == 1
    assert "choose another with --lmtp-port" in lmtp.stderr


def test_bounces_are_taken_at_the_port_of_the_return_path(tmp_path: Path) -> None:
    port = free_port()
    running = Running(tmp_path / "data", "--lmtp-port", str(port)).wait_until_ready()
    try:
        with smtplib.LMTP("127.0.0.1", port, timeout=20) as client:
            assert client.sendmail("", ["fbl@shop.example"], "Subject: hi") == {}
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                client.sendmail("", ["hello@shop.example"], "Subject: hi")
    finally:
        code = running.stop()
    assert code == 0, running.told()


def test_history_gives_way_to_events_and_mail(server: Running) -> None:
    children = psutil.Process(server.process.pid).children(recursive=True)
    nice = {child.name(): child.nice() for child in children}
    assert nice.pop("harken history") > 0
    assert set(nice.values()) == {0}


def test_its_children_end_with_it(tmp_path: Path) -> None:
    running = Running(tmp_path / "data").wait_until_ready()
    children = psutil.Process(running.process.pid).children(recursive=True)
    assert {child.name() for child in children} == {
        "harken parent", "harken history", "harken engine", "harken writer", "harken sender"
    }  # fmt: skip
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait()
    gone, alive = psutil.wait_procs(children, timeout=30)
    assert not alive, alive
    assert len(gone) == 5


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_is_logged_what_it_stopped_for(tmp_path: Path, asked: signal.Signals) -> None:
    # Under nohup, as tests may be run, it would be told to live on.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    running = Running(tmp_path / "data")
    signal.signal(signal.SIGHUP, before)
    try:
        running.wait_until_ready().process.send_signal(asked)
        assert running.process.wait(60) == 0
    finally:
        running.end()
    logged = [json.loads(line) for line in running.told().splitlines() if line[:1] == "{"]
    [stopping] = [line for line in logged if line["event"] == "stopping"]
    assert (stopping["signal"], stopping["role"], stopping["level"]) == (asked.name, "web", "info")
    assert stopping["parent_gone"] is False
    ended = {line["role"]: line.get("reason") for line in logged if line["event"] == "stopped"}
    # A child that was told before it had begun ends without a word.
    assert ended.pop("web") is None
    assert set(ended.values()) <= {"SIGTERM"}


def test_an_end_that_nobody_asked_for_is_a_failure(tmp_path: Path) -> None:
    async def page(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    embedded = Embedded(Settings(data=tmp_path / "data"), SettableClock(1))
    family = Family(embedded.services.settings, Bells.new())
    # uvicorn ends of itself after so many requests.
    config = uvicorn.Config(page, lifespan="off", log_config=None, limit_max_requests=1)
    try:
        with listening("127.0.0.1", 0, "--port") as listener:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            asking = threading.Thread(target=httpx.get, args=(address,))
            asking.start()
            with pytest.raises(Unavailable, match="though no signal asked it to"):
                asyncio.run(_loop(embedded.services, config, listener, family))
            asking.join()
    finally:
        embedded.close()


def test_it_ends_with_who_starts_its_children(tmp_path: Path) -> None:
    running = Running(tmp_path / "data").wait_until_ready()
    try:
        [parent] = psutil.Process(running.process.pid).children()
        children = parent.children(recursive=True)
        parent.kill()
        assert running.process.wait(30) == 1
        assert not psutil.wait_procs(children, timeout=30)[1]
    finally:
        running.end()
    assert "the parent of the other processes is gone" in running.told()


@pytest.fixture
def no_news_of_children() -> Iterator[None]:
    """What is started has SIGCHLD ignored: the system tells it nothing of its children's ends."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGCHLD, before)


def test_it_is_as_ever_where_its_starter_ignores_ends(
    no_news_of_children: None, tmp_path: Path
) -> None:
    running = Running(tmp_path / "data")
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        running.wait_until_ready()
        [parent] = psutil.Process(running.process.pid).children()
        [engine] = [one for one in parent.children() if one.name() == "harken engine"]
        engine.kill()
        engine.wait(30)
        running.wait_until_ready()
    finally:
        code = running.stop()
    assert code == 0, running.told()
    [died] = [json.loads(line) for line in running.told().splitlines() if "process died" in line]
    assert (died["child"], died["code"], died["role"]) == ("engine", -signal.SIGKILL, "parent")


def test_no_room_for_another_process_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    family = Family(Settings(data=tmp_path), Bells.new())
    monkeypatch.setattr(os, "fork", full)
    with pytest.raises(Unavailable, match="no other process can be started: Resource"):
        family.start()
    family.stop()


def test_a_parent_that_hangs_is_ended(tmp_path: Path) -> None:
    program = (
        "import os, signal; from pathlib import Path;"
        "from harken.config import Settings; from harken.running import processes;"
        "from harken.running.bell import Bells; processes.PATIENCE = 0.1;"
        f"settings = Settings(data=Path({str(tmp_path)!r}), senders=0);"
        "settings.run.mkdir();"
        "family = processes.Family(settings, Bells.new()); family.start(); family.hear();"
        "os.kill(family._parent, signal.SIGSTOP); family.stop()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_a_child_that_died_is_started_again(tmp_path: Path) -> None:
    running = Running(tmp_path / "data").wait_until_ready()
    try:
        [parent] = psutil.Process(running.process.pid).children()
        before = {child.pid for child in parent.children()}
        for child in parent.children():
            child.kill()
        end = time.monotonic() + 30
        while time.monotonic() < end:
            now = {child.pid for child in parent.children()}
            if len(now) == 3 and not now & before:
                break
            time.sleep(0.05)
        assert not now & before
        running.wait_until_ready()
    finally:
        running.end()
