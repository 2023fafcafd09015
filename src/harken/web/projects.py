"""Definitions as the API takes them: checked whole, compared, applied, and what to warn of."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from harken import checking
from harken.clock import HOUR
from harken.definitions import InForce
from harken.errors import BadDefinition, BadInput, Fault, Unavailable
from harken.files.kinds import plain_of
from harken.files.plan import Change, bundle
from harken.files.project import JourneyFiles, Project
from harken.gates import packs_off
from harken.inputs import Definitions
from harken.journeys.compile import LiveJourney
from harken.journeys.entries import Recurring, ScheduleEntry
from harken.journeys.kinds import Update, walk
from harken.journeys.model import Journey
from harken.journeys.occurrences import following
from harken.logs import structlog
from harken.people.profile import Profile, Trigger
from harken.segments.model import Segment
from harken.segments.reads import EVER, looks_back
from harken.values import Duration
from harken.web.api import Api
from harken.web.rules import definitions_in, parts
from harken.web.samples import latest_triggers
from harken.workspace import Workspace

SAMPLE = 500
"""Latest triggers that a message is tried on."""
ZONES_APART = 28 * HOUR
"""Longer than it takes a local time to come to all zones."""
MOST_FEEDS = 10
"""Addresses of feeds that are asked while a message is tried."""
MOST_TRIED = 20
"""Message steps that are tried; a project with more of them is told so."""
# Countries are stated in identify calls; the latest tell where customers live now.
COUNTRIES = """
SELECT DISTINCT props.country::VARCHAR FROM (
    SELECT props FROM events WHERE name = '$identify' ORDER BY ts DESC LIMIT 20000
) WHERE props.country::VARCHAR IS NOT NULL LIMIT 300
"""

log = structlog.get_logger("web")


class JourneyBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """A journey as its file has it, with the content files that it names."""

    source: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)


class ProjectBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """A folder of definitions. What is not in it is archived."""

    workspace: dict[str, Any] | None = None
    """Left as it is when not given."""
    journeys: dict[str, JourneyBody] = field(default_factory=dict)
    segments: dict[str, dict[str, Any]] = field(default_factory=dict)
    coupons: dict[str, dict[str, Any]] = field(default_factory=dict)
    surveys: dict[str, dict[str, Any]] = field(default_factory=dict)
    move: list[str] = field(default_factory=list)
    """Journeys whose runs in flight go on on the new revision; others' finish on their own."""


class Found(Struct, kw_only=True):
    """A fault, and the definition that it is in."""

    kind: str
    """Of its file: `workspace`, `journey`, `segment` ..."""
    name: str
    path: str
    problem: str
    file: str
    """The content file, when the fault stands in one."""
    line: int
    warning: bool


class Cover(Struct, kw_only=True):
    """What a message would say to those who triggered its journey lately."""

    journey: str
    step: str
    customers: int
    by_variant: dict[str, int]
    to_default: int
    """How many were chosen for a variant but lack data for it."""
    share_to_default: float
    reasons: dict[str, int]
    aborted: dict[str, int]


class Warnings(Struct, kw_only=True):
    """What is allowed, but should be known before it is applied."""

    packs_off: list[str]
    """Policy packs of countries where customers live, which the workspace does not list."""
    coverage: list[Cover]


def project_of(body: ProjectBody) -> Project:
    """The project in the form that `files.plan` compares and applies."""
    plain: dict[str, Any] = {one.folder: found for one, found in plain_of(body)}
    return Project(
        workspace=body.workspace or {},
        has_workspace=body.workspace is not None,
        journeys={name: JourneyFiles(one.source, one.files) for name, one in body.journeys.items()},
        move=body.move,
        **plain,
    )


def next_bundle(api: Api, body: ProjectBody, by: str) -> tuple[Definitions, Definitions]:
    """The definitions in force, and those that would follow."""
    current = api.settled_definitions()
    return current, bundle(current, project_of(body), api.now, by)


def faults_of(written: Definitions, names: Sequence[str] | None = None) -> list[Found]:
    """All that is wrong with definitions; of `names` journeys alone when given."""
    return [
        found_in(kind, name, fault)
        for kind, name, fault in checking.check(written)
        if names is None or kind != "journey" or name in names
    ]


def found_in(kind: str, name: str, fault: Fault) -> Found:
    return Found(
        kind=kind,
        name=name,
        path=fault.path,
        problem=fault.problem,
        file=fault.file,
        line=fault.line,
        warning=fault.warning,
    )


def unknown_names(api: Api, written: Definitions, body: ProjectBody) -> list[Found]:
    """Names of events and attributes that definitions look for and no data has, as warnings.

    History that does not answer warns of nothing.
    """
    found = []
    definitions = list(definitions_in(written))
    given = {name for *_, one in definitions for name in _given_by(one)}
    try:
        for kind, name, definition in definitions:
            if name in (body.segments if kind == "segment" else body.journeys):
                for fault in api.segments.warnings(definition, "$", given):
                    found.append(found_in(kind, name, fault))
    except (Unavailable, BadInput) as fault:
        log.warning("no_names", fault=str(fault))
    return found


def _given_by(definition: Segment | Journey) -> Iterator[str]:
    """The attributes that the steps of a journey give its customers."""
    for _, step in walk(definition.steps) if isinstance(definition, Journey) else ():
        if isinstance(step, Update):
            yield from step.update


def beyond_history(written: Definitions, workspace: Workspace, now: int) -> list[Found]:
    """Conditions of segments that look further back than history is kept, as warnings.

    A customer's document still knows; whoever asks about everybody asks history.
    """
    kept = workspace.retention.history
    found = []
    for kind, name, definition in definitions_in(written) if kept is not None else ():
        for path, one in parts(definition) if kind == "segment" else ():
            back = looks_back(one, now)
            if back is None or kept is None or back <= kept:
                continue
            how_far = f"back {Duration(back)}" if back < EVER else "at all time"
            problem = (
                f"looks {how_far}, but history is kept for {kept} (`retention.history`): counts,"
                " members, exports and broadcasts will not know what was before"
            )
            found.append(found_in(kind, name, Fault(path, problem, warning=True)))
    return found


def past_times(draft: InForce, changes: Sequence[Change], now: int) -> list[Found]:
    """Schedules and windows of new and changed journeys whose time is past, as warnings."""
    found = []
    for change in changes:
        if change.kind != "journey" or change.action not in ("new", "changed"):
            continue
        journey = draft.journeys[change.name]
        if 0 < journey.ends_at <= now:
            problem = "it is past already, so the journey lets nobody in and sends nothing"
            fault = Fault("$.window.ends_at", problem, warning=True)
            found.append(found_in("journey", change.name, fault))
        entry = journey.source.entry
        if not isinstance(entry, ScheduleEntry):
            continue
        coming, problem = following(entry, draft.zone, since=now), ""
        if coming is None:
            problem = "its time is past already, so it lets nobody in"
        elif change.action == "new" and (missed := _under_way(entry, draft.zone, now)):
            problem = f"it is past {missed} in some zones already, so it begins with {coming[0]}"
        if problem:
            fault = Fault("$.entry.schedule", problem, warning=True)
            found.append(found_in("journey", change.name, fault))
    return found


def _under_way(entry: ScheduleEntry, zone: ZoneInfo, now: int) -> str:
    """The latest time of a recurring schedule that is past in some zones and to come in others."""
    latest = ""
    coming = following(entry, zone, since=now - ZONES_APART)
    while isinstance(entry.schedule, Recurring) and coming and coming[1][0] <= now:
        latest = coming[0] if coming[1][-1] > now else latest
        coming = following(entry, zone, since=now - ZONES_APART, after=coming[0])
    return latest


def refuse_faults(faults: Sequence[Found]) -> None:
    """Raises BadDefinition when any of the faults is more than a warning."""
    errors = [
        Fault(
            f"{one.kind} {one.name} {one.path}".replace("  ", " "), one.problem, one.file, one.line
        )
        for one in faults
        if not one.warning
    ]
    if errors:
        raise BadDefinition(errors)


def compiled(api: Api, written: Definitions) -> InForce:
    """Checked definitions, compiled but not in force."""
    services = api.services
    return InForce(written, services.store.journey_revision, services.settings.sender)


def warnings_of(api: Api, draft: InForce, changes: Sequence[Change]) -> Warnings:
    """What to know before a draft is applied. History that does not answer warns of nothing."""
    try:
        countries = [row[0] for row in api.services.history.query(COUNTRIES, limit=300)]
        touched = {
            one.name
            for one in changes
            if one.kind == "journey" and one.action in ("new", "changed")
        }
        covers = [
            cover
            for name in sorted(touched)
            if name in draft.journeys
            for cover in _covers(api, draft, draft.journeys[name])
        ]
    except (Unavailable, BadInput) as fault:
        log.warning("no_warnings", fault=str(fault))
        return Warnings(packs_off=[], coverage=[])
    return Warnings(packs_off=packs_off(draft.policy, countries), coverage=covers[:MOST_TRIED])


def _covers(api: Api, draft: InForce, journey: LiveJourney) -> Iterator[Cover]:
    from harken.messages.coupons import with_examples
    from harken.messages.coverage import coverage

    audience = list(audience_of(api, journey))
    if not audience:
        return
    for step in islice(journey.messages(), MOST_TRIED):
        words = draft.message(journey.name, journey.revision, step.message)
        if words is None:
            continue
        outside = api.services.fetching.of(draft.workspace, MOST_FEEDS)
        tried = [
            (
                profile,
                with_examples(event, journey, step.message, draft.coupons, api.now, draft.zone),
            )
            for profile, event in audience
        ]
        found = coverage(words, tried, draft.workspace, api.now, outside)
        yield Cover(
            journey=journey.name,
            step=step.message,
            customers=found.total,
            by_variant=found.by_variant,
            to_default=found.to_default,
            share_to_default=found.share_to_default,
            reasons=found.reasons,
            aborted=found.aborted,
        )


def audience_of(api: Api, journey: LiveJourney) -> Iterator[tuple[Profile, Trigger | None]]:
    """Customers whose latest triggering event would start the journey, and that event."""
    triggers = latest_triggers(api, journey, SAMPLE)
    profiles = api.services.store.profiles([id for id, _ in triggers])
    for id, event in triggers:
        profile = profiles.get(id)
        if profile is None or profile.tombstone is not None:
            continue
        if journey.audience is None or journey.audience(profile, event, api.now):
            yield profile, event
