"""Segments, and questions about any group of customers that a rule describes."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from litestar import Router, get, post
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, Operation, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import Parameter
from litestar.response import Stream
from msgspec import UNSET, Meta, Struct, field

from harken.clock import iso
from harken.errors import Fault
from harken.people.profile import Profile
from harken.segments.live import attribute_value
from harken.segments.model import Segment
from harken.segments.words import describe
from harken.web.api import TheApi
from harken.web.growth import Day, growth
from harken.web.membership import Membership, membership
from harken.web.namesakes import namesake
from harken.web.problems import responses
from harken.web.routes.people import PersonId
from harken.web.rules import users_of_segment
from harken.web.segments import Breakdown, Known, Member, Overlap

SegmentName = Annotated[str, Parameter(max_length=64, description="the segment's name")]
Path = Annotated[str, Meta(min_length=1, max_length=200)]

USUAL = ("email", "first_name", "last_name", "country", "language")
"""Attributes shown of sampled customers when no others are asked for."""
QUESTIONS = ("count", "estimate", "breakdown", "preview", "overlap")
"""What is posted to `/segments/...`; segments may be called so too."""


class RuleBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """A rule, as a segment file has it."""

    rule: dict[str, Any]


class SampleBody(RuleBody, kw_only=True, forbid_unknown_fields=True):
    """Whom to show, and what of them."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 10
    attributes: Annotated[list[Path], Meta(max_length=20)] = field(
        default_factory=lambda: list(USUAL)
    )


class OverlapBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """Two groups, each the name of a segment or a rule."""

    a: str | dict[str, Any]
    b: str | dict[str, Any]


class Counted(Struct, kw_only=True, omit_defaults=True):
    """How many customers a rule holds for."""

    count: int
    warnings: list[Fault] = []
    """Names in the rule that no data has."""


class Estimated(Struct, kw_only=True):
    """About how many customers a rule holds for."""

    estimate: int
    of: int
    """Customers in all."""
    margin: int
    """It is off by more than this once in twenty times; 0 when it is exact."""


class Sampled(Struct, kw_only=True):
    """A customer in a group."""

    user_id: str | None
    profile_id: str
    attributes: dict[str, Any]


class Sample(Struct):
    """Some of the customers in a group; the same ones each time."""

    members: list[Sampled]


class SegmentState(Struct, kw_only=True):
    """How a segment stands."""

    name: str
    description: str
    state: str
    """`live`, or `warming` until it knows every customer's past: then nobody enters it."""
    progress: float
    """Of what a warming segment has to learn, the part that is done (0 to 1)."""
    count: int | None
    """How many customers are in it; in a list null when it was not counted yet, or cannot be."""
    counted_at: str | None


class Segments(Struct):
    """All segments, by name."""

    segments: list[SegmentState]


class SegmentShown(SegmentState, kw_only=True):
    """A segment as it was written, and how it stands."""

    rule: dict[str, Any]
    words: str
    """The rule as a phrase."""
    used_by: list[str]
    """Definitions that refer to it: `segment loyal`, `journey welcome`."""


class Growth(Struct, kw_only=True):
    """How a segment grew, day by day."""

    segment: str
    zone: str
    """Whose calendar the days are of."""
    days: list[Day]


@post("/segments/count", status_code=200, responses=responses(422), sync_to_thread=True)
def count_customers(api: TheApi, data: RuleBody) -> Counted:
    """How many customers a rule holds for, exactly."""
    rule = api.segments.rule(data.rule)
    return Counted(count=api.segments.count(rule), warnings=api.segments.warnings(rule, "$.rule"))


@post("/segments/estimate", status_code=200, responses=responses(422), sync_to_thread=True)
def estimate_customers(api: TheApi, data: RuleBody) -> Estimated:
    """About how many customers a rule holds for: quick enough to ask while it is typed."""
    found = api.segments.estimate(api.segments.rule(data.rule))
    return Estimated(estimate=found.estimate, of=found.total, margin=found.margin)


@post("/segments/breakdown", status_code=200, responses=responses(422), sync_to_thread=True)
def break_down(api: TheApi, data: RuleBody) -> Breakdown:
    """How many customers pass each condition of a rule, and how many it decides for alone."""
    return api.segments.breakdown(api.segments.rule(data.rule))


@post("/segments/preview", status_code=200, responses=responses(422), sync_to_thread=True)
def preview_customers(api: TheApi, data: SampleBody) -> Sample:
    """Some of the customers that a rule holds for."""
    found = api.segments.sample(api.segments.rule(data.rule), data.limit)
    profiles = api.services.store.profiles([one.profile_id for one in found])
    return Sample([_sampled(one, profiles.get(one.profile_id), data.attributes) for one in found])


def _sampled(member: Member, profile: Profile | None, paths: list[str]) -> Sampled:
    values = {path: attribute_value(profile, path) for path in paths} if profile else {}
    return Sampled(
        user_id=member.user_id,
        profile_id=str(member.profile_id),
        attributes={path: value for path, value in values.items() if value is not UNSET},
    )


@post("/segments/overlap", status_code=200, responses=responses(404, 422), sync_to_thread=True)
def overlap_segments(api: TheApi, data: OverlapBody) -> Overlap:
    """How many customers two groups share."""
    a, b = api.segments.rule(data.a, "$.a"), api.segments.rule(data.b, "$.b")
    return api.segments.overlap(a, b)


@get("/segments", responses=responses(), sync_to_thread=True)
def list_segments(api: TheApi) -> Segments:
    """All segments; a count may be some minutes old, or not be there yet."""
    counts, warming = api.segments.known_counts(), api.segments.warming()
    return Segments(
        [
            SegmentState(**_state(one, counts.get(name), warming))
            for name, one in api.segments.all().items()
        ]
    )


@get("/segments/{name:str}", responses=responses(404), sync_to_thread=True)
def show_segment(api: TheApi, name: SegmentName) -> SegmentShown:
    """A segment: its rule, whether it is live, and how many customers are in it, exactly."""
    segment, written = api.segments.get(name), api.services.store.definitions()
    return SegmentShown(
        **_state(segment, api.segments.counted(name), api.segments.warming()),
        rule=written.segments[name]["rule"],
        words=describe(segment.rule),
        used_by=users_of_segment(written, name),
    )


class Streams(Operation):
    """For OpenAPI: the answer is lines of JSON, or a CSV file."""

    def __post_init__(self) -> None:
        answer = (self.responses or {}).get("200")
        if isinstance(answer, OpenAPIResponse):
            text = Schema(type=OpenAPIType.STRING)
            answer.content = {
                kind: OpenAPIMediaType(schema=text) for kind in ("application/x-ndjson", "text/csv")
            }


@get(
    "/segments/{name:str}/members",
    responses=responses(404),
    operation_class=Streams,
    sync_to_thread=True,
)
def stream_members(
    api: TheApi,
    name: SegmentName,
    form: Annotated[
        Literal["ndjson", "csv"], Parameter(query="format", description="lines of JSON, or CSV")
    ] = "ndjson",
) -> Stream:
    """Every member: `{"user_id": ...}` a line, of who has none `{"anonymous": true, "profile"}`."""
    pages = api.segments.pages(api.segments.get(name).rule)
    # The first page is asked for before the answer begins: a fault is a fault, not half a file.
    pages = chain([next(pages, [])], pages)
    lines = _csv(pages) if form == "csv" else _ndjson(pages)
    kind = "text/csv; charset=utf-8" if form == "csv" else "application/x-ndjson"
    return Stream(lines, media_type=kind)


def _ndjson(pages: Iterable[list[Member]]) -> Iterator[bytes]:
    encoder = msgspec.json.Encoder()
    for page in pages:
        yield encoder.encode_lines(
            [
                {"user_id": one.user_id}
                if one.user_id is not None
                else {"anonymous": True, "profile": str(one.profile_id)}
                for one in page
            ]
        )


def _csv(pages: Iterable[list[Member]]) -> Iterator[bytes]:
    yield b"user_id,profile\r\n"
    for page in pages:
        text = io.StringIO()
        csv.writer(text).writerows((one.user_id or "", one.profile_id) for one in page)
        yield text.getvalue().encode("utf-8", "replace")


@get("/segments/{name:str}/members/{person_id:str}", responses=responses(404), sync_to_thread=True)
def show_membership(api: TheApi, name: SegmentName, person_id: PersonId) -> Membership:
    """Whether a customer is in a segment, and because of what."""
    return membership(api, name, api.person(person_id))


@get("/segments/{name:str}/growth", responses=responses(404), sync_to_thread=True)
def show_growth(
    api: TheApi, name: SegmentName, days: Annotated[int, Parameter(ge=1, le=366)] = 30
) -> Growth:
    """Who entered and left on each of the last days, and how large the segment was."""
    zone = ZoneInfo(api.services.in_force.workspace.timezone)
    size = api.segments.counted(name).size
    found = growth(api.services.history, name, days, api.now, zone, size)
    return Growth(segment=name, zone=zone.key, days=found)


def _state(segment: Segment, known: Known | None, warming: Mapping[str, float]) -> dict[str, Any]:
    name = segment.segment
    return {
        "name": name,
        "description": segment.description,
        "state": "warming" if name in warming else "live",
        "progress": round(warming.get(name, 1.0), 4),
        "count": known.size if known else None,
        "counted_at": iso(known.at) if known else None,
    }


routes = Router(
    path="",
    tags=["segments"],
    route_handlers=[
        list_segments,
        count_customers,
        estimate_customers,
        break_down,
        preview_customers,
        overlap_segments,
        show_segment,
        *(namesake(f"/segments/{name}", show_segment.fn) for name in QUESTIONS),
        stream_members,
        show_membership,
        show_growth,
    ],
)
