"""Exports: members of a segment sent to a webhook, and how far they are."""

from typing import Annotated, Any

from litestar import Router, delete, get, post
from litestar.params import Parameter
from msgspec import Meta, Struct

from harken.channels.posting import LONGEST_URL
from harken.clock import iso
from harken.web.api import Asked, TheApi
from harken.web.exports import Export
from harken.web.ledger import moment
from harken.web.problems import responses

ExportId = Annotated[str, Parameter(max_length=64, description="the export's id")]
SegmentName = Annotated[str, Parameter(max_length=64, description="the segment's name")]
Path = Annotated[str, Meta(min_length=1, max_length=200)]


class ExportBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """Where members go, and what of them."""

    url: Annotated[str, Meta(min_length=1, max_length=LONGEST_URL)]
    batch: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    """Members in a request."""
    attributes: Annotated[list[Path], Meta(max_length=50)] = []
    """Paths of attributes that go along as they are."""
    hashed: Annotated[list[Path], Meta(max_length=50)] = []
    """Paths of attributes that go along as SHA-256 of the trimmed text in lower case."""


class ExportShown(Struct, kw_only=True):
    """An export, and how far it is."""

    id: str
    segment: str
    url: str
    state: str
    """`waiting`, `running`, `done`, `failed` or `stopped`."""
    batches: int
    """Requests that were answered well."""
    members: int
    """Members in them."""
    trouble: str
    """Why it failed, or why a batch has to be tried again."""
    asked_at: str
    by: str
    finished_at: str | None


class ExportBegun(ExportShown, kw_only=True):
    """An export that was begun."""

    signing_secret: str
    """With this the receiver checks signatures; the same for every export to the address."""


class ExportList(Struct):
    """Exports, newest first."""

    exports: list[ExportShown]


@post(
    "/segments/{name:str}/export",
    status_code=202,
    responses=responses(404, 409),
    sync_to_thread=True,
)
def export_segment(api: TheApi, request: Asked, name: SegmentName, data: ExportBody) -> ExportBegun:
    """Post all members to a webhook, in the background and in signed batches."""
    api.segments.get(name)
    wish = Export(
        id="",
        segment=name,
        url=data.url,
        batch=data.batch,
        attributes=data.attributes,
        hashed=data.hashed,
        asked_at=api.now,
        by=f"key {request.user}",
    )
    made = api.exports.add(wish)
    return ExportBegun(**_export(made), signing_secret=api.exports.secret_of(made.url))


@get("/exports", responses=responses(), sync_to_thread=True)
def list_exports(api: TheApi) -> ExportList:
    """Exports to webhooks, newest first; the latest hundred are remembered."""
    return ExportList([ExportShown(**_export(one)) for one in api.exports.all()])


@get("/exports/{export_id:str}", responses=responses(404), sync_to_thread=True)
def show_export(api: TheApi, export_id: ExportId) -> ExportShown:
    """How far an export is, and why it failed or waits."""
    return ExportShown(**_export(api.exports.get(export_id)))


@delete(
    "/exports/{export_id:str}",
    status_code=200,
    responses=responses(404, 409),
    sync_to_thread=True,
)
def stop_export(api: TheApi, export_id: ExportId) -> ExportShown:
    """End an export before its time; what was delivered stays delivered."""
    return ExportShown(**_export(api.exports.stop(export_id)))


def _export(one: Export) -> dict[str, Any]:
    return {
        "id": one.id,
        "segment": one.segment,
        "url": one.url,
        "state": one.state,
        "batches": one.batches,
        "members": one.members,
        "trouble": one.trouble,
        "asked_at": iso(one.asked_at),
        "by": one.by,
        "finished_at": moment(one.finished_at),
    }


routes = Router(
    path="",
    tags=["segments"],
    route_handlers=[export_segment, list_exports, show_export, stop_export],
)
