"""The ends of a Harken: asked to stop, killed, or not allowed to begin."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
from crash_kit import Books, Customers, Harken, until

SEED = 17


def test_a_stop_under_load_loses_nothing_and_leaves_nothing_unsure(
    serving: Callable[..., Harken],
) -> None:
    harken = serving()
    harken.start()
    harken.apply()
    customers = Customers(harken, SEED)
    for stop in (signal.SIGTERM, signal.SIGINT):
        with customers.busy(f"s{stop}"):
            time.sleep(1)
            assert harken.process is not None
            harken.children()
            harken.process.send_signal(stop)
            assert harken.process.wait(20) == 0
            assert harken.left_behind() == []
            harken.start()
    states = Books(harken, customers).balance(f"seed {SEED}")
    assert set(states) == {"sent"}
    assert harken.stop() == 0
    assert harken.left_behind() == []


def test_children_end_with_a_web_process_that_was_killed(serving: Callable[..., Harken]) -> None:
    harken = serving()
    harken.start()
    children = harken.children()
    assert len(children) == 5
    harken.kill("web")
    assert psutil.wait_procs(children, 30)[1] == []


def test_a_second_harken_on_a_folder_is_refused(serving: Callable[..., Harken]) -> None:
    harken = serving()
    harken.start()
    second = subprocess.run(
        [sys.executable, "-m", "harken", "serve", "--data", str(harken.data), "--port", "0"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert second.returncode == 1
    assert second.stderr == (
        f"harken: another Harken runs on {harken.data} (pid {harken.web.pid})\n"
    )
    assert harken.ready()
    harken.kill("web")
    # The lock ended with its holder: nothing has to be cleared away by hand.
    harken.start()
    until(harken.ready, "ready again")
