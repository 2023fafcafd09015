"""Hosted pages: what the links in messages lead to. The token in the path is all the proof."""

import asyncio
import base64
from html import escape
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, quote

from litestar import MediaType, Request, Response, Router, get, post
from litestar.params import Parameter

from harken.channels.scanners import machine
from harken.errors import HarkenError, NotFound, Unavailable
from harken.inputs import Command, Consent, Feedback
from harken.logs import structlog
from harken.messages.links import PATHS, Link, Purpose
from harken.people.consent import ALL, consent_for
from harken.people.profile import ConsentChange, ConsentState, Profile
from harken.web import page_html as html
from harken.web.api import Api, TheApi
from harken.web.clicks import Clicks
from harken.web.page_words import LANGUAGES, language_of
from harken.web.problems import status_of
from harken.web.routes.people import identify
from harken.web.samples import trigger_of_run

MOST_FORM = 64 * 1024
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
SUBJECT = "padding:12px 16px;font:bold 16px Helvetica,Arial,sans-serif;color:#222;background:#fff"
# What may stand in a URL as it is; the rest would not fit in a header.
URL_SAFE = "%/:=&?~#+!$,;'@()*[]"

Token = Annotated[str, Parameter(max_length=8_200)]
Visit = Request[Any, Any, Any]
Page = Response[str]

log = structlog.get_logger("pages")


clicks = Clicks()


@get("/", include_in_schema=False)
async def home(request: Visit) -> Page:
    """What a person sees who opens the server's address."""
    return page(html.home(_spoken(request, None)))


@get(PATHS["open"] + "{token:str}", include_in_schema=False)
async def opened(api: TheApi, request: Visit, token: Token) -> Response[bytes]:
    """The pixel. Whatever is wrong, a picture is the answer."""
    try:
        link = api.services.links.verify(token.removesuffix(".gif"), "open")
        if link is not None:
            await tell(api, request, link, "opened", "")
    except HarkenError as fault:
        log.warning("open_not_kept", fault=str(fault))
    return Response(
        PIXEL,
        media_type="image/gif",
        headers={**html.SECURITY, "Cache-Control": "no-store, private, max-age=0"},
    )


@get(PATHS["click"] + "{token:str}", include_in_schema=False)
async def clicked(api: TheApi, request: Visit, token: Token) -> Page:
    """Go on to where the link led. The target stands in the token, under our signature."""
    link = verified(api, token, "click")
    if not link.url.lower().startswith(("http://", "https://")):
        raise NotFound("this link leads nowhere")
    try:
        await tell(api, request, link, "clicked", link.url)
    except HarkenError as fault:
        # Whoever clicked is not to be stopped by a full disk of ours.
        log.warning("click_not_kept", fault=str(fault))
    return Response(
        "",
        status_code=302,
        headers={**html.SECURITY, "Location": quote(link.url, safe=URL_SAFE)},
    )


@get(PATHS["unsubscribe"] + "{token:str}", include_in_schema=False)
async def ask_unsubscribe(api: TheApi, request: Visit, token: Token) -> Page:
    """Only asks: mail filters follow links, and they must not unsubscribe anybody."""
    link = verified(api, token, "unsubscribe")
    language = await _language(api, request, link)
    return page(
        html.ask_unsubscribe(language, request.url.path, _preferences(api, link), link.channel)
    )


@post(
    PATHS["unsubscribe"] + "{token:str}",
    status_code=200,
    request_max_body_size=MOST_FORM,
    include_in_schema=False,
)
async def unsubscribe(api: TheApi, request: Visit, token: Token) -> Page:
    """Opt out of the channel's marketing: by the page, or by a mail program in one click.

    Source: https://www.rfc-editor.org/rfc/rfc8058#section-3.2
    """
    link = verified(api, token, "unsubscribe")
    fields = await _form(request)
    language = await _language(api, request, link)
    if fields.get("action") == "resubscribe":
        back = _change(api, link.channel, "opted_in", "unsubscribe page, taken back")
        await durable(api, [(link.profile_id, Consent([back]))])
        return page(html.resubscribed(language, _preferences(api, link), link.channel))
    one_click = fields.get("List-Unsubscribe") == "One-Click"
    how = "one-click unsubscribe" if one_click else "unsubscribe link"
    left = _change(api, link.channel, "opted_out", how)
    await durable(
        api,
        [
            (link.profile_id, Consent([left])),
            (link.profile_id, _feedback(link, "unsubscribed", api.now, how)),
        ],
    )
    here = request.url.path
    return page(html.unsubscribed(language, here, _preferences(api, link), link.channel))


@get(PATHS["preferences"] + "{token:str}", include_in_schema=False)
async def show_preferences(api: TheApi, request: Visit, token: Token) -> Page:
    """What the customer gets, to be changed."""
    link = verified(api, token, "preferences")
    return await asyncio.to_thread(_preference_page, api, request, link, {}, "")


@post(
    PATHS["preferences"] + "{token:str}",
    status_code=200,
    request_max_body_size=MOST_FORM,
    include_in_schema=False,
)
async def save_preferences(api: TheApi, request: Visit, token: Token) -> Page:
    """Keep what the customer chose; only what they changed is written down."""
    link = verified(api, token, "preferences")
    fields = await _form(request)
    profile = await asyncio.to_thread(api.known, link.profile_id)
    if profile is None:
        raise NotFound("nothing is known of this customer any more")
    wanted: dict[str, ConsentState] = {}
    if fields.get("action") == "stop":
        wanted[f"{ALL}:marketing"] = "opted_out"
    else:
        for choice in choices(api, profile, link.channel):
            now_on = fields.get(choice.name) == "on"
            if now_on != choice.on:
                wanted[choice.name] = "opted_in" if now_on else "opted_out"
        await _keep_language(api, profile, fields.get("language", ""))
    if wanted:
        changes = [
            _change(api, name.split(":")[0], state, "preference page", name.split(":")[1])
            for name, state in wanted.items()
        ]
        await durable(api, [(profile.id, Consent(changes))])
    note = "stopped" if fields.get("action") == "stop" else "saved"
    return await asyncio.to_thread(_preference_page, api, request, link, fields, note)


@get(PATHS["view"] + "{token:str}", include_in_schema=False)
async def view_in_browser(api: TheApi, request: Visit, token: Token) -> Page:
    """The message again, as it can be made from what is known now."""
    link = verified(api, token, "view")
    found = await asyncio.to_thread(_again, api, link)
    if found is None:
        language = await _language(api, request, link)
        return page(html.told(language, "gone"), 404)
    return Response(
        found,
        media_type=MediaType.HTML,
        headers=html.headers({"Content-Security-Policy": html.MAIL_CSP}),
    )


def choices(api: Api, profile: Profile, channel: str) -> list[html.Choice]:
    """What the customer can choose: e-mail, the channel by which they came here, and nights where
    their law knows consent to them."""
    workspace = api.services.in_force.workspace
    enough = {"opted_in", workspace.consent.marketing}
    found = []
    for name in dict.fromkeys(("email", channel)):
        own = consent_for(profile, name, "marketing")
        state = own.state if own is not None else "implied"
        found.append(html.Choice(name=f"{name}:marketing", on=state in enough))
    if "KR" in workspace.policy_packs:
        night = consent_for(profile, ALL, "night")
        found.append(
            html.Choice(name="all:night", on=night is not None and night.state == "opted_in")
        )
    return found


def _preference_page(
    api: Api, request: Visit, link: Link, fields: dict[str, str], note: str
) -> Page:
    profile = api.known(link.profile_id)
    if profile is None:
        raise NotFound("nothing is known of this customer any more")
    shown = choices(api, profile, link.channel)
    # What was saved a moment ago may not have taken effect yet.
    if note == "stopped":
        shown = [html.Choice(name=one.name, on=False) for one in shown]
    elif note == "saved":
        shown = [html.Choice(name=one.name, on=fields.get(one.name) == "on") for one in shown]
    chosen = fields.get("language", "")
    language = chosen if chosen in LANGUAGES else _spoken(request, profile)
    address = profile.attribute("email")
    whose = address if isinstance(address, str) else ""
    return page(html.preferences(language, request.url.path, whose, shown, note))


async def _keep_language(api: Api, profile: Profile, language: str) -> None:
    if language not in LANGUAGES or language == language_of(profile, ""):
        return
    names = await asyncio.to_thread(api.anonymous_ids, profile)
    if profile.user_id is None and not names:
        return
    event = identify(profile, names, {"language": language}, api.now)
    submitted = api.services.collector.submit([event], received_at=api.now, key="preference page")
    await asyncio.wrap_future(submitted)


def _again(api: Api, link: Link) -> str | None:
    """The message rendered anew; None when it, or the customer, is not known any more."""
    # Not at the top: what renders takes longer to load than Harken may take to start.
    from harken.messages.context import context_of
    from harken.messages.coupons import with_coupons
    from harken.messages.evaluate import Aborted
    from harken.messages.render import render

    services = api.services
    row = services.store.message(link.message)
    profile = api.known(link.profile_id)
    in_force = services.in_force
    words = in_force.message(link.journey, link.revision, link.step)
    if row is None or profile is None or words is None:
        return None
    decided = services.history.decisions(profile.id, link.journey)
    entered = [one for one in decided if one.run == row.run and one.outcome == "entered"]
    event = trigger_of_run(entered[0].facts) if entered else None
    theirs = services.store.coupons.of(row.profile_id, 1_000)
    told = [one for one in theirs if one.run == row.run and one.issued_at <= row.queued_at]
    event = with_coupons(event, reversed(told), in_force.coupons)
    passed = [one for one in decided if one.message == row.id and one.outcome == "passed"]
    step = in_force.message_step(link.journey, link.revision, link.step)
    sender = step.sender if step is not None else None
    context = context_of(profile, event, in_force.workspace, row.sent_at or row.queued_at, sender)
    # What the law wanted the mail to show, its label first, is wanted of the page too.
    context["demands"] = passed[0].facts.get("demands") if passed else None
    try:
        outside, links = services.fetching.of(in_force.workspace), services.links.of(link)
        made = render(words, row.variant or "default", context, links, outside=outside)
    except Aborted:
        return None
    if made.payload is not None:
        # What it looked like only who showed it knows.
        return None
    body = made.html or f"<!doctype html><meta charset=utf-8><pre>{escape(made.text)}</pre>"
    # The subject says what the body need not: that it is an ad, where the law wants it said.
    return html.under(f'<div style="{SUBJECT}">{escape(made.subject)}</div>', body)


def verified(api: Api, token: str, purpose: Purpose) -> Link:
    """What a link of ours says. Raises NotFound."""
    link = api.services.links.verify(token, purpose)
    if link is None:
        raise NotFound("this is no link of ours")
    return link


def _preferences(api: Api, link: Link) -> str:
    """The way to the preference page, relative, so that it works behind any proxy."""
    return api.services.links.of(link).url("preferences").removeprefix(api.services.links.base_url)


async def tell(
    api: Api, request: Visit, link: Link, what: Literal["opened", "clicked"], detail: str
) -> None:
    row = await asyncio.to_thread(api.services.store.message, link.message)
    now = api.now
    method = str(request.scope.get("harken.method", request.method))
    why = machine(
        request.headers.get("user-agent", ""),
        request.client.host if request.client else "",
        what=what,
        since_sent_ms=now - row.sent_at if row is not None and row.sent_at else -1,
        method=method,
        clicks_nearby=clicks.nearby(link.message, now) if what == "clicked" else 1,
    )
    told = f"{detail} ({why})".strip() if why else detail
    feedback = _feedback(link, what, now, told, machine=why is not None)
    await durable(api, [(link.profile_id, feedback)])


def _feedback(
    link: Link,
    what: Literal["opened", "clicked", "unsubscribed"],
    at: int,
    detail: str,
    *,
    machine: bool = False,
) -> Feedback:
    return Feedback(
        message=link.message,
        what=what,
        at=at,
        channel=link.channel,
        journey=link.journey,
        revision=link.revision,
        step=link.step,
        variant=link.variant,
        detail=detail,
        machine=machine,
    )


def _change(
    api: Api, channel: str, state: ConsentState, how: str, purpose: str = "marketing"
) -> ConsentChange:
    return ConsentChange(
        channel=channel, purpose=purpose, state=state, at=api.now, by="customer", how=how
    )


async def durable(api: Api, commands: list[tuple[int, Command]]) -> None:
    await asyncio.wrap_future(api.services.collector.append_commands(commands))


async def _form(request: Visit) -> dict[str, str]:
    """The fields of a form. One that cannot be read says nothing: the POST itself is the wish."""
    if "multipart" in request.headers.get("content-type", ""):
        # RFC 8058 lets mail programs post either form; of this one only the two words matter.
        body = await request.body()
        one_click = b"List-Unsubscribe" in body and b"One-Click" in body
        return {"List-Unsubscribe": "One-Click"} if one_click else {}
    text = (await request.body()).decode("utf-8", "replace")
    try:
        fields = parse_qs(text, max_num_fields=50)
    except ValueError:
        return {}
    return {name: values[-1] for name, values in fields.items()}


async def _language(api: Api, request: Visit, link: Link) -> str:
    return _spoken(request, await asyncio.to_thread(api.known, link.profile_id))


def _spoken(request: Visit, profile: Profile | None) -> str:
    return language_of(profile, request.headers.get("accept-language", ""))


def page(content: str, status: int = 200) -> Page:
    return Response(content, status_code=status, media_type=MediaType.HTML, headers=html.headers())


def failed(request: Visit, error: Exception) -> Page:
    """Litestar's exception handler of pages: a person reads this."""
    status = status_of(error)
    if status == 503:
        log.warning("page_not_served", fault=str(error))
    elif status >= 500:
        log.error("page_failed", status=status, exc_info=error)
    what = "missing" if status < 500 and status != 429 else "trouble"
    headers = {"Retry-After": "5"} if isinstance(error, Unavailable) else {}
    return Response(
        html.told(_spoken(request, None), what),
        status_code=status,
        media_type=MediaType.HTML,
        headers=html.headers(headers),
    )


routes = Router(
    path="",
    route_handlers=[
        home,
        opened,
        clicked,
        ask_unsubscribe,
        unsubscribe,
        show_preferences,
        save_preferences,
        view_in_browser,
    ],
    exception_handlers={Exception: failed},
)
