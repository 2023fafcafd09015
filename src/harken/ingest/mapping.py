"""The mapping file of `harken import`: how the rows of a CSV file become events."""

import csv
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, field

from harken import clock
from harken.errors import BadInput
from harken.ingest.lines import Line
from harken.values import ZoneName


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


def rows(path: Path, mapping: Mapping, position: int = 0, number: int = 0) -> Iterator[Line]:
    """The rows of a file from a byte position (after `number` lines) on, as events or problems.

    Raises BadInput when the mapping names columns that the file has not.
    """
    names = mapping.header or _first_row(path, mapping)
    _check_columns(mapping, names)
    counted = _Counted(path, position)
    started = number
    for row, taken in _rows(counted, mapping):
        number = started + taken
        item, problem = b"", ""
        if any(row) and not (number == 1 and mapping.header is None and position == 0):
            try:
                item = _event(mapping, dict(zip(names, row, strict=False)))
            except ValueError as error:
                problem = str(error)
        yield Line(number, counted.position, item, problem)


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


def _event(mapping: Mapping, row: dict[str, str]) -> bytes:
    event: dict[str, Any] = {"type": mapping.type}
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
    try:
        found = _moment(mapping, column.format, text)
        if clock.EARLIEST <= found <= clock.LATEST:
            return found
    except (ValueError, OverflowError):
        pass
    form = column.format or "ISO 8601"
    raise ValueError(f"column {column.column}: {text[:40]!r} is no time of the form {form}")


def _moment(mapping: Mapping, form: str | None, text: str) -> int:
    if form in ("seconds", "milliseconds"):
        return int(float(text) * (clock.SECOND if form == "seconds" else 1))
    at = datetime.fromisoformat(text) if form is None else datetime.strptime(text, form)
    if at.tzinfo is not None:
        return clock.from_datetime(at)
    return clock.from_local(at, ZoneInfo(mapping.timezone))
