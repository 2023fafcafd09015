"""A real Harken in real processes, for benches that measure it whole."""

import base64
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec
import psutil

from bench.kit import called

WRITE_KEY, SECRET_KEY = "bench-write", "bench-secret"


class Running:
    """`harken serve` on a folder: started on entering, stopped on leaving."""

    def __init__(self, data: Path, **environment: str) -> None:
        self.data = data
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {
            **os.environ,
            "HARKEN_WRITE_KEY": WRITE_KEY,
            "HARKEN_SECRET_KEY": SECRET_KEY,
            "HARKEN_FROM": "Shop <hello@shop.example>",
            "HARKEN_LOG_LEVEL": "warning",
            **environment,
        }
        self.api = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {SECRET_KEY}"}, timeout=60
        )
        token = base64.b64encode(f"{WRITE_KEY}:".encode()).decode()
        self.wire = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Basic {token}"}, timeout=60
        )
        self.start_seconds = 0.0

    def __enter__(self) -> Self:
        arguments = ["serve", "--data", str(self.data), "--port", str(self.port)]
        began = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "harken", *arguments],
            env=self._environment,
            stdout=subprocess.DEVNULL,
        )
        while not self.ready():
            if self._process.poll() is not None or time.perf_counter() - began > 60:
                raise SystemExit("harken serve did not start")
            time.sleep(0.01)
        self.start_seconds = time.perf_counter() - began
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)
        self.api.close()
        self.wire.close()

    def ready(self) -> bool:
        try:
            return self.api.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def apply(
        self,
        journeys: dict[str, dict[str, Any]],
        workspace: dict[str, Any],
        segments: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        """Put journeys without content files, and segments by their rules, in force."""
        project = {
            "workspace": workspace,
            "journeys": {
                name: {"source": source, "files": {}} for name, source in journeys.items()
            },
            "segments": {
                name: {"segment": name, "rule": rule} for name, rule in (segments or {}).items()
            },
        }
        answer = self.api.post("/api/v1/definitions/apply", json=project)
        answer.raise_for_status()

    def send(self, calls: Sequence[dict[str, Any]], route: str = "/v1/batch") -> None:
        answer = self.wire.post(route, content=msgspec.json.encode({"batch": calls}))
        answer.raise_for_status()

    def handled(self) -> bool:
        """Whether the engine has caught up with the log."""
        return bool(self.api.get("/api/v1/status").json()["log_lag"] == 0)

    @property
    def pid(self) -> int:
        """The process that started all others."""
        return self._process.pid

    def freeze(self) -> None:
        """Stop all its processes where they are, until `thaw`."""
        for process in self._processes():
            process.suspend()

    def thaw(self) -> None:
        for process in self._processes():
            process.resume()

    def memory(self) -> dict[str, float]:
        """Resident MB by process, and what they hold together (shared pages once)."""
        sizes: dict[str, float] = {}
        total = 0.0
        for process in self._processes():
            sizes[called(process)] = process.memory_info().rss / 1e6
            total += process.memory_full_info().pss / 1e6
        return {**sizes, "resident (PSS) together": total}

    def _processes(self) -> list[psutil.Process]:
        parent = psutil.Process(self._process.pid)
        return [parent, *parent.children(recursive=True)]


def mail_journey(event: str) -> dict[str, Any]:
    """One triggered, personal mail for each event."""
    return {
        "journey": "mail",
        "purpose": "transactional",
        "entry": {"event": event, "reentry": "always"},
        "steps": [
            {
                "message": "receipt",
                "channel": "email",
                "default": {
                    "subject": "Thank you, {{ profile.first_name | default: 'friend' }}",
                    "html": PAGE,
                },
            }
        ],
    }


PAGE = """<html><body>
<h1>Hello {{ profile.first_name | default: 'friend' }}</h1>
<p>Your order {{ event.properties.order_id | default: '-' }} is on its way.</p>
<ul>{% for product in event.properties.products %}
<li>{{ product.name | default: 'An item' }}: {{ product.price | default: 0 | money: 'USD' }}</li>
{% endfor %}</ul>
<p>Total: {{ event.properties.total | default: 0 | money: 'USD' }}</p>
<p><a href="https://shop.example/o/{{ event.properties.order_id | default: '-' }}">See it</a></p>
</body></html>"""


def order(number: int) -> dict[str, Any]:
    """A customer who orders: an `Order Completed` with three products."""
    return {
        "type": "track",
        "event": "Order Completed",
        "userId": f"user-{number}",
        "messageId": f"order-{number}",
        "properties": {
            "order_id": f"o-{number}",
            "total": 129.5,
            "products": [{"name": f"Product {n}", "price": 10.5 * n} for n in (1, 2, 3)],
        },
    }


def person(number: int) -> dict[str, Any]:
    return {
        "type": "identify",
        "userId": f"user-{number}",
        "messageId": f"person-{number}",
        "traits": {
            "first_name": "Mina",
            "email": f"user{number}@customers.example",
            "country": "KR",
            "language": "ko",
        },
    }
