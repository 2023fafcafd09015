"""Keeps recommendations fresh and tells customers the news, a piece at a time.

Both ask history, beside the engine and never within it. What was told is noted behind each piece,
so a restart in the midst of it goes on there; the piece that was under way is told again, and
customers' documents know that they have heard it.
"""

import threading
from collections.abc import Callable, Sequence

import msgspec

from harken.catalogs.items import Item
from harken.catalogs.news import AT_ONCE, event_of, interested, still_true
from harken.catalogs.recommend import work_out
from harken.catalogs.rows import Catalog, CatalogRows, News
from harken.catalogs.settings import CatalogSettings
from harken.clock import MINUTE, SECOND, Clock
from harken.errors import BadInput, HarkenError
from harken.history.base import History
from harken.inputs import Command
from harken.logs import structlog

LOOK_EVERY = 15 * SECOND
"""How often it looks whether recommendations are due, when nobody rings."""
CLOSE_SECONDS = 5.0
AFTER_FAILURE = 5 * MINUTE
"""When recommendations that could not be worked out are tried again."""

log = structlog.get_logger("catalogs")
_item = msgspec.json.Decoder(Item).decode

Tell = Callable[[Sequence[tuple[int, Command]]], object]


class Keeper:
    """The keeper of one file of catalogs; `turn` by hand, or `start` for a thread of its own."""

    def __init__(
        self,
        rows: CatalogRows,
        history: History,
        clock: Clock,
        settings: Callable[[], dict[str, CatalogSettings]],
        tell: Tell,
        catch_up: Callable[[], object],
    ) -> None:
        """`tell` makes commands durable; `catch_up` waits until history has all that happened."""
        self._rows, self._history, self._clock = rows, history, clock
        self._settings, self._tell, self._catch_up = settings, tell, catch_up
        self._failed: dict[str, int] = {}
        self._bell = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._working = threading.Lock()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="catalogs", daemon=True)
        self._thread.start()

    def ring(self) -> None:
        """There may be something to do."""
        self._bell.set()

    def close(self) -> None:
        """Stop after the piece that is under way."""
        self._stopping = True
        self.ring()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)
            self._thread = None

    def turn(self) -> bool:
        """Do one piece of what is to be done; whether there was any. Raises what history raises."""
        with self._working:
            catalogs = self._rows.all()
            settings = self._settings() if catalogs else {}
            for news in self._rows.news():
                self._catch_up()
                self._go_on(news, settings.get(news.catalog))
                return True
            for one in catalogs:
                known = settings.get(one.name)
                if known is not None and self._due(one, known):
                    self._catch_up()
                    self._work_out(one, known)
                    return True
            return False

    def refresh(self, one: Catalog) -> None:
        """Work out recommendations of a catalog now. Raises what history raises; BadInput."""
        settings = self._settings().get(one.name)
        if settings is None or settings.recommend is None:
            raise BadInput(
                f"nothing is recommended of {one.name}: give it `recommend: {{}}` below `catalogs` "
                "in workspace.yaml"
            )
        with self._working:
            self._catch_up()
            self._work_out(one, settings)

    def _due(self, one: Catalog, settings: CatalogSettings) -> bool:
        if settings.recommend is None:
            return False
        due = one.refreshed_at + settings.recommend.every if one.refreshed_at else 0
        return self._clock.now() >= max(due, self._failed.get(one.name, 0))

    def _work_out(self, one: Catalog, settings: CatalogSettings) -> None:
        now = self._clock.now()
        items = ((id, _item(body)) for id, body in self._rows.items(one.name, one.version))
        try:
            shelves = list(work_out(self._history, items, settings, now))
        except HarkenError:
            self._failed[one.name] = now + AFTER_FAILURE
            raise
        self._failed.pop(one.name, None)
        self._rows.put_shelves(one.name, shelves, now)

    def _go_on(self, news: News, settings: CatalogSettings | None) -> None:
        """Tell the next customers; done when nobody is left, or nobody is to be told any more."""
        found: list[tuple[int, list[str]]] = []
        if settings is not None:
            find = self._finder(news.catalog)
            changes = still_true(news, settings, find)
            found = interested(self._history, news, settings, list(changes))
            if found:
                self._tell([event_of(news, who, items, changes, find) for who, items in found])
                self._rows.told(news.number, found[-1][0], len(found))
        if len(found) < AT_ONCE:
            self._rows.told_all(news.number)

    def _finder(self, catalog: str) -> Callable[[str], Item | None]:
        versions = {one.name: one.version for one in self._rows.all()}

        def find(id: str) -> Item | None:
            body = self._rows.item(catalog, id, versions[catalog])
            return None if body is None else {**_item(body), "id": id}

        return find

    def _run(self) -> None:
        while not self._stopping:
            self._bell.clear()
            try:
                while not self._stopping and self.turn():
                    pass
            except HarkenError as fault:
                log.warning("catalogs wait", fault=str(fault))
            except Exception:
                # Nobody would start this thread again.
                log.exception("catalogs")
            self._bell.wait(LOOK_EVERY / SECOND)
