"""A real server, its engine and sender in processes of their own, with a project in force."""

import os
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
def serving(folder: Path, project: dict[str, Any]) -> Iterator[httpx.Client]:
    """A client of the server, which opens the API, while it runs."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "harken",
                "serve",
                "--data",
                str(folder / "data"),
                "--port",
                "0",
            ],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "HARKEN_WRITE_KEY": WRITE, "HARKEN_SECRET_KEY": SECRET},
        )
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, (folder / "log").read_text()
        threading.Thread(target=process.stdout.read, daemon=True).start()
        headers = {"Authorization": f"Bearer {SECRET}"}
        with httpx.Client(base_url=found[0], headers=headers, timeout=30) as http:
            until(lambda: http.get("/readyz").status_code == 200)
            applied = http.post("/api/v1/definitions/apply", json=project)
            assert applied.status_code == 200, applied.text
            yield http
    finally:
        process.terminate()
        process.wait(30)


def until(done: Any) -> None:
    """Wait for something that must come."""
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, "it did not come to it"
        time.sleep(0.05)


def coupon_of(http: httpx.Client, user: str) -> str:
    """The code that a customer who does `Go` is given."""
    sent = http.post("/v1/track", json={"userId": user, "event": "Go"}, auth=(WRITE, ""))
    assert sent.status_code == 200
    asked = {"sql": "SELECT props.code::VARCHAR FROM events WHERE name = '$coupon_issued'"}

    def told() -> list[list[str]]:
        rows: list[list[str]] = http.post("/api/v1/sql", json=asked).json()["rows"]
        return rows

    until(told)
    return told()[0][0]
