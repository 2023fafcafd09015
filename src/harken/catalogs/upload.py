"""A file of items, line by line: CSV, or NDJSON. All that is wrong is told at once, by line."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from harken.catalogs.items import Item
from harken.errors import BadInput, BadLines
from harken.people.traits import LONGEST_ID, id_of

if TYPE_CHECKING:
    import _csv

MOST_TOLD = 20
MOST_FIELDS = 100
LONGEST_NAME = 64
LONGEST_HEAD = 20_000
ITEM_BYTES = 16_384
# As JSON writes numbers, without exponents, and few enough digits that a double holds them: a
# postcode with a leading zero stays a text.
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?\Z", re.ASCII)

Row = tuple[str, bytes | None]

_encode = msgspec.json.Encoder(order="sorted").encode


class Form(Struct, frozen=True, kw_only=True):
    """How a file is written."""

    csv: bool
    id: str = "id"
    """The column or field that holds the items' ids."""
    text: Sequence[str] = ()
    """Of CSV: columns whose values stay texts, whatever they look like."""


class Line(Struct, frozen=True):
    """An item as a line has it."""

    number: int
    id: str
    fields: Item
    """Without its id. Of a change, None takes a field away."""


def read(body: bytes, form: Form) -> Iterator[Line]:
    """The items of a file, each id once. Raises BadInput; BadLines at its end, if any are wrong."""
    told: list[str] = []
    more = 0
    seen: dict[str, int] = {}
    for number, found in _cells(body, form) if form.csv else _ndjson(body):
        problem = found if isinstance(found, str) else ""
        if not isinstance(found, str):
            id = id_of(found.pop(form.id, None))
            problem = _problem(id, found, form, seen)
            if id is not None and not problem:
                seen[id] = number
                yield Line(number, id, found)
                continue
        if len(told) < MOST_TOLD:
            told.append(f"line {number}: {problem}")
        else:
            more += 1
    if told:
        raise BadLines(told, more)
    if not seen:
        raise BadInput("there is no item in the file; a file does not empty a catalog")


def rows(lines: Iterable[Line]) -> Iterator[Row]:
    """Lines as a catalog stores them."""
    for line in lines:
        yield line.id, encoded(_stated(line.fields))


def changed_rows(lines: Iterable[Line], find: Callable[[str], Item]) -> Iterator[Row]:
    """Items with some fields exchanged: `find` answers the fields that an item has now."""
    for line in lines:
        body = encoded(_stated({**find(line.id), **line.fields}))
        if len(body) > ITEM_BYTES:
            raise BadLines([f"line {line.number}: with it, {line.id} would have {_size(body)}"])
        yield line.id, body


def encoded(fields: Item) -> bytes:
    """Fields as JSON, the same bytes whatever their order."""
    return _encode(fields)


def _stated(fields: Item) -> Item:
    return {name: value for name, value in fields.items() if value is not None}


def _problem(id: str | None, fields: Item, form: Form, seen: dict[str, int]) -> str:
    if id is None or not id.isprintable() or id != id.strip():
        where = "column" if form.csv else "field"
        return (
            f"no id in the {where} `{form.id}`: a text of 1 to {LONGEST_ID} printable characters"
            " (or a whole number), without blanks around it; --id-column names another"
        )
    if id in seen:
        return f"{id} stands in line {seen[id]} already"
    if len(fields) > MOST_FIELDS:
        return f"{len(fields)} fields; an item has at most {MOST_FIELDS}"
    for name in fields:
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            return f"{name[:40]!r} is no name of a field: 1 to {LONGEST_NAME} printable characters"
    try:
        body = encoded(fields)
    except (UnicodeEncodeError, OverflowError, ValueError) as wrong:
        return f"a value cannot be stored: {wrong}"
    return f"{_size(body)}" if len(body) > ITEM_BYTES else ""


def _size(body: bytes) -> str:
    return f"{len(body):,} bytes; an item has at most {ITEM_BYTES:,}"


def _ndjson(body: bytes) -> Iterator[tuple[int, Item | str]]:
    for number, line in enumerate(io.BytesIO(body), start=1):
        if not line.strip():
            continue
        try:
            found = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as wrong:
            yield number, f"no JSON: {wrong}"
            continue
        yield number, found if isinstance(found, dict) else "no JSON object"


def delimiter_of(head: str) -> str:
    """What stands between the columns of a CSV file with this first line."""
    return max(",;\t", key=head.count)


@contextmanager
def reading_csv(body: bytes) -> Iterator["_csv.Reader"]:
    """The rows of a CSV file. Raises BadInput, also in reading them, for what is no such file.

    Strictly: a quote that is not closed would make all lines after it one cell.
    """
    text = io.TextIOWrapper(io.BytesIO(body), "utf-8-sig", newline="")
    reader = csv.reader(text)
    try:
        head = text.readline(LONGEST_HEAD)
        text.seek(0)
        reader = csv.reader(text, delimiter=delimiter_of(head), strict=True)
        yield reader
    except UnicodeDecodeError:
        raise BadInput("the file is no UTF-8 text; save it as CSV UTF-8") from None
    except csv.Error as wrong:
        raise BadInput(f"line {reader.line_num} is no CSV: {wrong}") from None


def _cells(body: bytes, form: Form) -> Iterator[tuple[int, Item | str]]:
    """Each line's cells as JSON would have them. Raises BadInput for what is no CSV at all."""
    with reading_csv(body) as reader:
        columns = [column.strip() for column in next(reader, [])]
        _check_head(columns, form)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(columns):
                yield reader.line_num, f"{len(cells)} cells for {len(columns)} columns"
                continue
            pairs = zip(columns, cells, strict=False)
            yield (
                reader.line_num,
                {
                    column: value
                    for column, cell in pairs
                    if column and (value := _cell(column, cell.strip(), form)) is not None
                },
            )


def _check_head(columns: Sequence[str], form: Form) -> None:
    shown = ", ".join(f"`{column[:40]}`" for column in columns[:20] if column) or "none"
    named = [column for column in columns if column]
    for column in (form.id, *form.text):
        if column not in named:
            hint = "; name the column of the ids with --id-column" if column == form.id else ""
            raise BadInput(
                f"the first line names the columns; there is no `{column}` in: {shown}{hint}"
            )
    twice = sorted({column for column in named if named.count(column) > 1})
    if twice:
        raise BadInput(f"two columns are called `{twice[0][:40]}`")


def _cell(column: str, cell: str, form: Form) -> Any:
    """A cell's value: number, flag, JSON list or object, else the text; None of an empty one."""
    if not cell:
        return None
    if column == form.id or column in form.text:
        return cell
    if cell in ("true", "false", "TRUE", "FALSE"):
        return cell.lower() == "true"
    if _NUMBER.match(cell):
        return float(cell) if "." in cell else int(cell)
    if cell[0] in "[{":
        try:
            return msgspec.json.decode(cell)
        except (msgspec.DecodeError, RecursionError):
            return cell
    return cell
