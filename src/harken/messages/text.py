"""The plain part of an e-mail, made from its HTML part.

The HTML *template* is converted, once a revision, with its Liquid in place; rendering the result
costs little, where converting every rendered mail would cost more than all else together.
"""

import re
from html.parser import HTMLParser

from harken.messages.holes import Holes

_BLOCKS = frozenset(
    """address article aside blockquote body dd div dl dt fieldset figure footer form h1 h2 h3 h4
    h5 h6 header main nav ol p pre section table tr ul center""".split()  # noqa: SIM905
)
_APART = frozenset("h1 h2 h3 h4 h5 h6 p ul ol table blockquote".split())  # noqa: SIM905
_SILENT = frozenset("head style script title template object svg".split())  # noqa: SIM905
_HIDDEN = re.compile(r"display\s*:\s*none|mso-hide\s*:\s*all", re.IGNORECASE)
_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())  # noqa: SIM905
_TAG = re.compile(r"\{%.*%\}", re.DOTALL)


def text_template(html_template: str) -> str:
    """The Liquid template of the text part that says what an HTML template says."""
    holes = Holes(html_template)
    reader = _Reader(holes)
    reader.feed(holes.dig(html_template))
    reader.close()
    return holes.fill(tidy(reader.text()))


def html_to_text(html: str) -> str:
    """What a finished HTML text says: links as `text (url)`, no markup, style or script."""
    reader = _Reader(None)
    reader.feed(html)
    reader.close()
    return tidy(reader.text())


def tidy(text: str) -> str:
    """At most one empty line between lines, and no blanks around any."""
    lines: list[str] = []
    for line in text.split("\n"):
        said = line.strip()
        if said or (lines and lines[-1]):
            lines.append(said)
    return "\n".join(lines).rstrip()


class _Reader(HTMLParser):
    """Collects what a reader would see."""

    def __init__(self, holes: Holes | None) -> None:
        super().__init__(convert_charrefs=True)
        self._holes = holes
        self._out: list[str] = []
        self._hidden: list[str] = []
        self._links: list[tuple[str, int]] = []
        self._lists: list[int] = []

    def text(self) -> str:
        return "".join(self._out)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag in _VOID:
            self._void(tag, values)
            return
        if self._hidden:
            self._hidden.append(tag)
            return
        if tag in _SILENT or _HIDDEN.search(values.get("style", "")) or "hidden" in values:
            self._hidden.append(tag)
            return
        if tag == "a":
            self._links.append((values.get("href", ""), len(self._out)))
        elif tag in ("ul", "ol"):
            self._lists.append(0 if tag == "ol" else -1)
            self._break(tag)
        elif tag == "li":
            self._item()
        elif tag in ("td", "th"):
            self._out.append(" ")
        elif tag in _BLOCKS:
            self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._hidden:
            if tag in self._hidden:
                while self._hidden.pop() != tag:
                    pass
            return
        if tag == "a" and self._links:
            self._link(*self._links.pop())
        elif tag in ("ul", "ol"):
            if self._lists:
                self._lists.pop()
            self._break(tag)
        elif tag in _BLOCKS:
            self._break(tag)

    def handle_data(self, data: str) -> None:
        if self._hidden:
            self._tags_of(data)
        else:
            self._out.append(re.sub(r"[ \t\r\n\f\v]+", " ", data.replace("\u200b", "")))

    def handle_comment(self, data: str) -> None:
        self._tags_of(data)

    def _tags_of(self, unseen: str) -> None:
        # A loop or condition may begin in what is not seen (a comment for Outlook).
        if self._holes is None:
            return
        for found in self._holes.pattern.finditer(unseen):
            if _TAG.fullmatch(self._holes.piece(found)):
                self._out.append(found.group())

    def _void(self, tag: str, values: dict[str, str]) -> None:
        if self._hidden:
            return
        if tag == "br":
            self._out.append("\n")
        elif tag == "hr":
            self._out.append("\n---\n")
        elif tag == "img" and values.get("alt", "").strip():
            self._out.append(values["alt"].strip())

    def _break(self, tag: str) -> None:
        self._out.append("\n\n" if tag in _APART else "\n")

    def _item(self) -> None:
        mark = "- "
        if self._lists and self._lists[-1] >= 0:
            self._lists[-1] += 1
            mark = f"{self._lists[-1]}. "
        self._out.append(f"\n{mark}")

    def _link(self, href: str, since: int) -> None:
        said = "".join(self._out[since:]).strip()
        href = href.strip()
        if not href or href.startswith("#") or href == said:
            return
        plain = href.removeprefix("mailto:").removeprefix("tel:")
        if plain != said:
            self._out.append(f" ({plain})" if said else plain)
