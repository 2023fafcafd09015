"""Catalogs: items from files, in versions; and what is recommended of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from harken.cli import show
from harken.cli.client import Connection, content_of, quoted

LARGEST_FILE = 64_000_000
KINDS = {".csv": "text/csv", ".tsv": "text/csv", ".txt": "text/csv"}
NDJSON = "application/x-ndjson"

catalogs_app = App(name="catalogs", help="Upload what there is to offer, and see what changed.")


@catalogs_app.command(name="import")
def import_catalog(
    name: str,
    file: Path,
    /,
    *,
    id_column: str = "id",
    text: Sequence[str] = (),
    change: Annotated[bool, Parameter(negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    connection: Connection = Connection(),
) -> None:
    """Make a new version of a catalog from a file; it takes effect whole, or not at all.

    Parameters
    ----------
    name
        The catalog; it is made when there is none of that name.
    file
        CSV whose first line names the columns, or NDJSON (`.ndjson`, `.jsonl`, `.json`): an object
        a line. In CSV, numbers, `true`, `false`, lists and objects are read as such.
    id_column
        The column or field that holds the items' ids.
    text
        A column of CSV whose values stay texts, such as a postcode; may be given again.
    change
        Change the items of the file and keep all others, instead of replacing the whole.
    dry_run
        Tell what would change, and change nothing.
    """
    content = content_of(file, LARGEST_FILE)
    kind = KINDS.get(file.suffix.lower(), NDJSON)
    with connection.open() as client:
        done = client.send_file(
            "PATCH" if change else "PUT",
            f"/catalogs/{quoted(name)}",
            content,
            kind,
            id_column=id_column,
            text=list(text),
            dry_run="true" if dry_run else "",
        )
        made = None if dry_run else client.get(f"/catalogs/{quoted(name)}")
    _tell(connection, name, done, "would be" if dry_run else "is")
    if made is not None and not made["in_workspace"] and not connection.json:
        show.line(
            "workspace.yaml does not name it: templates cannot say it before it stands there, below"
            " `catalogs`.",
            "yellow",
        )


@catalogs_app.command(name="list")
def list_catalogs(*, connection: Connection = Connection()) -> None:
    """List all catalogs."""
    with connection.open() as client:
        found = client.get("/catalogs")
    if connection.json:
        show.as_json(found)
        return
    columns = ("name", "version", "items", "changed_at", "recommended_at")
    rows = [[one[column] for column in columns] for one in found["catalogs"]]
    titles = ("catalog", "version", "items", "changed", "recommendations of")
    show.table(titles, rows, "no catalog was uploaded")


@catalogs_app.command(name="show")
def show_catalog(name: str, /, *, connection: Connection = Connection()) -> None:
    """Show a catalog and the versions that are kept, newest first."""
    with connection.open() as client:
        found = client.get(f"/catalogs/{quoted(name)}")
    if connection.json:
        show.as_json(found)
        return
    show.facts(
        {
            "catalog": found["name"],
            "items": f"{found['items']:,}",
            "in workspace.yaml": "yes" if found["in_workspace"] else "no: templates cannot name it",
            "recommendations of": found["recommended_at"],
            "news being told": found["news"],
        }
    )
    columns = ("version", "at", "how", "items", "added", "changed", "removed", "by")
    rows = [[one[column] for column in columns] for one in found["versions"]]
    show.table(columns, rows, "")


@catalogs_app.command(name="item")
def show_item(name: str, id: str, /, *, connection: Connection = Connection()) -> None:
    """Show one item of a catalog.

    Parameters
    ----------
    name
        The catalog.
    id
        The item's id.
    """
    with connection.open() as client:
        show.as_json(client.get(f"/catalogs/{quoted(name)}/items/{quoted(id)}"))


@catalogs_app.command(name="diff")
def show_differences(
    name: str,
    a: int | None = None,
    b: int | None = None,
    /,
    *,
    connection: Connection = Connection(),
) -> None:
    """Show what the last version of a catalog changed, or what two versions have differently.

    Parameters
    ----------
    name
        The catalog.
    a
        A version; the one before the last when it is not given.
    b
        Another; the last when it is not given.
    """
    with connection.open() as client:
        found = client.get(f"/catalogs/{quoted(name)}/differences", a=a, b=b)
    if connection.json:
        show.as_json(found)
        return
    show.line(
        f"{name}: {found['count']:,} items differ between version {found['from_version']} and "
        f"{found['to_version']}"
    )
    rows = [(one["id"], _fields(one["old"]), _fields(one["new"])) for one in found["items"]]
    show.table(("item", "before", "after"), rows, "")


@catalogs_app.command(name="back")
def go_back(name: str, version: int, /, *, connection: Connection = Connection()) -> None:
    """Make an earlier version of a catalog the one in force again; customers hear no news of it.

    Parameters
    ----------
    name
        The catalog.
    version
        The version to go back to.
    """
    with connection.open() as client:
        done = client.post(f"/catalogs/{quoted(name)}/versions/{version}/restore")
    _tell(connection, name, done, "is")


@catalogs_app.command(name="refresh")
def refresh(name: str, /, *, connection: Connection = Connection()) -> None:
    """Work out the recommendations of a catalog now."""
    with connection.open() as client:
        found = client.post(f"/catalogs/{quoted(name)}/refresh")
    if connection.json:
        show.as_json(found)
        return
    show.line(f"{name}: recommendations are fresh.", "green")


@catalogs_app.command(name="remove")
def remove_catalog(name: str, /, *, connection: Connection = Connection()) -> None:
    """Forget a catalog with all its versions. Refused while workspace.yaml names it."""
    with connection.open() as client:
        client.delete(f"/catalogs/{quoted(name)}")
    if not connection.json:
        show.line(f"{name} is removed.", "green")


def recommend(
    kind: str,
    /,
    *,
    catalog: str = "",
    item: Sequence[str] = (),
    category: str = "",
    customer: str = "",
    limit: int = 4,
    connection: Connection = Connection(),
) -> None:
    """Show what a message would recommend now.

    Parameters
    ----------
    kind
        `popular`, `popular_in`, `viewed_together`, `bought_together` or `not_yet_bought`.
    catalog
        The catalog, when there are several.
    item
        An item that it starts from; may be given again.
    category
        Of `popular_in` and `not_yet_bought`.
    customer
        Of `not_yet_bought`: who has not bought it yet.
    limit
        How many items at most.
    """
    with connection.open() as client:
        found = client.get(
            f"/recommendations/{quoted(kind)}",
            catalog=catalog,
            item=list(item),
            category=category,
            customer=customer,
            limit=limit,
        )
    if connection.json:
        show.as_json(found)
        return
    rows = [
        (one["id"], _fields({key: value for key, value in one.items() if key != "id"}))
        for one in found["items"]
    ]
    show.table(("item", "fields"), rows, "there is nothing to recommend yet")


def _tell(connection: Connection, name: str, done: Mapping[str, Any], is_: str) -> None:
    if connection.json:
        show.as_json(done)
        return
    show.line(
        f"{name}: version {done['version']} {is_} in force; {done['items']:,} items: "
        f"{done['added']:,} added, {done['changed']:,} changed, {done['removed']:,} removed.",
        "green",
    )


def _fields(fields: Mapping[str, Any] | None) -> str:
    if fields is None:
        return "(none)"
    return ", ".join(
        f"{key}: {msgspec.json.encode(value).decode()}" for key, value in fields.items()
    )
