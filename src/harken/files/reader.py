"""Plain values read as the types of the domain, every fault named at once.

A type is turned into a closure once and kept, so that a journey costs microseconds. What a type
does not say (an order, a pattern that compiles) is in `checks.py`.
"""

import typing
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar, overload

import msgspec
from msgspec import NODEFAULT, Struct

from harken.errors import BadDefinition, Fault
from harken.files import checks
from harken.files.words import (
    LONGEST_KEY,
    LONGEST_PATH,
    describe,
    did_you_mean,
    is_literal,
    is_parsed,
    is_struct,
    key_of,
    literal_words,
    members,
    nearest,
    one_of,
    show,
)
from harken.segments.rules import Test

T = TypeVar("T")

DEEPEST = 60
"""Mappings and lists inside one another; deeper ones are refused before anything recurses."""
MOST_FAULTS = 100
"""Faults told of one value; an author mends these first."""

_BIGGEST = 1 << 63


class _Faults:
    """What was found wrong so far."""

    def __init__(self) -> None:
        self.found: list[Fault] = []

    def add(self, path: str, problem: str) -> None:
        if len(self.found) < MOST_FAULTS:
            self.found.append(Fault(path, problem))


_Read = Callable[[Any, str, _Faults], Any]
"""(value, path, faults) -> the typed value, or `_BAD` when faults were added."""

_BAD: Any = object()


@overload
def read(value: Any, type_: type[T], *, path: str = "$") -> T: ...
@overload
def read(value: Any, type_: Any, *, path: str = "$") -> Any: ...
def read(value: Any, type_: Any, *, path: str = "$") -> Any:
    """`value` (as JSON has it) as a `type_`. Raises BadDefinition with every fault."""
    typed, faults = try_read(value, type_, path=path)
    if faults:
        raise BadDefinition(faults)
    return typed


@overload
def try_read(
    value: Any, type_: type[T], *, path: str = "$"
) -> tuple[T | None, tuple[Fault, ...]]: ...
@overload
def try_read(value: Any, type_: Any, *, path: str = "$") -> tuple[Any, tuple[Fault, ...]]: ...
def try_read(value: Any, type_: Any, *, path: str = "$") -> tuple[Any, tuple[Fault, ...]]:
    """Like `read`, but answers (the value, no faults) or (None, the faults)."""
    deep = _too_deep(value, path)
    if deep:
        return None, (Fault(deep, f"nested more than {DEEPEST} deep"),)
    faults = _Faults()
    typed = _reader(type_)(value, path, faults)
    if faults.found:
        return None, tuple(faults.found)
    return typed, ()


def _too_deep(value: Any, path: str) -> str:
    """The path of a value deeper than allowed, or empty."""
    level: list[tuple[str, Any]] = [(path, value)]
    for _ in range(DEEPEST):
        level = [
            (_under(place, key), inner)
            for place, outer in level
            if isinstance(outer, dict)
            for key, inner in outer.items()
            if isinstance(inner, dict | list)
        ] + [
            (f"{place}[{index}]", inner)
            for place, outer in level
            if isinstance(outer, list)
            for index, inner in enumerate(outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return ""
    return level[0][0]


def _under(path: str, key: object) -> str:
    """The path of a key's value, cut short: hostile keys must not multiply with what they hold."""
    return f"{path[:LONGEST_PATH]}.{str(key)[:LONGEST_KEY]}"


_readers: dict[Any, _Read] = {}


def _reader(type_: Any) -> _Read:
    found = _readers.get(type_)
    if found is None:
        found = _readers[type_] = _make(type_)
    return found


def _make(type_: Any) -> _Read:
    parts = members(type_)
    if len(parts) > 1:
        return _union(type_, parts)
    if parts[0] is not type_:
        return _reader(parts[0])
    if type_ in _PRIMITIVES:
        return _PRIMITIVES[type_]
    if is_literal(type_):
        return _literal(type_)
    if is_parsed(type_):
        return _parsed(type_)
    if is_struct(type_):
        return _test if type_ is Test else _struct(type_)
    origin = typing.get_origin(type_) or type_
    if origin is list:
        return _list(type_)
    if origin is dict:
        return _dict(type_)
    raise TypeError(f"files.reader knows no type {type_!r}")


def _wrong(value: Any, wanted: str, path: str, faults: _Faults) -> Any:
    if value is None:
        faults.add(path, f"is empty; must be {wanted}")
    else:
        faults.add(path, f"must be {wanted}, not {show(value)}")
    return _BAD


def _text(value: Any, path: str, faults: _Faults) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        faults.add(path, f"must be text, not {show(value)}; put it in quotes")
        return _BAD
    return _wrong(value, "text", path, faults)


def _whole(value: Any, path: str, faults: _Faults) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and -_BIGGEST <= value < _BIGGEST:
        return value
    return _wrong(value, "a whole number", path, faults)


def _number(value: Any, path: str, faults: _Faults) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        # Not infinite, not NaN, and small enough for the wire.
        if isinstance(value, float) and value - value == 0:
            return value
        if isinstance(value, int) and -_BIGGEST <= value < _BIGGEST:
            return float(value)
        return _wrong(value, "a finite number of at most 64 bits", path, faults)
    return _wrong(value, "a number", path, faults)


def _flag(value: Any, path: str, faults: _Faults) -> Any:
    return value if isinstance(value, bool) else _wrong(value, "`true` or `false`", path, faults)


def _nothing(value: Any, path: str, faults: _Faults) -> Any:
    return None if value is None else _wrong(value, "nothing", path, faults)


_PRIMITIVES: dict[Any, _Read] = {
    str: _text,
    int: _whole,
    float: _number,
    bool: _flag,
    type(None): _nothing,
    Any: lambda value, path, faults: value,
}


def _literal(type_: Any) -> _Read:
    choices = typing.get_args(type_)

    def read_literal(value: Any, path: str, faults: _Faults) -> Any:
        for choice in choices:
            if type(value) is type(choice) and value == choice:
                return choice
        near = did_you_mean(value, literal_words(type_)) if isinstance(value, str) else ""
        if not near:
            return _wrong(value, describe(type_), path, faults)
        faults.add(path, f"must be {describe(type_)}, not {show(value)}{near}")
        return _BAD

    return read_literal


def _parsed(type_: Any) -> _Read:
    def read_parsed(value: Any, path: str, faults: _Faults) -> Any:
        if not isinstance(value, str):
            return _wrong(value, describe(type_), path, faults)
        try:
            return type_.parse(value)
        except ValueError as problem:
            shown = repr(value) if len(value) <= 100 else f"{value[:40]!r}..."
            faults.add(path, str(problem).replace(repr(value), shown))
            return _BAD

    return read_parsed


def _list(type_: Any) -> _Read:
    of = typing.get_args(type_)[0]

    def read_list(value: Any, path: str, faults: _Faults) -> Any:
        if not isinstance(value, list):
            return _wrong(value, describe(type_), path, faults)
        item = _reader(of)
        typed = [item(one, f"{path}[{index}]", faults) for index, one in enumerate(value)]
        return _BAD if _BAD in typed else typed

    return read_list


def _dict(type_: Any) -> _Read:
    key_type, of = typing.get_args(type_) or (str, Any)

    def read_dict(value: Any, path: str, faults: _Faults) -> Any:
        if not isinstance(value, dict):
            return _wrong(value, describe(type_), path, faults)
        item, key = _reader(of), _reader(key_type)
        typed = {
            key(name, _under(path, name), faults): item(one, _under(path, name), faults)
            for name, one in value.items()
        }
        return _BAD if _BAD in typed or _BAD in typed.values() else typed

    return read_dict


class _Field(NamedTuple):
    name: str
    key: str
    type: Any
    required: bool


def _struct(type_: type[Struct]) -> _Read:
    fields = {
        field.encode_name: _Field(
            field.name,
            field.encode_name,
            field.type,
            field.default is NODEFAULT and field.default_factory is NODEFAULT,
        )
        for field in msgspec.structs.fields(type_)
    }
    needed = [field for field in fields.values() if field.required]
    of = {field.key: field.type for field in fields.values()}

    def read_struct(value: Any, path: str, faults: _Faults) -> Any:
        if not isinstance(value, dict):
            return _wrong(value, describe(type_), path, faults)
        given: dict[str, Any] = {}
        bad, meant = False, set[str]()
        for key, one in value.items():
            field = fields.get(key)
            if field is None:
                meant.add(nearest(str(key), [name for name in fields if name not in value]))
                faults.add(_under(path, key), _unknown(str(key), fields, value, of))
                bad = True
                continue
            typed = _reader(field.type)(one, _under(path, key), faults)
            given[field.name] = typed
            bad = bad or typed is _BAD
        for field in needed:
            if field.key not in value:
                bad = True
                if field.key in meant:
                    continue  # told as the misspelt key that it is
                faults.add(path, f"missing key `{field.key}`: {describe(field.type)}")
        return _BAD if bad else _checked(type_(**given), path, faults)

    return read_struct


def _unknown(key: str, known: Iterable[str], given: dict[str, Any], types: dict[str, Any]) -> str:
    free = [name for name in known if name not in given]
    near = did_you_mean(key, free) or did_you_mean(key, known) or _deeper(key, types)
    return f"unknown key `{key[:100]}`{near or '; known here: ' + ', '.join(known)}"


def _deeper(key: str, types: dict[str, Any]) -> str:
    """Which of the keys that are known here holds one of that name."""
    for name, type_ in types.items():
        for one in (type_, *typing.get_args(type_)):
            inner = msgspec.structs.fields(one) if isinstance(one, type(Struct)) else ()
            if key in {field.encode_name for field in inner}:
                return f"; it stands under `{name}`: `{name}: {{{key}: ...}}`"
    return ""


def _checked(typed: Any, path: str, faults: _Faults) -> Any:
    problems = list(checks.check(typed))
    for key, problem in problems:
        faults.add(_under(path, key) if key else path, problem)
    return _BAD if problems else typed


def _test(value: Any, path: str, faults: _Faults) -> Any:
    """A test written out, or a bare value for `equals`, or a list for `in`."""
    if isinstance(value, dict):
        return _written_test(value, path, faults)
    if value is None:
        faults.add(path, "is empty; write a value, comparisons, or {exists: false}")
        return _BAD
    field = "in_" if isinstance(value, list) else "equals"
    type_ = next(found.type for found in msgspec.structs.fields(Test) if found.name == field)
    typed = _reader(type_)(value, path, faults)
    return _BAD if typed is _BAD else _checked(Test(**{field: typed}), path, faults)


_written_test = _struct(Test)


def _union(type_: Any, parts: tuple[Any, ...]) -> _Read:
    structs = [part for part in parts if is_struct(part)]
    keyed = {key_of(part): part for part in structs if key_of(part)}
    dicts = [part for part in parts if (typing.get_origin(part) or part) is dict]
    lists = [part for part in parts if (typing.get_origin(part) or part) is list]
    plain = [part for part in parts if part not in [*structs, *dicts, *lists]]

    def read_union(value: Any, path: str, faults: _Faults) -> Any:
        if isinstance(value, dict):
            if keyed:
                return _by_key(value, keyed, path, faults)
            for part in [*structs, *dicts]:
                return _reader(part)(value, path, faults)
        if isinstance(value, list):
            for part in lists:
                return _reader(part)(value, path, faults)
        if Test in structs and value is not None:
            return _test(value, path, faults)
        return _first(value, plain, type_, path, faults)

    return read_union


def _first(value: Any, plain: list[Any], type_: Any, path: str, faults: _Faults) -> Any:
    """The first of the types that takes the value; else the words of the one it came nearest."""
    told: list[Fault] = []
    for part in plain:
        attempt = _Faults()
        typed = _reader(part)(value, path, attempt)
        if not attempt.found:
            return typed
        if isinstance(value, str) and (is_parsed(part) or part is str):
            told += attempt.found
        if is_literal(part) and isinstance(value, str) and nearest(value, literal_words(part)):
            told = attempt.found
            break
    others = [part for part in plain if part is not type(None)]
    if len(told) == 1 and (len(others) == 1 or "did you mean" in told[0].problem):
        faults.add(path, told[0].problem)
        return _BAD
    if told:
        literals = [word for part in plain if is_literal(part) for word in literal_words(part)]
        also = f", or {one_of(literals)}" if literals else ""
        faults.add(path, f"{told[0].problem}{also}")
        return _BAD
    return _wrong(value, describe(type_), path, faults)


def _by_key(
    value: dict[str, Any], keyed: dict[str, type[Struct]], path: str, faults: _Faults
) -> Any:
    """The struct of a union whose key the mapping has."""
    present = [key for key in keyed if key in value]
    if len(present) == 1:
        return _reader(keyed[present[0]])(value, path, faults)
    known = list(keyed)
    if present:
        faults.add(path, f"has {' and '.join(f'`{key}`' for key in present)}; only one can stand")
        return _BAD
    fields = {
        type_: {one.encode_name for one in msgspec.structs.fields(type_)}
        for type_ in keyed.values()
    }
    strange = [key for key in value if not any(key in names for names in fields.values())]
    for key in strange:
        near = nearest(str(key), known)
        if near:
            faults.add(_under(path, key), f"unknown key `{str(key)[:100]}`; did you mean `{near}`?")
            # As if it were right: what else is wrong is told beside it.
            meant = {near if one is key else one: inner for one, inner in value.items()}
            _reader(keyed[near])(meant, path, faults)
            return _BAD
    has = ", ".join(f"`{str(key)[:40]}`" for key in list(value)[:5]) or "nothing"
    faults.add(path, f"must have one of {one_of(known)}; it has {has}")
    nearest_type = max(fields, key=lambda type_: len(fields[type_] & value.keys()))
    if fields[nearest_type] & value.keys():
        beside = _Faults()
        _reader(nearest_type)(value, path, beside)
        for fault in beside.found:
            if not fault.problem.startswith("missing key"):
                faults.add(fault.path, fault.problem)
    return _BAD
