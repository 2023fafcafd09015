"""Mends JSON that is almost right, as real clients send it. The slow path: most never need it.

- NaN and Infinity, which Python's json writes, become null;
- half of a surrogate pair, which JavaScript's JSON.stringify writes, becomes U+FFFD;
- NUL characters, which no database takes, are removed;
- integers beyond 64 bits become floating-point numbers;
- an id or message id given as a number becomes its text;
- a part of `context` that has the wrong type is left out: no purchase is lost over a time zone.
"""

import json
import re
from math import isfinite
from typing import Any

import msgspec

DEPTH = 32
"""Objects and arrays nest no deeper than this."""

_INT64 = 1 << 63
_TEXTS = ("userId", "anonymousId", "previousId", "groupId", "messageId")
_CONTEXT_TEXTS = ("locale", "timezone", "ip", "userAgent")
_CONTEXT_OBJECTS = ("device", "app", "os", "library", "page", "campaign", "traits", "location")
_HALVES = re.compile("[\ud800-\udfff]")
_DIGITS = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))
_LONG = b"0" * 19


def odd(body: bytes) -> bool:
    """Whether a body may hold a NUL or an integer beyond 64 bits. Cheap, errs on the safe side."""
    # One byte is found far faster than six, and most bodies have no backslash at all.
    return (b"\\" in body and b"\\u0000" in body) or _LONG in body.translate(_DIGITS)


def mend(body: bytes, common: dict[str, dict[str, Any]]) -> bytes:
    """The event written anew, with what `common` (context, integrations) has and it has not.

    Raises ValueError, with what is wrong, when it is no JSON object or nests too deep.
    """
    event = load(body)
    if not isinstance(event, dict):
        raise ValueError(f"an event is an object, not {_called(event)}")
    event = clean(event)
    if isinstance(event.get("context"), dict):
        event["context"] = _context(event["context"])
    for key, values in common.items():
        own = event.get(key)
        if own is None:
            event[key] = values
        elif isinstance(own, dict):
            event[key] = values | own
    try:
        return msgspec.json.encode(event)
    except RecursionError:
        raise ValueError("too deeply nested") from None


def _context(context: dict[str, Any]) -> dict[str, Any]:
    wrong = {key for key in _CONTEXT_TEXTS if not isinstance(context.get(key, ""), str)}
    wrong |= {key for key in _CONTEXT_OBJECTS if not isinstance(context.get(key, {}), dict)}
    return {key: value for key, value in context.items() if key not in wrong}


def load(body: bytes) -> Any:
    """JSON by the lenient rules above. Raises ValueError."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    try:
        return json.loads(text, parse_constant=_nothing)
    except RecursionError:
        raise ValueError("too deeply nested") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"bad JSON: {error.msg} (character {error.pos})") from None


def override(body: bytes, changes: dict[str, object]) -> bytes:
    """The object in `body` with other values for some keys: of a key given twice the last holds."""
    return body.rstrip()[:-1] + b"," + msgspec.json.encode(changes)[1:]


def clean_top(envelope: dict[str, Any]) -> dict[str, Any]:
    """A batch's object with all but its items mended."""
    return {key: item if key == "batch" else _clean(item, 1) for key, item in envelope.items()}


def clean(event: Any) -> Any:
    """An event with all but its context mended; raises ValueError when it nests too deep."""
    if isinstance(event, dict):
        # First: an integer of more than 64 bits as a float would be another one's id too.
        event = {key: _id(item) if key in _TEXTS else item for key, item in event.items()}
    return _clean(event, 0)


def _clean(value: Any, depth: int) -> Any:
    if depth > DEPTH:
        raise ValueError(f"nested deeper than {DEPTH} levels")
    if isinstance(value, dict):
        return {_text(key): _clean(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item, depth + 1) for item in value]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return _float(value)
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return None
    return value


def _float(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _text(value: str) -> str:
    return _HALVES.sub("\ufffd", value.replace("\0", ""))


def _id(value: Any) -> Any:
    if isinstance(value, float) and isfinite(value):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value) if type(value) is int else value


def _nothing(_: str) -> None:
    return None


def _called(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
