"""Coupons: pools, imported codes, what became of one, and its use."""

from typing import Annotated, Any

from litestar import Router, get, post
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import Parameter
from msgspec import Meta, Struct

from harken.errors import NotFound
from harken.messages.pools import CouponPool, values_of
from harken.store.base import CouponCounts, CouponRow
from harken.web import coupons
from harken.web.api import Api, Asked, TheApi
from harken.web.coupons import Imported
from harken.web.ledger import moment
from harken.web.namesakes import namesake
from harken.web.problems import responses
from harken.web.samples import json_object

PoolName = Annotated[str, Parameter(max_length=64, description="the pool's name")]
Code = Annotated[str, Parameter(max_length=80, description="the code, in any case")]

STORY = """
SELECT ts, name, props::JSON::VARCHAR FROM events WHERE name IN ('$coupon_issued',
    '$coupon_released', '$coupon_redeemed', '$coupon_expired') AND props.code::VARCHAR = $1
ORDER BY ts, received LIMIT 1000
"""


class PoolShown(Struct, kw_only=True):
    """A pool, and how many of its codes are in each state."""

    pool: str
    description: str
    kind: str
    """`minted`, `imported`, or `gone` when its file is no more."""
    free: int | None
    """Codes that nobody has yet; null for minted ones, which never run out."""
    issued: int
    """With customers, and still good."""
    redeemed: int
    expired: int
    void: int
    released: int
    """How often a code came back because no message reached its customer."""


class Pools(Struct):
    """All pools, by name."""

    pools: list[PoolShown]


class CouponShown(Struct, kw_only=True):
    """A code, whose it is, and what became of it."""

    code: str
    pool: str
    state: str
    """`free`, `issued`, `redeemed`, `expired` or `void`."""
    user_id: str | None
    profile: str | None
    """The number of their profile; null when it is nobody's."""
    values: dict[str, Any]
    """What templates know of it: `percent`, `amount`, the pool's facts."""
    journey: str
    step: str
    issued_at: str | None
    expires_at: str | None
    """The last second at which it is good."""
    ended_at: str | None
    """When it was redeemed, expired or released."""
    reference: str
    amount: float | None
    released: int


class CouponStory(CouponShown, kw_only=True):
    """A code and all that happened to it."""

    story: list[dict[str, Any]]
    """`{at, event, properties}`, oldest first."""


class RedeemWish(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which coupon is to be used, and for what."""

    code: Annotated[str, Meta(min_length=1, max_length=80)]
    reference: Annotated[str, Meta(max_length=200)] = ""
    """An order's number. Asked again with it, the answer is the same: send it always."""
    amount: Annotated[float, Meta(ge=0)] | None = None
    """What was bought with it."""


class TakesCodes(Operation):
    """For OpenAPI: the body is a file."""

    def __post_init__(self) -> None:
        content = {"text/csv": OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))}
        self.request_body = RequestBody(
            content=content, required=True, description="a code a line, or a column `code`"
        )


@get("/coupons", responses=responses(), sync_to_thread=True)
def list_pools(api: TheApi) -> Pools:
    """All pools of coupons, and how many codes are in each state."""
    return Pools([_pool(name, *found) for name, found in coupons.pools(api).items()])


@get("/coupons/{pool:str}", responses=responses(404), sync_to_thread=True)
def show_pool(api: TheApi, pool: PoolName) -> PoolShown:
    """One pool of coupons."""
    found = coupons.pools(api).get(pool)
    if found is None:
        raise NotFound(f"there is no pool {pool!r}")
    return _pool(pool, *found)


@post(
    "/coupons/{pool:str}/codes",
    status_code=200,
    request_max_body_size=coupons.MOST_BYTES,
    responses=responses(404, 409),
    operation_class=TakesCodes,
)
async def import_codes(api: TheApi, request: Asked, pool: PoolName) -> Imported:
    """Take codes into an imported pool: a code a line, or CSV with a column `code`.

    A code that there is already, in whatever pool, stays as it is and is told.
    """
    return await coupons.import_codes(api, pool, request.stream())


@post("/coupons/redeem", status_code=200, responses=responses(404, 409), sync_to_thread=True)
def redeem_coupon(api: TheApi, data: RedeemWish) -> CouponShown:
    """Use a coupon, exactly once however many ask at the same time.

    409 tells in `reason` why not: `redeemed`, `expired`, `void`, or `free` (given to nobody).
    """
    return CouponShown(**_shown(api, coupons.redeem(api, data.code, data.reference, data.amount)))


@get("/coupons/codes/{code:str}", responses=responses(404), sync_to_thread=True)
def show_coupon(api: TheApi, code: Code) -> CouponStory:
    """A code, whose it is, and all that happened to it."""
    row = coupons.find(api, code)
    rows = api.services.history.query(STORY, [row.code])
    story = [
        {"at": moment(at), "event": name, "properties": json_object(properties)}
        for at, name, properties in rows
    ]
    return CouponStory(**_shown(api, row), story=story)


def _pool(name: str, pool: CouponPool | None, counts: CouponCounts) -> PoolShown:
    minted = pool is not None and not pool.imported
    return PoolShown(
        pool=name,
        description=pool.description if pool else "",
        kind="gone" if pool is None else "minted" if minted else "imported",
        free=None if minted else counts.free,
        issued=counts.issued,
        redeemed=counts.redeemed,
        expired=counts.expired,
        void=counts.void,
        released=counts.released,
    )


def _shown(api: Api, row: CouponRow) -> dict[str, Any]:
    owner = api.known(row.profile_id) if row.profile_id else None
    pool = api.services.in_force.coupons.get(row.pool)
    values = values_of(pool, row.code, row.expires_at) if pool else {}
    return {
        "code": row.code,
        "pool": row.pool,
        "state": row.state,
        "user_id": owner.user_id if owner else None,
        "profile": str(owner.id) if owner else None,
        "values": {name: value for name, value in values.items() if name not in ("code", "pool")},
        "journey": row.journey,
        "step": row.step,
        "issued_at": moment(row.issued_at),
        "expires_at": moment(row.expires_at),
        "ended_at": moment(row.ended_at),
        "reference": row.reference,
        "amount": row.amount,
        "released": row.released,
    }


routes = Router(
    path="",
    tags=["coupons"],
    route_handlers=[
        list_pools,
        show_pool,
        import_codes,
        redeem_coupon,
        namesake("/coupons/redeem", show_pool.fn),
        show_coupon,
    ],
)
