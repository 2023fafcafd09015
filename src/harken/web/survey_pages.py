"""The hosted page of a survey: what `{{ links.survey.NAME }}` in a message leads to.

The token in the path is all the proof: it is signed, names the customer and the message, and no
page of somebody else's can make one, so a form needs no other mark against forgery.
"""

import asyncio
from urllib.parse import parse_qs

from litestar import Router, get, post
from msgspec import Struct

from harken.errors import BadInput, HarkenError, NotFound, TooMany
from harken.inputs import Answer
from harken.logs import structlog
from harken.messages.links import PATHS, Link
from harken.messages.surveys import Survey
from harken.people.profile import Profile
from harken.web import page_html, survey_html
from harken.web.api import Api, TheApi
from harken.web.page_words import language_of, languages_of, spoken
from harken.web.pages import (
    Page,
    Token,
    Visit,
    durable,
    failed,
    page,
    tell,
    verified,
)

MOST_FORM = 256 * 1024
MOST_FIELDS = 2_000
MOST_TRIES = 15
"""Forms that one link may send in ten seconds."""

log = structlog.get_logger("surveys")


class Visitor(Struct, frozen=True):
    """Who is asked what, in which language."""

    profile: Profile
    survey: Survey
    spoken: str
    """The language of the page's own words."""
    language: str
    """The survey's."""
    done: bool
    """Whether they have answered already."""


@get(PATHS["survey"] + "{token:str}", include_in_schema=False)
async def show_survey(api: TheApi, request: Visit, token: Token) -> Page:
    """The form, or thanks to those who have answered. Whoever comes here has clicked."""
    link = verified(api, token, "survey")
    visitor = await asyncio.to_thread(_visitor, api, request, link)
    if visitor is None:
        return page(page_html.told(language_of(None, _accepted(request)), "gone"), 404)
    try:
        await tell(api, request, link, "clicked", f"survey {link.url}")
    except HarkenError as fault:
        log.warning("click_not_kept", fault=str(fault))
    return _shown(request, visitor)


@post(
    PATHS["survey"] + "{token:str}",
    status_code=200,
    request_max_body_size=MOST_FORM,
    include_in_schema=False,
)
async def answer_survey(api: TheApi, request: Visit, token: Token) -> Page:
    """Keep the answers: once for a message, and the first count. Else the form again."""
    # Not at the top: what knows languages takes longer to load than Harken may take to start.
    from harken.messages.forms import read_answers

    link = verified(api, token, "survey")
    if api.forms.nearby(link.message, api.now) > MOST_TRIES:
        raise TooMany("too many forms at once", 10.0)
    fields = await _fields(request)
    visitor = await asyncio.to_thread(_visitor, api, request, link)
    if visitor is None:
        raise NotFound("this survey is no longer here")
    if visitor.done:
        return _shown(request, visitor)
    answered = read_answers(visitor.survey, fields)
    if answered.faults:
        form = survey_html.questions(
            visitor.survey,
            visitor.spoken,
            visitor.language,
            request.url.path,
            fields=fields,
            answered=answered,
        )
        return page(form, 422)
    answer = Answer(
        survey=link.url,
        message=link.message,
        answers=answered.answers,
        journey=link.journey,
        revision=link.revision,
        step=link.step,
        variant=link.variant,
        channel=link.channel,
    )
    await durable(api, [(link.profile_id, answer)])
    return page(survey_html.thanks(visitor.survey, visitor.spoken, visitor.language))


def _visitor(api: Api, request: Visit, link: Link) -> Visitor | None:
    survey = api.services.in_force.surveys.get(link.url)
    profile = api.known(link.profile_id)
    if survey is None or profile is None:
        return None
    survey, own, language = in_their_language(
        api, survey, languages_of(profile, _accepted(request))
    )
    return Visitor(profile, survey, own, language, f"{link.message} {link.url}" in profile.surveys)


def in_their_language(api: Api, survey: Survey, wanted: list[str]) -> tuple[Survey, str, str]:
    """The survey in one of the languages, that of the page's own words, and the survey's."""
    from harken.messages.forms import in_language

    ours = api.services.in_force.workspace.language
    said, found = in_language(survey, wanted, ours)
    language = found or ours
    return said, spoken(language) or "en", language


def _shown(request: Visit, visitor: Visitor) -> Page:
    survey, own, language = visitor.survey, visitor.spoken, visitor.language
    if visitor.done:
        return page(survey_html.thanks(survey, own, language))
    return page(survey_html.questions(survey, own, language, request.url.path))


async def _fields(request: Visit) -> dict[str, list[str]]:
    text = (await request.body()).decode("utf-8", "replace")
    try:
        return parse_qs(text, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise BadInput("this is no form") from None


def _accepted(request: Visit) -> str:
    return request.headers.get("accept-language", "")


routes = Router(
    path="",
    route_handlers=[show_survey, answer_survey],
    exception_handlers={Exception: failed},
)
