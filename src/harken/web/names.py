"""Names that the data has, so that a slip in a rule is told before it selects nobody."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from harken.errors import Fault
from harken.files.words import did_you_mean
from harken.journeys.entries import DateEntry, EventEntry
from harken.journeys.kinds import AwaitedEvent
from harken.journeys.model import ExceptionEvent, Goal, Journey
from harken.segments.rules import (
    Attribute,
    Did,
    EventProperty,
    First,
    Follow,
    InList,
    Last,
    Measure,
)
from harken.web.rules import parts

if TYPE_CHECKING:
    from harken.history.base import History

KEPT_SECONDS = 60.0
MOST_NAMES = 5_000
MOST_KEYS = 2_000

EVENTS = "SELECT name FROM events GROUP BY name ORDER BY count(*) DESC"
# A look at the newest alone: to look through all for a name that nobody has takes seconds. By row
# number, because sorting moves whole documents.
PROPERTIES = """
SELECT DISTINCT unnest(json_keys(props::JSON)) FROM events WHERE rowid IN
    (SELECT rowid FROM events WHERE name = $1 ORDER BY ts DESC LIMIT 2000)
"""
ATTRIBUTES = """
SELECT DISTINCT unnest(json_keys(attributes::JSON)) FROM profiles WHERE rowid >=
    (SELECT max(rowid) - 10000 FROM profiles)
"""


class Use(Struct, frozen=True):
    """A name that a rule looks for."""

    path: str
    kind: str
    """`event`, `property` or `attribute`."""
    name: str
    event: str = ""
    """Of a property: the event that should have it."""


class Names:
    """The names of events, properties and attributes in history, as they lately were."""

    def __init__(self, history: "History") -> None:
        self._history = history
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], tuple[float, list[str]]] = {}

    def events(self, wanted: str = "") -> list[str]:
        """Names of events, the most frequent first; as they are now when `wanted` is not known."""
        return self._kept_or(("events", ""), wanted, lambda: self._ask(EVENTS, [], MOST_NAMES))

    def properties(self, event: str, wanted: str) -> list[str]:
        """Properties that the latest 2,000 of the event had."""
        return self._kept_or(
            ("properties", event), wanted, lambda: sorted(self._ask(PROPERTIES, [event], MOST_KEYS))
        )

    def attributes(self, wanted: str) -> list[str]:
        """Attributes that the 10,000 customers have who changed last."""
        return self._kept_or(
            ("attributes", ""), wanted, lambda: sorted(self._ask(ATTRIBUTES, [], MOST_KEYS))
        )

    def warnings(
        self,
        definition: object,
        path: str,
        lists: Collection[str],
        given: Collection[str] = (),
    ) -> list[Fault]:
        """What a definition looks for that is not in the data, with the name it may have meant.

        Where there is no data yet (a new installation), nothing is told. `lists` are those that
        were uploaded, `given` the attributes that journeys will give.
        """
        found = [
            fault
            for use in uses(definition, path)
            if use.kind != "attribute" or use.name.partition(".")[0] not in given
            for fault in self._unknown(use)
        ]
        for place, one in parts(definition, path):
            if isinstance(one, InList) and one.in_list not in lists:
                hint = did_you_mean(one.in_list, lists)
                problem = f"no list `{one.in_list}` was uploaded yet{hint}"
                found.append(Fault(f"{place}.in_list", problem, warning=True))
        return list(dict.fromkeys(found))

    def _unknown(self, use: Use) -> Iterator[Fault]:
        name, first = use.name, use.name.partition(".")[0]
        if use.kind == "event":
            known, what = self.events(name), f"no event `{name}` was ever received"
        elif use.kind == "property":
            known = self.properties(use.event, first)
            what = f"none of the latest `{use.event}` had a property `{name}`"
        else:
            known = self.attributes(first)
            what = f"none of the customers who changed last has an attribute `{name}`"
        if known and name not in known and (use.kind == "event" or first not in known):
            yield Fault(use.path, what + did_you_mean(name, known), warning=True)

    def _kept_or(
        self, key: tuple[str, str], wanted: str, ask: Callable[[], list[str]]
    ) -> list[str]:
        now = time.monotonic()
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and now - kept[0] < KEPT_SECONDS and (not wanted or wanted in kept[1]):
            return kept[1]
        names = ask()
        with self._lock:
            if len(self._kept) > MOST_KEYS:
                self._kept.clear()
            self._kept[key] = (now, names)
        return names

    def _ask(self, sql: str, params: list[str], limit: int) -> list[str]:
        return [row[0] for row in self._history.query(sql, params, limit=limit)]


def uses(definition: object, path: str) -> Iterator[Use]:
    """Every name of an event, property or attribute that a definition looks for."""
    entry = definition.entry.event if isinstance(definition, Journey) else ""
    for place, one in parts(definition, path):
        match one:
            case Attribute():
                yield Use(f"{place}.attribute", "attribute", one.attribute)
            case DateEntry():
                yield Use(f"{place}.date", "attribute", one.date)
            case EventProperty() if entry:
                yield Use(f"{place}.event_property", "property", one.event_property, entry)
            case Did() | Follow():
                yield from _event(f"{place}.did", one.did, place, where=one.where)
            case Measure():
                key: str = one.key  # type: ignore[attr-defined]
                yield from _event(f"{place}.of", one.of, place, where=one.where)
                yield from _property(f"{place}.{key}", one.path, one.of)
            case First():
                yield from _event(f"{place}.first", one.first, place, where=one.where, is_=one.is_)
            case Last():
                yield from _event(f"{place}.last", one.last, place, where=one.where, is_=one.is_)
            case EventEntry() | AwaitedEvent() | ExceptionEvent() | Goal():
                yield from _event(f"{place}.event", one.event, place, where=one.where)


def _event(path: str, event: str, place: str, **wheres: Mapping[str, object]) -> Iterator[Use]:
    if event.startswith("$"):
        return  # one of our own, which may not have happened yet
    yield Use(path, "event", event)
    for name, where in wheres.items():
        for key in where:
            yield Use(f"{place}.{name.rstrip('_')}.{key}", "property", key, event)


def _property(path: str, name: str, event: str) -> Iterator[Use]:
    if not event.startswith("$"):
        yield Use(path, "property", name, event)
