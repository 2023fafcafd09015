"""MJML to HTML, once a revision, with Liquid kept alive.

Liquid stands in text, in attributes, and between elements (`{% for %}` around `mj-section`). It is
replaced by plain words for the compiler; between elements a word stands in `mj-raw`, the element
whose content MJML passes on as it is.
"""

import re

import mrml
from msgspec import Struct

from harken.files.words import did_you_mean
from harken.messages.holes import LIQUID, Holes

ELEMENTS = frozenset(
    """mjml mj-head mj-body mj-attributes mj-all mj-class mj-breakpoint mj-font mj-html-attributes
    mj-selector mj-html-attribute mj-preview mj-style mj-title mj-raw mj-accordion
    mj-accordion-element mj-accordion-title mj-accordion-text mj-button mj-carousel
    mj-carousel-image mj-column mj-divider mj-group mj-hero mj-image mj-navbar mj-navbar-link
    mj-section mj-social mj-social-element mj-spacer mj-table mj-text mj-wrapper""".split()  # noqa: SIM905
)
# Between the children of these, Liquid needs an mj-raw around it.
_HOLDERS = frozenset(
    "mj-head mj-body mj-wrapper mj-section mj-group mj-column mj-hero mj-navbar mj-social".split()  # noqa: SIM905
)
_TOKEN = re.compile(
    rf"(?P<comment><!--.*?-->)|(?P<liquid>{LIQUID.pattern})"
    r"|<(?P<close>/?)(?P<name>mj[\w-]*)"
    rf"(?P<rest>(?:{LIQUID.pattern.replace('open', 'inner')}|\"[^\"]*\"|'[^']*'|[^<>\"'])*?)"
    r"(?P<self>/?)>",
    re.DOTALL,
)
_AT = re.compile(r"at position (\d+):(\d+)")
_OPTIONS = mrml.ParserOptions(include_loader=mrml.noop_loader())


class MjmlFault(Struct, frozen=True):
    """What is wrong with an MJML source; `line` from 1, or 0."""

    problem: str
    line: int


def compile_mjml(source: str) -> tuple[str, list[MjmlFault]]:
    """The HTML template of an MJML template. With faults, the HTML is empty."""
    holes = Holes(source)
    prepared = _Prepared(holes)
    prepared.read(source)
    if prepared.faults:
        return "", prepared.faults
    text = "".join(prepared.out)
    try:
        html = mrml.to_html(text, _OPTIONS).content
    except OSError as error:
        return "", [prepared.explain(str(error), source)]
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        return "", [MjmlFault("this MJML cannot be compiled", 0)]
    faults = [
        MjmlFault(
            f"`{piece[:60]}` would be lost here: MJML needs a fixed value in this place",
            source.count("\n", 0, max(source.find(piece), 0)) + 1,
        )
        for piece in holes.lost(html)
    ]
    if faults:
        return "", faults
    return prepared.before + holes.fill(html) + prepared.after, []


class _Prepared:
    """The source as the compiler gets it, and where each part of it came from."""

    def __init__(self, holes: Holes) -> None:
        self.holes = holes
        self.out: list[str] = []
        self.faults: list[MjmlFault] = []
        self.before = ""
        self.after = ""
        self._size = 0
        self._origin: list[tuple[int, int]] = []
        self._open: list[str] = []
        self._done = False

    def read(self, source: str) -> None:
        at = 0
        for found in _TOKEN.finditer(source):
            self._put(source[at : found.start()], at)
            line = source.count("\n", 0, found.start()) + 1
            if found["comment"] is not None:
                # Also takes Liquid that was commented out with it; Outlook's conditions stay.
                if found["comment"].startswith("<!--["):
                    self._put(self.holes.dig(found.group()), found.start())
            elif found["liquid"] is not None:
                self._liquid(found.group(), found.start())
            else:
                self._element(found, line)
                self._put(self.holes.dig(found.group()), found.start())
            at = found.end()
        self._put(source[at:], at)

    def explain(self, error: str, source: str) -> MjmlFault:
        """The compiler's message with the line of the author's source."""
        at = _AT.search(error)
        problem = "this is not MJML: " + _AT.sub("", error).replace("in root template", "").strip()
        if at is None:
            return MjmlFault(f"{problem}; is an element not closed, or not closed in order?", 0)
        place, start = int(at[1]), 0
        for output, origin in self._origin:
            if output > place:
                break
            start = origin + (place - output)
        return MjmlFault(problem, source.count("\n", 0, min(start, len(source))) + 1)

    def _put(self, text: str, origin: int) -> None:
        if text:
            self._origin.append((self._size, origin))
            self.out.append(text)
            self._size += len(text)

    def _liquid(self, piece: str, origin: int) -> None:
        parent = self._open[-1] if self._open else ""
        if not parent or parent == "mjml":
            # Outside of head and body there is no place: what is said there comes first or last.
            if self._done:
                self.after += piece
            else:
                self.before += piece
        elif parent in _HOLDERS:
            self._put(f"<mj-raw>{self.holes.word(piece)}</mj-raw>", origin)
        else:
            self._put(self.holes.word(piece), origin)

    def _element(self, found: re.Match[str], line: int) -> None:
        name = found["name"].lower()
        if name == "mj-include":
            self.faults.append(
                MjmlFault("mj-include is not supported: put the content into this file", line)
            )
        elif name not in ELEMENTS:
            hint = did_you_mean(name, ELEMENTS)
            self.faults.append(MjmlFault(f"MJML has no element `{name}`{hint}", line))
        elif found["close"]:
            while self._open and self._open.pop() != name:
                pass
            self._done = self._done or name in ("mj-body", "mjml")
        elif not found["self"]:
            self._open.append(name)
