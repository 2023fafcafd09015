"""Customers: what is known of them, why, and what an operator may change."""

from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from litestar import Router, delete, get, patch, post, put
from litestar.params import Parameter
from msgspec import Meta, Struct, field

from harken.channels.addresses import parse_address
from harken.channels.table import NAMES
from harken.clock import iso, parse_time
from harken.errors import BadInput, Conflict
from harken.ids import derived_id
from harken.ingest.protocol import EVENT_BYTES, Accepted, Reader
from harken.inputs import Consent, Forget, Merge, Unmerge
from harken.loops.broadcasts import load as load_broadcasts
from harken.people.attributes import standard_name
from harken.people.consent import ALL, PURPOSES
from harken.people.merge import UNDO
from harken.people.place import zone_of
from harken.people.profile import ConsentChange, ConsentState, Profile
from harken.people.traits import MACHINES_DO
from harken.reports.misses import misses
from harken.reports.why import why
from harken.reports.words import Words
from harken.values import zone
from harken.web.api import Api, Asked, TheApi, profile_number
from harken.web.person import Person, person_of, rows_of
from harken.web.problems import not_there, responses
from harken.web.timeline import Line, line_of

LONGEST_ID = 300
LONGEST_WORD = 200
MOST_MISSES = 20

PersonId = Annotated[
    str,
    Parameter(
        description="a user id (or `user:ID`), `anonymous:ID` or `profile:NUMBER`",
        min_length=1,
        max_length=LONGEST_ID,
    ),
]
Text = Annotated[str, Meta(max_length=LONGEST_WORD)]


class Done(Struct, kw_only=True):
    """What was asked for is durable; `in_force` once it has taken effect."""

    in_force: bool


class Timeline(Struct, kw_only=True):
    """A page of the time line."""

    timeline: list[Line]
    next: str | None
    """Give as `before` for the next page; null on the last."""


class ConsentWish(Struct, kw_only=True, forbid_unknown_fields=True):
    """A choice to be recorded."""

    channel: Annotated[str, Meta(max_length=40)]
    """A channel (`email`), or `all`."""
    purpose: Annotated[str, Meta(max_length=40)]
    """`marketing`, `transactional` or `night`."""
    state: ConsentState
    how: Text = "api"
    """Where and how the customer chose: `sign-up form`."""
    text_version: Text = ""
    """The version of the text that was agreed to."""


class ConsentWishes(Struct, kw_only=True, forbid_unknown_fields=True):
    """Choices to be recorded together."""

    changes: Annotated[list[ConsentWish], Meta(min_length=1, max_length=50)]


class MergeWish(Struct, kw_only=True, forbid_unknown_fields=True):
    """Whom to join into the customer of the path."""

    absorb: Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)]


class UnmergeWish(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which profile to take out of the customer of the path again."""

    profile: Annotated[str, Meta(min_length=1, max_length=30)]
    """Its number, as the path `profile:NUMBER` has it."""


class Story(Struct, kw_only=True):
    """One thing that happened on the way."""

    at: str
    when: str
    """The time in words, in the answer's `zone`."""
    text: str
    outcome: str
    reason: str
    gate: str
    step: str
    message: str


class WhyAnswer(Struct, kw_only=True):
    """Why a customer did or did not get a message of a journey."""

    journey: str
    zone: str
    answer: str
    story: list[Story]


class Export(Struct, kw_only=True):
    """Everything that is kept about a customer."""

    exported_at: str
    person: Person
    history: list[dict[str, Any]]
    """Events and decisions, newest first."""
    history_truncated: bool = False
    sandbox: list[dict[str, Any]] = field(default_factory=list)
    """Mails that the sandbox holds."""


@get("/people/{person_id:str}", responses=responses(404), sync_to_thread=True)
def show_person(api: TheApi, person_id: PersonId) -> Person:
    """Everything known of a customer, and their latest messages."""
    return person_of(api, api.person(person_id))


@get("/people/{person_id:str}/timeline", responses=responses(404), sync_to_thread=True)
def show_timeline(
    api: TheApi,
    person_id: PersonId,
    before: Annotated[str | None, Parameter(description="a time; only what is older")] = None,
    limit: Annotated[int, Parameter(ge=1, le=500)] = 100,
) -> Timeline:
    """What happened to a customer and what was decided about them, newest first."""
    profile = api.person(person_id)
    at = None
    if before is not None:
        at = parse_time(before)
        if at is None:
            raise BadInput(f"before={before[:40]!r} is no time; write 2026-01-31T09:00:00Z")
    found = api.services.history.timeline([profile.id], before=at, limit=limit)
    words = Words(_zone(api, profile), seconds=True)
    lines = [line_of(entry, words) for entry in found]
    return Timeline(timeline=lines, next=lines[-1].at if len(lines) >= limit else None)


@patch("/people/{person_id:str}/attributes", responses=responses(404), sync_to_thread=True)
def change_attributes(
    api: TheApi, request: Asked, person_id: PersonId, data: dict[str, Any]
) -> Person:
    """State some attributes; `null` takes one away. The others stay as they are."""
    return _identify(api, request, person_id, data)


@put("/people/{person_id:str}/attributes", responses=responses(404), sync_to_thread=True)
def replace_attributes(
    api: TheApi, request: Asked, person_id: PersonId, data: dict[str, Any]
) -> Person:
    """State all attributes: those that are not given are taken away."""
    profile = api.person(person_id)
    return _identify(api, request, person_id, {**dict.fromkeys(profile.attributes), **data})


@put("/people/{person_id:str}/consent", responses=responses(404), sync_to_thread=True)
def change_consent(api: TheApi, request: Asked, person_id: PersonId, data: ConsentWishes) -> Person:
    """Record consent given or taken back."""
    profile = api.person(person_id)
    changes = [
        ConsentChange(
            channel=wish.channel,
            purpose=wish.purpose,
            state=wish.state,
            at=api.now,
            by=_by(request),
            how=wish.how,
            text_version=wish.text_version,
        )
        for wish in data.changes
    ]
    for change in changes:
        if change.channel not in (*NAMES, ALL):
            known = ", ".join((*NAMES, ALL))
            raise BadInput(f"there is no channel {change.channel!r}; known are {known}")
        if change.purpose not in PURPOSES:
            known = ", ".join(PURPOSES)
            raise BadInput(f"there is no purpose {change.purpose!r}; known are {known}")
    api.command([(profile.id, Consent(changes))])
    return person_of(api, api.person(person_id))


@get("/people/{person_id:str}/why/{journey:str}", responses=responses(404), sync_to_thread=True)
def why_person(
    api: TheApi,
    person_id: PersonId,
    journey: Annotated[str, Parameter(max_length=LONGEST_WORD)],
    language: Literal["en", "ko", "id"] = "en",
) -> WhyAnswer:
    """Why a customer did or did not get a message of a journey, in plain sentences."""
    profile = api.person(person_id)
    in_force = api.services.in_force
    live = in_force.journeys.get(journey)
    if live is None:
        raise not_there("journey", journey, in_force.journeys)
    history, event = api.services.history, live.source.entry.event
    decided = [
        *history.decisions(profile.id, journey),
        *misses(live, history.latest(profile.id, event, MOST_MISSES)),
    ]
    answer = why(
        journey,
        sorted(decided, key=lambda decision: decision.at),
        rows_of(api, profile, 500),
        profile,
        workspace_zone=ZoneInfo(in_force.workspace.timezone),
        entry_event=event,
        entries={live.revision: live.source.entry},
        applied_at=in_force.written.applied_at if live.revision == 1 else 0,
        state="archived" if live.archived else live.source.state,
        broadcasts=load_broadcasts(api.services.store).now.active,
        by_machines=[
            one
            for name in sorted(MACHINES_DO)
            for one in history.latest(profile.id, name, MOST_MISSES)
        ],
        language=language,
    )
    story = [
        Story(
            at=iso(line.at),
            when=line.when,
            text=line.text,
            outcome=line.outcome,
            reason=line.reason,
            gate=line.gate,
            step=line.step,
            message=line.message,
        )
        for line in answer.story
    ]
    return WhyAnswer(journey=journey, zone=answer.zone, answer=answer.answer, story=story)


@post(
    "/people/{person_id:str}/merge",
    status_code=200,
    responses=responses(404, 409),
    sync_to_thread=True,
)
def merge_people(api: TheApi, request: Asked, person_id: PersonId, data: MergeWish) -> Person:
    """Join another profile into the customer's; it can be undone for 30 days."""
    survivor, absorbed = api.person(person_id), api.person(data.absorb)
    if survivor.id == absorbed.id:
        raise Conflict("these are the same customer already")
    api.command([(survivor.id, Merge(absorbed.id, f"by {_by(request)}"))])
    return person_of(api, api.person(person_id))


@post(
    "/people/{person_id:str}/unmerge",
    status_code=200,
    responses=responses(404, 409),
    sync_to_thread=True,
)
def unmerge_people(api: TheApi, request: Asked, person_id: PersonId, data: UnmergeWish) -> Person:
    """Take a profile out again that was joined into the customer's."""
    survivor = api.person(person_id)
    absorbed = profile_number(data.profile.removeprefix("profile:"))
    merged_at = survivor.absorbed.get(absorbed)
    if merged_at is None:
        raise Conflict(f"profile:{absorbed} is not joined into this customer")
    if api.now - merged_at > UNDO:
        raise Conflict("a merge can be undone for 30 days; this one is older")
    grave = api.services.store.profiles([absorbed])[absorbed].tombstone
    if grave is not None and grave.into != survivor.id:
        told = f"profile:{absorbed} came into this customer with profile:{grave.into}"
        raise Conflict(f"{told}: take that one out first")
    since = api.services.history.events_since(survivor.id, merged_at)
    api.command([(survivor.id, Unmerge(absorbed, _by(request), since))])
    return person_of(api, api.person(f"profile:{survivor.id}"))


@delete("/people/{person_id:str}", status_code=200, responses=responses(404), sync_to_thread=True)
def forget_person(api: TheApi, request: Asked, person_id: PersonId) -> Done:
    """Erase all that is known of a customer: document, history, addresses and kept mails."""
    profile = api.person(person_id)
    theirs = [profile.user_id, *profile.former_user_ids, *api.anonymous_ids(profile)]
    traces = [*theirs, profile.attribute("email")]
    done = api.command([(profile.id, Forget(_by(request)))])
    services = api.services
    services.sandbox.forget([profile.id, *profile.absorbed])
    with api.intake:
        services.rejected.forget([text for text in traces if isinstance(text, str) and text])
    return Done(in_force=done)


EXPORTED = 10_000


@get("/people/{person_id:str}/export", responses=responses(404), sync_to_thread=True)
def export_person(api: TheApi, person_id: PersonId) -> Export:
    """Everything that is kept about a customer, to be handed to them."""
    profile = api.person(person_id)
    found = api.services.history.timeline([profile.id], limit=EXPORTED)
    address = profile.attribute("email")
    mails = api.services.sandbox.list(address=address) if isinstance(address, str) else []
    return Export(
        exported_at=iso(api.now),
        person=person_of(api, profile),
        history=[{**entry, "at": iso(entry["at"])} for entry in found],
        history_truncated=len(found) >= EXPORTED,
        sandbox=[
            {"id": mail.id, "to": mail.address, "subject": mail.subject, "at": iso(mail.at)}
            for mail in mails
        ],
    )


def _by(request: Asked) -> str:
    return f"key {request.user}"


def _zone(api: Api, profile: Profile) -> ZoneInfo:
    return zone_of(profile, ZoneInfo(api.services.in_force.workspace.timezone))


def _identify(api: Api, request: Asked, person_id: str, traits: dict[str, Any]) -> Person:
    profile = api.person(person_id)
    api.events([identify(profile, api.anonymous_ids(profile), traits, api.now)], request.user)
    return person_of(api, api.person(person_id))


def identify(
    profile: Profile, anonymous_ids: list[str], traits: dict[str, Any], now: int
) -> Accepted:
    """An `identify` of a customer whom we know. Raises BadInput for what ingest would refuse."""
    _refuse_useless(traits)
    who = {"userId": profile.user_id}
    if profile.user_id is None:
        if not anonymous_ids:
            raise Conflict("this customer has neither a user id nor an anonymous id")
        who = {"anonymousId": anonymous_ids[0]}
    body = msgspec.json.encode({"type": "identify", "traits": traits, **who})
    if len(body) > EVENT_BYTES:
        raise BadInput(f"the attributes have {len(body)} bytes; {EVENT_BYTES} is the most")
    id = derived_id("identify", profile.id, now, body.hex())
    event = msgspec.json.encode(
        {"type": "identify", "traits": traits, "messageId": id, "timestamp": iso(now), **who}
    )
    accepted, rejected = Reader(now, "identify").read([event])
    if rejected:
        raise BadInput(f"{rejected[0].path}: {rejected[0].reason}")
    return accepted[0]


def _refuse_useless(traits: dict[str, Any]) -> None:
    """An operator's slip is told at once; what a client states is kept as it is."""
    for key, stated in traits.items():
        name = standard_name(key)
        if name == "timezone" and stated is not None and zone(stated) is None:
            raise BadInput(f"$.{key}: {stated!r} is no IANA time zone, such as Asia/Seoul")
        if name == "email" and stated is not None:
            try:
                parse_address(str(stated))
            except BadInput as fault:
                raise BadInput(f"$.{key}: {fault}") from None


routes = Router(
    path="",
    tags=["people"],
    route_handlers=[
        show_person,
        show_timeline,
        change_attributes,
        replace_attributes,
        change_consent,
        why_person,
        merge_people,
        unmerge_people,
        forget_person,
        export_person,
    ],
)
