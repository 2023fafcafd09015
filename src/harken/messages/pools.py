"""A pool of coupons as written in its file, and how long a coupon of it is good."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from harken.clock import DAY, SECOND, from_local, iso, to_datetime
from harken.errors import Fault
from harken.values import Duration, LocalDateTime, Name

ALPHABET = "23456789BCDFGHJKMNPQRSTVWXYZ"
"""Of minted codes: nothing that is taken for another letter, and no vowels to make words of."""
SHORTEST, LONGEST = 6, 32
LONGEST_PREFIX = 20
OWN = ("code", "pool", "expires_at", "description", "percent", "amount", "currency")
"""What templates know of every coupon; `facts` must not take these names."""
ROUTES = ("redeem", "codes")
"""Words of the API that a pool's name must leave alone."""


class Mint(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Codes made by Harken: the prefix as it is written, then `length` random letters."""

    prefix: str = ""
    """`TRIAL-` makes `TRIAL-7K3MWQ9B`."""
    length: int = 8
    """Letters and digits after the prefix; fewer than 8 may be guessed when many are out."""


class CouponPool(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A coupon file: where its codes come from, how long one is good, and what it is worth."""

    coupon: Name
    description: str = ""
    mint: Mint | None = None
    """Harken makes the codes."""
    imported: bool = False
    """The codes are those that `harken coupons import` brought."""
    valid_for: Duration | None = None
    """From its issue; in whole days, to the end of the customer's local day."""
    expires_at: LocalDateTime | None = None
    """A fixed end in the workspace's zone; a date alone is the end of that day."""
    percent: float | None = None
    """Percent off, for templates."""
    amount: float | None = None
    """Amount off, for templates."""
    currency: str | None = None
    """Of `amount`: `KRW`."""
    facts: dict[str, str | int | float | bool] = field(default_factory=dict)
    """More that templates may say, as `coupon.NAME`."""
    warn_below: int = 100
    """Of imported codes: `harken status` warns when fewer are left."""


def pool_faults(pool: CouponPool) -> list[Fault]:
    """Everything wrong with a pool that is well formed."""
    faults = []
    if (pool.mint is None) != pool.imported:
        problem = "give `mint: {...}` (Harken makes the codes) or `imported: true`, one of the two"
        faults.append(Fault("$.mint" if pool.mint else "$", problem))
    if pool.mint is not None:
        if not SHORTEST <= pool.mint.length <= LONGEST:
            problem = f"must be from {SHORTEST} to {LONGEST}: shorter codes can be guessed"
            faults.append(Fault("$.mint.length", problem))
        if not is_code(pool.mint.prefix + "X") or len(pool.mint.prefix) > LONGEST_PREFIX:
            problem = f"a prefix has at most {LONGEST_PREFIX} plain characters and no blanks"
            faults.append(Fault("$.mint.prefix", problem))
    if pool.coupon in ROUTES:
        faults.append(Fault("$.coupon", f"`{pool.coupon}` is a word of the API; take another name"))
    if pool.valid_for is not None and pool.valid_for <= 0:
        faults.append(Fault("$.valid_for", "must be more than nothing"))
    if pool.percent is not None and not 0 < pool.percent <= 100:
        faults.append(Fault("$.percent", "must be more than 0 and at most 100"))
    if pool.amount is not None and pool.amount <= 0:
        faults.append(Fault("$.amount", "must be more than nothing"))
    if pool.warn_below < 0:
        faults.append(Fault("$.warn_below", "must not be negative"))
    for name in pool.facts:
        if name in OWN:
            faults.append(Fault(f"$.facts.{name}", f"every coupon has a `{name}` of its own"))
    return faults


def is_code(text: str) -> bool:
    """Whether a text can be a code: 1 to 64 printable ASCII characters without blanks or commas."""
    return 0 < len(text) <= 64 and all(
        "!" <= letter <= "~" and letter not in ",;" for letter in text
    )


def last_moment(pool: CouponPool, now: int, theirs: ZoneInfo, ours: ZoneInfo) -> int:
    """The last second at which a coupon issued at `now` is good, in ms; 0 when it always is.

    `theirs` is the customer's zone, `ours` the workspace's.
    """
    ends = []
    if pool.valid_for is not None:
        ends.append(_after(now, pool.valid_for, theirs))
    if pool.expires_at is not None:
        at = pool.expires_at.instant(ours)
        whole_day = len(pool.expires_at) == len("2026-01-31")
        ends.append(_day_ends(at, ours) if whole_day else at)
    return min(ends, default=0)


def _after(now: int, length: Duration, zone: ZoneInfo) -> int:
    if length % DAY:
        return now + length
    local = to_datetime(now, zone).replace(tzinfo=None) + timedelta(days=length // DAY)
    return _day_ends(from_local(local, zone), zone)


def _day_ends(at: int, zone: ZoneInfo) -> int:
    """23:59:59 of the local day, so that a date made of it names the last good day."""
    local = to_datetime(at, zone).replace(tzinfo=None)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return from_local(midnight, zone) - SECOND


def over_at(expires_at: int) -> int:
    """The moment from which a coupon is good no more; 0 for never."""
    return expires_at + SECOND if expires_at else 0


def values_of(pool: CouponPool, code: str, expires_at: int) -> dict[str, Any]:
    """What templates know of a coupon, as `coupon` and as the answer of its step."""
    own = {
        "code": code,
        "pool": pool.coupon,
        "expires_at": iso(expires_at) if expires_at else None,
        "description": pool.description or None,
        "percent": _plain(pool.percent),
        "amount": _plain(pool.amount),
        "currency": pool.currency,
    }
    return {name: value for name, value in own.items() if value is not None} | pool.facts


def example_of(pool: CouponPool, now: int, theirs: ZoneInfo, ours: ZoneInfo) -> dict[str, Any]:
    """What a preview shows instead of a coupon: no code of the pool is used up for it."""
    prefix = pool.mint.prefix if pool.mint else ""
    return values_of(pool, f"{prefix}EXAMPLE", last_moment(pool, now, theirs, ours))


def names_of(pool: CouponPool) -> set[str]:
    """The values that every coupon of the pool has."""
    return set(values_of(pool, "X", 1 if pool.valid_for or pool.expires_at else 0))


def _plain(number: float | None) -> float | int | None:
    """20.0 is said as 20."""
    return int(number) if number is not None and number.is_integer() else number
