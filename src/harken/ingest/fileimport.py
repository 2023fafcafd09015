"""Reads files for `harken import`: the spec's events one a line, or CSV with a column mapping.

Streaming: a file is read in chunks that fit one request, each acknowledged before the next is
read, and a small state file remembers how far it came. Every event has a message id made from the
file's content and its line, so a chunk sent again after a crash counts once, while two equal rows
are two events.
"""

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct, field

from harken import clock, ids
from harken.errors import BadInput
from harken.ingest import mending, protocol
from harken.values import ZoneName, zone

CHUNK_EVENTS = 500
CHUNK_BYTES = 400 * 1024
# Refused lines remembered in the state file; more are only counted.
_REFUSED_KEPT = 1000


class Column(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where a value comes from."""

    column: str
    """The column's name in the header."""
    type: Literal["text", "int", "number", "boolean"] = "text"
    format: str | None = None
    """Of a time: as for strptime, or `seconds` or `milliseconds` since 1970. None is ISO 8601."""
    default: str | None = None
    """Taken when the field is empty; without it an empty field is left out."""


class Mapping(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A mapping file: how the columns of a CSV file become events."""

    format: Literal["csv"] = "csv"
    delimiter: str = ","
    """One character, or `whitespace` for runs of blanks."""
    header: list[str] | None = None
    """The columns' names, when the first line does not hold them."""
    timezone: ZoneName = ZoneName("UTC")
    """Of times written without an offset."""
    type: Literal["track", "identify"] = "track"
    event: str | None = None
    """The name of every event, for `track`."""
    event_column: Column | None = None
    """Or the column that holds it."""
    user_id: Column | None = None
    anonymous_id: Column | None = None
    message_id: Column | None = None
    timestamp: Column | None = None
    properties: dict[str, Column] = field(default_factory=dict)
    traits: dict[str, Column] = field(default_factory=dict)


class RefusedLine(Struct, frozen=True):
    """A line that is no event, and why."""

    line: int
    reason: str


class Progress(Struct, kw_only=True):
    """How far an import came; also what its state file holds."""

    position: int = 0
    """Bytes of the file read and acknowledged."""
    line: int = 0
    sent: int = 0
    """Events acknowledged."""
    refused_count: int = 0
    refused: list[RefusedLine] = field(default_factory=list)
    """The first of the lines refused."""

    def refuse(self, lines: Sequence[RefusedLine]) -> None:
        self.refused_count += len(lines)
        self.refused += lines[: max(0, _REFUSED_KEPT - len(self.refused))]


class Chunk(Struct):
    """Some events of the file, to be sent in one request."""

    items: list[bytes]
    lines: list[int]
    """The line of each item, counted from 1."""
    refused: list[RefusedLine]
    position: int
    """The byte after the last line read."""
    line: int

    def body(self) -> bytes:
        """The request for `/v1/import`."""
        return b'{"batch":[' + b",".join(self.items) + b"]}"


class _Line(NamedTuple):
    number: int
    end: int
    """The byte after it."""
    item: bytes
    problem: str


_Send = Callable[[bytes], Sequence[tuple[int, str]]]
"""Sends a request's body; (index, reason) of the events that the server refused."""


def fingerprint(path: Path) -> str:
    """Stands for the file's content."""
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def finished(path: Path, state: Path) -> Progress | None:
    """How the import of a file ended that was read to its end before; None while there is more."""
    progress = _kept(state / f"{fingerprint(path)}.json")
    return progress if 0 < path.stat().st_size <= progress.position else None


def _kept(checkpoint: Path) -> Progress:
    if not checkpoint.exists():
        return Progress()
    return msgspec.json.decode(checkpoint.read_bytes(), type=Progress)


def run(path: Path, mapping: Mapping | None, state: Path, send: _Send) -> Iterator[Progress]:
    """Import a file, going on where an earlier run of the same file stopped.

    `state` is the folder for the state file. Yields after each acknowledged chunk, and at least
    once. What `send` raises ends the run; the next one repeats that chunk.
    """
    mark = fingerprint(path)
    checkpoint = state / f"{mark}.json"
    progress = _kept(checkpoint)
    for chunk in chunks(path, mapping, mark, progress.position, progress.line):
        answered = send(chunk.body()) if chunk.items else []
        progress.refuse(chunk.refused)
        progress.refuse([RefusedLine(chunk.lines[index], reason) for index, reason in answered])
        progress.sent += len(chunk.items) - len(answered)
        progress.position, progress.line = chunk.position, chunk.line
        _save(checkpoint, progress)
        yield progress
    yield progress


def _save(checkpoint: Path, progress: Progress) -> None:
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    fresh = checkpoint.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.encode(progress))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(checkpoint)


def chunks(
    path: Path, mapping: Mapping | None, mark: str, position: int = 0, line: int = 0
) -> Iterator[Chunk]:
    """The events of a file from a byte position (after `line` lines) on.

    Without a mapping each line is an event in the spec's form. `mark` goes into message ids.
    """
    lines = _ndjson(path, mark, position, line)
    if mapping is not None:
        lines = _csv(path, mapping, mark, position, line)
    chunk, size = Chunk([], [], [], position, line), 0
    for found in lines:
        if len(chunk.items) == CHUNK_EVENTS or size + len(found.item) > CHUNK_BYTES:
            yield chunk
            chunk, size = Chunk([], [], [], chunk.position, chunk.line), 0
        if found.problem:
            chunk.refused.append(RefusedLine(found.number, found.problem))
            if len(chunk.refused) >= _REFUSED_KEPT:
                size = CHUNK_BYTES
        elif found.item:
            chunk.items.append(found.item)
            chunk.lines.append(found.number)
            size += len(found.item) + 1
        chunk.position, chunk.line = found.end, found.number
    if chunk.position > position or chunk.refused:
        yield chunk


def _message_id(mark: str, line: int) -> str:
    return ids.derived_id("import", mark, line)


def _problem(item: bytes) -> str:
    """Why the server would refuse this event, or nothing."""
    reader = protocol.Reader(clock.LATEST)
    _, rejected = reader.read([item], mending.odd(item))
    return f"{rejected[0].path}: {rejected[0].reason}" if rejected else ""


def _ndjson(path: Path, mark: str, position: int, number: int) -> Iterator[_Line]:
    with path.open("rb") as file:
        file.seek(position)
        # A line without end must not fill the memory: it is read, and refused, in pieces.
        while text := file.readline(protocol.EVENT_BYTES + 2):
            number += 1
            position += len(text)
            whole = text.endswith(b"\n") or len(text) < protocol.EVENT_BYTES + 2
            while not whole and (rest := file.readline(1 << 20)):
                position += len(rest)
                whole = rest.endswith(b"\n")
                text = text[: protocol.EVENT_BYTES + 2]
            item = text.strip()
            problem = _problem(item) if item else ""
            if item and not problem:
                # First, so that the line's own message id, if it has one, holds.
                own = b'{"messageId":"' + _message_id(mark, number).encode() + b'",'
                item = own + item[item.index(b"{") + 1 :]
            yield _Line(number, position, item, problem)


class _Counted:
    """The text lines of a file, counting the bytes taken: csv may take several for one row."""

    def __init__(self, path: Path, position: int) -> None:
        self.position = position
        self._file = path.open("rb")
        self._file.seek(position)

    def __iter__(self) -> Iterator[str]:
        with self._file:
            for text in self._file:
                self.position += len(text)
                yield text.decode("utf-8-sig", "replace")


def _csv(path: Path, mapping: Mapping, mark: str, position: int, number: int) -> Iterator[_Line]:
    names = mapping.header or _first_row(path, mapping)
    _check_columns(mapping, names)
    counted = _Counted(path, position)
    started = number
    rows = _rows(counted, mapping)
    for row, taken in rows:
        number = started + taken
        if number == 1 and mapping.header is None and position == 0:
            yield _Line(1, counted.position, b"", "")
            continue
        item, problem = b"", ""
        if any(row):
            try:
                item = _event(mapping, dict(zip(names, row, strict=False)), mark, number)
                problem = _problem(item)
            except ValueError as error:
                problem = str(error)
        yield _Line(number, counted.position, item, problem)


def _rows(counted: _Counted, mapping: Mapping) -> Iterator[tuple[list[str], int]]:
    """Rows, each with the number of lines taken so far."""
    if mapping.delimiter == "whitespace":
        for taken, text in enumerate(counted, start=1):
            yield text.split(), taken
        return
    reader = csv.reader(iter(counted), delimiter=mapping.delimiter)
    for row in reader:
        yield row, reader.line_num


def _first_row(path: Path, mapping: Mapping) -> list[str]:
    for row, _ in _rows(_Counted(path, 0), mapping):
        return [name.strip() for name in row]
    raise BadInput(f"{path} is empty")


def _columns(mapping: Mapping) -> Iterator[Column]:
    named = ("event_column", "user_id", "anonymous_id", "message_id", "timestamp")
    yield from (column for name in named if (column := getattr(mapping, name)) is not None)
    yield from mapping.properties.values()
    yield from mapping.traits.values()


def _check_columns(mapping: Mapping, names: list[str]) -> None:
    if mapping.delimiter != "whitespace" and len(mapping.delimiter) != 1:
        raise BadInput("delimiter: one character, or `whitespace`")
    for column in _columns(mapping):
        if column.column not in names:
            raise BadInput(f"there is no column {column.column!r}; there are {', '.join(names)}")


def _event(mapping: Mapping, row: dict[str, str], mark: str, number: int) -> bytes:
    event: dict[str, Any] = {"type": mapping.type, "messageId": _message_id(mark, number)}
    if mapping.event is not None:
        event["event"] = mapping.event
    texts = {
        "event": mapping.event_column,
        "userId": mapping.user_id,
        "anonymousId": mapping.anonymous_id,
        "messageId": mapping.message_id,
    }
    for key, column in texts.items():
        if column is not None and (text := _text(column, row)) is not None:
            event[key] = text
    if mapping.timestamp is not None and (text := _text(mapping.timestamp, row)) is not None:
        event["timestamp"] = clock.iso(_instant(mapping, mapping.timestamp, text))
    for part, columns in (("properties", mapping.properties), ("traits", mapping.traits)):
        if columns:
            values = {key: _value(column, row) for key, column in columns.items()}
            event[part] = {key: value for key, value in values.items() if value is not None}
    return msgspec.json.encode(event)


def _text(column: Column, row: dict[str, str]) -> str | None:
    return row.get(column.column, "").strip() or column.default


def _value(column: Column, row: dict[str, str]) -> object:
    text = _text(column, row)
    if text is None or column.type == "text":
        return text
    try:
        if column.type == "int":
            return int(text)
        if column.type == "number":
            return float(text)
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[
            text.lower()
        ]
    except (ValueError, KeyError):
        raise ValueError(f"column {column.column}: {text[:40]!r} is no {column.type}") from None


def _instant(mapping: Mapping, column: Column, text: str) -> int:
    problem = f"column {column.column}: {text[:40]!r} is no time of the form"
    try:
        if column.format in ("seconds", "milliseconds"):
            return int(float(text) * (clock.SECOND if column.format == "seconds" else 1))
        if column.format is None:
            at = datetime.fromisoformat(text)
        else:
            at = datetime.strptime(text, column.format)
    except (ValueError, OverflowError):
        raise ValueError(f"{problem} {column.format or 'ISO 8601'}") from None
    if at.tzinfo is not None:
        return clock.from_datetime(at)
    local = zone(mapping.timezone)
    if local is None:
        raise ValueError(f"there is no time zone {mapping.timezone!r}")
    return clock.from_local(at, local)
