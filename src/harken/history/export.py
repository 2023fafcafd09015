"""History as Parquet files, for tools that do not speak DuckDB.

Writing files is closed to the process that holds history, so that no question can do it. A process
of its own opens a copy, which also leaves the original free to go on.

    python -m harken.history.export COPY FOLDER MEMORY THREADS
"""

import subprocess
import sys
from pathlib import Path

import duckdb
import msgspec

from harken.errors import Unavailable

TABLES = {
    "events": "* REPLACE (props::JSON AS props)",
    "decisions": "*",
    "profiles": "* REPLACE (attributes::JSON AS attributes, dates::JSON AS dates)",
    "segment_sizes": "*",
}
"""Each table's columns; what has free form becomes JSON text, which every reader of Parquet has."""
SECONDS = 4 * 3600


def export(copy: Path, folder: Path, memory: str, threads: int) -> dict[str, int]:
    """Write `folder/TABLE.parquet` of each table in a copy of history; rows by table.

    Raises Unavailable when it cannot be written.
    """
    command = [sys.executable, "-m", __name__, str(copy), str(folder), memory, str(threads)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"the export took longer than {SECONDS} s") from None
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2]
        raise Unavailable(f"history could not be exported: {said}")
    return msgspec.json.decode(done.stdout, type=dict[str, int])


def write(copy: Path, folder: Path, memory: str, threads: int) -> dict[str, int]:
    """What `export` does, in this process."""
    rows = {}
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "threads": threads,
        # Order costs memory, and nobody was promised one.
        "preserve_insertion_order": False,
    }
    with duckdb.connect(str(copy), config=config) as connection:
        for table, what in TABLES.items():
            target = str(folder / f"{table}.parquet").replace("'", "''")
            done = connection.execute(
                f"COPY (SELECT {what} FROM {table}) TO '{target}' (FORMAT parquet, CODEC zstd)"
            ).fetchone()
            rows[table] = int(done[0]) if done else 0
    return rows


if __name__ == "__main__":
    try:
        found = write(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    except duckdb.Error as fault:
        # What follows shows the place in our own SQL.
        sys.exit(str(fault).partition("\n")[0])
    print(msgspec.json.encode(found).decode())
