"""Columns packed into bytes, as they travel from the engine to DuckDB.

Packing holds Python's lock, which others want too, so a column is packed by few calls that work in
C, and never made objects of again: whoever takes it over joins bytes (`arrow`).
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from struct import pack
from typing import Any, NamedTuple

Packed = list[bytes]
"""Of numbers their bytes; of texts how many bytes each has (32 bits), and all of them as UTF-8.
Both are empty where all texts are."""
_LENGTH = 4


class Kind(NamedTuple):
    """What a column holds: Arrow's name of its type, and how values are packed."""

    type: str
    pack: Callable[[Sequence[Any]], Packed]


def _integers(values: Sequence[int]) -> Packed:
    if _alike(values):
        return [array("q", values[:1]).tobytes() * len(values)]
    return [array("q", values).tobytes()]


def _floats(values: Sequence[float]) -> Packed:
    return [array("d", values).tobytes()]


def _flags(values: Sequence[bool]) -> Packed:
    return [bytes(values)]


def _texts(values: Sequence[str]) -> Packed:
    if _alike(values):
        text = values[0].encode()
        return [pack("i", len(text)) * len(values) if text else b"", text * len(values)]
    together = "".join(values)
    if together.isascii():
        return _strings(values, together.encode())
    return _encoded([value.encode() for value in values])


def _encoded(values: Sequence[bytes]) -> Packed:
    return _strings(values, b"".join(values))


def _strings(values: Sequence[str] | Sequence[bytes], together: bytes) -> Packed:
    # Most columns of most rows are empty. An array made of these numbers takes twice as long.
    return [pack(f"{len(values)}i", *map(len, values)) if together else b"", together]


def _alike(values: Sequence[Any]) -> bool:
    """Whether they are all the same, as much is in the rows of a broadcast."""
    # Looking at all of them costs a tenth of packing them, but at first and last next to nothing.
    return bool(values) and values[0] == values[-1] and values.count(values[0]) == len(values)


INTEGERS = Kind("int64", _integers)
"""64 bits; OverflowError beyond them."""
FLOATS = Kind("float64", _floats)
FLAGS = Kind("int8", _flags)
TEXTS = Kind("string", _texts)
ENCODED = Kind("string", _encoded)
"""Text that is UTF-8 already."""


def joined(parts: Sequence[tuple[int, Packed]]) -> Packed:
    """Columns of a kind, each with its number of rows, as one."""
    if len(parts[0][1]) == 1:
        return [b"".join([column[0] for _, column in parts])]
    lengths = [column[0] or bytes(_LENGTH * rows) for rows, column in parts]
    return [b"".join(lengths), b"".join([column[1] for _, column in parts])]


def ends(column: Packed, rows: int) -> "memoryview[int]":
    """Where each text of a column begins, and the last one ends."""
    lengths, text = column
    found = bytes(_LENGTH * (rows + 1))
    if text:
        found = pack(f"{rows + 1}i", *accumulate(memoryview(lengths).cast("i"), initial=0))
    return memoryview(found).cast("i")


def texts_of(column: Packed, rows: int) -> Iterator[bytes]:
    """The texts of a column, for who must look at each."""
    places = ends(column, rows)
    for place in range(rows):
        yield column[1][places[place] : places[place + 1]]
