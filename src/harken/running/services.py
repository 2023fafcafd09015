"""What the web process holds: the collector, and views of all that is stored."""

from collections.abc import Callable

from harken.catalogs.keeper import Keeper
from harken.channels.sandbox import Sandbox
from harken.clock import Clock
from harken.config import Settings, link_secret
from harken.definitions import InForce
from harken.errors import Damaged
from harken.history.base import History
from harken.ingest.collector import open_collector
from harken.ingest.identity import Lookup
from harken.ingest.intake import connect
from harken.ingest.rejected import RejectedLog
from harken.inputs import FOUND, SHARES, allocations_in, findings_in
from harken.loops.allocating import allocate
from harken.messages.links import Links
from harken.outside.fetching import Fetching
from harken.store.catalogs import Catalogs
from harken.store.log import Log
from harken.store.sqlite import SqliteStore
from harken.web.catchup import caught_up
from harken.web.keys import Keys
from harken.web.tellings import Tellings


class Services:
    """What the web process answers from: the collector, and views of all that is stored."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        history: History,
        doorbell: Callable[[], None],
        feed: Callable[[], object] | None = None,
    ) -> None:
        """`feed` brings history up to date; without it, somebody else does all the time."""
        settings.data.mkdir(parents=True, exist_ok=True)
        settings.run.mkdir(exist_ok=True)
        self.settings, self.clock, self.history = settings, clock, history
        # Each thread that answers has a connection, and each connection a cache. Durable, because
        # what an operator was told is done (an address suppressed) stands in no log.
        self.store = SqliteStore(settings.state, durable=True, cache_mib=4)
        self.keys = Keys(settings.data / "keys.json", settings.write_key, settings.secret_key)
        self.links = Links(settings.base_url, link_secret(settings.data))
        self.sandbox = Sandbox(settings.sandbox)
        self.fetching = Fetching(settings, clock, self.store.profiles)
        log = Log(settings.log)
        handled = self.store.offset()
        if log.end < handled:
            # Going on would give new records places that the engine has passed: it would never
            # handle them.
            log.close()
            raise Damaged(
                f"{settings.log}: the log ends at {log.end}, but was handled up to {handled};"
                " a part that was acknowledged is missing"
            )
        self.collector = open_collector(log, settings.intake, clock, doorbell)
        self.tellings = Tellings(self.store, self.collector, clock)
        intake = connect(settings.intake)
        # Both for one thread at a time.
        self.lookup, self.rejected = Lookup(intake), RejectedLog(intake)
        self.catalogs = Catalogs(settings.catalogs)
        self.keeper = Keeper(
            self.catalogs,
            history,
            clock,
            settings=lambda: self.in_force.workspace.catalogs,
            tell=lambda commands: self.collector.append_commands(commands).result(),
            catch_up=feed or (lambda: caught_up(self)),
        )
        """Idle until it is started, or turned."""
        self._in_force: InForce | None = None

    @property
    def in_force(self) -> InForce:
        """The definitions in force, compiled."""
        written = self.store.definitions()
        if self._in_force is None or self._in_force.written.revision != written.revision:
            self._in_force = InForce(written, self.store.journey_revision, self.settings.sender)
        self._in_force.allocations = allocations_in(self.store.note(SHARES))
        self._in_force.findings = findings_in(self.store.note(FOUND))
        return self._in_force

    def share_out(self) -> bool:
        """Work out how experiments share out new customers from now on; whether that changed.

        Raises Unavailable when history or the log does not answer.
        """
        made = allocate(self.in_force, self.history, self.clock.now())
        if made is not None:
            self.collector.append_allocations(made).result()
        return made is not None

    def handled(self, offset: int) -> bool:
        """Whether the engine has handled the log up to `offset`."""
        return self.store.offset() >= offset

    def close(self) -> None:
        self.keeper.close()
        self.collector.close()
        self.store.close()
        self.sandbox.close()
        self.catalogs.close()
        self.fetching.close()
