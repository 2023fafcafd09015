"""Traits: how behaviour lives in the document.

A behavioural condition compiles to one or two traits (`segments.live` makes them): what to keep of
the events of a name, so that the condition is answered from the document. A trait's id is its kind
and the hash of its definition, so equal conditions share one, and two documents can be merged
without knowing any definition. A state is plain MessagePack; None is the state of no events.

    count      how many
    times      [at, ...] ascending, the newest 1,000
    first      at                      last       at
    total      [how many, sum]         min, max   number
    values     [key, ...] ascending, the 1,000 smallest, each once
    amounts    [[at, number], ...] ascending, the newest 1,000
    seen       [[at, key], ...] ascending, the newest 1,000
    items      {id: at} ascending by time, the newest 1,000
    messages   {"sent": {message: at}, "told": {message: at}}, the newest 50 and 200

Times are ms. A *number* is a property's in whole millionths, so that sums do not depend on their
order; a sum beyond 64 bits is kept as text. A *key* stands for a text, number or flag.

`merge` is associative and commutative with None as identity, for every kind: live counting, a
back-fill from history and joining two customers are the same operation. A top-N that is chosen by
a number which merging only raises (or by the entry itself) keeps that law; others would not.
"""

from base64 import b32encode
from bisect import bisect_left, insort
from collections.abc import Callable
from hashlib import blake2b, md5
from heapq import merge as merge_sorted
from math import floor
from typing import Any, Literal

import msgspec
from msgspec import Struct

from harken.clock import DAY
from harken.people.profile import Trigger
from harken.segments.rules import CalendarDays, Where, lookup
from harken.values import Duration

Kind = Literal[
    "count", "times", "first", "last", "total", "min", "max", "values", "amounts", "seen",
    "items", "messages",
]  # fmt: skip

KEPT = 1_000
"""Times, pairs and values kept at most. Bounds a document; a count beyond it reads as this many."""
SENT_KEPT = 50
TOLD_KEPT = 200
"""Messages sent, and messages opened (or the like), that are remembered."""
LARGEST_NUMBER = 9e12
"""Numbers beyond it, on either side of 0, do not count: in millionths they pass 64 bits."""
LONGEST_ID = 200
"""Characters of an item's id."""
LONGEST_KEY = 64
"""Characters of a text that stands for itself as a key; a longer one is hashed."""

UNCOUNTED = frozenset(
    {
        "$identify", "$group", "$alias", "$merged", "$unmerged", "$updated", "$input_failed",
        "$webhook_called",
    }
)  # fmt: skip
"""Events that history keeps and nothing counts: they tell of the document, or of what Harken did,
not of the customer."""
MACHINES_DO = frozenset({"$message_opened", "$message_clicked"})
"""Events that count only when their property `machine` is not true."""

NUMBERS = frozenset({int, float})
"""Types of numbers as JSON has them; a flag is none."""

Passes = Callable[[dict[str, Any]], bool]
Take = Callable[[Any, Trigger, int], Any]
"""(state, event, now) -> the state with the event. The state given may be changed in place."""


class Trait(Struct, frozen=True, kw_only=True):
    """What to keep of some events."""

    id: str
    kind: Kind
    events: tuple[str, ...]
    """The names it listens to: one; of `messages`, `$message_sent` and what is counted of it."""
    where: tuple[Where, ...] = ()
    """Conditions that all must pass; of `messages`, on `$message_sent` alone."""
    path: str = ""
    """The property that is measured, of the kinds that measure one. Of `items`, a list of objects
    and the property of each that holds an id: `products[].product_id`."""
    within: Duration | CalendarDays | None = None
    """Only what lies in this window matters; older events may be forgotten."""
    between: tuple[int, int] | None = None
    """Only from this time (included) to that (not included)."""
    take: Take

    @property
    def reach(self) -> int:
        """How long ago an event may lie and still matter, in ms; 0 for ever."""
        return _longest(self.within)

    def merge(self, left: Any, right: Any) -> Any:
        """The state of all the events that made the one and the other."""
        return merge_states(self.id, left, right)


def make_trait(
    kind: Kind,
    events: tuple[str, ...],
    where: tuple[Where, ...] = (),
    *,
    path: str = "",
    within: Duration | CalendarDays | None = None,
    between: tuple[int, int] | None = None,
    passes: Passes | None = None,
) -> Trait:
    """The trait of a definition; `passes` is `where` as a closure (None when it is empty)."""
    return Trait(
        id=trait_id(kind, events, where, path, within, between),
        kind=kind,
        events=events,
        where=where,
        path=path,
        within=within,
        between=between,
        take=_take(kind, path, within, between, passes),
    )


def trait_id(
    kind: Kind,
    events: tuple[str, ...],
    where: tuple[Where, ...],
    path: str,
    within: Duration | CalendarDays | None,
    between: tuple[int, int] | None,
) -> str:
    """`times-4k2...`: the kind, and the hash of the rest: 60 bits of BLAKE2b in base32.

    It must never be formed otherwise: documents hold counts under it, and under another id they
    would begin anew.
    """
    parts = msgspec.json.encode(where, order="deterministic").decode()
    window = f"{within.days} {within.timezone}" if isinstance(within, CalendarDays) else within
    text = "\x1f".join(map(str, (*events, parts, path, window, between)))
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return f"{kind}-{b32encode(digest)[:12].decode().lower()}"


def merge_states(id: str, left: Any, right: Any) -> Any:
    """Two states of the trait `id` as one. Neither is changed; of an unknown kind, `left` stays."""
    if left is None or right is None:
        return right if left is None else left
    merge = _MERGE.get(id.partition("-")[0])
    return merge(left, right) if merge else left


def millionths(value: Any) -> int | None:
    """A number in whole millionths, to the nearest, halves up; None of what does not count."""
    if type(value) not in NUMBERS:
        return None
    return floor(float(value) * 1e6 + 0.5) if abs(value) <= LARGEST_NUMBER else None


def key_of(value: Any) -> str | None:
    """What stands for a value among different ones; None of what does not count.

    `n` and the double's shortest text; `t` and the text, or `h` and the MD5 of a long one; `btrue`.
    """
    if isinstance(value, str):
        if len(value) <= LONGEST_KEY:
            return f"t{value}"
        return f"h{md5(value.encode('utf-8', 'surrogatepass'), usedforsecurity=False).hexdigest()}"
    if isinstance(value, bool):
        return "btrue" if value else "bfalse"
    if type(value) in NUMBERS:
        # Adding 0.0 makes one of the two zeros.
        return f"n{as_double(value) + 0.0!r}"
    return None


def as_double(value: float) -> float:
    """A number as a double, as every engine compares them; one too large is infinite."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _take(
    kind: Kind,
    path: str,
    within: Duration | CalendarDays | None,
    between: tuple[int, int] | None,
    passes: Passes | None,
) -> Take:
    """How a trait takes an event, with all that its definition leaves open already decided."""
    if kind == "messages":
        return _take_message(passes)
    add = _add_items(path) if kind == "items" else _add(kind, path, _longest(within))
    if between is not None:
        add = _only_between(add, *between)
    if passes is None:
        return add

    def take(state: Any, event: Trigger, now: int) -> Any:
        return add(state, event, now) if passes(event.properties) else state

    return take


def _longest(within: Duration | CalendarDays | None) -> int:
    """How long ago an event may lie and still matter, in ms; 0 for ever."""
    if isinstance(within, CalendarDays):
        # A local day has at most a few hours more than 24.
        return (within.days + 1) * DAY
    return int(within or 0)


def _only_between(add: Take, start: int, end: int) -> Take:
    def take(state: Any, event: Trigger, now: int) -> Any:
        return add(state, event, now) if start <= event.at < end else state

    return take


def _add(kind: Kind, path: str, longest: int) -> Take:
    if kind == "count":
        return lambda state, event, now: 1 if state is None else state + 1
    if kind == "times":
        return _add_time(longest)
    if kind == "first":
        return lambda state, event, now: event.at if state is None else min(state, event.at)
    if kind == "last":
        return lambda state, event, now: event.at if state is None else max(state, event.at)
    if kind == "values":
        return _add_value(path)
    if kind in ("amounts", "seen"):
        return _add_pair(path, millionths if kind == "amounts" else key_of, longest)
    merge = _MERGE[kind]

    def add(state: Any, event: Trigger, now: int) -> Any:
        value = millionths(lookup(event.properties, path))
        if value is None:
            return state
        one = [1, value] if kind == "total" else value
        return one if state is None else merge(state, one)

    return add


def _add_time(longest: int) -> Take:
    def add(state: list[int] | None, event: Trigger, now: int) -> list[int] | None:
        at, edge = event.at, now - longest
        if longest and at < edge:
            return state
        if state is None:
            return [at]
        if at < state[-1]:
            insort(state, at)
        else:
            state.append(at)
        if longest and state[0] < edge:
            del state[: bisect_left(state, edge)]
        if len(state) > KEPT:
            del state[: len(state) - KEPT]
        return state

    return add


def _add_pair(path: str, value_of: Callable[[Any], Any], longest: int) -> Take:
    def add(state: list[Any] | None, event: Trigger, now: int) -> list[Any] | None:
        at, edge = event.at, now - longest
        if longest and at < edge:
            return state
        value = value_of(lookup(event.properties, path))
        if value is None:
            return state
        if state is None:
            return [[at, value]]
        if at > state[-1][0]:
            state.append([at, value])
        else:
            insort(state, [at, value])
        if longest and state[0][0] < edge:
            del state[: bisect_left(state, [edge])]
        if len(state) > KEPT:
            del state[: len(state) - KEPT]
        return state

    return add


def _add_value(path: str) -> Take:
    def add(state: list[str] | None, event: Trigger, now: int) -> list[str] | None:
        value = key_of(lookup(event.properties, path))
        if value is None:
            return state
        if state is None:
            return [value]
        place = bisect_left(state, value)
        if place == len(state) or state[place] != value:
            state.insert(place, value)
            del state[KEPT:]
        return state

    return add


def _add_items(path: str) -> Take:
    products, _, id = path.partition("[].")

    def add(state: dict[str, int] | None, event: Trigger, now: int) -> dict[str, int] | None:
        ids = ids_in(event.properties, products, id)
        return _merge_items(state or {}, dict.fromkeys(ids, event.at)) if ids else state

    return add


def ids_in(properties: dict[str, Any], products: str, id: str) -> list[str]:
    """Ids of items in an event: of each of its `products`, or its own where it lists none.

    Paths have dots between the names of nested objects. An id is a text of 1 to 200 characters, or
    a whole number, which stands for its digits.
    """
    listed = _nested(properties, products)
    some = listed if isinstance(listed, list) else [properties]
    return [found for one in some if (found := id_of(_nested(one, id))) is not None]


def id_of(value: object) -> str | None:
    """An item's id as clients write it, or None of what is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_ID else None


def _nested(value: Any, path: str) -> Any:
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _take_message(passes: Passes | None) -> Take:
    def take(state: Any, event: Trigger, now: int) -> Any:
        message = event.properties.get("message")
        if not isinstance(message, str) or not message:
            return state
        sent = event.name == "$message_sent"
        if sent and passes is not None and not passes(event.properties):
            return state
        one = {"sent": {}, "told": {}, "sent" if sent else "told": {message: event.at}}
        return one if state is None else _merge_messages(state, one)

    return take


def _merge_times(left: list[Any], right: list[Any]) -> list[Any]:
    return list(merge_sorted(left, right))[-KEPT:]


def _merge_totals(left: list[Any], right: list[Any]) -> list[Any]:
    return [left[0] + right[0], fitting(int(left[1]) + int(right[1]))]


def fitting(total: int) -> int | str:
    """A sum as MessagePack can hold it: as text beyond 64 bits."""
    return total if -(1 << 63) <= total < 1 << 63 else str(total)


def _merge_items(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    return _newest({**left}, right, KEPT)


def _merge_messages(left: Any, right: Any) -> Any:
    return {
        "sent": _newest({**left["sent"]}, right["sent"], SENT_KEPT),
        "told": _newest({**left["told"]}, right["told"], TOLD_KEPT),
    }


def _newest(left: dict[str, int], right: dict[str, int], kept: int) -> dict[str, int]:
    for message, at in right.items():
        left[message] = max(left.get(message, at), at)
    ordered = sorted(left.items(), key=lambda one: (one[1], one[0]))
    return dict(ordered[-kept:])


_MERGE: dict[str, Callable[[Any, Any], Any]] = {
    "count": lambda left, right: left + right,
    "times": _merge_times,
    "first": min,
    "last": max,
    "total": _merge_totals,
    "min": min,
    "max": max,
    "values": lambda left, right: sorted({*left, *right})[:KEPT],
    "amounts": _merge_times,
    "seen": _merge_times,
    "items": _merge_items,
    "messages": _merge_messages,
}
