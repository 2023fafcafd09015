"""The blob that carries a batch's rows from the engine's store to history.

MessagePack of a list of pages. In a page the rows come first, then the merges, then how customers
stand, then who is to be forgotten; a new page begins after a forgetting, so that rows of a customer
who comes back in the same batch are kept.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct, field

from harken.effects import Decision, Effects, Happening

LARGEST = 2**64 - 1
SMALLEST = -(2**63)


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


class Page(Struct, omit_defaults=True):
    """Rows, and what is then to be done to rows taken so far: merges, snapshots, forgetting."""

    happenings: list[Happening] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    rekey: list[Rekey] = field(default_factory=list)
    forget: list[int] = field(default_factory=list)
    people: list[Snapshot] = field(default_factory=list)

    def empty(self) -> bool:
        return self == Page()


class Collector:
    """Gathers the effects of a batch's inputs, in order, into one blob."""

    def __init__(self) -> None:
        self._pages = [Page()]

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
            self._pages.append(Page())

    def people(self, snapshots: Iterable[Snapshot]) -> None:
        """Take customers as they stand now; of one customer's snapshots the last holds.

        Who was absorbed or forgotten has none.
        """
        self._pages[-1].people += snapshots

    def encode(self) -> bytes:
        """The blob; empty when there is nothing for history to know."""
        pages = [page for page in self._pages if not page.empty()]
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
    return _encode([Page(happenings, decisions, rekey or [], forget or [], people or [])])


def decode_batch(blob: bytes) -> list[Page]:
    """The pages of a blob. Raises msgspec.DecodeError when it is none."""
    return _pages.decode(blob) if blob else []


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
