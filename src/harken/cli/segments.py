"""Segments and lists: who is in them, how many, why, and how they grew."""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from harken.cli import show
from harken.cli.client import Client, Connection, content_of, quoted
from harken.errors import BadInput

LOOK_EVERY = 0.5
"""Seconds between two looks at an export that is followed."""

segments_app = App(
    name="segments", help="Ask about segments, and about any group of customers that a rule says."
)
lists_app = App(name="lists", help="Upload and remove lists of customers.")


@segments_app.command(name="list")
def list_segments(*, connection: Connection = Connection()) -> None:
    """List all segments; a count may be some minutes old, or not be there yet."""
    with connection.open() as client:
        found = client.get("/segments")
    if connection.json:
        show.as_json(found)
        return
    rows = [
        (one["name"], _state(one), one["count"], one["counted_at"], one["description"])
        for one in found["segments"]
    ]
    show.table(("segment", "state", "customers", "counted", ""), rows, "there are no segments")


@segments_app.command(name="show")
def show_segment(name: str, /, *, connection: Connection = Connection()) -> None:
    """Show a segment: its rule in words, its state, and how many customers are in it now."""
    with connection.open() as client:
        found = client.get(f"/segments/{quoted(name)}")
    if connection.json:
        show.as_json(found)
        return
    show.facts(
        {
            "segment": found["name"],
            "description": found["description"],
            "state": _state(found),
            "customers": f"{found['count']:,}",
            "rule": found["words"],
            "used by": ", ".join(found["used_by"]),
        }
    )


@segments_app.command(name="count")
def count_segment(
    rule: str,
    /,
    *,
    breakdown: Annotated[bool, Parameter(negative="")] = False,
    connection: Connection = Connection(),
) -> None:
    """Count the customers that a rule holds for.

    Parameters
    ----------
    rule
        A segment's name, a file with a rule or a segment (`-` reads it from standard input), or
        the rule itself: `'{attribute: country, equals: KR}'`.
    breakdown
        Also tell for each condition how many pass it, and how many it decides for alone.
    """
    with connection.open() as client:
        body = {"rule": _rule(client, rule)}
        found = client.post("/segments/breakdown" if breakdown else "/segments/count", body)
    if connection.json:
        show.as_json(found)
        return
    for fault in found.get("warnings", []):
        show.line(f"warning: {fault['path']}: {fault['problem']}", "yellow")
    show.line(f"{found['count']:,}" + (f" of {found['total']:,}" if breakdown else ""))
    if breakdown:
        rows = [(one["condition"], one["passes"], one["alone"]) for one in found["conditions"]]
        show.table(("condition", "pass", "decided by it alone"), rows, "it has no conditions")


@segments_app.command(name="members")
def list_members(
    name: str,
    /,
    *,
    csv: Annotated[bool, Parameter(negative="")] = False,
    connection: Connection = Connection(),
) -> None:
    """Print every member of a segment: a line of JSON each, or CSV.

    Parameters
    ----------
    name
        The segment.
    csv
        Print CSV: `user_id,profile`.
    """
    with connection.open() as client:
        path = f"/segments/{quoted(name)}/members"
        for part in client.stream(path, format="csv" if csv else "ndjson"):
            sys.stdout.buffer.write(part)
    sys.stdout.flush()


@segments_app.command(name="overlap")
def show_overlap(a: str, b: str, /, *, connection: Connection = Connection()) -> None:
    """Tell how many customers two groups share.

    Parameters
    ----------
    a
        A segment's name, or a rule as `count` takes it.
    b
        Another.
    """
    with connection.open() as client:
        found = client.post("/segments/overlap", {"a": _rule(client, a), "b": _rule(client, b)})
    if connection.json:
        show.as_json(found)
        return
    rows = [("both", found["both"]), ("only the first", found["only_a"]),
            ("only the second", found["only_b"])]  # fmt: skip
    show.table(("in", "customers"), rows, "")


@segments_app.command(name="why")
def why_member(name: str, customer: str, /, *, connection: Connection = Connection()) -> None:
    """Say whether a customer is in a segment, and because of what.

    Parameters
    ----------
    name
        The segment.
    customer
        A user id (or `user:ID`), `anonymous:ID` or `profile:NUMBER`.
    """
    with connection.open() as client:
        found = client.get(f"/segments/{quoted(name)}/members/{quoted(customer)}")
    if connection.json:
        show.as_json(found)
        return
    show.sentence(found["reason"], "bold")
    rows = [(one["condition"], one["holds"], one["value"]) for one in found["conditions"]]
    show.table(("condition", "holds", "it is"), rows, "")


@segments_app.command(name="growth")
def show_growth(name: str, /, *, days: int = 30, connection: Connection = Connection()) -> None:
    """Show who entered and left a segment on each day, and how large it was.

    Parameters
    ----------
    name
        The segment.
    days
        How many, today the last of them; at most 366.
    """
    with connection.open() as client:
        found = client.get(f"/segments/{quoted(name)}/growth", days=days)
    if connection.json:
        show.as_json(found)
        return
    columns = ("day", "entered", "exited", "size")
    show.table(columns, [[day[one] for one in columns] for day in found["days"]], "")


@segments_app.command(name="export")
def export_segment(
    name: str,
    url: str,
    /,
    *,
    batch: int = 1000,
    attribute: Sequence[str] = (),
    hashed: Sequence[str] = (),
    wait: bool = True,
    connection: Connection = Connection(),
) -> int:
    """Send all members of a segment to a webhook, in signed batches.

    Parameters
    ----------
    name
        The segment.
    url
        The webhook's address.
    batch
        Members in a request.
    attribute
        An attribute that goes along; may be given again.
    hashed
        An attribute that goes along as SHA-256, as ad platforms take addresses.
    wait
        Wait until all is delivered or has failed; the server goes on without us.
    """
    body = {"url": url, "batch": batch, "attributes": attribute, "hashed": hashed}
    with connection.open() as client:
        made = client.post(f"/segments/{quoted(name)}/export", body)
        found = _follow(client, made) if wait and connection.data is None else made
    found = {**made, **found}
    if connection.json:
        show.as_json(found)
    else:
        show.facts({"signed with": found["signing_secret"]})
        _show_exports([found])
    return 1 if found["state"] == "failed" else 0


@segments_app.command(name="exports")
def list_exports(*, connection: Connection = Connection()) -> None:
    """List exports to webhooks, newest first, and how far they are."""
    with connection.open() as client:
        found = client.get("/exports")
    if connection.json:
        show.as_json(found)
        return
    _show_exports(found["exports"])


@lists_app.command(name="put")
def put_list(name: str, file: Path, /, *, connection: Connection = Connection()) -> int:
    """Make the customers of a CSV file those on a list, and nobody else.

    Parameters
    ----------
    name
        The list; it is made when there is none of that name.
    file
        Its first line names the columns, one of them `user_id`. Lines whose user id names no
        customer are refused: a list makes no customers.
    """
    content = content_of(file)
    with connection.open() as client:
        done = client.send_file("PUT", f"/lists/{quoted(name)}", content, "text/csv")
    if connection.json:
        show.as_json(done)
        return 1 if done["refused_lines"] else 0
    for one in done["refused"]:
        show.sentence(f"{file}:{one['line']}: {one['user_id']}: {one['problem']}", "yellow")
    show.line(
        f"{name}: {show.counted(done['members'], 'customer')}; {done['added']:,} added, "
        f"{done['removed']:,} removed, {show.counted(done['refused_lines'], 'line')} refused.",
        "yellow" if done["refused_lines"] else "green",
    )
    return 1 if done["refused_lines"] else 0


@lists_app.command(name="list")
def list_lists(*, connection: Connection = Connection()) -> None:
    """List all lists, and how many customers stand on each."""
    with connection.open() as client:
        found = client.get("/lists")
    if connection.json:
        show.as_json(found)
        return
    columns = ("name", "members", "uploaded_at", "by")
    rows = [[one[column] for column in columns] for one in found["lists"]]
    show.table(("list", "customers", "uploaded", "by"), rows, "no list was uploaded")


@lists_app.command(name="remove")
def remove_list(name: str, /, *, connection: Connection = Connection()) -> None:
    """Take everybody off a list and forget it. Refused while a definition asks for it.

    Parameters
    ----------
    name
        The list.
    """
    with connection.open() as client:
        client.delete(f"/lists/{quoted(name)}")
    if not connection.json:
        show.line(f"{name} is removed.", "green")


def _rule(client: Client, text: str) -> Any:
    """A rule by a segment's name, from a file or as it is written. Raises BadInput."""
    found = written_rule(text)
    return client.get(f"/segments/{quoted(text)}")["rule"] if found is None else found


def written_rule(text: str) -> Any:
    """A rule from a file or as it is written; None of a segment's name. Raises BadInput."""
    from harken.files.yaml import parse

    if text == "-":
        found = parse(sys.stdin.buffer.read(), "standard input").value
    elif text.lstrip().startswith("{"):
        found = parse(text, "the rule").value
    elif Path(text).suffix in (".yaml", ".yml", ".json") or Path(text).is_file():
        found = parse(content_of(Path(text)), text).value
    else:
        return None
    if not isinstance(found, dict):
        raise BadInput(f"{text[:60]!r} holds no rule; write {{attribute: country, equals: KR}}")
    return found.get("rule", found)


def _follow(client: Client, made: Mapping[str, Any]) -> Mapping[str, Any]:
    """The export once it has ended; what troubles it meanwhile is told."""
    found, told = made, ""
    while found["state"] in ("waiting", "running"):
        if found["trouble"] not in ("", told):
            told = found["trouble"]
            print(f"harken: {told}", file=sys.stderr, flush=True)
        time.sleep(LOOK_EVERY)
        found = client.get(f"/exports/{quoted(found['id'])}")
    return found


def _show_exports(exports: Sequence[Mapping[str, Any]]) -> None:
    columns = ("id", "segment", "state", "members", "batches", "url", "asked_at", "trouble")
    rows = [[one[column] for column in columns] for one in exports]
    show.table(columns, rows, "nothing was exported")


def _state(one: Mapping[str, Any]) -> str:
    if one["state"] == "warming":
        return f"warming, {one['progress']:.0%}"
    return str(one["state"])
