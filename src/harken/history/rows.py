"""The blob that carries a batch's rows from the engine's store to history.

MessagePack of a list of pages. In a page the rows come first, then the merges, then how customers
stand, then who is to be forgotten; a new page begins after a forgetting, so that rows of a customer
who comes back in the same batch are kept. Rows travel as the bytes of columns (`columns`), what has
free form in them as the text that it becomes: whoever takes them over makes no objects of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import astuple

from harken.effects import Decision, Effects, Happening
from harken.history import columns
from harken.history.columns import Kind, Packed
from harken.numeric import other_than_numbers

LARGEST = 2**64 - 1
SMALLEST = -(2**63)
UNREADABLE = "$unreadable"
"""Under it stands the text of what JSON or history cannot hold."""
_DIGITS = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))
_LONG = b"0" * 20


class Rekey(Struct, frozen=True, array_like=True):
    """A merge (`absorbed` into `survivor`), or its undoing when `undo`."""

    absorbed: int
    survivor: int
    undo: bool = False


class Snapshot(Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """What rules can ask about a customer, as it stands: the row that history holds of them."""

    profile_id: int
    user_id: str | None
    created_at: int
    attributes: dict[str, Any]
    """What was stated, over what a client's context taught us."""
    dates: dict[str, Any]
    """The attributes that are dates, in ms, at the same paths."""
    reachable: list[str]
    """Channels with an address that may be written to."""
    consent: list[str]
    """The choices in force, `email:marketing:opted_in`; explicit ones only."""
    lists: list[str]
    latitude: float | None = None
    longitude: float | None = None


class Rows(Struct, array_like=True):
    """Rows of one kind, as packed columns; the one of free form is the last."""

    size: int = 0
    columns: list[Packed] = field(default_factory=list)
    others: list[int] = field(default_factory=list)
    """Where what has free form has something else than numbers (`numeric`)."""

    def __len__(self) -> int:
        return self.size


# The fields in their order, but for that of free form, JSON text, which comes last.
EVENTS: Mapping[str, Kind] = {
    "ts": columns.INTEGERS,
    "received": columns.INTEGERS,
    "profile_id": columns.INTEGERS,
    "name": columns.TEXTS,
    "message_id": columns.TEXTS,
    "journey": columns.TEXTS,
    "step": columns.TEXTS,
    "variant": columns.TEXTS,
    "channel": columns.TEXTS,
    "message": columns.TEXTS,
    "anonymous_id": columns.TEXTS,
    "imported": columns.FLAGS,
    "properties": columns.ENCODED,
}
DECISIONS: Mapping[str, Kind] = {
    "ts": columns.INTEGERS,
    "profile_id": columns.INTEGERS,
    "journey": columns.TEXTS,
    "revision": columns.INTEGERS,
    "outcome": columns.TEXTS,
    "reason": columns.TEXTS,
    "run": columns.TEXTS,
    "step": columns.TEXTS,
    "gate": columns.TEXTS,
    "message": columns.TEXTS,
    "until": columns.INTEGERS,
    "facts": columns.ENCODED,
}
# Columns hold no nulls: `known` and `placed` say where there is a value.
PEOPLE: Mapping[str, Kind] = {
    "profile_id": columns.INTEGERS,
    "known": columns.FLAGS,
    "user_id": columns.TEXTS,
    "created_at": columns.INTEGERS,
    "dates": columns.ENCODED,
    "reachable": columns.ENCODED,
    "consent": columns.ENCODED,
    "lists": columns.ENCODED,
    "placed": columns.FLAGS,
    "latitude": columns.FLOATS,
    "longitude": columns.FLOATS,
    "attributes": columns.ENCODED,
}


def rows_of(values: Sequence[Happening] | Sequence[Decision], free: str) -> Rows:
    """Events or decisions as rows; `free` is the field of free form."""
    if not values:
        return Rows()
    turned = zip(*map(astuple, values), strict=True)
    fields = dict(zip(values[0].__struct_fields__, turned, strict=True))
    objects = fields.pop(free)
    if free == "properties":
        others = other_than_numbers("props", objects)
        return _packed(EVENTS, [*fields.values(), _json_of(objects)], others)
    return _packed(DECISIONS, [*fields.values(), _json_of(objects)], [])


def standing(people: Sequence[Snapshot]) -> Rows:
    """Customers as they stand, as rows."""
    if not people:
        return Rows()
    attributes = [one.attributes for one in people]
    values: list[Sequence[Any]] = [
        [one.profile_id for one in people],
        [one.user_id is not None for one in people],
        [one.user_id or "" for one in people],
        [one.created_at for one in people],
        [_encode_json(one.dates) for one in people],
        [_encode_json(one.reachable) for one in people],
        [_encode_json(one.consent) for one in people],
        [_encode_json(one.lists) for one in people],
        [one.latitude is not None for one in people],
        [one.latitude or 0.0 for one in people],
        [one.longitude or 0.0 for one in people],
        _json_of(attributes),
    ]
    return _packed(PEOPLE, values, other_than_numbers("attributes", attributes))


def _packed(kinds: Mapping[str, Kind], values: Sequence[Sequence[Any]], others: list[int]) -> Rows:
    packed = [kind.pack(column) for kind, column in zip(kinds.values(), values, strict=True)]
    return Rows(len(values[0]), packed, others)


def _json_of(values: Sequence[dict[str, Any]]) -> list[bytes]:
    """JSON of each, with integers of more than 64 bits as floats."""
    try:
        texts = list(map(_encode_json, values))
    except (TypeError, ValueError, RecursionError):
        return list(map(_readable_json, values))
    # Looking for so many digits costs little, for large integers themselves a step each.
    if _LONG in b"".join(texts).translate(_DIGITS):
        return [_encode_json(fitting(value)) for value in values]
    return texts


def _readable_json(value: dict[str, Any]) -> bytes:
    try:
        return _encode_json(fitting(value))
    except (TypeError, ValueError, RecursionError):
        return _encode_json({UNREADABLE: repr(value)})


class Page(Struct, omit_defaults=True):
    """Rows, and what is then to be done to rows taken so far: merges, snapshots, forgetting."""

    happenings: Rows = field(default_factory=Rows)
    decisions: Rows = field(default_factory=Rows)
    rekey: list[Rekey] = field(default_factory=list)
    forget: list[int] = field(default_factory=list)
    people: Rows = field(default_factory=Rows)


class Gathering(Struct, array_like=True):
    """A page before its rows are packed: as the engine leaves it to its writer."""

    happenings: list[Happening] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    rekey: list[Rekey] = field(default_factory=list)
    forget: list[int] = field(default_factory=list)
    people: list[Snapshot] = field(default_factory=list)

    def empty(self) -> bool:
        return self == Gathering()

    def page(self) -> Page:
        return Page(
            rows_of(self.happenings, "properties"),
            rows_of(self.decisions, "facts"),
            self.rekey,
            self.forget,
            standing(self.people),
        )


class Collector:
    """Gathers the effects of a batch's inputs, in order, into one blob."""

    def __init__(self) -> None:
        self._pages = [Gathering()]

    def add(self, effects: Effects) -> None:
        """Take the rows of one input. Merges and their undoing are read from `others`."""
        page = self._pages[-1]
        page.happenings += effects.happenings
        page.decisions += effects.decisions
        if effects.others:
            page.rekey += rekeys(effects)
            gone = {other.id for other in effects.others if other.tombstone is not None}
            page.people = [one for one in page.people if one.profile_id not in gone]
        if effects.forgotten:
            page.forget += effects.forgotten
            self._pages.append(Gathering())

    def people(self, snapshots: Iterable[Snapshot]) -> None:
        """Take customers as they stand now; of one customer's snapshots the last holds.

        Who was absorbed or forgotten has none.
        """
        self._pages[-1].people += snapshots

    def gathered(self) -> list[Gathering]:
        """The pages that hold something."""
        return [page for page in self._pages if not page.empty()]


def pack(gathered: Sequence[Gathering]) -> bytes:
    """The blob; empty when there is nothing for history to know."""
    return _encoder.encode([page.page() for page in gathered]) if gathered else b""


def rekeys(effects: Effects) -> list[Rekey]:
    """The merges that an input made, and those that it undid."""
    found = []
    for other in effects.others:
        if other.tombstone is not None:
            found.append(Rekey(other.id, other.tombstone.into))
        else:
            found.append(Rekey(other.id, effects.profile.id, undo=True))
    return found


def encode_batch(
    happenings: list[Happening],
    decisions: list[Decision],
    rekey: list[Rekey] | None = None,
    forget: list[int] | None = None,
    people: list[Snapshot] | None = None,
) -> bytes:
    """A blob of one page: the rows, then the merges, the snapshots and the forgetting."""
    gathered = Gathering(happenings, decisions, rekey or [], forget or [], people or [])
    return pack([gathered])


def decode_batch(blob: bytes) -> list[Page]:
    """The pages of a blob. Raises msgspec.DecodeError when it is none."""
    return _pages.decode(blob) if blob else []


_encode_json = msgspec.json.Encoder().encode
_encoder = msgspec.msgpack.Encoder()
_pages = msgspec.msgpack.Decoder(list[Page])


def fitting(value: Any) -> Any:
    """`value` with integers of more than 64 bits, which MessagePack cannot hold, as floats."""
    if isinstance(value, dict):
        return {name: fitting(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [fitting(part) for part in value]
    if isinstance(value, int) and not SMALLEST <= value <= LARGEST:
        return _as_float(value)
    return value


def _as_float(value: int) -> float | str:
    try:
        return float(value)
    except OverflowError:
        return str(value)
