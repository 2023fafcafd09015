"""JSON Schemas (draft 2020-12) of the files, for editors, made of the types that read them.

An editor completes keys, shows what a setting means and underlines a slip while it is typed;
`harken check` says the same and more. Source: https://json-schema.org/draft/2020-12
"""

import ast
import inspect
import textwrap
import typing
from functools import lru_cache
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import Struct

from harken.files.kinds import PLAIN
from harken.files.words import is_literal, is_parsed, is_struct, members, required_of
from harken.journeys.model import Journey
from harken.segments.rules import Test
from harken.workspace import Workspace

Schema = dict[str, Any]

FILES: dict[str, type[Struct]] = {
    "journey": Journey,
    "workspace": Workspace,
    **{one.kind: one.type for one in PLAIN},
}
"""The kinds of file, and the type that each is read as."""

_PRIMITIVES: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    Any: {},
}


def schemas() -> dict[str, Schema]:
    """The schema of each kind of file."""
    return {kind: _file_schema(kind, type_) for kind, type_ in FILES.items()}


def _file_schema(kind: str, type_: type[Struct]) -> Schema:
    definitions: dict[str, Schema] = {}
    root = _schema(type_, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Harken {kind} file",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def _schema(type_: Any, definitions: dict[str, Schema]) -> Schema:
    parts = members(type_)
    if len(parts) > 1:
        return _union(parts, definitions)
    type_ = parts[0]
    if type_ in _PRIMITIVES:
        return dict(_PRIMITIVES[type_])
    if is_literal(type_):
        return {"enum": list(typing.get_args(type_))}
    if is_parsed(type_):
        return {**type_.schema, "description": _first_line(type_)}
    if is_struct(type_):
        return _reference(type_, definitions)
    of = typing.get_args(type_)
    if typing.get_origin(type_) is list:
        return {"type": "array", "items": _schema(of[0], definitions)}
    return {"type": "object", "additionalProperties": _schema(of[1], definitions) if of else True}


def _union(parts: tuple[Any, ...], definitions: dict[str, Schema]) -> Schema:
    if all(part in (str, int, float, bool, type(None)) for part in parts):
        # JSON Schema counts whole numbers among the numbers.
        plain = [part for part in parts if part is not int or float not in parts]
        return {"type": [_PRIMITIVES[part]["type"] for part in plain]}
    return {"anyOf": [_schema(part, definitions) for part in parts]}


def _reference(struct: type[Struct], definitions: dict[str, Schema]) -> Schema:
    name = struct.__name__.rstrip("_")
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = _struct(struct, definitions)
    return {"$ref": f"#/$defs/{name}"}


def _struct(struct: type[Struct], definitions: dict[str, Schema]) -> Schema:
    notes = field_notes(struct)
    properties = {}
    for field in msgspec.structs.fields(struct):
        found = _schema(field.type, definitions)
        if field.name in notes:
            found["description"] = notes[field.name]
        if isinstance(field.default, str | int | float):
            found["default"] = _written(field.default)
        properties[field.encode_name] = found
    needed = required_of(struct)
    whole: Schema = {
        "type": "object",
        "description": inspect.cleandoc(struct.__doc__ or ""),
        "properties": properties,
        "required": needed,
        "additionalProperties": False,
    }
    if issubclass(struct, Test):
        whole["minProperties"] = len(needed) + 1
    return _short_test(whole, definitions) if struct is Test else whole


def _short_test(whole: Schema, definitions: dict[str, Schema]) -> Schema:
    """A bare value is `equals`, a bare list is `in`."""
    scalar = {"type": ["string", "number", "boolean"]}
    items = {"type": ["string", "number", "boolean", "null"]}
    return {
        "description": whole["description"],
        "anyOf": [whole, scalar, {"type": "array", "items": items, "minItems": 1}],
    }


def _written(default: Any) -> Any:
    """A default as an author writes it: a duration of 1800000 is `30m`."""
    return str(default) if is_parsed(type(default)) else default


def _first_line(type_: type) -> str:
    return (type_.__doc__ or "").strip().split("\n")[0]


@lru_cache
def field_notes(struct: type[Struct]) -> dict[str, str]:
    """The text that stands under each field of a struct in the source, by field name."""
    notes: dict[str, str] = {}
    for base in reversed(struct.__mro__):
        if base is Struct or not issubclass(base, Struct):
            continue
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        except (OSError, SyntaxError):
            continue
        body = typing.cast(ast.ClassDef, tree.body[0]).body
        for field, note in pairwise(body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(note, ast.Expr)
                and isinstance(note.value, ast.Constant)
                and isinstance(note.value.value, str)
            ):
                notes[field.target.id] = " ".join(note.value.value.split())
    return notes
