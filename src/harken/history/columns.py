"""Rows as Arrow columns: the form that DuckDB takes fastest, for it need not parse them.

Building them holds Python's lock, which the engine's loop wants too, so each column is made by few
calls that work in C. Arrow's layout: https://arrow.apache.org/docs/format/Columnar.html
"""

from array import array
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import nanoarrow


class Column(NamedTuple):
    """Values of one type, none of them null: the type, and Arrow's buffers but for the first."""

    type: Any
    rows: int
    buffers: tuple[Any, ...]


def integers(values: Sequence[int]) -> Column:
    """A BIGINT column. Raises OverflowError beyond 64 bits."""
    return Column(nanoarrow.int64(), len(values), (array("q", values),))


def floats(values: Sequence[float]) -> Column:
    """A DOUBLE column."""
    return Column(nanoarrow.float64(), len(values), (array("d", values),))


def texts(values: Sequence[str]) -> Column:
    """A VARCHAR column."""
    together = "".join(values)
    if together.isascii():
        return _strings(values, together.encode())
    return utf8([value.encode() for value in values])


def utf8(values: Sequence[bytes]) -> Column:
    """A VARCHAR column of text that is encoded already."""
    return _strings(values, b"".join(values))


def _strings(values: Sequence[str] | Sequence[bytes], together: bytes) -> Column:
    # Most columns of most rows are empty.
    ends = accumulate(map(len, values), initial=0) if together else bytes(4 * len(values) + 4)
    offsets = array("i", ends)
    return Column(nanoarrow.string(), len(values), (offsets, together))


def table(columns: Mapping[str, Column]) -> Any:
    """An Arrow array of rows, for `register`. The columns are of one length."""
    rows = next(iter(columns.values())).rows
    children = [
        nanoarrow.c_array_from_buffers(column.type, column.rows, [None, *column.buffers])
        for column in columns.values()
    ]
    schema = nanoarrow.struct({name: column.type for name, column in columns.items()})
    return nanoarrow.c_array_from_buffers(schema, rows, [None], children=children)
