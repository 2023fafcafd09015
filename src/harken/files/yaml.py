"""YAML 1.2 text as plain values, with the line on which each stands.

ruamel.yaml splits the text into events; values are made here, by the core schema of YAML 1.2
(https://yaml.org/spec/1.2.2/#103-core-schema) and nothing more: `NO`, `on`, `yes`, dates and times
stay text, there are no merge keys and no types of an application's own.
"""

import io
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)
from ruamel.yaml.reader import ReaderError

from harken.errors import BadDefinition, Fault
from harken.files.words import LARGEST, LONGEST_KEY, LONGEST_PATH

DEEPEST = 50
"""Mappings and lists inside one another."""
MOST = 200_000
"""Values in a file, aliases counted as often as they are used, and 32 characters as one more."""

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_OPENED = {"}": "{", "]": "["}
_TEXT_TAGS = {"!", "tag:yaml.org,2002:str"}


class Document(NamedTuple):
    """A file's plain value, and where its parts stand."""

    value: Any
    lines: dict[str, int]
    """By path (`$.steps[1].channel`): the line of the key or list item, counted from 1."""

    def line(self, path: str) -> int:
        """The line of the innermost part of `path` that the file has; 1 for the whole."""
        while path not in self.lines:
            cut = max(path.rfind("."), path.rfind("["))
            if cut <= 0:
                return 1
            path = path[:cut]
        return self.lines[path]


class _Anchored(NamedTuple):
    value: Any
    cost: int
    height: int


class _Stop(Exception):
    """The rest of the file cannot be read."""

    def __init__(self, problem: str, line: int, path: str = "$") -> None:
        super().__init__(problem)
        self.problem, self.line, self.path = problem, line, path


def parse(data: bytes | str, file: str = "") -> Document:
    """Read one YAML document.

    Raises BadDefinition with a Fault that has the line: for what is no YAML 1.2, a duplicate key,
    a second document, or more than `LARGEST`, `DEEPEST`, `MOST`. An empty file is None.
    """
    try:
        text = _decode(data)
        build = _Build(text)
        value = build.document()
    except _Stop as stop:
        raise BadDefinition([Fault(stop.path, stop.problem, file, stop.line)]) from None
    if build.faults:
        raise BadDefinition([Fault(path, what, file, line) for path, what, line in build.faults])
    return Document(value, build.lines)


def _decode(data: bytes | str) -> str:
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    if len(raw) > LARGEST:
        raise _Stop(f"the file has {len(raw):,} bytes; at most {LARGEST:,} are read", 1)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _Stop(f"byte 0x{raw[error.start]:02x} is not UTF-8; save as UTF-8", line) from None


class _Build:
    """Makes values of events, one document only."""

    def __init__(self, text: str) -> None:
        self.events = _events(text)
        self.lines: dict[str, int] = {"$": 1}
        self.faults: list[tuple[str, str, int]] = []
        self.anchors: dict[str, _Anchored | None] = {}
        self.cost = 0

    def document(self) -> Any:
        value: Any = None
        documents = 0
        for event in self.events:
            line = event.start_mark.line + 1
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _Stop("a second document begins; keep one document a file", line)
            elif not isinstance(event, StreamStartEvent | StreamEndEvent | DocumentEndEvent):
                value, _ = self.node(event, "$", 0)
        return value

    def node(self, event: Any, path: str, depth: int) -> tuple[Any, int]:
        """The value that begins with `event`, and how many levels it has inside it."""
        line = event.start_mark.line + 1
        if isinstance(event, AliasEvent):
            return self.alias(event.anchor, path, depth, line)
        if depth > DEEPEST:
            raise _Stop(f"nested more than {DEEPEST} deep", line, path)
        if len(path) > LONGEST_PATH:
            raise _Stop("the keys that lead here are too long together", line, path)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        before = self.cost
        self.spend(1, line, path)
        value, height = self.content(event, path, depth, line)
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchored(value, self.cost - before, height)
        return value, height

    def content(self, event: Any, path: str, depth: int, line: int) -> tuple[Any, int]:
        if isinstance(event, ScalarEvent):
            self.spend(len(event.value) // 32, line, path)
            return _scalar(event, path, line), 0
        if event.tag is not None:
            raise _Stop(f"tag {event.tag.strip()!r} means nothing here; remove it", line, path)
        if isinstance(event, SequenceStartEvent):
            return self.sequence(path, depth)
        return self.mapping(path, depth)

    def spend(self, cost: int, line: int, path: str) -> None:
        self.cost += cost
        if self.cost > MOST:
            raise _Stop(f"the file says more than {MOST:,} values", line, path)

    def alias(self, name: str, path: str, depth: int, line: int) -> tuple[Any, int]:
        if name not in self.anchors:
            raise _Stop(f"`*{name}` names no anchor above it", line, path)
        anchored = self.anchors[name]
        if anchored is None:
            raise _Stop(f"`*{name}` stands inside what it names", line, path)
        if depth + anchored.height > DEEPEST:
            raise _Stop(f"nested more than {DEEPEST} deep", line, path)
        self.spend(anchored.cost, line, path)
        return anchored.value, anchored.height

    def sequence(self, path: str, depth: int) -> tuple[list[Any], int]:
        values: list[Any] = []
        height = 0
        while not isinstance(event := next(self.events), SequenceEndEvent):
            place = f"{path}[{len(values)}]"
            self.lines[place] = event.start_mark.line + 1
            value, inner = self.node(event, place, depth + 1)
            values.append(value)
            height = max(height, inner)
        return values, height + 1

    def mapping(self, path: str, depth: int) -> tuple[dict[str, Any], int]:
        values: dict[str, Any] = {}
        height = 0
        while not isinstance(event := next(self.events), MappingEndEvent):
            line = event.start_mark.line + 1
            key = self.key(event, path, line)
            place = f"{path}.{key}"
            if key in values:
                first = self.lines[place]
                self.faults.append((place, f"duplicate key `{key}`; first on line {first}", line))
            else:
                self.lines[place] = line
            values[key], inner = self.node(next(self.events), place, depth + 1)
            height = max(height, inner)
        return values, height + 1

    def key(self, event: Any, path: str, line: int) -> str:
        if not isinstance(event, ScalarEvent):
            what = "an alias" if isinstance(event, AliasEvent) else "a list"
            if isinstance(event, MappingStartEvent):
                what = "a mapping"
            hint = "quote a value that begins with `{`, `[` or `*`"
            raise _Stop(f"a key must be text, not {what}; {hint}", line, path)
        if event.anchor is not None:
            raise _Stop("a key cannot have an anchor", line, path)
        if not event.value:
            raise _Stop("a key is missing before `:`", line, path)
        if len(event.value) > LONGEST_KEY:
            raise _Stop(
                f"a key of {len(event.value):,} characters; at most {LONGEST_KEY}", line, path
            )
        self.spend(1, line, path)
        return _storable(event.value, path, line)


def _events(text: str) -> Iterator[Any]:
    try:
        yield from YAML(typ="safe", pure=True).parse(io.StringIO(text))
    except MarkedYAMLError as error:
        raise _Stop(_plain(error), _line(error, text)) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        code = error.character if isinstance(error.character, int) else ord(error.character)
        raise _Stop(f"control character U+{code:04X}; remove it", line) from None
    except GeneratorExit:
        raise
    # The scanner lets ValueError, OverflowError and others of odd escapes and directives through;
    # an author's typing mistake must never be a traceback.
    except Exception as error:
        raise _Stop(f"this is no YAML 1.2 ({type(error).__name__}: {error})", 1) from None


def _line(error: MarkedYAMLError, text: str) -> int:
    unfinished = "end of stream" in str(error.problem)
    mark = (error.context_mark if unfinished else None) or error.problem_mark
    return min(mark.line, text.count("\n")) + 1 if mark else 1


def _plain(error: MarkedYAMLError) -> str:
    problem = str(error.problem)
    if "'\\t'" in problem:
        return "a tab cannot indent; use spaces"
    if "cannot start any token" in problem:
        return f"{problem.removeprefix('found ')}; put the value in quotes"
    if "mapping values are not allowed" in problem:
        return "`: ` inside a value, or wrong indentation; put a value that holds `: ` in quotes"
    if "expected <block end>" in problem:
        return "wrong indentation: it fits neither the line above nor what holds it"
    if "expected ',' or" in problem:
        return f"a `{_OPENED.get(problem[17:18], '[')}` is not closed, or a comma is missing"
    since = f" (begun on line {error.context_mark.line + 1})" if error.context_mark else ""
    return f"this is no YAML 1.2: {f'{error.context}, ' if error.context else ''}{problem}{since}"


def _scalar(event: Any, path: str, line: int) -> Any:
    text: str = event.value
    tag = event.tag.strip() if event.tag is not None else None
    if tag is not None and tag not in _TEXT_TAGS:
        raise _Stop(f"tag {tag!r} means nothing here; remove it", line, path)
    if tag is not None or event.style is not None:
        return _storable(text, path, line)
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return _integer(text, path, line)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    if _FLOAT.fullmatch(text) or _NOT_FINITE.fullmatch(text):
        raise _Stop(f"{text[:24]} is no finite number; put text in quotes", line, path)
    return _storable(text, path, line)


def _integer(text: str, path: str, line: int) -> int:
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    number = int(text, base) if len(text) <= 24 else 1 << 64
    # Definitions travel as MessagePack, whose integers have 64 bits.
    if not -(1 << 63) <= number < 1 << 63:
        raise _Stop(f"{text[:24]} is too large for a number; put text in quotes", line, path)
    return number


def _storable(text: str, path: str, line: int) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _Stop("half of a surrogate pair; write the character itself", line, path) from None
    return text
