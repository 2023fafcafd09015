"""What DuckDB answers as values of ours."""

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import msgspec

from harken.effects import Decision, Happening
from harken.history.base import Row
from harken.history.rows import LARGEST, SMALLEST

EVENT_FIELDS = (
    "ts, received, profile_id, name, message_id, props::JSON::VARCHAR, journey, step, variant,"
    " channel, message, anonymous_id, imported"
)
DECISION_FIELDS = (
    "ts, profile_id, journey, revision, outcome, reason, run, step, gate, message, until,"
    " facts::VARCHAR"
)
PLAIN = frozenset({int, float, str, bool, bytes, type(None)})
WHOLE = frozenset({int})


def event(row: Row) -> Happening:
    return Happening(
        at=row[0],
        received_at=row[1],
        profile_id=row[2],
        name=row[3],
        message_id=row[4],
        properties=_object(row[5]),
        journey=row[6],
        step=row[7],
        variant=row[8],
        channel=row[9],
        message=row[10],
        anonymous_id=row[11],
        imported=row[12],
    )


def decision(row: Row) -> Decision:
    return Decision(
        at=row[0],
        profile_id=row[1],
        journey=row[2],
        revision=row[3],
        outcome=row[4],
        reason=row[5],
        run=row[6],
        step=row[7],
        gate=row[8],
        message=row[9],
        until=row[10],
        facts=_object(row[11]),
    )


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
