"""Events from files, and events that were refused."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter
from msgspec.structs import replace

from harken.cli import show
from harken.cli.client import Ask, Connection, Transport, basic, content_of, problem
from harken.errors import BadDefinition, BadInput, HarkenError, Unavailable

if TYPE_CHECKING:
    from harken.ingest import fileimport
    from harken.ingest.fileimport import Mapping, Progress

SHOWN = 20
LEAST_MEMORY = 16
WIDEST = 120
"""Characters of a refused event in the table; `--json` has more."""
PATIENCE = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Seconds between tries while the server does not take more; a longer `Retry-After` counts."""


def import_file(
    file: Path,
    /,
    *,
    mapping: Path | None = None,
    write_key: Annotated[str, Parameter(env_var="HARKEN_WRITE_KEY", show_default=False)] = "",
    again: Annotated[bool, Parameter(negative="")] = False,
    state: Path | None = None,
    memory: int = 200,
    connection: Connection = Connection(),
) -> int:
    """Import events from a file. They change customers and history, and start no journey.

    An import that was broken off goes on where it stopped when it is run again.

    Parameters
    ----------
    file
        NDJSON: a Segment call on each line. With a mapping, CSV.
    mapping
        A YAML file that says which column of a CSV file becomes what.
    write_key
        The write key that lets events in.
    again
        Forget how far an earlier import of this file came.
    state
        The folder that remembers how far imports came, and holds the events of a large file
        sorted meanwhile; by default one of your own.
    memory
        Megabytes that sorting may take.
    """
    from harken.ingest import fileimport

    mapped = _mapping(mapping) if mapping is not None else None
    if not file.is_file():
        raise BadInput(f"{file} is no file")
    folder = _state_folder(connection, mapping, state)
    try:
        if again:
            (folder / f"{fileimport.fingerprint(file)}.json").unlink(missing_ok=True)
        done = fileimport.finished(file, folder)
        if done is not None:
            _report(done, connection, already=True)
            return 0
        with connection.transport() as transport:
            send = _sender(transport, write_key)
            limits = fileimport.Limits(memory=_bytes(memory), in_flight=transport.in_flight)
            steps = fileimport.run(file, mapped, folder, send, limits)
            progress = _run(steps, file, connection.json)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be imported: {error}") from None
    _report(progress, connection)
    return 1 if progress.refused_count else 0


def _bytes(memory: int) -> int:
    if memory < LEAST_MEMORY:
        raise BadInput(f"--memory {memory}: {LEAST_MEMORY} megabytes are the least")
    return memory << 20


def _mapping(path: Path) -> "Mapping":
    from harken.files import yaml
    from harken.files.reader import read
    from harken.ingest.fileimport import Mapping

    document = yaml.parse(content_of(path), path.name)
    try:
        return read(document.value, Mapping)
    except BadDefinition as bad:
        raise BadDefinition(
            [replace(one, file=path.name, line=document.line(one.path)) for one in bad.faults]
        ) from None


def _state_folder(connection: Connection, mapping: Path | None, given: Path | None) -> Path:
    """How far a file came is remembered for each server and mapping."""
    import os

    from harken.ids import derived_id

    base = given or Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    where = connection.data.resolve() if connection.data is not None else connection.server
    how = mapping.read_bytes().hex() if mapping is not None else ""
    return (base if given else base / "harken" / "imports") / derived_id(where, how)


def _sender(transport: Transport, write_key: str) -> Callable[[bytes], Sequence[tuple[int, str]]]:
    authorization = transport.write_authorization or basic(write_key)
    if not authorization:
        raise BadInput("a write key is needed: --write-key, or HARKEN_WRITE_KEY")

    def send(body: bytes) -> Sequence[tuple[int, str]]:
        for pause in (*PATIENCE, None):
            try:
                return _sent(transport, body, authorization)
            except _Later as later:
                if pause is None:
                    raise Unavailable(f"{later}; run the same command again later") from None
                time.sleep(max(pause, later.seconds))
        return []

    return send


class _Later(HarkenError):
    """The server takes no more just now."""

    def __init__(self, text: str, seconds: float) -> None:
        super().__init__(text)
        self.seconds = seconds


def _sent(transport: Transport, body: bytes, authorization: str) -> list[tuple[int, str]]:
    answer = transport.send(Ask("POST", "/v1/import", authorization, body=body))
    if answer.status in (429, 503):
        seconds = answer.retry_after
        raise _Later(
            f"the server answers {answer.status}", float(seconds) if seconds.isdigit() else 0
        )
    if answer.status != 200:
        found = msgspec.json.decode(answer.body) if "json" in answer.content_type else {}
        if isinstance(found, dict) and "message" in found:
            raise BadInput(f"{found['message']} (at {found.get('path', '$')})")
        raise problem(answer)
    rejected = msgspec.json.decode(answer.body).get("rejected", [])
    return [(one["index"], f"{_in_event(one['path'])}: {one['reason']}") for one in rejected]


def _in_event(path: str) -> str:
    """Of `$.batch[7].userId` what tells of the event."""
    return "$" + path.partition("]")[2] if path.startswith("$.batch[") else path


def _run(steps: "Iterator[Progress]", file: Path, quiet: bool) -> "Progress":
    with _bar(file, quiet) as advance:
        for progress in steps:
            advance(progress)
    return progress


@contextmanager
def _bar(file: Path, quiet: bool) -> "Iterator[Callable[[Progress], None]]":
    """A progress bar on standard error, one after another for each stage."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[count]}", markup=False),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True, markup=False)
    with Progress(*columns, console=console, disable=quiet) as bar:
        name = show.clean(file.name)
        tasks = {}

        def advance(one: "fileimport.Progress") -> None:
            if one.stage == "done":
                return
            if one.stage not in tasks:
                tasks[one.stage] = bar.add_task("", total=1, count="")
            sorting = one.stage == "sorting"
            bar.update(
                tasks[one.stage],
                description=f"{name}, {one.stage}",
                count=f"{one.line:,} lines" if sorting else f"{one.sent:,} events",
                completed=one.done if one.total else 1,
                total=one.total or 1,
            )

        yield advance


def _report(progress: "Progress", connection: Connection, *, already: bool = False) -> None:
    if connection.json:
        show.as_json(
            {
                "imported": progress.sent,
                "refused": progress.refused_count,
                "lines": progress.line,
                "refused_lines": progress.refused,
                "already": already,
            }
        )
        return
    if already:
        said = "This file was imported already, and nothing was sent now (--again imports it anew):"
        show.line(said, "yellow")
    show.line(f"{show.counted(progress.sent, 'event')} imported.", "green")
    if not progress.refused_count:
        return
    show.line(f"{show.counted(progress.refused_count, 'line')} refused:", "red")
    for one in progress.refused[:SHOWN]:
        show.line(f"  line {one.line}: {one.reason}")
    if progress.refused_count > SHOWN:
        show.line(f"  and {progress.refused_count - SHOWN:,} more; --json lists them", "dim")


def rejected(
    *,
    limit: int = 100,
    before: int | None = None,
    connection: Connection = Connection(),
) -> None:
    """List the events that were refused, and why, newest first.

    Parameters
    ----------
    limit
        How many, at most 500.
    before
        The number of the last one seen, for the next page.
    """
    with connection.open() as client:
        page: dict[str, Any] = client.get("/rejected", limit=limit, before=before)
    if connection.json:
        show.as_json(page)
        return
    columns = ("at", "key", "path", "reason", "excerpt")
    rows = [[str(row[name])[:WIDEST] for name in columns] for row in page["rejected"]]
    show.table(columns, rows, "nothing was refused")
    if page.get("next"):
        show.line(f"more: --before {page['next']}", "dim")
