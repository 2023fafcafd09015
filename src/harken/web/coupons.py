"""Pools of coupons as the API tells them: imported, redeemed, and what became of a code."""

import asyncio
import codecs
import csv
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct, field

from harken.catalogs.upload import delimiter_of
from harken.errors import BadInput, Conflict, NotFound, Refused, Unavailable
from harken.inputs import Redeem
from harken.messages.pools import CouponPool, is_code, over_at
from harken.store.base import CouponCounts, CouponRow

if TYPE_CHECKING:
    from harken.web.api import Api

MOST_BYTES = 512_000_000
"""Of a file of codes: about thirty million of them. It is never in memory as a whole."""
LONGEST_LINE = 10_000
AT_ONCE = 5_000
MOST_TOLD = 100
COLUMNS = ("code", "codes", "coupon", "coupon_code")
"""What a first line calls its column of codes, if it names any."""


class RefusedCode(Struct, kw_only=True):
    """A line of a file that brought no code."""

    line: int
    code: str
    problem: str


class Imported(Struct, kw_only=True):
    """What became of a file of codes."""

    pool: str
    added: int = 0
    duplicates: int = 0
    """Codes that there are already, in this pool or another; they stay as they are."""
    refused_lines: int = 0
    """Lines with what can be no code."""
    told: list[RefusedCode] = field(default_factory=list)
    """The first 100 duplicates and refused lines."""


def pools(api: "Api") -> dict[str, tuple[CouponPool | None, CouponCounts]]:
    """Every pool by name, also those that are gone from the files but have codes."""
    known, counts = api.services.in_force.coupons, api.services.store.coupons.counts()
    return {
        name: (known.get(name), counts.get(name, CouponCounts()))
        for name in sorted({*known, *counts})
    }


def warnings(api: "Api") -> dict[str, str]:
    """Imported pools that have few codes left, or none, by `coupons NAME`."""
    found = {}
    for name, (pool, counts) in pools(api).items():
        if pool is None or not pool.imported:
            continue
        if counts.free == 0:
            found[f"coupons {name}"] = (
                "no codes are left: its journeys go `otherwise`; "
                f"`harken coupons import {name} FILE` brings more"
            )
        elif counts.free < pool.warn_below:
            found[f"coupons {name}"] = f"only {counts.free} codes are left"
    return found


async def import_codes(api: "Api", name: str, chunks: AsyncIterator[bytes]) -> Imported:
    """Take the codes of a file, as it comes. What was taken stays when the rest fails; the file
    can be sent again.

    Raises NotFound for an unknown pool, Conflict for one that mints its codes, and BadInput for a
    file that is no text or CSV.
    """
    pool = api.services.in_force.coupons.get(name)
    if pool is None:
        raise NotFound(f"there is no pool {name!r}; apply its file coupons/{name}.yaml first")
    if not pool.imported:
        raise Conflict(f"{name!r} mints its codes; only a pool with `imported: true` takes them")
    found, reading, waiting = Imported(pool=name), _Reading(), list[tuple[int, str]]()
    async for chunk in chunks:
        waiting += reading.take(chunk)
        while len(waiting) >= AT_ONCE:
            some, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
            await asyncio.to_thread(_add, api, found, some)
    waiting += reading.take(b"", final=True)
    for start in range(0, len(waiting), AT_ONCE):
        await asyncio.to_thread(_add, api, found, waiting[start : start + AT_ONCE])
    return found


def _add(api: "Api", found: Imported, lines: list[tuple[int, str]]) -> None:
    coupons, fresh = api.services.store.coupons, dict[str, int]()
    good = [code for _, code in lines if is_code(code)]
    known = coupons.known(good)
    for line, code in lines:
        if not is_code(code):
            found.refused_lines += 1
            _tell(found, line, code, "a code has 1 to 64 plain characters and no blanks")
        elif code in known or code in fresh:
            found.duplicates += 1
            _tell(found, line, code, "this code is there already")
        else:
            fresh[code] = line
    added = coupons.add(found.pool, list(fresh))
    # Another import may have brought some since they were looked for.
    found.added += added
    found.duplicates += len(fresh) - added


def _tell(found: Imported, line: int, code: str, problem: str) -> None:
    if len(found.told) < MOST_TOLD:
        found.told.append(RefusedCode(line=line, code=code[:64], problem=problem))


class _Reading:
    """(line, code) of a file that comes in pieces: a code a line, or CSV with a column of them."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._rest = ""
        self._line = 0
        self._delimiter = ","
        self._column = 0

    def take(self, chunk: bytes, *, final: bool = False) -> list[tuple[int, str]]:
        """The codes of the lines that are whole by now. Raises BadInput."""
        try:
            text = self._rest + self._decoder.decode(chunk, final)
        except UnicodeDecodeError:
            raise BadInput("the file is no UTF-8 text; save it as CSV UTF-8") from None
        lines = text.splitlines(keepends=True)
        whole = final or not lines or lines[-1].endswith(("\n", "\r"))
        self._rest = "" if whole else lines.pop()
        if len(self._rest) > LONGEST_LINE:
            raise BadInput(f"line {self._line + 1} is longer than {LONGEST_LINE:,} characters")
        return list(self._codes(lines))

    def _codes(self, lines: list[str]) -> Iterator[tuple[int, str]]:
        for text in lines:
            self._line += 1
            if self._line == 1:
                self._delimiter = delimiter_of(text)
            try:
                row = next(csv.reader([text], delimiter=self._delimiter), [])
            except csv.Error as wrong:
                raise BadInput(f"line {self._line} is no CSV: {wrong}") from None
            cells = [cell.strip() for cell in row]
            if self._line == 1 and self._is_heading(cells):
                continue
            code = cells[self._column] if len(cells) > self._column else ""
            if any(cells):
                yield self._line, code

    def _is_heading(self, cells: list[str]) -> bool:
        named = [place for place, cell in enumerate(cells) if cell.lower() in COLUMNS]
        if named:
            self._column = named[0]
        return bool(named)


def find(api: "Api", code: str) -> CouponRow:
    """A code, however it was typed. Raises NotFound."""
    coupons = api.services.store.coupons
    typed = "".join(code.split())
    found = coupons.one(typed) or coupons.one(typed.upper())
    if found is None:
        raise NotFound(f"there is no coupon {code[:64]!r}")
    return found


def redeem(api: "Api", code: str, reference: str, amount: float | None) -> CouponRow:
    """Use a coupon, once; asked again with the same reference, it is the same use.

    Raises NotFound, Refused with the reason (`free`, `void`, `expired`, `redeemed`), or Unavailable
    when it is not known yet what became of it.
    """
    row = find(api, code)
    # Of several without a reference only one is meant.
    reference = reference or f"request {secrets.token_hex(8)}"
    if row.state == "issued" and not _is_over(api, row):
        if not api.command([(row.profile_id, Redeem(row.code, reference, amount))]):
            raise Unavailable("the engine is behind; ask again with the same reference")
        row = find(api, row.code)
    if row.state == "redeemed" and row.reference == reference:
        return row
    raise _refusal(api, row)


def _is_over(api: "Api", row: CouponRow) -> bool:
    return bool(row.expires_at) and api.now >= over_at(row.expires_at)


def _refusal(api: "Api", row: CouponRow) -> Refused:
    if row.state == "redeemed":
        return Refused(f"{row.code} was redeemed before", "redeemed")
    if row.state == "expired" or (row.state == "issued" and _is_over(api, row)):
        return Refused(f"{row.code} has expired", "expired")
    if row.state == "free":
        return Refused(f"{row.code} was not given to anybody", "free")
    return Refused(f"{row.code} is not good any more", "void")
