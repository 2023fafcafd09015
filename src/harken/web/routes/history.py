"""Questions to history in SQL, and all of it as Parquet files."""

from typing import Annotated, Any

from litestar import Router, post
from msgspec import Meta, Struct

from harken.errors import BadInput, Conflict
from harken.web.api import Api, TheApi
from harken.web.problems import responses

MOST_ROWS = 10_000
EXACT = 2**53
"""JSON numbers beyond this are not the same for every reader: they are told as text."""


class Question(Struct, kw_only=True, forbid_unknown_fields=True):
    """One SELECT over the tables of history."""

    sql: Annotated[str, Meta(min_length=1, max_length=100_000)]
    limit: Annotated[int, Meta(ge=1, le=MOST_ROWS)] = 1_000
    """Rows in the answer at most."""
    seconds: Annotated[float, Meta(gt=0, le=50)] = 30.0
    """It is stopped when it takes longer."""


class Answer(Struct, kw_only=True):
    """The rows, in the order asked for."""

    columns: list[str]
    rows: list[list[Any]]
    """Whole numbers beyond 2^53 as text."""
    more: bool
    """Whether there are more rows than `limit`."""


class ExportWish(Struct, kw_only=True, forbid_unknown_fields=True):
    """Where the files go."""

    to: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    """The name of a new folder below `exports` in the data folder."""


class Export(Struct, kw_only=True):
    """An export that was made."""

    path: str
    """Below the data folder."""
    rows: dict[str, int]
    """By table; each is a file `TABLE.parquet`."""


@post("/sql", responses=responses(), status_code=200, sync_to_thread=True)
def ask_history(api: TheApi, data: Question) -> Answer:
    """Ask history one SELECT; nothing can be changed by it."""
    found = api.services.history.table(data.sql, limit=data.limit + 1, seconds=data.seconds)
    rows = [[_told(value) for value in row] for row in found.rows[: data.limit]]
    return Answer(columns=found.columns, rows=rows, more=len(found.rows) > data.limit)


@post("/history/export", responses=responses(409), sync_to_thread=True)
def export_history(api: TheApi, data: ExportWish) -> Export:
    """Write all of history to Parquet files in a folder below the data folder."""
    if not api.copying.acquire(blocking=False):
        raise Conflict("a backup or an export is being made; try again when it is done")
    try:
        return _export(api, data.to)
    finally:
        api.copying.release()


def _export(api: Api, name: str) -> Export:
    target = api.services.settings.data / "exports" / name
    try:
        return Export(path=f"exports/{name}", rows=api.services.history.export(str(target)))
    except BadInput:
        raise Conflict(f"there is an export called {name!r} already") from None


def _told(value: Any) -> Any:
    if isinstance(value, int):
        return value if -EXACT <= value <= EXACT else str(value)
    if isinstance(value, float):
        # JSON has neither infinity nor what is no number.
        return value if value - value == 0 else str(value)
    if isinstance(value, dict):
        return {name: _told(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_told(part) for part in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


routes = Router(path="", tags=["history"], route_handlers=[ask_history, export_history])
