"""Plain words for types and values, as faults use them."""

import types
import typing
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Literal, Union

import msgspec
from msgspec import NODEFAULT, Struct, UnsetType

_PLAIN: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "`true` or `false`",
    type(None): "nothing",
    Any: "any value",
}
_SHOWN = 40
_MEANT = {
    "and": ("all",), "or": ("any",), "none": ("not",), "eq": ("equals",), "is": ("equals",),
    "ne": ("not_equals",), "neq": ("not_equals",), "greater_than": ("gt",), "more_than": ("gt",),
    "less_than": ("lt",), "min": ("gte", "at_least"), "max": ("lte", "at_most"),
    "matches": ("regex",), "delay": ("wait",), "sleep": ("wait",), "if": ("branch", "when"),
    "send": ("message",), "email": ("message",), "trigger": ("entry",), "end": ("exit",),
    "stop": ("exit",), "goto": ("go_to",), "else": ("otherwise",), "timeout": ("at_most",),
    "steps": ("then",), "limit": ("at_most",), "lat": ("latitude",), "lng": ("longitude",),
    "lon": ("longitude",), "name": ("journey", "segment", "coupon", "survey"), "body": ("html",),
    "condition": ("when",), "where": ("when",),
}  # fmt: skip
"""What others call it: words that no spelling is near to, and what is written here."""

LARGEST = 1_000_000
"""Bytes in a file."""
LONGEST_KEY = 200
LONGEST_PATH = 1_000
"""Characters in a key, and in all keys that lead to a value: each value's path is kept."""


def members(type_: Any) -> tuple[Any, ...]:
    """The types that a union is made of (UNSET aside); of any other type, itself."""
    if typing.get_origin(type_) in (Union, types.UnionType):
        return tuple(part for part in typing.get_args(type_) if part is not UnsetType)
    return (type_,)


def is_struct(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, Struct)


def is_parsed(type_: Any) -> bool:
    """One of `values.py`: it has a `parse` of its own."""
    return isinstance(type_, type) and hasattr(type_, "parse") and hasattr(type_, "schema")


def is_literal(type_: Any) -> bool:
    return typing.get_origin(type_) is Literal


def key_of(struct: type[Struct]) -> str:
    """The key that tells a struct of a union apart from the others; empty when it has none."""
    key = getattr(struct, "key", "")
    return key if isinstance(key, str) else ""


def required_of(struct: type[Struct]) -> list[str]:
    """The keys that a mapping must have to be this struct."""
    return [
        found.encode_name
        for found in msgspec.structs.fields(struct)
        if found.default is NODEFAULT and found.default_factory is NODEFAULT
    ]


def describe(type_: Any) -> str:
    """What would be right where `type_` stands: `text`, `a duration such as 30m`, `a or b`."""
    parts = members(type_)
    if len(parts) > 1:
        return _describe_union(parts)
    if type_ in _PLAIN:
        return _PLAIN[type_]
    if is_literal(type_):
        return one_of(literal_words(type_))
    if is_struct(type_):
        return _describe_struct(type_)
    if is_parsed(type_):
        examples = type_.schema.get("examples", ())
        return f"a {_spaced(type_.__name__)}" + (f" such as `{examples[0]}`" if examples else "")
    if typing.get_origin(type_) is list:
        return f"a list, each {describe(typing.get_args(type_)[0])}"
    return "a mapping of names to values"


def _describe_union(parts: tuple[Any, ...]) -> str:
    keyed = [key_of(part) for part in parts if is_struct(part) and key_of(part)]
    words = [
        describe(part)
        for part in parts
        if part is not type(None) and not (is_struct(part) and key_of(part))
    ]
    if keyed:
        words.append(f"a mapping with {one_of(keyed)}")
    return " or ".join(words)


def _describe_struct(struct: type[Struct]) -> str:
    needed = required_of(struct)
    if needed:
        return f"a mapping with {_listed(needed)}"
    keys = [found.encode_name for found in msgspec.structs.fields(struct)]
    return f"a mapping of some of {_listed(keys[:5])}{' ...' if len(keys) > 5 else ''}"


def literal_words(type_: Any) -> list[str]:
    """The values of a Literal as an author writes them."""
    return [as_written(value) for value in typing.get_args(type_)]


def as_written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def show(value: Any) -> str:
    """What stands there instead, short."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"`{as_written(value)}`"
    if isinstance(value, int | float):
        return f"the number {_number(value)}"
    if isinstance(value, str):
        return f"the text {value[:_SHOWN]!r}{'...' if len(value) > _SHOWN else ''}"
    return "a list" if isinstance(value, list) else "a mapping"


def _number(value: float) -> str:
    # Python refuses to print integers of more than 4300 digits.
    if isinstance(value, int) and value.bit_length() > 64:
        return "of more than 64 bits"
    return str(value)


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that `word` may have meant, or empty."""
    by_lower = {name.lower(): name for name in known}
    for meant in _MEANT.get(word.lower(), ()):
        if meant in by_lower:
            return by_lower[meant]
    found = get_close_matches(word[:100].lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...?`, or empty when nothing known is near."""
    near = nearest(word, known)
    return f"; did you mean `{near}`?" if near else ""


def one_of(words: list[str]) -> str:
    """`a`, `b` or `c`."""
    quoted = [f"`{word}`" for word in words]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def _listed(words: list[str]) -> str:
    quoted = [f"`{word}`" for word in words]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def _spaced(name: str) -> str:
    """`TimeOfDay` as `time of day`."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
