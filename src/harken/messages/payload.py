"""JSON with templates in it: what a webhook is told. Values are put in as values, not as text.

A string that is one `{{ ... }}` and nothing else becomes the value itself (a number stays one, a
list stays one); any other becomes text. Nothing that a value holds can end a string or add a key.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from harken.messages.evaluate import Absent, Missing, RenderFault, Scope, to_text
from harken.messages.liquid import Template

LARGEST = 256 << 10
"""Bytes of a payload as JSON."""
MOST_TEMPLATES = 1_000
_DEEPEST = 60


class Payload(Struct, frozen=True):
    """A JSON value with templates in the place of its strings."""

    value: Any

    def templates(self) -> Iterator[Template]:
        """Every template in it."""
        yield from _templates(self.value)

    def render(self, scope: Scope) -> Any:
        """The value for these values. Raises as `Template.render`."""
        made = _filled(self.value, scope)
        try:
            size = len(msgspec.json.encode(made))
        except (TypeError, ValueError, RecursionError) as error:
            raise RenderFault(f"its payload cannot be written as JSON: {error}") from None
        if size > LARGEST:
            raise RenderFault(f"its payload is larger than {LARGEST:,} bytes")
        return made


def _templates(value: Any) -> Iterator[Template]:
    if isinstance(value, Template):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _templates(inner)


def strings_of(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every string of a JSON value with the place where it stands."""
    if isinstance(value, str):
        yield value, path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from strings_of(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from strings_of(inner, f"{path}[{index}]")


def with_templates(value: Any, path: str, parse: Callable[[str, str], Template | None]) -> Any:
    """`value` with what `parse(text, path)` makes of each string in its place."""
    if isinstance(value, str):
        return parse(value, path)
    if isinstance(value, dict):
        return {key: with_templates(one, f"{path}.{key}", parse) for key, one in value.items()}
    if isinstance(value, list):
        return [with_templates(one, f"{path}[{index}]", parse) for index, one in enumerate(value)]
    return value


def _filled(value: Any, scope: Scope) -> Any:
    if isinstance(value, Template):
        return plain(value.value(scope))
    if isinstance(value, dict):
        return {key: _filled(one, scope) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, scope) for one in value]
    return value


def plain(value: Any, depth: int = 0) -> Any:
    """A value of a template as JSON has it. Raises Missing, or RenderFault."""
    if depth > _DEEPEST:
        raise RenderFault("its payload is too deep")
    if value is None or isinstance(value, bool | int | float):
        return value
    if value.__class__ is Absent:
        raise Missing(str(value.name))
    if isinstance(value, Mapping):
        return {str.__str__(str(key)): plain(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list | tuple | range):
        return [plain(one, depth + 1) for one in value]
    # JSON takes no subclasses of text, and no halves of characters.
    return str.__str__(to_text(value, False))
