"""A real server, its engine in a process of its own, and a customer with a coupon."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from web_kit import SECRET, WRITE

PATIENCE = 30.0


@contextmanager
def serve_with_a_coupon(folder: Path, project: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The server's address and the code, while it runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "harken", "serve", "--data", str(folder / "data"), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=(folder / "log").open("w"),
        text=True,
        env={"HARKEN_WRITE_KEY": WRITE, "HARKEN_SECRET_KEY": SECRET, "PATH": ""},
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, (folder / "log").read_text()
        threading.Thread(target=process.stdout.read, daemon=True).start()
        url = found[0]
        with httpx.Client(headers={"Authorization": f"Bearer {SECRET}"}, timeout=30) as http:
            _until(lambda: http.get(f"{url}/readyz").status_code == 200)
            applied = http.post(f"{url}/api/v1/definitions/apply", json=project)
            assert applied.status_code == 200, applied.text
            event = {"userId": "mina", "event": "Go", "writeKey": WRITE}
            assert http.post(f"{url}/v1/track", json=event).status_code == 200
            _until(lambda: http.get(f"{url}/api/v1/coupons/trial").json()["issued"] == 1)
            told = "SELECT props.code::VARCHAR FROM events WHERE name = '$coupon_issued'"
            asked = {"sql": told}
            _until(lambda: http.post(f"{url}/api/v1/sql", json=asked).json()["rows"])
            yield url, http.post(f"{url}/api/v1/sql", json=asked).json()["rows"][0][0]
    finally:
        process.terminate()
        process.wait(30)


def _until(done: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, "it did not come to it"
        time.sleep(0.05)
