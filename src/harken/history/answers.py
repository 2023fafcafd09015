"""What DuckDB answers as values of ours."""

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import msgspec

from harken.effects import Decision, Happening
from harken.history.base import Row
from harken.history.rows import LARGEST, SMALLEST

EVENT = {
    "at": "ts", "received_at": "received", "profile_id": "profile_id", "name": "name",
    "message_id": "message_id", "properties": "props::JSON::VARCHAR", "journey": "journey",
    "step": "step", "variant": "variant", "channel": "channel", "message": "message",
    "anonymous_id": "anonymous_id", "imported": "imported",
}  # fmt: skip
"""What our fields of an event are called in history."""
DECISION = {
    "at": "ts", "profile_id": "profile_id", "journey": "journey", "revision": "revision",
    "outcome": "outcome", "reason": "reason", "run": "run", "step": "step", "gate": "gate",
    "message": "message", "until": "until", "facts": "facts::VARCHAR",
}  # fmt: skip
"""Likewise of a decision."""
EVENT_FIELDS, DECISION_FIELDS = ", ".join(EVENT.values()), ", ".join(DECISION.values())
PLAIN = frozenset({int, float, str, bool, bytes, type(None)})
WHOLE = frozenset({int})


def event(row: Row) -> Happening:
    """A row of EVENT_FIELDS."""
    found: dict[str, Any] = dict(zip(EVENT, row, strict=True))
    return Happening(**found | {"properties": _object(found["properties"])})


def decision(row: Row) -> Decision:
    """A row of DECISION_FIELDS."""
    found: dict[str, Any] = dict(zip(DECISION, row, strict=True))
    return Decision(**found | {"facts": _object(found["facts"])})


def _object(text: str) -> dict[str, Any]:
    found = msgspec.json.decode(text)
    return found if isinstance(found, dict) else {"": found}


def entry(kind: str, row: Happening | Decision) -> dict[str, Any]:
    return {"kind": kind, **msgspec.structs.asdict(row)}


def plain(value: Any) -> Any:
    """A value of a query's answer as JSON would have it, so that it can cross a socket."""
    if type(value) in PLAIN:
        return value if type(value) is not int or SMALLEST <= value <= LARGEST else float(value)
    if isinstance(value, dict):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set):
        if set(map(type, value)) == WHOLE and min(value) >= SMALLEST and max(value) <= LARGEST:
            return list(value)
        return [plain(part) for part in value]
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value)
