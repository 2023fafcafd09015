"""Real processes: `python -m harken`, and a server that it runs."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec

WRITE_KEY, SECRET_KEY = "write-key-of-tests", "secret-key-of-tests"
READY_SECONDS = 60.0


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what a developer has set for Harken."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HARKEN_")}
    return {**kept, "NO_COLOR": "1", "COLUMNS": "200", **more}


def harken(*arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "harken", *map(str, arguments)],
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    """A server in a process of its own."""

    def __init__(self, data: Path, *arguments: str, **more: str) -> None:
        self.data, self.port = data, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._told = data.parent / f"{data.name}.out"
        command = ["serve", "--data", str(data), "--port", str(self.port), *arguments]
        with self._told.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "harken", *command],
                env=environment(**more),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self) -> "Running":
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"not ready:\n{self.told()}")

    def told(self) -> str:
        return self._told.read_text("utf-8", "replace")

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise

    def end(self) -> None:
        """End it whatever happened."""
        if self.process.poll() is None:
            self.stop()

    def cli(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """A command that asks this server."""
        return harken(*arguments, HARKEN_SERVER=self.url, HARKEN_SECRET_KEY=SECRET_KEY,
                      HARKEN_WRITE_KEY=WRITE_KEY)  # fmt: skip

    def json(self, *arguments: str | Path) -> Any:
        """What a command answers, with --json."""
        done = self.cli(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return msgspec.json.decode(done.stdout)

    def send(self, calls: Sequence[dict[str, Any]]) -> None:
        """Let events in, and wait until the engine has handled them."""
        answer = httpx.post(
            f"{self.url}/v1/batch", json={"batch": calls}, auth=(WRITE_KEY, ""), timeout=30
        )
        assert answer.status_code == 200, answer.text
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self.status()["log_lag"] == 0:
                return
            time.sleep(0.05)
        raise AssertionError("the engine did not handle it")

    def status(self) -> Any:
        headers = {"Authorization": f"Bearer {SECRET_KEY}"}
        return httpx.get(f"{self.url}/api/v1/status", headers=headers, timeout=30).json()
