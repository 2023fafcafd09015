"""What messages say of people: the report, and approvals of what would else be refused."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Annotated

from litestar import Router, get, post
from litestar.params import Parameter
from msgspec import Meta, Struct
from msgspec.structs import asdict, replace

from harken.clock import iso
from harken.errors import NotFound
from harken.files.plain import plain_steps
from harken.files.reader import read
from harken.files.words import did_you_mean
from harken.inputs import Approved, Definitions
from harken.messages.approvals import approval_of, approvals
from harken.people.privacy import EVERYTHING, SENSITIVE, Register
from harken.web.api import Api, Asked, TheApi
from harken.web.creepiness_model import Creepiness
from harken.web.problems import responses
from harken.web.routes.definitions import put_in_force
from harken.workspace import Workspace

ALIKE = 0.8
"""Short names resemble one another: `diet` is no misspelt `debt`."""

JourneyName = Annotated[str, Parameter(max_length=64, description="the journey's name")]
Word = Annotated[str, Meta(min_length=1, max_length=128)]


class ApprovalShown(Struct, kw_only=True):
    """Somebody answers for an attribute in a message."""

    journey: str
    message: str
    attribute: str
    by: str
    reason: str
    at: str | None
    """None for one that stands in workspace.yaml."""


class ApprovalGiven(ApprovalShown, kw_only=True):
    """What was approved just now."""

    notes: list[str]
    """Names that nothing in force has: they may be to come, or misspelt."""


class Approvals(Struct):
    """All approvals."""

    approvals: list[ApprovalShown]


class ApprovalWish(Struct, kw_only=True, forbid_unknown_fields=True):
    """What to approve, and why it is right to say it."""

    journey: Word
    message: Word
    attribute: Word
    reason: Annotated[str, Meta(min_length=1, max_length=1_000)]


class WithdrawalWish(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is no longer approved."""

    journey: Word
    message: Word
    attribute: Word


@get("/approvals", responses=responses(), sync_to_thread=True)
def list_approvals(api: TheApi) -> Approvals:
    """Every approval: those in workspace.yaml, then those given here."""
    written = api.services.store.definitions()
    workspace = read(written.workspace, Workspace)
    return Approvals([_shown(one) for one in approvals(workspace, written.approvals)])


@post("/approvals", status_code=200, responses=responses(), sync_to_thread=True)
def approve(api: TheApi, request: Asked, data: ApprovalWish) -> ApprovalGiven:
    """Let a message show an attribute, or choose its words by it; before it is saved or after.

    The key's name, the time and the reason are kept. A later approval takes an earlier one's place.
    `notes` tells names that nothing in force has.
    """
    given = Approved(
        journey=data.journey,
        message=data.message,
        attribute=data.attribute,
        by=f"key {request.user}",
        reason=data.reason,
        at=api.now,
    )
    with api.applying:
        current = api.settled_definitions()
        before = approval_of(current.approvals, data.journey, data.message, data.attribute)
        kept = [one for one in current.approvals if one != before]
        _put(api, current, [*kept, given], given.by)
        notes = list(_unknown(current, data))
    return ApprovalGiven(**asdict(_shown(given)), notes=notes)


def _unknown(current: Definitions, data: ApprovalWish) -> Iterator[str]:
    """Names of an approval that nothing has: the message may be to come, or be misspelt."""
    journey = current.journeys.get(data.journey)
    if journey is None:
        near = did_you_mean(data.journey, current.journeys)
        yield f"there is no journey `{data.journey}` yet{near}"
    else:
        steps = plain_steps(journey.source.get("steps"))
        messages = [
            str(step.get("message") or step.get("id") or f"webhook-{place + 1}")
            for place, (_, step) in enumerate(steps)
            if "message" in step or "webhook" in step
        ]
        if data.message not in messages:
            near = did_you_mean(data.message, messages)
            yield f"`{data.journey}` has no message `{data.message}` yet{near}"
    declared = read(current.workspace, Workspace).attributes
    standing = Register(declared).standing(data.attribute)
    if data.attribute != EVERYTHING and not standing.declared and standing.is_ == "ordinary":
        alike = get_close_matches(data.attribute, [*declared, *SENSITIVE], 1, ALIKE)
        hint = f"; did you mean `{alike[0]}`?" if alike else ""
        yield f"nothing makes `{data.attribute}` more than ordinary yet{hint}"


@post("/approvals/withdraw", status_code=200, responses=responses(404), sync_to_thread=True)
def withdraw(api: TheApi, request: Asked, data: WithdrawalWish) -> ApprovalShown:
    """Take an approval back that was given here. What is in force stays so until the next apply."""
    with api.applying:
        current = api.settled_definitions()
        found = approval_of(current.approvals, data.journey, data.message, data.attribute)
        if found is None:
            raise NotFound("there is no such approval; those in workspace.yaml are taken out there")
        kept = [one for one in current.approvals if one != found]
        _put(api, current, kept, f"key {request.user}")
    return _shown(found)


@get("/journeys/{name:str}/creepiness", responses=responses(404), sync_to_thread=True)
def show_creepiness(api: TheApi, name: JourneyName) -> Creepiness:
    """What a journey's messages say of people: whence, what for, and to how many."""
    # Not at the top: what reads templates takes longer to load than Harken may take to start.
    from harken.web.creepiness import creepiness

    return creepiness(api, name)


def _put(api: Api, current: Definitions, given: list[Approved], by: str) -> None:
    written = replace(
        current,
        revision=current.revision + 1,
        applied_at=api.now,
        applied_by=by,
        approvals=given,
    )
    put_in_force(api, written)


def _shown(one: Approved) -> ApprovalShown:
    return ApprovalShown(
        journey=one.journey,
        message=one.message,
        attribute=one.attribute,
        by=one.by,
        reason=one.reason,
        at=iso(one.at) if one.at else None,
    )


routes = Router(
    path="",
    tags=["privacy"],
    route_handlers=[list_approvals, approve, withdraw, show_creepiness],
)
