"""The hosted pages' HTML: small, without scripts, for any phone and any screen reader."""

import re
from collections.abc import Mapping, Sequence
from html import escape

from msgspec import Struct

from harken.web.page_words import LANGUAGES, NAMES, WORDS

_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_DOCTYPE = re.compile(r"\s*<!doctype[^>]*>", re.IGNORECASE)

STYLE = """
:root{color-scheme:light dark;
--ink:#1d2433;--soft:#5b6475;--card:#fff;--page:#f4f5f7;--line:#d8dce3;
--act:#1f5fbf;--on:#fff}
@media (prefers-color-scheme:dark){:root{
--ink:#eceff4;--soft:#a5adbb;--card:#1c2129;--page:#12151a;
--line:#343b47;--act:#7fb0ff;--on:#0d1420}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:17px/1.55 system-ui,-apple-system,
"Apple SD Gothic Neo","Noto Sans KR",sans-serif}
main{max-width:32rem;margin:0 auto;padding:2rem 1rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:1.75rem}
h1{font-size:1.4rem;line-height:1.3;margin:0 0 .75rem}
p{margin:0 0 1rem}
.soft{color:var(--soft);font-size:.95rem}
.done{border-left:4px solid var(--act);padding-left:.75rem}
button{font:inherit;font-weight:600;width:100%;min-height:48px;padding:.6rem 1rem;
border-radius:10px;border:1px solid var(--act);background:var(--act);color:var(--on);cursor:pointer}
button.quiet{background:transparent;color:var(--act)}
button:focus-visible,a:focus-visible,input:focus-visible,select:focus-visible{
outline:3px solid var(--act);outline-offset:2px}
fieldset{border:0;padding:0;margin:0 0 1rem}
label.row{display:flex;gap:.75rem;align-items:center;min-height:48px;
border-bottom:1px solid var(--line)}
input[type=checkbox]{width:24px;height:24px;accent-color:var(--act)}
select{font:inherit;width:100%;min-height:48px;padding:.4rem;border-radius:10px;
border:1px solid var(--line);background:var(--card);color:var(--ink);margin:.25rem 0 1rem}
a{color:var(--act)}
form+form{margin-top:1.25rem;padding-top:1.25rem;border-top:1px solid var(--line)}
"""


class Choice(Struct, frozen=True, kw_only=True):
    """A line of the preference page."""

    name: str
    """`email:marketing`"""
    on: bool


def under(heading: str, whole: str) -> str:
    """A page with `heading` as the first thing in its body."""
    begins = _BODY.search(whole) or _DOCTYPE.match(whole)
    at = begins.end() if begins else 0
    return whole[:at] + heading + whole[at:]


def page(language: str, title: str, body: str) -> str:
    """A whole page; `title` is a key of the words, `body` is HTML."""
    return frame(language, WORDS[language][title], body)


def frame(language: str, title: str, body: str, style: str = "") -> str:
    """A whole page; `title` is text, `body` HTML, `style` what it needs beside the usual."""
    heading = escape(title)
    return (
        f'<!doctype html><html lang="{escape(language)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="robots" content="noindex, nofollow">'
        f"<title>{heading}</title><style>{STYLE}{style}</style></head>"
        f'<body><main><div class="card"><h1>{heading}</h1>{body}</div></main></body></html>'
    )


def said(language: str, key: str, kind: str = "") -> str:
    """A paragraph of words."""
    attribute = f' class="{kind}"' if kind else ""
    role = ' role="status"' if kind == "done" else ""
    return f"<p{attribute}{role}>{escape(WORDS[language][key])}</p>"


def form(language: str, to: str, button: str, kind: str = "", **hidden: str) -> str:
    """A form with one button."""
    fields = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in hidden.items()
    )
    attribute = f' class="{kind}"' if kind else ""
    return (
        f'<form method="post" action="{escape(to)}">{fields}'
        f'<button type="submit"{attribute}>{escape(WORDS[language][button])}</button></form>'
    )


def link(language: str, href: str, key: str) -> str:
    return f'<p class="soft"><a href="{escape(href)}">{escape(WORDS[language][key])}</a></p>'


def _of(key: str, channel: str) -> str:
    """The words for e-mail, or those for any other channel."""
    return key if channel == "email" else f"{key}_other"


def ask_unsubscribe(language: str, here: str, preferences: str, channel: str) -> str:
    """The page that a person sees who follows an unsubscribe link."""
    return page(
        language,
        "unsubscribe_title",
        said(language, _of("unsubscribe_ask", channel))
        + form(language, here, "unsubscribe_do")
        + "<br>"
        + link(language, preferences, "choose"),
    )


def unsubscribed(language: str, here: str, preferences: str, channel: str) -> str:
    """Done, and how to take it back."""
    return page(
        language,
        "unsubscribed_title",
        said(language, _of("unsubscribed", channel), "done")
        + form(language, here, "undo", "quiet", action="resubscribe")
        + "<br>"
        + link(language, preferences, "choose"),
    )


def resubscribed(language: str, preferences: str, channel: str) -> str:
    return page(
        language,
        "resubscribed_title",
        said(language, _of("resubscribed", channel), "done")
        + link(language, preferences, "choose"),
    )


def preferences(
    language: str, here: str, address: str, choices: Sequence[Choice], note: str
) -> str:
    """The preference page; `note` is a key of words that tells what was done."""
    words = WORDS[language]
    rows = "".join(
        f'<label class="row"><input type="checkbox" name="{escape(choice.name)}" value="on"'
        f"{' checked' if choice.on else ''}> <span>{escape(words[choice.name])}</span></label>"
        for choice in choices
    )
    options = "".join(
        f'<option value="{tag}"{" selected" if tag == language else ""}>{NAMES[tag]}</option>'
        for tag in LANGUAGES
    )
    whose = words["preferences_for"].format_map({"address": address}) if address else ""
    body = (
        (f'<p class="soft">{escape(whose)}</p>' if whose else "")
        + (said(language, note, "done") if note else "")
        + f'<form method="post" action="{escape(here)}">'
        + f"<fieldset>{rows}</fieldset>"
        + f'<label for="language">{escape(words["language"])}</label>'
        + f'<select id="language" name="language">{options}</select>'
        + f'<button type="submit">{escape(words["save"])}</button></form>'
        + form(language, here, "stop", "quiet", action="stop")
        + said(language, "stop_hint", "soft")
    )
    return page(language, "preferences_title", body)


def home(language: str) -> str:
    """What the server's bare address shows."""
    words = WORDS[language]
    links = (("/api/docs", "home_api"), ("/readyz", "home_ready"))
    listed = "".join(f'<p><a href="{path}">{escape(words[key])}</a></p>' for path, key in links)
    return page(language, "home_title", said(language, "home") + listed)


def told(language: str, what: str) -> str:
    """A page that only says something: `missing`, `gone`, `trouble`."""
    return page(language, f"{what}_title", said(language, what))


def headers(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Headers of a page: nothing is loaded, framed, indexed, kept or told to others."""
    return {**SECURITY, **(extra or {})}


SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "no-store",
}
MAIL_CSP = (
    "default-src 'none'; img-src * data:; style-src 'unsafe-inline' https:; "
    "font-src https: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
    " allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
)
"""Of a message shown in the browser: its pictures and styles, but no script."""
