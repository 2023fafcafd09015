"""What operators ask: how Harken is, what was refused, and a copy of everything."""

import os
from typing import Annotated

from litestar import Router, get, post
from litestar.params import Parameter
from msgspec import Meta, Struct

import harken
from harken.channels.lacking import lacking
from harken.channels.sandbox import SANDBOX_URL
from harken.clock import iso
from harken.web import coupons
from harken.web.api import Api, TheApi
from harken.web.backup import Backup, back_up
from harken.web.problems import responses
from harken.web.routes.hooks import hook_token


class Refused(Struct, kw_only=True):
    """An event that was refused."""

    id: int
    at: str
    key: str
    """The name of the write key that it came by."""
    reason: str
    path: str
    """Where in the request."""
    excerpt: str


class RefusedEvents(Struct, kw_only=True):
    """Refused events, newest first."""

    rejected: list[Refused]
    next: int | None
    """Give as `before` for the next page; null on the last."""
    not_kept: int
    """How many were only counted, because there were too many."""


class BackupWish(Struct, kw_only=True, forbid_unknown_fields=True):
    """Where the copy goes."""

    to: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    """The name of a new folder below `backups` in the data folder."""


class Transport(Struct, kw_only=True):
    """A way for mail to leave."""

    name: str
    kind: str
    """`smtp` or `sandbox`."""


class Status(Struct, kw_only=True):
    """How Harken is."""

    version: str
    now: str
    definitions_revision: int
    log_end: int
    """The log's length since its beginning, bytes."""
    log_lag: int
    """How much of it the engine has not handled yet, bytes."""
    profiles: int
    wakeups: int
    """Wake-ups that are parked."""
    messages: dict[str, int]
    """Messages that wait, are being sent, or are unsure."""
    children: dict[str, bool]
    """The processes besides the web process, and whether they run."""
    troubles: dict[str, str]
    warnings: dict[str, str]
    """What is missing or soon will be: codes of coupons, variables that the workspace names."""
    transports: list[Transport]
    bounces_hook: str
    """Where providers are to post bounces."""


@get("/rejected", responses=responses(), sync_to_thread=True)
def list_rejected(
    api: TheApi,
    before: Annotated[
        int | None, Parameter(ge=1, le=2**62, description="the id of the last one seen")
    ] = None,
    limit: Annotated[int, Parameter(ge=1, le=500)] = 100,
) -> RefusedEvents:
    """Events that were refused, and why."""
    with api.intake:
        rows = api.services.rejected.page(before, limit)
        not_kept = api.services.rejected.not_kept()
    return RefusedEvents(
        rejected=[
            Refused(
                id=row.id,
                at=iso(row.at),
                key=row.key,
                reason=row.reason,
                path=row.path,
                excerpt=row.excerpt,
            )
            for row in rows
        ],
        next=rows[-1].id if len(rows) >= limit else None,
        not_kept=not_kept,
    )


@get("/status", responses=responses(), sync_to_thread=True)
def show_status(api: TheApi) -> Status:
    """How Harken is: versions, queues, processes, and what troubles it."""
    services = api.services
    end, handled, counts = api.log.durable(), services.store.offset(), services.store.counts()
    return Status(
        version=harken.__version__,
        now=iso(api.now),
        definitions_revision=services.store.definitions().revision,
        log_end=end,
        log_lag=max(0, end - handled),
        profiles=counts.get("profiles", 0),
        wakeups=counts.get("wakeups", 0),
        messages=services.store.message_states(),
        children=api.children(),
        troubles=api.troubles(),
        warnings=coupons.warnings(api) | _lacking(api) | _obstacle(api),
        transports=_transports(api),
        bounces_hook=f"{services.settings.base_url}/hooks/bounces/{hook_token(api)}",
    )


def _lacking(api: Api) -> dict[str, str]:
    found = lacking(api.services.in_force.workspace, os.environ)
    return {fault.path.removeprefix("$."): fault.problem for fault in found}


def _obstacle(api: Api) -> dict[str, str]:
    why = api.services.store.obstacle()
    return {"messages": f"some wait to be tried again: {why}"} if why else {}


def _transports(api: Api) -> list[Transport]:
    listed = api.services.in_force.workspace.transports
    if listed:
        return [
            Transport(name=one.name, kind="sandbox" if one.url == SANDBOX_URL else "smtp")
            for one in listed
        ]
    if api.services.settings.smtp_url:
        return [Transport(name="smtp", kind="smtp")]
    return [Transport(name="sandbox", kind="sandbox")]


@post("/backup", responses=responses(409), sync_to_thread=True)
def make_backup(api: TheApi, data: BackupWish) -> Backup:
    """Copy everything to a folder below the data folder, while Harken goes on."""
    return back_up(api, data.to)


routes = Router(
    path="", tags=["operation"], route_handlers=[list_rejected, show_status, make_backup]
)
