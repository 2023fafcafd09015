"""Coupons: pools, importing codes, using one, and what became of it."""

from pathlib import Path

from cyclopts import App

from harken.cli import show
from harken.cli.client import Connection, content_of, quoted

coupons_app = App(name="coupons", help="List pools of coupons, import codes, redeem one, and say "
                  "what became of it.")  # fmt: skip


@coupons_app.command(name="list")
def list_pools(*, connection: Connection = Connection()) -> None:
    """List all pools, and how many of their codes are in each state."""
    with connection.open() as client:
        found = client.get("/coupons")
    if connection.json:
        show.as_json(found)
        return
    columns = ("pool", "kind", "free", "issued", "redeemed", "expired", "void", "released")
    rows = [[one[name] if one[name] is not None else "-" for name in columns]
            for one in found["pools"]]  # fmt: skip
    show.table(columns, rows, "there are no pools; a pool is a file coupons/NAME.yaml")


@coupons_app.command(name="import")
def import_codes(pool: str, file: Path, /, *, connection: Connection = Connection()) -> int:
    """Take the codes of a file into a pool that has `imported: true`.

    Parameters
    ----------
    pool
        The pool's name.
    file
        A code a line, or CSV with a column `code`. Codes that are there already stay as they are,
        so a file can be given again.
    """
    content = content_of(file)
    with connection.open() as client:
        done = client.send_file("POST", f"/coupons/{quoted(pool)}/codes", content, "text/csv")
    if connection.json:
        show.as_json(done)
        return 1 if done["refused_lines"] else 0
    for one in done["told"]:
        show.line(f"{file}:{one['line']}: {one['code']!r}: {one['problem']}", "yellow")
    added = show.counted(done["added"], "code")
    show.line(
        f"{added} added to {pool}, {done['duplicates']:,} there already, "
        f"{show.counted(done['refused_lines'], 'line')} refused.",
        "red" if done["refused_lines"] else "green",
    )
    return 1 if done["refused_lines"] else 0


@coupons_app.command(name="redeem")
def redeem_coupon(
    code: str,
    /,
    *,
    reference: str = "",
    amount: float | None = None,
    connection: Connection = Connection(),
) -> None:
    """Use a coupon, once.

    Parameters
    ----------
    code
        The code, in any case.
    reference
        An order's number; asked again with it, it is the same use.
    amount
        What was bought with it.
    """
    with connection.open() as client:
        wish = {"code": code, "reference": reference, "amount": amount}
        done = client.post("/coupons/redeem", wish)
    if connection.json:
        show.as_json(done)
        return
    whose = done["user_id"] or f"profile {done['profile']}"
    show.line(f"{done['code']} of {done['pool']} is redeemed; it was {whose}'s.", "green")


@coupons_app.command(name="show")
def show_coupon(code: str, /, *, connection: Connection = Connection()) -> None:
    """Say whose a code is, and what happened to it.

    Parameters
    ----------
    code
        The code, in any case.
    """
    with connection.open() as client:
        found = client.get(f"/coupons/codes/{quoted(code)}")
    if connection.json:
        show.as_json(found)
        return
    shown = ("code", "pool", "state", "user_id", "profile", "journey", "step", "issued_at",
             "expires_at", "ended_at", "reference", "amount")  # fmt: skip
    show.facts({name: found[name] for name in shown if found[name] not in (None, "")})
    show.heading("What happened")
    rows = [
        (one["at"], one["event"].removeprefix("$coupon_"), one["properties"].get("why", ""))
        for one in found["story"]
    ]
    show.table(("at", "what", "why"), rows, "nothing yet")
