"""The lines of a file to be imported: whom each is about, and which are no events.

What is looked at here is what sorting and sending need; the rest of an event the server checks.
Every event has a message id: its own, or one made of the file's content and the line's number, so
that an event sent again after a crash counts once, while two equal lines are two events.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from harken import clock, ids
from harken.ingest import mending, protocol

_BLOCK = 1 << 20
_LONGEST = protocol.EVENT_BYTES + 2
# Less than this leaves room for a message id.
_ROOMY = protocol.EVENT_BYTES - 64
_BOM = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """A line, or the lines of one CSV row."""

    number: int
    """Counted from 1; of several lines the last."""
    end: int
    """The byte after it."""
    item: bytes
    """An event in the spec's form; empty when there is none."""
    problem: str = ""
    """Why it is no event."""


class Who(Struct, rename="camel", gc=False):
    """Whom an event names."""

    type: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    previous_id: str | None = None
    """What an `alias` joins."""
    message_id: str | None = None


_decode = msgspec.json.Decoder(Who).decode


def ndjson(
    path: Path, position: int = 0, number: int = 0, end: int | None = None
) -> Iterator[Line]:
    """The lines of a file from a byte position (after `number` lines) up to another."""
    pending, lost = b"", 0
    with path.open("rb") as file:
        file.seek(position)
        if number == 0 and file.read(len(_BOM)) == _BOM:
            position += len(_BOM)
        file.seek(position)
        at = position
        while data := file.read(_BLOCK if end is None else min(_BLOCK, end - at)):
            at += len(data)
            pieces = (pending + data).split(b"\n")
            pending = pieces.pop()
            for text in pieces:
                number += 1
                position += len(text) + 1 + lost
                lost = 0
                yield Line(number, position, text.strip())
            # A line without end must not fill the memory: enough is kept to be refused.
            lost += max(0, len(pending) - _LONGEST)
            pending = pending[:_LONGEST]
    if pending:
        yield Line(number + 1, position + len(pending) + lost, pending.strip())


def events(lines: Iterable[Line], mark: str) -> Iterator[tuple[Line, Who | None]]:
    """Each line with whom its event is about, or with nobody and perhaps a problem.

    `mark` stands for the file in the message ids, which all events have then.
    """
    reader = protocol.Reader(clock.LATEST)
    blocked = protocol.BLOCKED_IDS
    for line in lines:
        item = line.item
        if not item:
            yield line, None
            continue
        try:
            who = _decode(item)
        except protocol.UNREADABLE:
            yield _with_care(reader, line, mark)
            continue
        user, anonymous = who.user_id, who.anonymous_id
        if (
            len(item) > _ROOMY
            or (user is None and anonymous is None)
            or (user is not None and user.strip().lower() in blocked)
            or (anonymous is not None and anonymous.strip().lower() in blocked)
        ):
            yield _with_care(reader, line, mark)
            continue
        if not who.message_id:
            line = line._replace(item=_named(line, mark))
        yield line, who


def _named(line: Line, mark: str) -> bytes:
    """The event, a JSON object, with a message id of ours."""
    name = ids.derived_id("import", mark, line.number)
    # The last of two values of a key holds; empty ones are no ids.
    return b'%b,"messageId":"%b"}' % (line.item[:-1], name.encode())


def _with_care(reader: protocol.Reader, line: Line, mark: str) -> tuple[Line, Who | None]:
    """An event that is refused, or must be mended or cleaned before it can be told whose it is."""
    item = line.item
    if item.endswith(b"}") and not _own_id(item):
        item = _named(line, mark)
    accepted, rejected = reader.read([item])
    if not accepted:
        # In terms of the line as it stands in the file.
        rejected = reader.read([line.item])[1] or rejected
        return line._replace(problem=f"{rejected[0].path}: {rejected[0].reason}"), None
    event = accepted[0]
    who = Who(event.type, event.user_id, event.anonymous_id, event.previous_id)
    return line._replace(item=bytes(event.body)), who


def _own_id(item: bytes) -> object:
    try:
        mended = mending.load(item)
    except ValueError:
        return None
    return mended.get("messageId") if isinstance(mended, dict) else None
