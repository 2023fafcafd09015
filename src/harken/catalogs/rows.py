"""What is asked of the store of catalogs; `store.catalogs` answers it."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from msgspec import Struct


class Catalog(Struct, frozen=True, kw_only=True):
    """A catalog as it stands."""

    name: str
    version: int
    items: int
    bytes: int
    changed_at: int
    refreshes: int
    refreshed_at: int
    """When recommendations were last worked out; 0 for never."""


class Version(Struct, frozen=True, kw_only=True):
    """One version of a catalog, and what it did to the one before."""

    version: int
    at: int
    by: str
    how: str
    """`replaced`, `changed`, or `back to 3`."""
    items: int
    added: int
    changed: int
    removed: int


class News(Struct, frozen=True, kw_only=True):
    """Changes of a version that customers have yet to be told."""

    number: int
    catalog: str
    version: int
    event: str
    at: int
    changes: bytes
    after: int
    """Customers up to this profile id were told."""
    told: int


class CatalogRows(Protocol):
    """What is read by those who render and those who keep recommendations and news."""

    def touched(self) -> bool:
        """Whether another process or part has written since this thread last asked."""

    def all(self) -> list[Catalog]:
        """Every catalog, by name."""

    def item(self, name: str, id: str, version: int) -> bytes | None:
        """An item's body in a version."""

    def items(self, name: str, version: int) -> Iterator[tuple[str, bytes]]:
        """Every item of a version, in the order of ids."""

    def shelf(self, name: str, kind: str, key: str) -> bytes | None:
        """A list of recommendations; None when there is none."""

    def put_shelves(self, name: str, shelves: Iterable[tuple[str, str, bytes]], at: int) -> None:
        """Exchange all recommendations of a catalog: (kind, key, list)."""

    def news(self) -> list[News]:
        """What is yet to be told, in order."""

    def told(self, number: int, after: int, count: int) -> None:
        """Note that `count` more customers were told, all up to the profile `after`."""

    def told_all(self, number: int) -> None:
        """The news was told to everybody."""
