"""Suppressions: addresses that are never written to again."""

from typing import Annotated

from litestar import Router, delete, get, put
from litestar.params import Parameter
from msgspec import Meta, Struct

from harken.channels.addresses import parse_address
from harken.clock import iso
from harken.errors import NotFound
from harken.inputs import Allow
from harken.people.address import found_dead
from harken.people.profile import Profile
from harken.web.api import Asked, TheApi
from harken.web.problems import responses


class Suppression(Struct, kw_only=True):
    """A suppressed address."""

    address: str
    why: str
    at: str


class Suppressions(Struct):
    """Suppressed addresses, newest first."""

    suppressions: list[Suppression]


class SuppressionWish(Struct, kw_only=True, forbid_unknown_fields=True):
    """Addresses to be suppressed."""

    addresses: Annotated[
        list[Annotated[str, Meta(min_length=3, max_length=320)]],
        Meta(min_length=1, max_length=10_000),
    ]
    why: Annotated[str, Meta(min_length=1, max_length=200)] = "suppressed by an operator"


class Suppressed(Struct):
    """How many addresses are suppressed now that were asked for."""

    suppressed: int


@get("/suppressions", responses=responses(), sync_to_thread=True)
def list_suppressions(
    api: TheApi, limit: Annotated[int, Parameter(ge=1, le=10_000)] = 1000
) -> Suppressions:
    """Suppressed addresses, and why."""
    rows = api.services.store.suppressions(limit)
    return Suppressions(
        [Suppression(address=address, why=why, at=iso(at)) for address, why, at in rows]
    )


@put("/suppressions", responses=responses(), sync_to_thread=True)
def suppress(api: TheApi, data: SuppressionWish) -> Suppressed:
    """Never write to these addresses again."""
    addresses = {str(parse_address(address)) for address in data.addresses}
    api.services.store.suppress((address, data.why, api.now) for address in addresses)
    return Suppressed(len(addresses))


@delete("/suppressions/{address:str}", responses=responses(404), sync_to_thread=True)
def allow_again(
    api: TheApi, request: Asked, address: Annotated[str, Parameter(max_length=320)]
) -> None:
    """Allow an address to be written to again, also where a customer has it as a dead one."""
    store = api.services.store
    owners = [id for id in store.written_to(address) if _dead_for(api.known(id), address)]
    if not store.unsuppress(address) and not owners:
        raise NotFound(f"{address!r} is not suppressed")
    if owners:
        api.command([(id, Allow(address, f"key {request.user}")) for id in owners])


def _dead_for(profile: Profile | None, address: str) -> bool:
    return profile is not None and any(
        found_dead(profile, channel, address) for channel in profile.unreachable
    )


routes = Router(
    path="", tags=["suppressions"], route_handlers=[list_suppressions, suppress, allow_again]
)
