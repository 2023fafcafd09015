"""From a content as written to parsed templates, one set for each language."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from liquid import Environment
from liquid.exceptions import LiquidError
from liquid.token import Token
from msgspec import Struct

from harken.channels.table import TABLE, Need
from harken.errors import Fault
from harken.files.content import names_file
from harken.files.words import did_you_mean
from harken.messages.analysis import Surroundings, examine
from harken.messages.blocks import Blocks, Whole
from harken.messages.content import Content
from harken.messages.liquid import HTML, TEXT, Template
from harken.messages.mjml import compile_mjml
from harken.messages.payload import MOST_TEMPLATES, Payload, strings_of, with_templates
from harken.messages.text import text_template

_BODY = re.compile(r"<body(?:\{\{.*?\}\}|\{%.*?%\}|[^>])*>", re.IGNORECASE | re.DOTALL)
# Values as other tools write them, or with a brace too few: a reader would get them as they stand.
_ANOTHERS = re.compile(
    r"(?<!\{)\$?\{ *(?:profile|event|entry|session|coupon|links|answers)\.[\w.]+ *\}(?!\})"
    r"|\*\|\w+\|\*"
)
# In a mail there is no page that an address could be relative to.
_RELATIVE = re.compile(
    r"""\b(?:href|src)\s*=\s*["']\s*+(?![#{]|//|[a-z][a-z0-9+.-]*:)([^"'>]+)["']""", re.IGNORECASE
)
_HIDDEN = (
    '<div style="display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;'
    'overflow:hidden;mso-hide:all">'
)


LACKING = "lacking"
"""The kind of a template that a block is missing from: its rest is looked at, but not used."""
PARTS = ("subject", "preheader", "html", "mjml", "text", "payload")
"""What a content may hold, besides its versions in other languages."""


TAKES_IN = ("render", "include", "snippet", "content_block", "content_blocks", "partial", "section")
"""Tags by which others take a piece of content in."""


class Parts(Struct, frozen=True, kw_only=True):
    """The templates of one wording in one language, those that its channels use."""

    language: str
    subject: Template | None = None
    html: Template | None = None
    text: Template | None = None
    """None when the text has to be made from the rendered HTML."""
    payload: Payload | None = None

    def templates(self) -> Iterator[Template]:
        """Every template of it."""
        yield from filter(None, (self.subject, self.html, self.text))
        if self.payload is not None:
            yield from self.payload.templates()


class Source(NamedTuple):
    """One template, its blocks put in, and where it is written."""

    text: str
    path: str
    file: str = ""
    kind: str = "text"
    whole: Whole | None = None
    """Where each part of it is written."""

    def place(self, offset: int) -> tuple[str, int]:
        """The file and line of what stands at an offset of the text."""
        if offset < 0 or self.whole is None:
            return self.file, 0
        file, line = self.whole.place(offset)
        return file or self.file, line

    def place_of_line(self, line: int) -> tuple[str, int]:
        """The file and line in which a line of the text is written."""
        if not line or self.whole is None:
            return self.file, line
        file, line = self.whole.place_of_line(line)
        return file or self.file, line


class Wordings:
    """Compiles the wordings of one message and collects their faults."""

    def __init__(
        self, files: Mapping[str, str], channels: Sequence[str], around: Surroundings
    ) -> None:
        """`channels` are those that the message may go by."""
        self.faults: list[Fault] = []
        self._around = around
        self._channels = [TABLE[channel] for channel in channels]
        self._files = files
        self._blocks = Blocks(files)
        self._made: dict[tuple[str, ...], Template | None] = {}
        self._mjml: dict[str, str] = {}
        self._told: set[tuple[object, ...]] = set()
        self._examined: set[tuple[Source, bool]] = set()

    def parts(
        self, layers: list[tuple[Content, str]], language: str, *, is_default: bool
    ) -> Parts | None:
        """The templates that `layers` (with their paths, the most special first) come to."""
        if not self._complete(layers):
            return None
        used = {part for channel in self._channels for part in channel.parts}
        payload = self._payload(layers, language, is_default) if "payload" in used else None
        if payload is None and "payload" in used:
            return None
        if used <= {"payload"}:
            return Parts(language=language, payload=payload)
        subject = self._first(layers, language, "subject")
        body = self._first(layers, language, "html", "mjml")
        text = self._first(layers, language, "text")
        if body and text and _depth(layers, text) > _depth(layers, body):
            # A text beneath a more special HTML says something else, perhaps in another language.
            text = None
        preheader = self._first(layers, language, "preheader")
        made_subject = self._template(subject, TEXT, is_default) if subject else None
        made_html = self._body(body, preheader, language, is_default) if body else None
        if text:
            made_text = self._template(text, TEXT, is_default)
        else:
            made_text = self._derived(made_html)
        asked = ((subject, made_subject), (body, made_html), (text, made_text))
        if any(source and made is None for source, made in asked):
            return None
        return Parts(
            language=language, subject=made_subject, html=made_html, text=made_text, payload=payload
        )

    def check(self, content: Content, path: str) -> None:
        """Faults of one content by itself."""
        if content.html is not None and content.mjml is not None:
            self._fault(f"{path}.mjml", "give `html` or `mjml`, not both")
        used = list(dict.fromkeys(part for one in self._channels for part in one.parts))
        for part in PARTS:
            if getattr(content, part) is not None and part not in used:
                kinds = " or ".join(one.a_message for one in self._channels)
                has = ", ".join(f"`{one}`" for one in used)
                self._fault(f"{path}.{part}", f"{kinds} has no `{part}`; it has {has}")

    def _complete(self, layers: list[tuple[Content, str]]) -> bool:
        """Whether every channel finds what it needs; what is lacking is told."""
        whole = True
        for channel in self._channels:
            for need in channel.needs:
                given = [getattr(content, part) for content, _ in layers for part in need.parts]
                if not _something(next((one for one in given if one is not None), None)):
                    whole = False
                    self._fault(layers[0][1], f"{channel.a_message} needs {_needed(need)}")
        return whole

    def _payload(
        self, layers: list[tuple[Content, str]], language: str, is_default: bool
    ) -> Payload | None:
        """That of the most special content that has one; it is not put together of several."""
        content, path = next(layer for layer in layers if layer[0].payload is not None)
        return self.payload(
            content.payload or {}, f"{path}.payload", language, is_default=is_default
        )

    def payload(
        self, value: dict[str, Any], path: str, language: str, *, is_default: bool
    ) -> Payload | None:
        """A payload with its templates parsed; None when one of them is broken."""
        if sum(1 for _ in strings_of(value, path)) > MOST_TEMPLATES:
            self._fault(path, f"has more than {MOST_TEMPLATES} strings")
            return None
        broken = False

        def parse(text: str, place: str) -> Template | None:
            nonlocal broken
            source = self._with_blocks(Source(text, place), language)
            made = self._template(source, TEXT, is_default)
            broken = broken or made is None
            return made

        made = with_templates(value, path, parse)
        return None if broken else Payload(made)

    def _first(
        self, layers: list[tuple[Content, str]], language: str, *fields: str
    ) -> Source | None:
        for content, path in layers:
            for field in fields:
                value = getattr(content, field)
                if value is not None:
                    source = self._source(field, value, f"{path}.{field}")
                    return self._with_blocks(source, language)
        return None

    def _with_blocks(self, source: Source, language: str) -> Source:
        whole, lacks = self._blocks.whole(source.text, source.kind, language)
        for lack in lacks:
            self._fault(source.path, lack.problem, lack.file or source.file, lack.line)
        kind = LACKING if lacks else source.kind
        return source._replace(text=whole.text, kind=kind, whole=whole)

    def _source(self, field: str, value: str, path: str) -> Source:
        if field not in ("html", "mjml", "text") or not names_file(field, value):
            return Source(value, path, kind=field)
        text = self._files.get(value)
        if text is None:
            hint = did_you_mean(value, self._files)
            self._fault(path, f"there is no content file `{value[:100]}`{hint}")
            return Source(" ", path, value, "missing")
        return Source(text, path, value, field)

    def _body(
        self, body: Source, preheader: Source | None, language: str, is_default: bool
    ) -> Template | None:
        if body.kind in ("missing", LACKING):
            return self._template(body, HTML, is_default)
        key = (body.text, body.kind, preheader.text if preheader else "", language, body.file)
        if preheader and self._template(preheader, HTML, is_default) is None:
            return None
        if self._template(body, HTML, is_default) is None:
            return None
        if key not in self._made:
            html = self._compiled(body) if body.kind == "mjml" else body.text
            html = html.replace('lang="und"', f'lang="{language}"', 1)
            if preheader and html:
                html = _with_preheader(html, preheader.text)
            self._made[key] = (
                self._parse(body._replace(text=html, whole=None), HTML) if html else None
            )
        return self._made[key]

    def _compiled(self, body: Source) -> str:
        if body.text not in self._mjml:
            try:
                html, faults = compile_mjml(body.text)
            except LiquidError as error:
                html, faults = "", []
                self._fault(body.path, str(error.message), body.file)
            self._mjml[body.text] = html
            for fault in faults:
                self._fault(body.path, fault.problem, *body.place_of_line(fault.line))
        return self._mjml[body.text]

    def _derived(self, html: Template | None) -> Template | None:
        if html is None:
            return None
        try:
            return Template(text_template(html.source), TEXT)
        except LiquidError:
            # A tag stands across what is text and what is not: convert each rendered mail.
            return None

    def _template(self, source: Source, env: Environment, is_default: bool) -> Template | None:
        if source.kind == "missing":
            return None
        key = ("source", source.text, source.path, str(env.autoescape))
        if key not in self._made:
            self._made[key] = self._parse(source, env)
        made = self._made[key]
        if made is not None and (source, is_default) not in self._examined:
            self._examined.add((source, is_default))
            around = self._around._replace(whole=source.kind != LACKING)
            for finding in examine(made, needs_defaults=is_default, around=around):
                place = source.place(finding.at)
                self._fault(source.path, finding.problem, *place, finding.warning)
            for found in _ANOTHERS.finditer(source.text):
                problem = f"`{found[0]}` is sent as it stands; a value is written `{{{{ ... }}}}`"
                self._fault(source.path, problem, *source.place(found.start()), True)
            for found in _RELATIVE.finditer(source.text):
                problem = f"`{found[1]}` leads nowhere from a mail; begin it with https://"
                self._fault(source.path, problem, *source.place(found.start()), True)
        return None if source.kind == LACKING else made

    def _parse(self, source: Source, env: Environment) -> Template | None:
        try:
            return Template(source.text, env)
        except LiquidError as error:
            problem = f"this is not Liquid: {error.message}{_nearest_tag(str(error.message), env)}"
            self._fault(source.path, problem, *source.place(_offset(error.token)))
        return None

    def _fault(
        self, path: str, problem: str, file: str = "", line: int = 0, warning: bool = False
    ) -> None:
        if line and not file:
            # The line of the journey file is not known here, only that inside of the value.
            problem, line = (f"line {line}: {problem}" if line > 1 else problem), 0
        fault = Fault(path, problem, file, line, warning)
        # A content file may be used by several contents: its fault is told once.
        seen = (file, line, problem) if file else (path, problem)
        if seen not in self._told:
            self._told.add(seen)
            self.faults.append(fault)


def _nearest_tag(message: str, env: Environment) -> str:
    found = re.fullmatch(r"unexpected tag '(\w+)'", message)
    if found is None:
        return ""
    if found[1] in ("else", "elsif"):
        return "; nothing is open here that has one, such as `if`, `for` or `connected`"
    if found[1] in ("endcatalog", "endrecommend"):
        return f"; `{found[1][3:]}` has no end: ask for what it found by `{{% if NAME %}}`"
    if found[1].startswith("end"):
        return ""
    if found[1] in TAKES_IN:
        return '; a content block is taken in by `{% block "NAME" %}`'
    return did_you_mean(found[1], (*env.tags, "block"))


def _offset(token: Token | None) -> int:
    return token.start_index if token else -1


def _something(value: Any) -> bool:
    return bool(value.strip() if isinstance(value, str) else value)


def _needed(need: Need) -> str:
    """`a `subject``, `a body: `mjml`, `html` or `text``."""
    named = [f"`{part}`" for part in need.parts]
    if len(named) == 1:
        return f"a {named[0]}"
    return f"a {need.called}: {', '.join(named[:-1])} or {named[-1]}"


def _with_preheader(html: str, preheader: str) -> str:
    hidden = f"{_HIDDEN}{preheader}</div>"
    at = _BODY.search(html)
    return html[: at.end()] + hidden + html[at.end() :] if at else hidden + html


def _depth(layers: list[tuple[Content, str]], source: Source) -> int:
    return next(
        index for index, (_, path) in enumerate(layers) if source.path.rpartition(".")[0] == path
    )
