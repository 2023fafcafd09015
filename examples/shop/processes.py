"""Child processes that never outlive their parent."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx

GRACE = 15.0
PR_SET_PDEATHSIG = 1


class ChildFailed(Exception):
    """A child ended, or was not ready in time; says which, and what it wrote last."""


class Child:
    """A process in a group of its own, with what it writes in a log file."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.log = log
        self._start = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with(os.getpid()) if sys.platform == "linux" else None,
            )

    def check(self) -> None:
        """Raise ChildFailed when the process has ended."""
        if self.process.poll() is not None:
            raise ChildFailed(
                f"{self.name} ended with code {self.process.returncode}:\n{self.last_words()}"
            )

    def wait_until_ready(self, url: str, seconds: float) -> None:
        """Wait for a 200 from `url`. Raises ChildFailed."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.check()
            try:
                if httpx.get(url, timeout=2).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise ChildFailed(f"{self.name} was not ready in {seconds:.0f} s:\n{self.last_words()}")

    def stop(self) -> None:
        """End it kindly, then by force, and whatever it has started with it."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self.process.wait()

    def last_words(self, lines: int = 20) -> str:
        """The end of what it wrote since it was started."""
        written = self.log.read_bytes()[self._start :].decode("utf-8", "replace")
        return "\n".join(written.splitlines()[-lines:])


def _end_with(parent: int) -> Callable[[], None]:
    """Has Linux end the process that it is called in when the parent dies, however that happens."""
    linux = ctypes.CDLL(None)

    def ask() -> None:
        linux.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            # It died before it was asked for.
            os._exit(1)

    return ask


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(wanted: int, but: int = 0) -> int:
    """The first free port from `wanted` on, other than `but`. Raises OSError when none is."""
    for port in range(wanted, min(wanted + 200, 65_536)):
        if port != but and is_free(port):
            return port
    raise OSError(f"no free port from {wanted} on")
