"""The demo starts whole, refuses clearly, and leaves no process behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from examples.shop.demo import ROOT, Wrong, install_sdk, main, options, prepare_data
from examples.shop.processes import Child, ChildFailed, free_port, is_free
from rich.console import Console

SLEEPER = "import subprocess, sys, time; print('up', flush=True); "
PARENT = SLEEPER + "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "


def child(tmp_path: Path, code: str) -> Child:
    return Child("it", [sys.executable, "-c", code], os.environ, tmp_path / "it.log")


def wait_gone(pids: list[int]) -> None:
    end = time.monotonic() + 20
    while any(_lives(pid) for pid in pids):
        assert time.monotonic() < end, "a process was left behind"
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for_family(pid: int, count: int) -> list[int]:
    end = time.monotonic() + 20
    while True:
        family = psutil.Process(pid).children(recursive=True)
        if len(family) >= count:
            return [pid, *(one.pid for one in family)]
        assert time.monotonic() < end, "its children did not start"
        time.sleep(0.05)


@pytest.mark.parametrize("dies_first", [False, True])
def test_stopping_a_child_stops_what_it_started(tmp_path: Path, dies_first: bool) -> None:
    it = child(tmp_path, PARENT + "time.sleep(600)")
    family = wait_for_family(it.process.pid, 1)
    if dies_first:
        it.process.kill()
    it.stop()
    wait_gone(family)


def test_a_child_that_ends_is_noticed_with_its_last_words(tmp_path: Path) -> None:
    it = child(tmp_path, "print('the disk is full'); raise SystemExit(3)")
    with pytest.raises(ChildFailed, match=r"code 3:\nthe disk is full"):
        it.wait_until_ready("http://127.0.0.1:9/", 20)
    it.stop()


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; "
        "from examples.shop.processes import Child; "
        f"Child('it', [sys.executable, '-c', 'import time; time.sleep(600)'], os.environ, "
        f"Path({str(tmp_path / 'it.log')!r})); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    family = wait_for_family(parent.pid, 1)
    parent.kill()
    parent.wait()
    wait_gone(family)


def test_a_taken_port_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not is_free(port)
        assert free_port(port) > port
        kept = {
            one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        try:
            assert main(["--data", str(tmp_path / "d"), "--shop-port", str(port)]) == 2
        finally:
            for one, handler in kept.items():
                signal.signal(one, handler)
    assert f"--shop-port {port} is taken" in capsys.readouterr().out
    assert not (tmp_path / "d").exists()


def test_a_folder_that_is_no_demo_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(Wrong, match="something else"):
        prepare_data(options(["--data", str(tmp_path), "--fresh"]))
    assert (tmp_path / "letters.txt").read_text() == "dear"


def test_keys_are_kept_and_a_fresh_start_makes_new_ones(tmp_path: Path) -> None:
    data = ["--data", str(tmp_path / "demo")]
    first = prepare_data(options(data))
    assert prepare_data(options(data)) == first
    assert (tmp_path / "demo" / "demo.json").stat().st_mode & 0o077 == 0
    assert prepare_data(options([*data, "--fresh"])).secret_key != first.secret_key


def test_the_whole_demo_starts_answers_and_stops(tmp_path: Path) -> None:
    install_sdk(Console(quiet=True))
    command = [sys.executable, "-m", "examples.shop.demo", "--data", str(tmp_path / "demo")]
    done = subprocess.run(
        [*command, "--check", "--customers", "40"],
        cwd=ROOT, capture_output=True, text=True, timeout=150,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pages answer" in done.stdout
    ours = [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(p.info["cmdline"])]
    assert ours == []
