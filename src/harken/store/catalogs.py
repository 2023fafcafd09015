"""Catalogs in SQLite: items by version, news to be told, recommendations.

A version takes effect when its transaction commits: a reader sees all of it or nothing.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from harken.catalogs.rows import Catalog, News, Version
from harken.errors import Conflict, NotFound, TooLarge
from harken.store.connection import Database

SCHEMA = (Path(__file__).parent / "catalogs.sql").read_text()
OPEN = 2**62
"""`until` of a row that is in force."""
KEPT_VERSIONS = 10
KEPT_FOR = 3_600_000
"""Versions so young (ms) are kept besides: whoever is reading one can finish."""
MOST_CATALOGS = 50
MOST_ITEMS = 200_000
MOST_BYTES = 64_000_000
"""Of all items of a catalog together, as they are stored."""
AT_ONCE = 1_000

INCOMING = """
CREATE TEMP TABLE IF NOT EXISTS incoming (id TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID
"""
# A body of NULL takes the item away.
DROP_MISSING = """
UPDATE items SET until = :version WHERE catalog = :catalog AND until = :open
AND NOT EXISTS (SELECT 1 FROM incoming AS i WHERE i.id = items.id)
"""
DROP_NAMED = """
UPDATE items SET until = :version WHERE catalog = :catalog AND until = :open
AND id IN (SELECT id FROM incoming WHERE body IS NULL)
"""
CLOSE_CHANGED = """
UPDATE items SET until = :version WHERE catalog = :catalog AND until = :open
AND EXISTS (SELECT 1 FROM incoming AS i WHERE i.id = items.id AND i.body <> items.body)
"""
PUT_NEW = """
INSERT INTO items
SELECT :catalog, i.id, :version, :open, i.body FROM incoming AS i
WHERE i.body IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM items AS t WHERE t.catalog = :catalog AND t.id = i.id AND t.until = :open
)
"""
BEFORE = """
INSERT INTO incoming SELECT id, body FROM items
WHERE catalog = ? AND since <= ? AND until > ?
"""
SIZE = "SELECT count(*), coalesce(sum(length(body)), 0) FROM items WHERE catalog = ? AND until = ?"
CHANGED_BY = """
SELECT new.id, old.body, new.body FROM items AS new JOIN items AS old
ON old.catalog = new.catalog AND old.id = new.id AND old.until = new.since
WHERE new.catalog = ? AND new.since = ?
"""
DIFFERENCES = """
SELECT id, max(CASE WHEN since <= :a AND until > :a THEN body END) AS old,
    max(CASE WHEN since <= :b AND until > :b THEN body END) AS new
FROM items WHERE catalog = :catalog GROUP BY id HAVING old IS NOT new ORDER BY id
"""
PAGE = """
SELECT id, body FROM items WHERE catalog = ? AND id > ? AND since <= ? AND until > ?
ORDER BY id LIMIT ?
"""
ITEM = "SELECT body FROM items WHERE catalog = ? AND id = ? AND since <= ? AND until > ?"
OLDEST_KEPT = """
SELECT min(version) FROM (
    SELECT version FROM versions WHERE catalog = ? ORDER BY version DESC LIMIT ?
) UNION SELECT min(version) FROM versions WHERE catalog = ? AND at >= ?
"""
PUT_SHELVES = "INSERT INTO shelves VALUES (?, ?, ?, ?)"

Some = TypeVar("Some")
Row = tuple[str, bytes | None]
"""An item's id and its fields as JSON with sorted keys; None takes it away."""


Watch = Callable[[Iterable[tuple[str, bytes, bytes]]], Iterable[tuple[str, bytes]]]
"""(id, old body, new body) of what a version changed -> (event, changes) to be told of it."""


class Undone(Exception):
    """Raised to undo the transaction of a dry run."""


class Catalogs:
    """The file at `path`. Safe for many threads; one process writes."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path, SCHEMA, durable=True, cache_mib=8)
        self._seen = threading.local()

    def close(self) -> None:
        self.database.close()

    # -- reading

    def touched(self) -> bool:
        """Whether another connection has written since this thread last asked."""
        # https://sqlite.org/pragma.html#pragma_data_version
        (now,) = self._rows("PRAGMA data_version", ())[0]
        before, self._seen.version = getattr(self._seen, "version", None), now
        return bool(before != now)

    def all(self) -> list[Catalog]:
        """Every catalog, by name."""
        rows = self._rows("SELECT * FROM catalogs ORDER BY name", ())
        return [_catalog(row) for row in rows]

    def get(self, name: str) -> Catalog:
        """One catalog. Raises NotFound."""
        rows = self._rows("SELECT * FROM catalogs WHERE name = ?", (name,))
        if not rows:
            raise NotFound(f"there is no catalog {name!r}; `harken catalogs import` makes one")
        return _catalog(rows[0])

    def versions(self, name: str) -> list[Version]:
        """The versions that are kept, newest first."""
        sql = (
            "SELECT version, at, by, how, items, added, changed, removed FROM versions"
            " WHERE catalog = ? ORDER BY version DESC"
        )
        fields = Version.__struct_fields__
        return [Version(**dict(zip(fields, row, strict=True))) for row in self._rows(sql, (name,))]

    def item(self, name: str, id: str, version: int) -> bytes | None:
        """An item's body in a version."""
        rows = self._rows(ITEM, (name, id, version, version))
        return rows[0][0] if rows else None

    def page(self, name: str, version: int, after: str, limit: int) -> list[tuple[str, bytes]]:
        """The next items of a version above the id `after`, in the order of ids."""
        return self._rows(PAGE, (name, after, version, version, limit))

    def items(self, name: str, version: int) -> Iterator[tuple[str, bytes]]:
        """Every item of a version, in the order of ids."""
        after = ""
        while some := self.page(name, version, after, AT_ONCE):
            yield from some
            after = some[-1][0]

    def differences(
        self, name: str, a: int, b: int
    ) -> Iterator[tuple[str, bytes | None, bytes | None]]:
        """(id, body in version `a`, body in version `b`) of all items that differ."""
        with self.database.reporting():
            yield from self.database.connection.execute(
                DIFFERENCES, {"catalog": name, "a": a, "b": b}
            )

    def shelf(self, name: str, kind: str, key: str) -> bytes | None:
        """A list of recommendations; None when there is none."""
        sql = "SELECT body FROM shelves WHERE catalog = ? AND kind = ? AND key = ?"
        rows = self._rows(sql, (name, kind, key))
        return rows[0][0] if rows else None

    # -- writing items

    def write(
        self,
        name: str,
        rows: Iterable[Row],
        *,
        whole: bool,
        at: int,
        by: str,
        watch: Watch = lambda changes: (),
        dry: bool = False,
    ) -> Version:
        """Make a version: of these rows alone when `whole`, else with these changed.

        When nothing changes there is no new version, and the one in force is answered. A `dry`
        run answers what would become of it. Whatever `rows` raises leaves everything as it was.
        Raises TooLarge and Conflict.
        """
        return self._version(
            name, rows, whole, "replaced" if whole else "changed", at, by, watch, dry
        )

    def go_back(self, name: str, version: int, *, at: int, by: str) -> Version:
        """Make a version that holds what an earlier one did. Raises NotFound.

        It undoes a mistake, so what it changes is no news for anybody.
        """
        if version not in [one.version for one in self.versions(name)]:
            raise NotFound(f"there is no version {version} of {name!r} (any more)")
        return self._version(name, version, True, f"back to {version}", at, by)

    def remove(self, name: str) -> None:
        """Forget a catalog. Raises NotFound."""
        self.get(name)
        with self.database.transaction() as db:
            for table in ("items", "versions", "news", "shelves"):
                db.execute(f"DELETE FROM {table} WHERE catalog = ?", (name,))
            db.execute("DELETE FROM catalogs WHERE name = ?", (name,))

    def _version(
        self,
        name: str,
        rows: Iterable[Row] | int,
        whole: bool,
        how: str,
        at: int,
        by: str,
        watch: Watch = lambda changes: (),
        dry: bool = False,
    ) -> Version:
        made: Version | None = None
        try:
            with self.database.transaction() as db:
                before = self._before(name, at, by)
                db.execute(INCOMING)
                db.execute("DELETE FROM incoming")
                if isinstance(rows, int):
                    db.execute(BEFORE, (name, rows, rows))
                else:
                    self._take(rows)
                made = self._apply(name, before, whole, how, at, by)
                db.execute("DELETE FROM incoming")
                if made.version != before.version:
                    self._announce(name, made, watch)
                    self._let_go(name, at)
                if dry:
                    raise Undone
        except Undone:
            pass
        assert made is not None
        return made

    def _before(self, name: str, at: int, by: str) -> Version:
        """The version in force; of a new catalog, an empty one."""
        found = self.versions(name)
        if found:
            return found[0]
        if len(self.all()) >= MOST_CATALOGS:
            raise Conflict(f"there are {MOST_CATALOGS} catalogs already; remove one first")
        self.database.connection.execute("INSERT INTO catalogs (name) VALUES (?)", (name,))
        return Version(version=0, at=at, by=by, how="", items=0, added=0, changed=0, removed=0)

    def _take(self, rows: Iterable[Row]) -> None:
        count = size = 0
        for some in _batches(rows):
            count += len(some)
            size += sum(len(body) for _, body in some if body is not None)
            _bound(count, size)
            self.database.connection.executemany("INSERT INTO incoming VALUES (?, ?)", some)

    def _apply(
        self, name: str, before: Version, whole: bool, how: str, at: int, by: str
    ) -> Version:
        db, version = self.database.connection, before.version + 1
        given = {"catalog": name, "version": version, "open": OPEN}
        removed = db.execute(DROP_MISSING if whole else DROP_NAMED, given).rowcount
        changed = db.execute(CLOSE_CHANGED, given).rowcount
        put = db.execute(PUT_NEW, given).rowcount
        if not (removed or put) and before.version:
            return before
        count, size = db.execute(SIZE, (name, OPEN)).fetchone()
        _bound(count, size)
        made = Version(
            version=version,
            at=at,
            by=by,
            how=how,
            items=count,
            added=put - changed,
            changed=changed,
            removed=removed,
        )
        db.execute(
            "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (name, version, at, by, how, count, made.added, changed, removed),
        )
        db.execute(
            "UPDATE catalogs SET version = ?, items = ?, bytes = ?, changed_at = ? WHERE name = ?",
            (version, count, size, at, name),
        )
        return made

    def _announce(self, name: str, made: Version, watch: Watch) -> None:
        db = self.database.connection
        for event, changes in watch(db.execute(CHANGED_BY, (name, made.version))):
            db.execute(
                "INSERT INTO news (catalog, version, event, at, changes) VALUES (?, ?, ?, ?, ?)",
                (name, made.version, event, made.at, changes),
            )

    def _let_go(self, name: str, at: int) -> None:
        """Forget versions beyond those that are kept, and what only they held."""
        db = self.database.connection
        rows = db.execute(OLDEST_KEPT, (name, KEPT_VERSIONS, name, at - KEPT_FOR)).fetchall()
        oldest = min(row[0] for row in rows if row[0] is not None)
        db.execute("DELETE FROM versions WHERE catalog = ? AND version < ?", (name, oldest))
        db.execute("DELETE FROM items WHERE catalog = ? AND until <= ?", (name, oldest))

    # -- news

    def news(self) -> list[News]:
        """What is yet to be told, in order."""
        sql = (
            "SELECT number, catalog, version, event, at, changes, after, told FROM news"
            " ORDER BY number LIMIT 1"
        )
        fields = News.__struct_fields__
        return [News(**dict(zip(fields, row, strict=True))) for row in self._rows(sql, ())]

    def told(self, number: int, after: int, count: int) -> None:
        """Note that `count` more customers were told, all up to the profile `after`."""
        with self.database.transaction() as db:
            db.execute(
                "UPDATE news SET after = ?, told = told + ? WHERE number = ?",
                (after, count, number),
            )

    def told_all(self, number: int) -> None:
        """The news was told to everybody."""
        with self.database.transaction() as db:
            db.execute("DELETE FROM news WHERE number = ?", (number,))

    # -- recommendations

    def put_shelves(self, name: str, shelves: Iterable[tuple[str, str, bytes]], at: int) -> None:
        """Exchange all recommendations of a catalog: (kind, key, list)."""
        with self.database.transaction() as db:
            db.execute("DELETE FROM shelves WHERE catalog = ?", (name,))
            for some in _batches(shelves):
                db.executemany(PUT_SHELVES, [(name, *one) for one in some])
            db.execute(
                "UPDATE catalogs SET refreshes = refreshes + 1, refreshed_at = ? WHERE name = ?",
                (at, name),
            )

    def _rows(self, sql: str, params: Sequence[object]) -> list[tuple[Any, ...]]:
        with self.database.reporting():
            return self.database.connection.execute(sql, params).fetchall()


def _batches(rows: Iterable[Some]) -> Iterator[list[Some]]:
    left = iter(rows)
    while some := list(islice(left, AT_ONCE)):
        yield some


def _catalog(row: Sequence[object]) -> Catalog:
    return Catalog(**dict(zip(Catalog.__struct_fields__, row, strict=True)))  # type: ignore[arg-type]


def _bound(count: int, size: int) -> None:
    if count > MOST_ITEMS:
        raise TooLarge(f"a catalog has at most {MOST_ITEMS:,} items")
    if size > MOST_BYTES:
        raise TooLarge(f"the items of a catalog come to at most {MOST_BYTES // 1_000_000} MB")
