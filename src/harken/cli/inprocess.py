"""The API over a data folder that no server uses, in this process."""

import asyncio
import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from harken import logs
from harken.app import Embedded
from harken.cli.client import Answer, Ask, answered, basic, bearer, problem
from harken.clock import SystemClock
from harken.config import settings
from harken.errors import Conflict, NotFound
from harken.running.folder import held
from harken.web.server import asgi

MOST_BEHIND = 8 << 20
"""Bytes of the log that may wait for the engine while more is let in (an import)."""


class Folder:
    """Opens the folder and turns its engine for what is asked; sends nothing.

    Messages that become due meanwhile wait in the ledger for the next server.
    """

    in_flight = 1

    def __init__(self, data: Path) -> None:
        if not (data / "log").is_dir():
            raise NotFound(f"{data} is no data folder of Harken; `harken serve --data` begins one")
        logs.set_up("error", "cli")
        self._open = ExitStack()
        try:
            self._open.enter_context(held(data))
        except Conflict as error:
            raise Conflict(f"{error}; leave --data out to ask it") from None
        key = secrets.token_urlsafe(24)
        self.authorization, self.write_authorization = bearer(key), basic(key)
        chosen = settings(data, secret_key=key, write_key=key)
        try:
            self._harken = Embedded(chosen, SystemClock())
            self._open.callback(self._harken.close)
            app: Any = asgi(self._harken.services, handled=self._handled)
            self._http = httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url="http://harken",
                timeout=None,
            )
            self._runner = self._open.enter_context(asyncio.Runner())
        except BaseException:
            self._open.close()
            raise
        self._turning = threading.Lock()

    def send(self, ask: Ask) -> Answer:
        answer = answered(self._runner.run(self._http.request(**ask.http())))
        if self._harken.services.collector.end - self._harken.engine.offset > MOST_BEHIND:
            self._handled(0)
        return answer

    def stream(self, ask: Ask) -> Iterator[bytes]:
        answer = self.send(ask)
        if not 200 <= answer.status < 300:
            raise problem(answer)
        yield answer.body

    def _handled(self, offset: int) -> bool:
        """Whoever waits for the engine turns it."""
        with self._turning:
            while self._harken.engine.turn():
                pass
            self._harken.feeder.flush()
        return self._harken.services.handled(offset)

    def close(self) -> None:
        # What was let in and waited for by nobody is handled too.
        self._handled(0)
        self._open.close()
