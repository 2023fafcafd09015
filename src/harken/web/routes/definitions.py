"""Definitions: check, plan, apply, and the schemas of the files."""

import os
from typing import Annotated, Any, NamedTuple

from litestar import Router, get, post
from litestar.params import Parameter
from msgspec import Struct

from harken.channels.lacking import lacking
from harken.clock import iso
from harken.errors import NotFound
from harken.files.kinds import Kind, plain_of
from harken.files.plan import Change, move_faults, plan
from harken.files.schema import schemas
from harken.inputs import Definitions
from harken.web.api import Api, Asked, TheApi
from harken.web.catchup import durable
from harken.web.problems import responses
from harken.web.projects import (
    Found,
    ProjectBody,
    Warnings,
    beyond_history,
    compiled,
    faults_of,
    found_in,
    next_bundle,
    past_times,
    project_of,
    refuse_faults,
    unknown_names,
    warnings_of,
)

MOST_BYTES = 20_000_000
NOTHING = Warnings(packs_off=[], coverage=[])


class Checked(Struct, kw_only=True):
    """What is wrong with definitions; `ok` when they could be applied."""

    ok: bool
    faults: list[Found]
    warnings: Warnings


class Planned(Struct, kw_only=True):
    """What applying would change."""

    revision: int
    """The revision in force, which would be followed."""
    changes: list[Change]
    faults: list[Found]
    warnings: Warnings


class Applied(Struct, kw_only=True):
    """What was applied; durable, and handled under by every later event."""

    revision: int
    changes: list[Change]
    in_force: bool
    """Whether the engine has it in force by now."""
    faults: list[Found]
    """Warnings; definitions with graver faults are refused."""
    warnings: Warnings


class JourneyDefinition(Struct, kw_only=True):
    """A journey with its content files."""

    revision: int
    source: dict[str, Any]
    files: dict[str, str]
    archived: bool


class Current(Struct, kw_only=True):
    """The definitions in force, as they were written."""

    revision: int
    applied_at: str | None
    applied_by: str
    workspace: dict[str, Any]
    journeys: dict[str, JourneyDefinition]
    segments: dict[str, dict[str, Any]]
    coupons: dict[str, dict[str, Any]]
    surveys: dict[str, dict[str, Any]]


@get("/definitions", responses=responses(), sync_to_thread=True)
def show_definitions(api: TheApi) -> Current:
    """The definitions in force."""
    written = api.services.store.definitions()
    return Current(
        revision=written.revision,
        applied_at=iso(written.applied_at) if written.applied_at else None,
        applied_by=written.applied_by,
        workspace=written.workspace,
        journeys={
            name: JourneyDefinition(
                revision=one.revision, source=one.source, files=one.files, archived=one.archived
            )
            for name, one in written.journeys.items()
        },
        **{one.folder: found for one, found in plain_of(written)},
    )


@post(
    "/definitions/check",
    status_code=200,
    request_max_body_size=MOST_BYTES,
    responses=responses(422),
    sync_to_thread=True,
)
def check_definitions(api: TheApi, request: Asked, data: ProjectBody) -> Checked:
    """Everything that is wrong with definitions, and what to know before applying them."""
    draft = _drafted(api, request, data)
    return Checked(ok=draft.sound, faults=draft.faults, warnings=draft.warnings)


@post(
    "/definitions/plan",
    status_code=200,
    request_max_body_size=MOST_BYTES,
    responses=responses(422),
    sync_to_thread=True,
)
def plan_definitions(api: TheApi, request: Asked, data: ProjectBody) -> Planned:
    """What applying definitions would change; changes nothing."""
    draft = _drafted(api, request, data)
    return Planned(
        revision=draft.current.revision,
        changes=draft.changes,
        faults=draft.faults,
        warnings=draft.warnings,
    )


@post(
    "/definitions/apply",
    status_code=200,
    request_max_body_size=MOST_BYTES,
    responses=responses(422),
    sync_to_thread=True,
)
def apply_definitions(api: TheApi, request: Asked, data: ProjectBody) -> Applied:
    """Put definitions in force: whole, or not at all when anything is wrong with them."""
    with api.applying:
        draft = _drafted(api, request, data)
        refuse_faults(draft.faults)
        same = all(change.action == "unchanged" for change in draft.changes)
        in_force = same or put_in_force(api, draft.written)
    return Applied(
        revision=(draft.current if same else draft.written).revision,
        changes=draft.changes,
        in_force=in_force,
        faults=draft.faults,
        warnings=draft.warnings,
    )


class Draft(NamedTuple):
    """Definitions that were sent, beside those in force."""

    current: Definitions
    written: Definitions
    changes: list[Change]
    faults: list[Found]
    sound: bool
    """No fault is more than a warning."""
    warnings: Warnings


def _drafted(api: Api, request: Asked, data: ProjectBody) -> Draft:
    current, written = next_bundle(api, data, f"key {request.user}")
    project = project_of(data)
    changes = plan(current, project)
    faults = faults_of(written, list(data.journeys))
    faults += [found_in("journey", *one) for one in move_faults(current, project)]
    sound = all(fault.warning for fault in faults)
    warnings = NOTHING
    if sound:
        draft = compiled(api, written)
        faults += [
            *unknown_names(api, written, data),
            *past_times(draft, changes, api.now),
            *beyond_history(written, draft.workspace, api.now),
        ]
        missing = lacking(draft.workspace, os.environ)
        faults += [found_in("workspace", "", fault) for fault in missing]
        warnings = warnings_of(api, draft, changes)
    return Draft(current, written, changes, faults, sound, warnings)


def put_in_force(api: Api, written: Definitions) -> bool:
    """Log definitions durably; whether they are in force by now. Hold `api.applying`."""
    return api.wait(durable(api.services.collector.append_definitions(written)))


@get("/schemas/{kind:str}", responses=responses(404), sync_to_thread=False)
def show_schema(
    kind: Annotated[Kind, Parameter(description="the kind of file")],
) -> dict[str, Any]:
    """The JSON Schema of a kind of file, for editors."""
    found = schemas().get(kind)
    if found is None:
        raise NotFound(f"there is no schema of a {kind!r}")
    return found


routes = Router(
    path="",
    tags=["definitions"],
    route_handlers=[
        show_definitions,
        check_definitions,
        plan_definitions,
        apply_definitions,
        show_schema,
    ],
)
