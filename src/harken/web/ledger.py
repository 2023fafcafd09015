"""The ledger as the API shows it."""

from typing import Any

import msgspec
from msgspec import Struct

from harken.clock import iso
from harken.store.base import LedgerRow, MessageState


class Message(Struct, kw_only=True):
    """One message and what became of it; times that have not come are null."""

    id: str
    profile_id: str
    journey: str
    revision: int
    step: str
    run: str
    channel: str
    purpose: str
    address: str
    state: MessageState
    reason: str
    variant: str
    why_variant: str
    transport: str
    provider_id: str
    attempts: int
    queued_at: str | None
    not_before: str | None
    expires_at: str | None
    handed_at: str | None
    sent_at: str | None
    delivered_at: str | None
    opened_at: str | None
    clicked_at: str | None
    bounced_at: str | None


_TIMES = frozenset(
    field.name for field in msgspec.structs.fields(Message) if field.type == (str | None)
)


def message_of(row: LedgerRow) -> Message:
    """A row of the ledger as the API shows it."""
    values: dict[str, Any] = {
        name: moment(getattr(row, name)) if name in _TIMES else getattr(row, name)
        for name in Message.__struct_fields__
    }
    return Message(**{**values, "profile_id": str(row.profile_id)})


def moment(at: int) -> str | None:
    """A time, or None for one that has not come."""
    return iso(at) if at else None
