"""Where rules stand in definitions, and what stands in rules."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from harken.errors import BadDefinition
from harken.files.reader import read
from harken.inputs import Definitions
from harken.journeys.model import Journey
from harken.segments.model import Segment
from harken.segments.rules import InList, InSegment


def parts(value: Any, path: str = "$") -> Iterator[tuple[str, Struct]]:
    """Every struct inside a definition, itself first, each with its path."""
    if isinstance(value, Struct):
        yield path, value
        for one in msgspec.structs.fields(value):
            yield from parts(getattr(value, one.name), f"{path}.{one.encode_name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from parts(item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from parts(item, f"{path}.{key}")


def definitions_in(written: Definitions) -> Iterator[tuple[str, str, Segment | Journey]]:
    """(`segment` or `journey`, its name, itself) of all that are well formed and not archived."""
    for name, source in written.segments.items():
        try:
            yield "segment", name, read(source, Segment)
        except BadDefinition:
            continue
    for name, journey in written.journeys.items():
        if not journey.archived:
            try:
                yield "journey", name, read(journey.source, Journey)
            except BadDefinition:
                continue


def users_of_list(written: Definitions, name: str) -> list[str]:
    """The definitions that ask who stands on a list: `segment vip`, `journey welcome`."""
    return _with(written, lambda one: isinstance(one, InList) and one.in_list == name)


def users_of_segment(written: Definitions, name: str) -> list[str]:
    """The definitions that ask who is in a segment."""
    return _with(written, lambda one: isinstance(one, InSegment) and one.in_segment == name)


def _with(written: Definitions, asks: Callable[[Struct], bool]) -> list[str]:
    return [
        f"{kind} {called}"
        for kind, called, definition in definitions_in(written)
        if any(asks(one) for _, one in parts(definition))
    ]
