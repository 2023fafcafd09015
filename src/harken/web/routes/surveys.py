"""Surveys: which there are, what they came to, and how their page looks."""

from typing import TYPE_CHECKING, Annotated, Any

from litestar import MediaType, Response, Router, get
from litestar.params import Parameter
from msgspec import Struct

from harken.clock import iso, parse_time
from harken.errors import BadInput
from harken.files.reader import read
from harken.journeys.kinds import Message, walk
from harken.journeys.model import Journey
from harken.journeys.wordings import leads_to
from harken.messages.surveys import Survey
from harken.web import page_html, survey_html
from harken.web.api import Api, TheApi
from harken.web.catchup import caught_up
from harken.web.problems import not_there, responses
from harken.web.survey_pages import in_their_language

if TYPE_CHECKING:
    from harken.reports.surveys import SurveyReport

SurveyName = Annotated[str, Parameter(max_length=64, description="the survey's name")]
Moment = Annotated[str | None, Parameter(max_length=40, description="an ISO 8601 date or time")]
PATIENCE = 2.0
FAR = 2**62


class SurveyShown(Struct, kw_only=True):
    """A survey in force."""

    survey: str
    title: str
    description: str
    questions: int
    languages: list[str]
    """All that it is written in; first that of the workspace, which the file itself is in."""
    linked_from: list[str]
    """Messages that lead to it, as `journey/step`."""


class Surveys(Struct):
    """All surveys, by name."""

    surveys: list[SurveyShown]


class TextShown(Struct, kw_only=True):
    """A text that a customer wrote."""

    at: str
    profile: str
    text: str


class QuestionShown(Struct, kw_only=True):
    """The answers to one question."""

    id: str
    kind: str
    """`single`, `multiple`, `rating`, `nps` or `text`."""
    ask: str
    answered: int
    counts: dict[str, int]
    """By option or number: how many chose it."""
    average: float | None
    score: int | None
    """Net promoter score, -100 to 100."""
    texts: list[TextShown]
    """The latest, newest first."""


class ReportShown(Struct, kw_only=True):
    """What a survey came to."""

    survey: str
    sent: int
    """Messages that led to it and were sent."""
    answered: int
    share: float | None
    questions: list[QuestionShown]


@get("/surveys", responses=responses(), sync_to_thread=True)
def list_surveys(api: TheApi) -> Surveys:
    """All surveys in force."""
    in_force = api.services.in_force
    base = in_force.workspace.language
    return Surveys(
        [
            SurveyShown(
                survey=name,
                title=survey.title,
                description=survey.description,
                questions=len(survey.questions),
                languages=[
                    base,
                    *sorted(tag for tag in survey.locales if tag.lower() != base.lower()),
                ],
                linked_from=[f"{journey}/{step}" for journey, step in _steps(api, name)],
            )
            for name, survey in sorted(in_force.surveys.items())
        ]
    )


@get("/surveys/{name:str}/report", responses=responses(404), sync_to_thread=True)
def report_survey(
    api: TheApi,
    name: SurveyName,
    since: Moment = None,
    until: Moment = None,
    texts: Annotated[int, Parameter(ge=0, le=1000, description="texts of each question")] = 20,
    segment: Annotated[
        str | None,
        Parameter(max_length=64, description="count only customers who are in it now"),
    ] = None,
) -> ReportShown:
    """How many were asked and answered, and what: counts, averages, the latest texts."""
    from harken.reports.surveys import report

    survey = _survey(api, name)
    caught_up(api.services, PATIENCE)
    found = report(
        api.services.history,
        survey,
        _steps(api, name),
        since=_moment(since, "since", -FAR),
        until=_moment(until, "until", FAR),
        texts=texts,
        among=api.segments.selection(segment) if segment else None,
    )
    return _shown(found)


@get(
    "/surveys/{name:str}/preview",
    responses=responses(404),
    media_type=MediaType.HTML,
    sync_to_thread=True,
)
def preview_survey(
    api: TheApi,
    name: SurveyName,
    language: Annotated[str, Parameter(max_length=35, description="`ko`, `pt-BR`")] = "",
) -> Response[str]:
    """The page as a customer of that language would see it; nothing can be sent from it."""
    wanted = [language] if language else []
    survey, own, spoken = in_their_language(api, _survey(api, name), wanted)
    content = survey_html.questions(survey, own, spoken, "#", preview=True)
    return Response(content, media_type=MediaType.HTML, headers=page_html.headers())


def _survey(api: Api, name: str) -> Survey:
    found = api.services.in_force.surveys.get(name)
    if found is None:
        raise not_there("survey", name, api.services.in_force.surveys)
    return found


def _steps(api: Api, survey: str) -> list[tuple[str, str]]:
    """(journey, message step) of those whose words link to the survey."""
    return [
        (name, step.message)
        for name, source in sorted(api.services.store.definitions().journeys.items())
        for _, step in walk(read(source.source, Journey).steps)
        if isinstance(step, Message) and leads_to(step, source.files, survey)
    ]


def _moment(text: str | None, name: str, default: int) -> int:
    at = parse_time(text) if text else default
    if at is None:
        raise BadInput(f"{name}={text!r}: write an ISO 8601 date or time, such as 2026-01-31")
    return at


def _shown(found: "SurveyReport") -> ReportShown:
    questions: list[Any] = [
        QuestionShown(
            id=one.id,
            kind=one.kind,
            ask=one.ask,
            answered=one.answered,
            counts=one.counts,
            average=one.average,
            score=one.score,
            texts=[
                TextShown(at=iso(said.at), profile=str(said.profile_id), text=said.text)
                for said in one.texts
            ],
        )
        for one in found.questions
    ]
    return ReportShown(
        survey=found.survey,
        sent=found.sent,
        answered=found.answered,
        share=found.share,
        questions=questions,
    )


routes = Router(
    path="",
    tags=["surveys"],
    route_handlers=[list_surveys, report_survey, preview_survey],
)
