"""What stands under a message: how to unsubscribe, and what a country's law wants shown."""

from collections.abc import Mapping
from html import escape
from typing import Any, NamedTuple


class _Words(NamedTuple):
    unsubscribe: str
    preferences: str
    phone: str
    opt_out: str


WORDS = {
    "en": _Words("Unsubscribe", "Choose what you receive", "Phone", "Opt out free of charge"),
    "ko": _Words("수신거부", "수신 설정 변경", "전화", "무료 수신거부"),
    "id": _Words("Berhenti berlangganan", "Atur preferensi", "Telepon", "Berhenti tanpa biaya"),
}

_STYLE = (
    "margin:0;padding:24px 16px;font-family:Helvetica,Arial,sans-serif;font-size:12px;"
    "line-height:1.6;color:#666666;text-align:center"
)


class Line(NamedTuple):
    """A line of a footer: plain words, then perhaps links as (said, address)."""

    words: str
    links: tuple[tuple[str, str], ...] = ()


def standard_footer(
    language: str, links: Mapping[str, str], sender: Mapping[str, Any]
) -> list[Line]:
    """For marketing without an unsubscribe link of its own: who sends it, and how to end it."""
    words = _words(language)
    who = ", ".join(str(sender[key]) for key in ("name", "postal_address") if sender.get(key))
    ways = (
        (words.unsubscribe, links["unsubscribe"]),
        (words.preferences, links["preferences"]),
    )
    return [*([Line(who)] if who else []), Line("", ways)]


def demanded_footer(
    demands: Mapping[str, Any], links: Mapping[str, str], sender: Mapping[str, Any]
) -> list[Line]:
    """What a policy pack demands.

    `show` names facts of the sender (`sender_name`, `sender_email`, `phone`, `postal_address`)
    and `opt_out`; `footer` holds lines as they are. The law's language is that of the pack
    (`language`, Korean when it names none: Korea's pack was the first).
    """
    words = _words(str(demands.get("language", "ko")))
    facts = {
        "sender_name": sender.get("name"),
        "sender_email": sender.get("address"),
        "phone": f"{words.phone} {sender['phone']}" if sender.get("phone") else None,
        "postal_address": sender.get("postal_address"),
    }
    show = [str(item) for item in demands.get("show", ())]
    who = " | ".join(str(facts[item]) for item in show if facts.get(item))
    lines = [Line(str(line)) for line in demands.get("footer", ())]
    if who:
        lines.append(Line(who))
    if "opt_out" in show:
        lines.append(Line("", ((words.opt_out, links["unsubscribe"]),)))
    return lines


def as_html(lines: list[Line]) -> str:
    """The lines as a block at the end of an HTML body."""
    said = []
    for line in lines:
        parts = [escape(line.words)] if line.words else []
        parts += [
            f'<a href="{escape(url)}" style="color:#666666">{escape(words)}</a>'
            for words, url in line.links
        ]
        said.append(" &nbsp;·&nbsp; ".join(parts))
    return f'<div style="{_STYLE}">{"<br>".join(said)}</div>'


def as_text(lines: list[Line]) -> str:
    """The lines for a plain part."""
    said = []
    for line in lines:
        if line.words:
            said.append(line.words)
        said += [f"{words}: {url}" for words, url in line.links]
    return "\n".join(said)


def _words(language: str) -> _Words:
    return WORDS.get(language.replace("_", "-").split("-")[0].lower(), WORDS["en"])
