"""Where something else than a number was ever written: in which keys of events, and of customers.

DuckDB reads a number quickest when it need not look whether it is one. So history keeps the keys
under which there was anything else, ever; under all others there are only numbers. Of a key a hash
is kept, because clients choose keys, and a customer who is forgotten may have been named in one.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

ANYWHERE = 0
"""Stands for all keys there are."""
_NUMBERS = frozenset({int, float, type(None)})


def other_than_numbers(column: str, objects: Iterable[Mapping[str, Any]]) -> list[int]:
    """The marks of the keys under which an object of this column has no number and is not null."""
    # One loop in C's pace: it sees every property of every event.
    keys = {key for one in objects for key, value in one.items() if type(value) not in _NUMBERS}
    return [mark(column, key) for key in keys]


@lru_cache(maxsize=4_096)
def mark(column: str, key: str) -> int:
    """What stands for a key of `events.props` or `profiles.attributes`: 63 bits, not 0."""
    text = f"{column}\0{key}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") >> 1 or 1
