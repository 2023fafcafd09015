"""Which identifiers of a file belong to one customer, by the links that its lines make."""

from pathlib import Path

import duckdb

_MEMORY = "64MB"

# Every identifier begins as its own root. In each round it takes the lowest root among its
# neighbours, then the root of that root, until nothing changes: long chains take few rounds.
_BEGIN = """
CREATE TABLE edge AS SELECT DISTINCT a, b FROM (
    SELECT a, b FROM links UNION ALL SELECT b AS a, a AS b FROM links
);
CREATE TABLE label AS SELECT DISTINCT a AS id, a AS root FROM edge;
"""
_ROUND = """
CREATE OR REPLACE TABLE hooked AS
SELECT near.id, least(near.root, label.root) AS root
FROM (
    SELECT edge.a AS id, min(other.root) AS root
    FROM edge JOIN label AS other ON other.id = edge.b GROUP BY edge.a
) AS near JOIN label ON label.id = near.id;
-- The root of an identifier also takes what the identifier has found.
CREATE OR REPLACE TABLE hooked AS
SELECT hooked.id, least(hooked.root, coalesce(found.root, hooked.root)) AS root
FROM hooked LEFT JOIN (
    SELECT label.root AS id, min(hooked.root) AS root
    FROM label JOIN hooked ON hooked.id = label.id GROUP BY label.root
) AS found ON found.id = hooked.id;
CREATE OR REPLACE TABLE fresh AS
SELECT hooked.id, up.root FROM hooked JOIN hooked AS up ON up.id = hooked.root;
"""
_CHANGED = (
    "SELECT count(*) FROM fresh JOIN label ON label.id = fresh.id WHERE fresh.root != label.root"
)
_TAKE = "CREATE OR REPLACE TABLE label AS SELECT id, root FROM fresh"
# As `grouping.part_of`.
_MOVED = """
SELECT id, root FROM label WHERE ((id >> 31) & 4294967295) * $1 >> 32 = $2 AND id != root
"""


class Links:
    """The identifiers of one customer under the least of them. Spills to disk beside the file."""

    def __init__(self, pairs: Path) -> None:
        """`pairs` holds two identifiers a line, as numbers: they belong to one customer."""
        self._db = duckdb.connect(
            config={
                "memory_limit": _MEMORY,
                "temp_directory": str(pairs.parent / "spill"),
                "threads": 1,
                "preserve_insertion_order": False,
            }
        )
        self._db.execute(
            "CREATE VIEW links AS SELECT * FROM read_csv("
            f"'{str(pairs).replace(chr(39), chr(39) * 2)}',"
            " header = false, columns = {'a': 'UBIGINT', 'b': 'UBIGINT'})"
        )
        self._db.execute(_BEGIN)
        while True:
            self._db.execute(_ROUND)
            changed = self._db.execute(_CHANGED).fetchone()
            if not changed or not changed[0]:
                break
            self._db.execute(_TAKE)

    def moved(self, part: int, parts: int) -> dict[int, int]:
        """Of the identifiers in a part, of so many: those that are under another one."""
        return dict(self._db.execute(_MOVED, (parts, part)).fetchall())

    def close(self) -> None:
        self._db.close()
