"""Journeys: what they are, how they go, and stopping them in a hurry."""

from typing import Annotated, Any, Literal

from litestar import Router, get, post
from litestar.params import Parameter
from msgspec import Struct
from msgspec.structs import replace

from harken.clock import iso
from harken.errors import Conflict
from harken.inputs import Definitions, JourneySource
from harken.web import entries
from harken.web.api import Api, Asked, TheApi
from harken.web.entries import Entered, EntryWishes
from harken.web.problems import not_there, responses
from harken.web.routes.definitions import put_in_force

JourneyName = Annotated[str, Parameter(max_length=64, description="the journey's name")]
State = Literal["live", "paused", "archived"]

# One pass over the column of journeys; a month of decisions of a large shop takes well under 1 s.
COUNTS = """
SELECT outcome, reason, count(*), count(DISTINCT profile_id) FROM decisions
WHERE journey = $1 GROUP BY outcome, reason ORDER BY outcome, reason
"""


class Summary(Struct, kw_only=True):
    """A journey in a list."""

    name: str
    description: str
    revision: int
    state: State
    purpose: str
    event: str
    """The event that starts it."""
    messages: list[str]


class Journeys(Struct):
    """All journeys, by name."""

    journeys: list[Summary]


class Counted(Struct, kw_only=True):
    """How often something was decided, and about how many customers."""

    outcome: str
    reason: str
    decisions: int
    customers: int


class JourneyShown(Struct, kw_only=True):
    """A journey as it was written, and what was decided in it."""

    name: str
    revision: int
    state: State
    source: dict[str, Any]
    files: dict[str, str]
    applied_at: str | None
    counts: list[Counted]


class Switched(Struct, kw_only=True):
    """A journey's state after it was paused or resumed."""

    name: str
    revision: int
    state: State
    in_force: bool


@get("/journeys", responses=responses(), sync_to_thread=True)
def list_journeys(api: TheApi) -> Journeys:
    """All journeys, those archived among them."""
    in_force = api.services.in_force
    return Journeys(
        [
            Summary(
                name=live.name,
                description=live.source.description,
                revision=live.revision,
                state="archived" if live.archived else live.source.state,
                purpose=live.source.purpose,
                event=live.source.entry.event,
                messages=[step.message for step in live.messages()],
            )
            for live in in_force.journeys.values()
        ]
    )


@get("/journeys/{name:str}", responses=responses(404), sync_to_thread=True)
def show_journey(api: TheApi, name: JourneyName) -> JourneyShown:
    """A journey as it was written, and how often what was decided in it."""
    written = api.services.store.definitions()
    found = _found(written, name)
    rows = api.services.history.query(COUNTS, [name])
    return JourneyShown(
        name=name,
        revision=found.revision,
        state=_state(found),
        source=found.source,
        files=found.files,
        applied_at=iso(written.applied_at) if written.applied_at else None,
        counts=[
            Counted(outcome=outcome, reason=reason, decisions=times, customers=people)
            for outcome, reason, times, people in rows
        ],
    )


@post(
    "/journeys/{name:str}/pause",
    status_code=200,
    responses=responses(404, 409),
    sync_to_thread=True,
)
def pause_journey(api: TheApi, request: Asked, name: JourneyName) -> Switched:
    """Start nothing and send nothing in the journey until it is resumed."""
    return _switch(api, request, name, "paused")


@post(
    "/journeys/{name:str}/resume",
    status_code=200,
    responses=responses(404, 409),
    sync_to_thread=True,
)
def resume_journey(api: TheApi, request: Asked, name: JourneyName) -> Switched:
    """Let a paused journey go on."""
    return _switch(api, request, name, "live")


@post(
    "/journeys/{name:str}/entries",
    status_code=200,
    request_max_body_size=entries.MOST_BYTES,
    responses=responses(404, 409),
    sync_to_thread=True,
)
def enter_journey(api: TheApi, name: JourneyName, data: EntryWishes) -> Entered:
    """Put one customer, or up to 2,500, into a journey whose entry is by API.

    All are durable when it answers, but for the refused: who nobody knows, and what is malformed.
    The same `id` enters the same customer once within 48 h, so a request may be repeated.
    """
    return entries.put_in(api, name, data)


def _switch(api: Api, request: Asked, name: str, state: Literal["live", "paused"]) -> Switched:
    with api.applying:
        current = api.settled_definitions()
        found = _found(current, name)
        if found.archived:
            raise Conflict(f"the journey {name!r} is archived; apply it again to use it")
        if _state(found) == state:
            return Switched(name=name, revision=found.revision, state=state, in_force=True)
        changed = JourneySource(found.revision + 1, {**found.source, "state": state}, found.files)
        in_force = put_in_force(
            api,
            replace(
                current,
                revision=current.revision + 1,
                applied_at=api.now,
                applied_by=f"key {request.user}",
                journeys={**current.journeys, name: changed},
            ),
        )
    return Switched(name=name, revision=changed.revision, state=state, in_force=in_force)


def _found(written: Definitions, name: str) -> JourneySource:
    found = written.journeys.get(name)
    if found is None:
        raise not_there("journey", name, written.journeys)
    return found


def _state(found: JourneySource) -> State:
    if found.archived:
        return "archived"
    return "paused" if found.source.get("state") == "paused" else "live"


routes = Router(
    path="",
    tags=["journeys"],
    route_handlers=[list_journeys, show_journey, pause_journey, resume_journey, enter_journey],
)
