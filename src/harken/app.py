"""All of Harken in one process, on any clock: the only module that knows all others.

`running` has the same parts as processes of their own. This is for tests, simulations, and a
command line without a server.
"""

from pathlib import Path

from harken.clock import Clock
from harken.config import Settings, link_secret
from harken.engine import Engine
from harken.history.duck import DuckHistory
from harken.history.worker import Feeder
from harken.loops.sending import Sender
from harken.running.services import Services
from harken.store.log import LogReader


class Embedded:
    """One Harken in one process and on any clock: nothing happens but when asked to."""

    def __init__(self, data: Path | Settings, clock: Clock) -> None:
        self.settings = data if isinstance(data, Settings) else Settings(data=data)
        self.clock = clock
        self.settings.data.mkdir(parents=True, exist_ok=True)
        self.history = DuckHistory(
            self.settings.history,
            memory=self.settings.history_memory,
            threads=self.settings.history_threads,
        )
        self.services = Services(
            self.settings, clock, self.history, lambda: None, lambda: self.feeder.flush()
        )
        self.store = self.services.store
        self.feeder = Feeder(self.store, self.history)
        self.engine = Engine(
            self.store,
            LogReader(self.settings.log),
            clock,
            history=self.history,
            sender=self.settings.sender,
            secret=link_secret(self.settings.data),
        )
        self.sender = Sender(self.settings, clock, "embedded")

    def settle(self) -> None:
        """Handle all that is there now, send what may leave, and keep the history of it."""
        self.work()
        self.feeder.flush()

    def work(self) -> None:
        """Handle all that is there now and send what may leave."""
        keeper = self.services.keeper
        while self.engine.turn() or self.sender.turn() or self._prepare() or keeper.turn():
            pass

    def _prepare(self) -> bool:
        """Let history work out what the engine asks of it, as threads do in `roles`."""
        filling, known = self.engine.definitions.filling, self.engine.broadcasts.known
        if not filling.passes and not known.now.active and not known.now.tables:
            return False
        self.feeder.flush()
        return self.engine.backfill.prepare() or self.engine.broadcasts.prepare()

    def close(self) -> None:
        self.sender.close()
        self.services.close()
        self.history.close()
