"""Puts the parts together: the only module that knows all others.

`Services` is what the web process holds; `roles.py` runs engine and sender in processes of their
own; `Embedded` is all of it in one process, for tests, simulations and a command line without a
server.
"""

from collections.abc import Callable
from pathlib import Path

from harken.channels.sandbox import Sandbox
from harken.clock import Clock
from harken.config import Settings, link_secret
from harken.definitions import InForce
from harken.engine import Engine
from harken.history.base import History
from harken.history.duck import DuckHistory
from harken.history.worker import Feeder
from harken.ingest.collector import Collector
from harken.ingest.identity import Identities, Lookup
from harken.ingest.intake import connect
from harken.ingest.rejected import RejectedLog
from harken.messages.links import Links
from harken.sending import Sender
from harken.store.log import Log, LogReader
from harken.store.sqlite import SqliteStore
from harken.web.keys import Keys


class Services:
    """What the web process answers from: the collector, and views of all that is stored."""

    def __init__(
        self, settings: Settings, clock: Clock, history: History, doorbell: Callable[[], None]
    ) -> None:
        settings.data.mkdir(parents=True, exist_ok=True)
        settings.run.mkdir(exist_ok=True)
        self.settings, self.clock, self.history = settings, clock, history
        # Each thread that answers has a connection, and each connection a cache.
        self.store = SqliteStore(settings.state, cache_mib=4)
        self.keys = Keys(settings.data / "keys.json", settings.write_key, settings.secret_key)
        self.links = Links(settings.base_url, link_secret(settings.data))
        self.sandbox = Sandbox(settings.sandbox)
        log = Log(settings.log)
        identities = Identities(connect(settings.intake))
        with LogReader(settings.log) as reader:
            identities.catch_up(reader)
        self.rejected = RejectedLog(connect(settings.intake))
        self.collector = Collector(log, identities, self.rejected, clock, doorbell)
        self.lookup = Lookup(connect(settings.intake))
        self._in_force: InForce | None = None

    @property
    def in_force(self) -> InForce:
        """The definitions in force, compiled."""
        written = self.store.definitions()
        if self._in_force is None or self._in_force.written.revision != written.revision:
            self._in_force = InForce(written, self.store.journey_revision, self.settings.sender)
        return self._in_force

    def handled(self, offset: int) -> bool:
        """Whether the engine has handled the log up to `offset`."""
        return self.store.offset() >= offset

    def close(self) -> None:
        self.collector.close()
        self.store.close()
        self.sandbox.close()


class Embedded:
    """One Harken in one process and on any clock: nothing happens but when asked to."""

    def __init__(self, data: Path | Settings, clock: Clock) -> None:
        self.settings = data if isinstance(data, Settings) else Settings(data=data)
        self.clock = clock
        self.settings.data.mkdir(parents=True, exist_ok=True)
        self.history = DuckHistory(self.settings.history)
        self.services = Services(self.settings, clock, self.history, lambda: None)
        self.store = self.services.store
        self.feeder = Feeder(self.store, self.history)
        self.engine = Engine(
            self.store, LogReader(self.settings.log), clock, sender=self.settings.sender
        )
        self.sender = Sender(self.settings, clock, "embedded")

    def settle(self) -> None:
        """Handle all that is there now, send what may leave, and keep the history of it."""
        while self.engine.turn() or self.sender.turn():
            pass
        self.feeder.flush()

    def close(self) -> None:
        self.sender.close()
        self.services.close()
        self.history.close()
