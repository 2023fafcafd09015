"""History: questions in SQL, and all of it as Parquet files."""

import csv
import sys
from typing import Any, Literal

import msgspec

from harken.cli import show
from harken.cli.client import Connection


def sql(
    question: str,
    /,
    *,
    format: Literal["table", "csv", "json"] = "table",
    limit: int = 1_000,
    seconds: float = 30,
    connection: Connection = Connection(),
) -> None:
    """Ask history one SELECT; docs/history.md tells the tables. Nothing can be changed by it.

    Parameters
    ----------
    question
        The SELECT; `-` reads it from standard input.
    format
        A table for people; CSV; or JSON with an object a row.
    limit
        Rows at most, 10000 at most.
    seconds
        It is stopped when it takes longer, 50 at most.
    """
    text = sys.stdin.read() if question == "-" else question
    with connection.open() as client:
        found = client.post("/sql", {"sql": text, "limit": limit, "seconds": seconds})
    columns, rows = found["columns"], found["rows"]
    if connection.json:
        show.as_json(found)
    elif format == "json":
        show.as_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif format == "csv":
        lines = csv.writer(sys.stdout, lineterminator="\n")
        lines.writerow(columns)
        lines.writerows([_cell(value) for value in row] for row in rows)
    else:
        show.table(columns, rows, "no rows")
    if found["more"]:
        more = f"there are more than {limit} rows; ask with a larger --limit (10000 at most)"
        print(f"harken: {more}, or for less", file=sys.stderr)


def export(directory: str, /, *, connection: Connection = Connection()) -> None:
    """Write all of history to Parquet files in `exports/DIRECTORY` of the data folder.

    Parameters
    ----------
    directory
        The name of the new folder.
    """
    with connection.open() as client:
        made = client.post("/history/export", {"to": directory})
    if connection.json:
        show.as_json(made)
        return
    show.line(f"{made['path']} in the data folder:", "green")
    files = [(f"{table}.parquet", f"{rows:,}") for table, rows in made["rows"].items()]
    show.table(("file", "rows"), files, "nothing")


def _cell(value: Any) -> Any:
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list | bool) else value
