"""A message in one customer's terms. Pure: everything comes in as values."""

import re
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from harken import clock
from harken.channels.table import CALL, TABLE
from harken.journeys.experiments import DEFAULT
from harken.messages import footer
from harken.messages.compile import CompiledCall, CompiledMessage
from harken.messages.evaluate import Aborted, Missing, RenderFault, Scope
from harken.messages.links import MessageLinks, SurveyLinks, before_body_end, track_links
from harken.messages.outside import Outside
from harken.messages.text import html_to_text, tidy
from harken.messages.wording import Parts
from harken.values import zone

LONGEST_SUBJECT = 400
"""Characters; mail programs show far fewer."""

NO_LINKS = {"unsubscribe": "#unsubscribe", "preferences": "#preferences", "view": "#view"}
"""Stand in for links in a preview."""

_UTC = ZoneInfo("UTC")
# Line ends and controls would forge headers; the bidirectional controls would forge the words.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
_BLANKS = re.compile(r"\s{2,}")


class Rendered(Struct, frozen=True, kw_only=True):
    """What leaves; empty what its channel does not have."""

    subject: str = ""
    html: str = ""
    """Empty for a message of plain text."""
    text: str = ""
    payload: Any = None
    """Of a webhook message: JSON."""
    label: str = ""
    """Of a payload: what the law wants to stand before it."""
    footer: str = ""
    """Of a payload: what is to be shown under it, as text."""
    channel: str
    variant: str
    """The one that was rendered: `default` when data for the chosen one is missing."""
    why_variant: str
    language: str
    notes: list[str] = []
    """What else should be known of how it came to say this: a feed that did not answer."""
    unsubscribe: str = ""
    """The address for the List-Unsubscribe header; empty in a preview."""


def render(
    message: CompiledMessage,
    variant: str,
    context: dict[str, Any],
    links: MessageLinks | None,
    *,
    why: str = "",
    outside: Outside | None = None,
    channel: str = "",
) -> Rendered:
    """The message for the customer whose values `context` holds (see `context_of`).

    `channel` is one of the message's; that of `links`, or its first, when not given.

    A variant that uses what the customer does not have, or cannot be rendered with their values,
    gives way to the default, and `why_variant` says so; else `why` is passed through. `links` is
    None in a preview; `outside` is what templates may fetch from. Raises Aborted when a template
    says so, or when even the default cannot be rendered.
    """
    channel = channel or (links.link.channel if links is not None else message.channels[0])
    if variant not in message.contents:
        variant, why = DEFAULT, f"there is no variant {variant} any more"
    if variant != DEFAULT:
        try:
            return _render(message, variant, context, links, why, outside, channel)
        except Missing as missing:
            why = f"{variant} uses {missing.path}, which this customer does not have"
        except RenderFault as fault:
            why = f"{variant} could not be rendered: {fault}"
    try:
        return _render(message, DEFAULT, context, links, why, outside, channel)
    except Missing as missing:
        raise Aborted(
            f"the default content uses {missing.path}, which this customer does not have"
        ) from None
    except RenderFault as fault:
        raise Aborted(f"the default content could not be rendered: {fault}") from None


def _render(
    message: CompiledMessage,
    variant: str,
    context: dict[str, Any],
    links: MessageLinks | None,
    why: str,
    outside: Outside | None,
    channel: str,
) -> Rendered:
    profile = context.get("profile") or {}
    parts = message.parts(variant, str(profile.get("language") or ""))
    if links is not None:
        links = links.of_variant(variant)
    urls = links.values() if links is not None else NO_LINKS
    scope = _scope(message, variant, channel, parts, context, urls, links, outside)
    if "payload" in TABLE[channel].parts:
        said = _payload(message, parts, scope, context, urls)
    else:
        said = _words(message, parts, scope, context, urls, links)
    return Rendered(
        **said,
        channel=channel,
        variant=variant,
        why_variant=why,
        language=parts.language,
        notes=list(scope.notes),
        unsubscribe=urls["unsubscribe"] if links is not None else "",
    )


def render_call(
    call: CompiledCall,
    context: dict[str, Any],
    links: MessageLinks,
    outside: Outside | None,
) -> Rendered:
    """What a webhook step posts for a customer. Raises Aborted when it cannot be said."""
    link = links.link
    about = {
        "id": link.message,
        "journey": call.journey,
        "step": call.name,
        "variant": "",
        "channel": CALL,
        "language": call.language,
    }
    scope = _scope_of(about, call.language, context, links.values(), links, outside)
    try:
        payload = call.payload.render(scope)
    except Missing as missing:
        raise Aborted(f"it uses {missing.path}, which this customer does not have") from None
    except RenderFault as fault:
        raise Aborted(f"it could not be rendered: {fault}") from None
    return Rendered(
        payload=payload,
        channel=CALL,
        variant="",
        why_variant="",
        language=call.language,
        notes=list(scope.notes),
    )


def _words(
    message: CompiledMessage,
    parts: Parts,
    scope: Scope,
    context: dict[str, Any],
    urls: dict[str, str],
    links: MessageLinks | None,
) -> dict[str, Any]:
    used = TABLE[scope.values["message"]["channel"]].parts
    subject = html = ""
    if parts.subject is not None and "subject" in used:
        subject = _subject(parts.subject.render(scope), context)
    if parts.html is not None and "html" in used:
        html = parts.html.render(scope)
    text = tidy(parts.text.render(scope)) if parts.text is not None else html_to_text(html)
    if not subject:
        text = _labelled(text, context)
    html, text = _with_footers(message, parts.language, context, urls, html, text)
    if html:
        html = track_links(html, links, clicks=message.track_clicks, opens=message.track_opens)
    return {"subject": subject, "html": html, "text": text}


def _payload(
    message: CompiledMessage,
    parts: Parts,
    scope: Scope,
    context: dict[str, Any],
    urls: dict[str, str],
) -> dict[str, Any]:
    """The payload, and beside it what whoever shows it must show with it."""
    assert parts.payload is not None, "what a channel needs is checked on save"
    made = parts.payload.render(scope)
    demands, sender = context.get("demands") or {}, context.get("sender") or {}
    lines = footer.demanded_footer(demands, urls, sender) if demands else []
    if not lines and message.purpose == "marketing":
        lines = footer.standard_footer(parts.language, urls, sender)
    return {
        "payload": made,
        "label": str(demands.get("label", "")),
        "footer": footer.as_text(lines),
    }


def _scope(
    message: CompiledMessage,
    variant: str,
    channel: str,
    parts: Parts,
    context: dict[str, Any],
    urls: dict[str, str],
    links: MessageLinks | None,
    outside: Outside | None,
) -> Scope:
    about = {
        "id": links.link.message if links is not None else "preview",
        "journey": message.journey,
        "step": message.name,
        "variant": variant,
        "channel": channel,
        "language": parts.language,
    }
    return _scope_of(about, parts.language, context, urls, links, outside)


def _scope_of(
    about: dict[str, str],
    language: str,
    context: dict[str, Any],
    urls: dict[str, str],
    links: MessageLinks | None,
    outside: Outside | None,
) -> Scope:
    """What templates of a message (`about` it) in a language use."""
    profile = context.get("profile") or {}
    now = clock.parse_time(str(context.get("now", ""))) or 0
    values = {
        "entry": (context.get("event") or {}).get("properties") or {},
        **context,
        "links": {**urls, "survey": SurveyLinks(links)},
        "message": about,
    }
    place = zone(profile.get("timezone")) or _UTC
    return Scope(values, _locale(language, profile), place, now, outside)


def _locale(language: str, profile: dict[str, Any]) -> str:
    """The content's language, in the recipient's own region when they speak that language.

    A Korean date within an English sentence would be a broken sentence.
    """
    own = profile.get("locale") or profile.get("language")
    if isinstance(own, str):
        own = own.replace("_", "-")
        if own.split("-")[0].lower() == language.split("-")[0].lower():
            return own if "-" in own or "-" not in language else language
    return language


def _subject(rendered: str, context: dict[str, Any]) -> str:
    subject = _BLANKS.sub(" ", _UNSAFE.sub(" ", rendered)).strip()
    if not subject:
        raise RenderFault("its subject came out empty")
    return _labelled(subject, context)[:LONGEST_SUBJECT]


def _labelled(text: str, context: dict[str, Any]) -> str:
    """The text behind the label that the law wants to stand before an ad."""
    label = str((context.get("demands") or {}).get("label", ""))
    return f"{label} {text}" if label and not text.startswith(label) else text


def _with_footers(
    message: CompiledMessage,
    language: str,
    context: dict[str, Any],
    urls: dict[str, str],
    html: str,
    text: str,
) -> tuple[str, str]:
    demands = context.get("demands") or {}
    sender = context.get("sender") or {}
    demanded = footer.demanded_footer(demands, urls, sender) if demands else []
    way_out = urls["unsubscribe"]
    offers = any(url == way_out for line in demanded for _, url in line.links)
    for_html, for_text = list(demanded), list(demanded)
    if message.purpose == "marketing" and not offers:
        standard = footer.standard_footer(language, urls, sender)
        if way_out not in html:
            for_html += standard
        if way_out not in text:
            for_text += standard
    if html and for_html:
        html = before_body_end(html, footer.as_html(for_html))
    if for_text:
        text = f"{text}\n\n--\n{footer.as_text(for_text)}"
    return html, text
