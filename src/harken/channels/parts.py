"""A mail taken apart, within bounds: it never raises, whatever the bytes.

The standard library's parser recurses once a nested multipart, so a hostile mail can exhaust its
stack; here depth, parts and sizes are limited and what is beyond them is left out.
"""

import base64
import binascii
import quopri
import re
from email.message import Message
from html import unescape
from typing import NamedTuple

MOST_BYTES = 2 << 20
"""Of a mail, this much is read; a report stands before the copy of the original."""
MOST_HEADER = 64 << 10
MOST_TEXT = 64 << 10
MOST_PARTS = 50
MOST_DEPTH = 8

Fields = dict[str, list[str]]
"""Header fields by lower-case name, unfolded, in order."""

_END_OF_HEAD = re.compile(rb"\r?\n\r?\n|\A\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")
_LINE = re.compile(r"\r?\n")
_TAG = re.compile(r"<[^<>]{0,2000}>")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")


class Part(NamedTuple):
    """A part that is no multipart; `body` has no transfer encoding any more."""

    kind: str
    """Its media type, lower case."""
    charset: str
    fields: Fields
    body: bytes

    def text(self) -> str:
        """The body in its charset, in UTF-8 where that is unknown or wrong; HTML without tags."""
        body = self.body[:MOST_TEXT]
        try:
            text = body.decode(self.charset or "utf-8", "replace")
        except (LookupError, ValueError):
            text = body.decode("utf-8", "replace")
        text = text.replace("\r\n", "\n")
        return unescape(_TAG.sub(" ", text)) if self.kind == "text/html" else text


def first(fields: Fields, name: str) -> str:
    """The first field of that name, or an empty string."""
    return fields.get(name, [""])[0]


def split(raw: bytes) -> tuple[Fields, bytes]:
    """Header fields and body of a mail or part (RFC 5322, section 2.1)."""
    found = _END_OF_HEAD.search(raw)
    if not found:
        return fields_of(raw), b""
    return fields_of(raw[: found.start()]), raw[found.end() :]


def fields_of(head: bytes) -> Fields:
    """The fields of a header block, or of a group of report fields (the same syntax)."""
    fields: Fields = {}
    text = _FOLD.sub(" ", head[:MOST_HEADER].decode("utf-8", "replace"))
    for line in _LINE.split(text):
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if colon and name and " " not in name:
            fields.setdefault(name, []).append(value.strip())
    return fields


def take_apart(raw: bytes) -> tuple[Fields, list[Part]]:
    """The mail's own header fields, and its parts in order. An attached mail is one part."""
    raw = raw[:MOST_BYTES]
    parts: list[Part] = []
    _walk(raw, 0, parts)
    return split(raw)[0], parts


def _walk(raw: bytes, depth: int, parts: list[Part]) -> None:
    fields, body = split(raw)
    kind, boundary, charset = _content_type(first(fields, "content-type"))
    if kind.startswith("multipart/") and boundary:
        if depth < MOST_DEPTH:
            for piece in _pieces(body, boundary):
                if len(parts) >= MOST_PARTS:
                    return
                _walk(piece, depth + 1, parts)
        return
    encoding = first(fields, "content-transfer-encoding").lower()
    parts.append(Part(kind, charset, fields, _decode(body, encoding)))


def _content_type(value: str) -> tuple[str, str, str]:
    """Media type, boundary and charset; a part that says nothing usable is plain text."""
    message = Message()
    message["content-type"] = value[:1000] or "text/plain"
    try:
        kind = message.get_content_type()
        return kind, message.get_boundary() or "", message.get_content_charset() or ""
    except (ValueError, LookupError, TypeError):
        # RFC 2231 parameters with impossible indices or charsets.
        return "text/plain", "", ""


def _pieces(body: bytes, boundary: str) -> list[bytes]:
    """What stands between the boundaries (RFC 2046, section 5.1.1); the last may be cut off."""
    mark = re.escape(boundary[:200].encode("utf-8", "replace"))
    pieces: list[bytes] = []
    begin = -1
    for found in re.finditer(rb"^--" + mark + rb"(--)?[ \t]*(?:\r?\n|\r?\Z)", body, re.M):
        if begin >= 0:
            pieces.append(body[begin : found.start()])
        begin = -1 if found[1] else found.end()
        if found[1] or len(pieces) >= MOST_PARTS:
            break
    if begin >= 0 and len(pieces) < MOST_PARTS:
        pieces.append(body[begin:])
    return pieces


def _decode(body: bytes, encoding: str) -> bytes:
    if encoding == "quoted-printable":
        return quopri.decodestring(body)
    if encoding == "base64":
        try:
            return base64.b64decode(_NOT_BASE64.sub(b"", body) + b"==")
        except binascii.Error:
            return body
    return body
