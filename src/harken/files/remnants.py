"""What can still be read of a value that has faults, so that more faults are found at once."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from msgspec import structs

from harken.errors import Fault
from harken.files.reader import try_read
from harken.values import Name

ANYBODY: dict[str, Any] = {"bucket": "-", "from": 0, "to": 9_999}
INSTEAD: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("rule", "audience", "when", "not", "exit_when"), ANYBODY),
    "entry": {"api": True},
}
"""By the key of a rule or an entry: what one that is wrong gives way to."""
STEPS = ("steps", "then", "otherwise")
ELEMENTS: dict[str, dict[str, Any]] = {
    "all": ANYBODY,
    "any": ANYBODY,
    **{key: {"wait_for": [{"event": "-"}], "at_most": "1s"} for key in STEPS},
    "branch": {"when": ANYBODY, "then": []},
    "wait_for": {"event": "-"},
}
"""By the key of a list: what an element of it gives way to, for the sake of its neighbours."""
_ROUNDS = 20
"""Each takes away what the one before it left wrong; authors need two or three."""


class Remnant(NamedTuple):
    """A value without the keys that are wrong, or with something harmless in their places."""

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
    typed, told = try_read(value, type_, path=path)
    faults, removed = told, list[str]()
    for _ in range(_ROUNDS):
        if not faults:
            return Remnant(typed, value, removed, told)
        for fault in faults:
            keys = _keys(value, fault.path, path)
            if keys is None:
                # It was taken away with another, or the whole is wrong.
                if fault.path == path and not _lacks_entry(value, type_):
                    return Remnant(None, value, removed, told)
                if fault.path == path:
                    value = {**value, "entry": INSTEAD["entry"]}
                    removed.append(f"{path}.entry")
                continue
            value = _less(value, keys)
            removed.append(fault.path)
        typed, faults = try_read(value, type_, path=path)
    return Remnant(None, value, removed, told)


def beside(faults: Iterable[Fault], removed: Sequence[str]) -> list[Fault]:
    """The faults but those that say only that something was taken away."""
    return [fault for fault in faults if not any(_holds(fault.path, path) for path in removed)]


def _lacks_entry(value: Any, type_: Any) -> bool:
    """Whether it is a journey without the way in that it must have."""
    needed = any(one.encode_name == "entry" for one in structs.fields(type_))
    return needed and isinstance(value, dict) and "entry" not in value


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
    return keys if any(isinstance(key, str) for key in keys) else None


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


def _less(value: Any, keys: list[str | int]) -> Any:
    """`value` without what stands at the end of the way.

    Elements of a list keep their places, so that the paths of others stay true: one that nothing
    can stand in for takes the list with it.
    """
    while True:
        key, held = keys[-1], value
        for one in keys:
            held = held[one]
        if isinstance(key, int):
            instead = _stand_in(str(keys[-2]), held) if len(keys) > 1 else None
        else:
            instead = INSTEAD.get(key)
        if isinstance(key, str) or (instead is not None and held != instead):
            return _changed(value, keys, None if held == instead else instead)
        keys = keys[:-1]


def _stand_in(key: str, held: Any) -> dict[str, Any] | None:
    """What an element gives way to: of a step, one that others may name as they name it."""
    instead = ELEMENTS.get(key)
    if instead is None or key not in STEPS or not isinstance(held, dict):
        return instead
    if _is_name(held.get("message")):
        return {"message": held["message"], "channel": "in_app", "default": {"text": "-"}}
    name = held.get("split") or held.get("id")
    return {**instead, "id": name} if _is_name(name) else instead


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and not try_read(value, Name)[1]


def _changed(value: Any, keys: Sequence[str | int], instead: Any) -> Any:
    """A copy of `value` with another value at the end of the way; with none, it lacks the key."""
    key, rest = keys[0], keys[1:]
    inner = _changed(value[key], rest, instead) if rest else instead
    if isinstance(value, list):
        return [inner if place == key else one for place, one in enumerate(value)]
    if not rest and instead is None:
        return {name: one for name, one in value.items() if name != key}
    return {**value, key: inner}
