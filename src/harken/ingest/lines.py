"""The lines of a file to be imported: which are events, and why the others are none.

Every event has a message id: its own, or one made of the file's content and the line's number, so
that an event sent again after a crash counts once, while two equal lines are two events.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from harken import clock, ids
from harken.ingest import mending, protocol
from harken.ingest.protocol import Accepted

_TOGETHER = 256
_LONGEST = protocol.EVENT_BYTES + 2
_BOM = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """A line, or the lines of one CSV row."""

    number: int
    """Counted from 1; of several lines the last."""
    end: int
    """The byte after it."""
    item: bytes
    """An event in the spec's form, not checked yet; empty when there is none."""
    problem: str = ""
    """Why it is no event."""


def ndjson(
    path: Path, position: int = 0, number: int = 0, end: int | None = None
) -> Iterator[Line]:
    """The lines of a file from a byte position (after `number` lines) up to another."""
    with path.open("rb") as file:
        file.seek(position)
        # A line without end must not fill the memory: it is read, and refused, in pieces.
        while (end is None or position < end) and (text := file.readline(_LONGEST)):
            number += 1
            position += len(text)
            whole = text.endswith(b"\n") or len(text) < _LONGEST
            while not whole and (rest := file.readline(1 << 20)):
                position += len(rest)
                whole = rest.endswith(b"\n")
            yield Line(number, position, text.removeprefix(_BOM).strip())


def checked(lines: Iterable[Line], mark: str) -> Iterator[tuple[Line, Accepted | None]]:
    """Each line with the event to be sent, or with none and perhaps a problem.

    `mark` stands for the file in the message ids.
    """
    reader = protocol.Reader(clock.LATEST)
    source = iter(lines)
    while batch := list(islice(source, _TOGETHER)):
        items = [_named(line, mark) for line in batch if line.item]
        accepted, rejected = reader.read(items, mending.odd(b"".join(items)))
        refused = {one.index: one for one in rejected}
        events = iter(accepted)
        index = -1
        for line in batch:
            index += bool(line.item)
            if not line.item:
                yield line, None
            elif index in refused:
                yield line._replace(problem=_why(reader, line, refused[index])), None
            else:
                yield line, next(events)


class _Named(msgspec.Struct, rename="camel", gc=False):
    message_id: str | None = None


_decode_named = msgspec.json.Decoder(_Named).decode


def _named(line: Line, mark: str) -> bytes:
    """The event with a message id, as far as it is one."""
    item = line.item
    if not item.endswith(b"}") or _own_id(item):
        return item
    name = ids.derived_id("import", mark, line.number)
    return b'%b,"messageId":"%b"}' % (item[:-1], name.encode())


def _own_id(item: bytes) -> object:
    try:
        return _decode_named(item).message_id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        mended = mending.load(item)
    except ValueError:
        return None
    return mended.get("messageId") if isinstance(mended, dict) else None


def _why(reader: protocol.Reader, line: Line, refused: protocol.Rejected) -> str:
    """The reason in terms of the line as it stands in the file."""
    again = reader.read([line.item], True)[1]
    refused = again[0] if again else refused
    return f"{refused.path}: {refused.reason}"
