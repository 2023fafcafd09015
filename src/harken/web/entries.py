"""Customers put into a journey by the API: who of them is known, and what goes into the log."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct, field

from harken.errors import BadInput, Conflict, NotFound
from harken.ids import derived_id
from harken.ingest.protocol import EVENT_BYTES
from harken.inputs import Enter
from harken.journeys.entries import way_in
from harken.web.api import Api
from harken.web.problems import not_there

MOST_ENTRIES = 2_500
MOST_BYTES = 20_000_000
Identifier = Annotated[str, Meta(min_length=1, max_length=300)]


class EntryWish(Struct, kw_only=True, forbid_unknown_fields=True):
    """Whom to put into a journey, by one of the two ids."""

    user_id: Identifier | None = None
    anonymous_id: Identifier | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    """What templates know as `entry`, rules as event properties; at most 32 KB."""
    id: Identifier | None = None
    """Tells this entry from another: the same customer enters once for it within 48 h."""


class EntryWishes(EntryWish, kw_only=True, forbid_unknown_fields=True):
    """One customer, or many in `entries`."""

    entries: Annotated[list[EntryWish], Meta(min_length=1, max_length=MOST_ENTRIES)] | None = None


class RefusedEntry(Struct, kw_only=True):
    """An entry that did not go into the log."""

    index: int
    """Its place in `entries`, from 0."""
    user_id: str | None
    anonymous_id: str | None
    problem: str


class Entered(Struct, kw_only=True):
    """What became of entries: durable, all but the refused."""

    journey: str
    accepted: int
    refused: list[RefusedEntry]
    in_force: bool
    """Whether the engine has taken them up by now. Whether each entered, `why` tells."""


class _Unusable(NamedTuple):
    """Why an entry cannot be taken up; `unknown` when nothing else is wrong with it."""

    problem: str
    unknown: bool = False


def put_in(api: Api, name: str, wishes: EntryWishes) -> Entered:
    """Log that customers are to enter a journey.

    Raises NotFound of a journey or a single customer that is not there, Conflict of a journey
    that is entered otherwise or archived, BadInput, and Unavailable.
    """
    must_be_by_hand(api, name)
    single = wishes.entries is None
    asked: Sequence[EntryWish] = [wishes] if wishes.entries is None else wishes.entries
    if not single and (wishes.user_id or wishes.anonymous_id or wishes.properties or wishes.id):
        raise BadInput("give one customer, or `entries`; what stands beside `entries` is for one")
    commands, refused = [], []
    for index, (wish, found) in enumerate(zip(asked, _found(api, asked), strict=True)):
        if isinstance(found, int):
            commands.append((found, _enter(api, name, wish, found, index)))
            continue
        if single:
            raise (NotFound if found.unknown else BadInput)(found.problem)
        refused.append(
            RefusedEntry(
                index=index,
                user_id=wish.user_id,
                anonymous_id=wish.anonymous_id,
                problem=found.problem,
            )
        )
    in_force = api.command(commands) if commands else True
    return Entered(journey=name, accepted=len(commands), refused=refused, in_force=in_force)


def must_be_by_hand(api: Api, name: str) -> None:
    """Raises NotFound or Conflict of a journey that the API cannot put customers into."""
    journeys = api.services.in_force.journeys
    journey = journeys.get(name)
    if journey is None:
        raise not_there("journey", name, journeys)
    if journey.archived:
        raise Conflict(f"the journey {name!r} is archived; apply it again to use it")
    if not journey.by_hand:
        how = way_in(journey.source.entry)
        wanted = "to put customers in, it needs `entry: {api: true}`"
        raise Conflict(f"{name!r} is entered by {how}; {wanted}")


def _found(api: Api, wishes: Sequence[EntryWish]) -> list[int | _Unusable]:
    """The profile of each, or why it cannot be taken up."""
    found: list[int | _Unusable] = [_profile(api, wish) for wish in wishes]
    ids = {one for one in found if isinstance(one, int)}
    there = api.services.store.existing(sorted(ids))
    if there != ids:
        api.settle()
        there = api.services.store.existing(sorted(ids))
    return [
        _Unusable(f"nothing is known of a customer {_said(wish)}", unknown=True)
        if isinstance(one, int) and one not in there
        else one
        for one, wish in zip(found, wishes, strict=True)
    ]


def _profile(api: Api, wish: EntryWish) -> int | _Unusable:
    if (wish.user_id is None) == (wish.anonymous_id is None):
        return _Unusable("give `user_id` or `anonymous_id`, one of the two")
    if len(msgspec.json.encode(wish.properties)) > EVENT_BYTES:
        return _Unusable(f"`properties` have more than {EVENT_BYTES} bytes")
    with api.intake:
        return api.services.lookup.resolve(user_id=wish.user_id, anonymous_id=wish.anonymous_id)


def _said(wish: EntryWish) -> str:
    return repr(wish.user_id) if wish.user_id else f"'anonymous:{wish.anonymous_id}'"


def _enter(api: Api, name: str, wish: EntryWish, profile: int, index: int) -> Enter:
    id = wish.id or derived_id(name, profile, api.now, index)
    return Enter(name, id, wish.properties)
