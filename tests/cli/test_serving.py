"""`harken serve`: start, refusal to start, stop."""

import os
import re
import signal
import socket
import time
from pathlib import Path

import httpx
import psutil
from cli_kit import Running, harken


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
        assert asked.json()["children"] == {"engine-0": True, "sender-0": True}
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


def test_its_children_end_with_it(tmp_path: Path) -> None:
    running = Running(tmp_path / "data").wait_until_ready()
    children = psutil.Process(running.process.pid).children()
    assert len(children) == 2
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait()
    gone, alive = psutil.wait_procs(children, timeout=30)
    assert not alive, alive
    assert len(gone) == 2


def test_a_child_that_died_is_started_again(tmp_path: Path) -> None:
    running = Running(tmp_path / "data").wait_until_ready()
    try:
        me = psutil.Process(running.process.pid)
        before = {child.pid for child in me.children()}
        for child in me.children():
            child.kill()
        end = time.monotonic() + 30
        while time.monotonic() < end:
            now = {child.pid for child in me.children()}
            if len(now) == 2 and not now & before:
                break
            time.sleep(0.05)
        assert not now & before
        running.wait_until_ready()
    finally:
        running.end()
