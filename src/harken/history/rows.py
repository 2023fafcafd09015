"""The blob that carries a batch's rows from the engine's store to history.

MessagePack of a list of pages. In a page the rows come first, then the merges, then how customers
stand, then who is to be forgotten; a new page begins after a forgetting, so that rows of a customer
who comes back in the same batch are kept. Events and decisions travel as the columns that they
become, what has free form in them as the text that it becomes: whoever takes them over need not
make objects of them again.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import astuple

from harken.effects import Decision, Effects, Happening
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
    """Rows of one kind: a list for each field of the kind but the one of free form."""

    columns: list[list[Any]] = field(default_factory=list)
    free: bytes = b""
    """What has free form, as a line of JSON each."""
    others: list[int] = field(default_factory=list)
    """Of events: where it has something else than numbers (`numeric`)."""

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0


def rows_of(values: Sequence[Happening] | Sequence[Decision], free: str) -> Rows:
    """Events or decisions as rows; `free` is the field of free form."""
    if not values:
        return Rows()
    turned = zip(*map(astuple, values), strict=True)
    columns = dict(zip(values[0].__struct_fields__, turned, strict=True))
    objects = columns.pop(free)
    others = other_than_numbers("props", objects) if free == "properties" else []
    return Rows(list(map(list, columns.values())), lines_of(objects), others)


def lines_of(values: Sequence[dict[str, Any]]) -> bytes:
    """A line of JSON each, with integers of more than 64 bits as floats."""
    try:
        # One call for many: a line each, for JSON has no line end of its own.
        lines = _json.encode_lines(values)
    except (TypeError, ValueError, RecursionError):
        return b"".join(map(_line, values))
    # Looking for so many digits costs little, for large integers themselves a step each.
    if _LONG in lines.translate(_DIGITS):
        lines = _json.encode_lines([fitting(value) for value in values])
    return lines


def _line(value: dict[str, Any]) -> bytes:
    try:
        return _json.encode_lines([fitting(value)])
    except (TypeError, ValueError, RecursionError):
        return _json.encode_lines([{UNREADABLE: repr(value)}])


class Page(Struct, omit_defaults=True):
    """Rows, and what is then to be done to rows taken so far: merges, snapshots, forgetting."""

    happenings: Rows = field(default_factory=Rows)
    decisions: Rows = field(default_factory=Rows)
    rekey: list[Rekey] = field(default_factory=list)
    forget: list[int] = field(default_factory=list)
    people: list[Snapshot] = field(default_factory=list)


class Gathering(Struct):
    """A page before its rows are packed."""

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
            self.people,
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

    def encode(self) -> bytes:
        """The blob; empty when there is nothing for history to know."""
        pages = [page.page() for page in self._pages if not page.empty()]
        return _encode(pages) if pages else b""


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
    return _encode([gathered.page()])


def decode_batch(blob: bytes) -> list[Page]:
    """The pages of a blob. Raises msgspec.DecodeError when it is none."""
    return _pages.decode(blob) if blob else []


_json = msgspec.json.Encoder()
_encoder = msgspec.msgpack.Encoder()
_pages = msgspec.msgpack.Decoder(list[Page])


def _encode(pages: list[Page]) -> bytes:
    try:
        return _encoder.encode(pages)
    except OverflowError:
        return _encoder.encode(fitting(msgspec.to_builtins(pages)))


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
