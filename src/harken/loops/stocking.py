"""Fills the supply of coupon codes: minted ones, and those that were imported.

Between inputs it sees to it that each pool has codes at hand. Nothing of it need be right after a
crash: a code counts as given out when the batch with its coupon is committed, and the store takes
none twice.
"""

import hmac
from collections import deque
from collections.abc import Mapping

import msgspec

from harken.deciding.supply import Supply
from harken.messages.pools import ALPHABET, CouponPool, Mint
from harken.store.base import Store

LOW = 200
"""Codes of a pool that one input may draw: before it begins, so many are at hand."""
FULL = 1_000
NOTE = "coupons"

_numbers = msgspec.msgpack.Decoder(dict[str, int]).decode


class Stocking:
    """The supply of one engine."""

    def __init__(self, store: Store, secret: bytes) -> None:
        self.supply = Supply()
        self._store = store
        self._secret = hmac.digest(secret, b"harken coupon 1", "sha256")
        self.reload()

    def reload(self) -> None:
        """Let go of what is at hand: what the store says is true."""
        self.supply.stock.clear()
        self.supply.drawn.clear()
        note = self._store.note(NOTE)
        self._minted = _numbers(note) if note else {}
        self._changed = False
        self._pools: Mapping[str, CouponPool] = {}
        self._before: set[str] = set()
        """Given out in the batch before, which the store need not know of yet."""
        self._looked = -1
        """How many were drawn in this batch when it was last seen to that enough are at hand."""
        self._short: set[str] = set()
        """Pools of which the store had too few in this batch."""

    def begin(self, pools: Mapping[str, CouponPool]) -> None:
        """A batch begins, under these pools."""
        if pools is not self._pools:
            self._pools = pools
            self.supply.stock.clear()
        self._looked = -1
        self._short.clear()

    def look(self) -> None:
        """See to it that each pool has enough codes at hand for another input."""
        drawn = len(self.supply.drawn)
        if drawn == self._looked:
            return
        self._looked = drawn
        for name, pool in self._pools.items():
            codes = self.supply.stock.setdefault(name, deque())
            if len(codes) >= LOW or name in self._short:
                continue
            if pool.mint is not None:
                self._mint(name, pool.mint, codes)
            else:
                self._fetch(name, codes)

    def given(self) -> dict[str, bytes]:
        """The batch ends; what is to be noted with it."""
        self._before = {code for _, code in self.supply.drawn}
        self.supply.drawn.clear()
        if not self._changed:
            return {}
        self._changed = False
        return {NOTE: msgspec.msgpack.encode(self._minted)}

    def _gone(self, codes: deque[str]) -> set[str]:
        return {*codes, *self._before, *(code for _, code in self.supply.drawn)}

    def _fetch(self, name: str, codes: deque[str]) -> None:
        gone = self._gone(codes)
        free = self._store.coupons.free(name, FULL + len(gone))
        codes.extend([code for code in free if code not in gone][: FULL - len(codes)])
        if len(codes) < LOW:
            self._short.add(name)

    def _mint(self, name: str, mint: Mint, codes: deque[str]) -> None:
        while len(codes) < FULL:
            first = self._minted.get(name, 0)
            numbers = range(first, first + FULL - len(codes))
            self._minted[name] = numbers.stop
            self._changed = True
            made = list(dict.fromkeys(self._code(name, mint, number) for number in numbers))
            gone = self._gone(codes) | self._store.coupons.known(made)
            codes.extend(code for code in made if code not in gone)

    def _code(self, pool: str, mint: Mint, number: int) -> str:
        digest = hmac.digest(self._secret, f"{pool} {number}".encode(), "sha256")
        rest, letters = int.from_bytes(digest, "big"), []
        for _ in range(mint.length):
            rest, place = divmod(rest, len(ALPHABET))
            letters.append(ALPHABET[place])
        return mint.prefix + "".join(letters)
