"""Rows as Arrow columns: the form that DuckDB takes fastest, for it need not parse them.

Arrow's layout: https://arrow.apache.org/docs/format/Columnar.html
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import nanoarrow

from harken.history.columns import Kind, Packed, ends


def tables(
    kinds: Mapping[str, Kind], columns: Sequence[Packed], rows: int, at_once: int, which: slice
) -> Iterator[Any]:
    """Arrow arrays of so many rows at most, for `register`, of `which` of the rows.

    They share the bytes of the columns.
    """
    types = {name: getattr(nanoarrow, kind.type)() for name, kind in kinds.items()}
    buffers = [
        [None, *column] if len(column) == 1 else [None, ends(column, rows), column[1]]
        for column in columns
    ]
    schema = nanoarrow.struct(types)
    first, stop, _ = which.indices(rows)
    for start in range(first, stop, at_once):
        size = min(at_once, stop - start)
        children = [
            nanoarrow.c_array_from_buffers(type, size, column, offset=start)
            for type, column in zip(types.values(), buffers, strict=True)
        ]
        yield nanoarrow.c_array_from_buffers(schema, size, [None], children=children)
