"""What can still be read of a value that has faults, so that more faults are found at once."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from harken.errors import Fault
from harken.files.reader import try_read

_ROUNDS = 20
"""Each takes away what the one before it left wrong; authors need two or three."""


class Remnant(NamedTuple):
    """A value without the keys that are wrong."""

    typed: Any
    """None when too little is left."""
    plain: Any
    """The same as it was written."""
    removed: list[str]
    """The paths of what was taken away."""
    faults: tuple[Fault, ...]
    """What is wrong with the whole."""


def readable(value: Any, type_: Any, *, path: str = "$") -> Remnant:
    """What can be read of `value` as a `type_`."""
    told = try_read(value, type_, path=path)[1]
    removed: list[str] = []
    for _ in range(_ROUNDS):
        typed, faults = try_read(value, type_, path=path)
        if not faults:
            return Remnant(typed, value, removed, told)
        for fault in faults:
            keys = _keys(value, fault.path, path)
            if keys is None:
                # It was taken away with another, or the whole is wrong.
                if fault.path == path:
                    return Remnant(None, value, removed, told)
                continue
            value = _without(value, keys)
            removed.append(fault.path)
    return Remnant(None, value, removed, told)


def beside(faults: Iterable[Fault], removed: Sequence[str]) -> list[Fault]:
    """The faults but those that say only that something was taken away."""
    return [fault for fault in faults if not any(_holds(fault.path, path) for path in removed)]


def _holds(outer: str, inner: str) -> bool:
    return inner.startswith(outer) and inner[len(outer) : len(outer) + 1] in ("", ".", "[")


def _keys(value: Any, path: str, root: str) -> list[str | int] | None:
    """The steps from `value` to the innermost key on a path; None when there is none."""
    keys: list[str | int] = []
    rest = path.removeprefix(root)
    while rest:
        step = _step(value, rest)
        if step is None:
            # A fault of a key that is missing stands at what lacks it.
            break
        key, rest = step
        value = value[key]
        keys.append(key)
    # Elements of a list keep their places, so that the paths of others stay true.
    while keys and isinstance(keys[-1], int):
        keys.pop()
    return keys or None


def _step(value: Any, rest: str) -> tuple[str | int, str] | None:
    if rest[0] == "[" and isinstance(value, list):
        number, _, after = rest[1:].partition("]")
        index = int(number) if number.isdecimal() else len(value)
        return (index, after) if index < len(value) else None
    if rest[0] == "." and isinstance(value, dict):
        for key in value:
            if rest.startswith(key, 1) and rest[1 + len(key) : 2 + len(key)] in ("", ".", "["):
                return key, rest[1 + len(key) :]
    return None


def _without(value: Any, keys: Sequence[str | int]) -> Any:
    """A copy of `value` that lacks the key at the end of the way."""
    key, rest = keys[0], keys[1:]
    if isinstance(value, list):
        return [_without(one, rest) if place == key else one for place, one in enumerate(value)]
    if not rest:
        return {name: one for name, one in value.items() if name != key}
    return {**value, key: _without(value[key], rest)}
