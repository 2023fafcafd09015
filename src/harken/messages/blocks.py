"""A template with its content blocks put in, and where each part of it was written.

Blocks are put in as text, before anything else is done: so MJML compiles them with what stands
around them, they see the names that are known where they stand, and missing data is looked for
in them as anywhere.
"""

from bisect import bisect_right
from collections.abc import Mapping
from typing import NamedTuple

from harken.files.blocks import FOLDER, USE, block_file, name_in
from harken.files.words import did_you_mean
from harken.messages.liquid import LONGEST_SOURCE

DEEPEST = 8
"""Blocks in blocks."""

FORMS: dict[str, tuple[str, ...]] = {
    "html": ("html", "liquid"),
    "mjml": ("mjml", "html", "liquid"),
    "text": ("txt", "liquid"),
}
"""The forms that are taken in a template of a kind, the first that is there; else as in text."""


class Piece(NamedTuple):
    """Text that stands in one file; empty for the template itself. `line` is its first one's."""

    text: str
    file: str
    line: int


class Lack(NamedTuple):
    """A block that cannot be put in; where it is asked for."""

    problem: str
    file: str
    line: int


class Whole(NamedTuple):
    """A template with its blocks."""

    text: str
    starts: tuple[int, ...]
    """Where each piece begins in `text`."""
    pieces: tuple[Piece, ...]

    def place(self, offset: int) -> tuple[str, int]:
        """The file and line in which what stands at an offset was written."""
        index = max(bisect_right(self.starts, offset) - 1, 0)
        piece = self.pieces[index]
        return piece.file, piece.line + self.text.count("\n", self.starts[index], offset)

    def place_of_line(self, line: int) -> tuple[str, int]:
        """The file and line in which a line of `text` (from 1) was written."""
        lines = self.text.split("\n")[: max(line, 1)]
        start = sum(len(one) + 1 for one in lines[:-1])
        return self.place(start + len(lines[-1]) - len(lines[-1].lstrip()))


class Blocks:
    """The blocks that go with a journey."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._texts: dict[str, dict[tuple[str, str], tuple[str, str]]] = {}
        """By name, then by language and form: the file's name and text."""
        for path, text in files.items():
            file = block_file(path)
            if file is not None:
                versions = self._texts.setdefault(file.name, {})
                versions[file.language, file.form] = (path, text.removesuffix("\n"))

    def whole(self, text: str, kind: str, language: str) -> tuple[Whole, list[Lack]]:
        """A template of a kind and language with its blocks put in, and those that cannot be."""
        putting = _Putting(self._texts, FORMS.get(kind, FORMS["text"]), _fallbacks(language))
        putting.template(text, "", ())
        pieces = tuple(putting.pieces)
        starts, at = [], 0
        for piece in pieces:
            starts.append(at)
            at += len(piece.text)
        return Whole("".join(one.text for one in pieces), tuple(starts), pieces), putting.lacks


def _fallbacks(language: str) -> list[str]:
    """`ko-kr`, `ko`, and the version for all."""
    found, tag = [], language.replace("_", "-").lower()
    while tag:
        found.append(tag)
        tag = tag.rpartition("-")[0]
    return [*found, ""]


class _Putting:
    def __init__(
        self,
        texts: Mapping[str, Mapping[tuple[str, str], tuple[str, str]]],
        forms: tuple[str, ...],
        languages: list[str],
    ) -> None:
        self.pieces: list[Piece] = []
        self.lacks: list[Lack] = []
        self._texts, self._forms, self._languages = texts, forms, languages
        self._size = 0

    def template(self, text: str, file: str, trail: tuple[str, ...]) -> None:
        """Add a template, with the blocks in it; `trail` is the names of those around it."""
        at, strip = 0, False
        for use in USE.finditer(text):
            if use["name"] is None:
                continue
            self._add(text, at, use.start(), file, strip)
            if use["before"]:
                self._trim()
            self._block(name_in(use), file, _line(text, use.start()), trail)
            at, strip = use.end(), bool(use["after"])
        self._add(text, at, len(text), file, strip)

    def _add(self, text: str, start: int, end: int, file: str, strip: bool) -> None:
        if strip:
            start = end - len(text[start:end].lstrip())
        self.pieces.append(Piece(text[start:end], file, _line(text, start)))
        self._size += end - start

    def _trim(self) -> None:
        last = self.pieces[-1]
        self.pieces[-1] = last._replace(text=last.text.rstrip())

    def _block(self, name: str | None, file: str, line: int, trail: tuple[str, ...]) -> None:
        problem, found = self._find(name, trail)
        if found is None:
            self.lacks.append(Lack(problem, file, line))
            return
        path, text = found
        self._size += len(text)
        if self._size > LONGEST_SOURCE:
            if not any(one.problem.startswith("longer") for one in self.lacks):
                problem = f"longer than {LONGEST_SOURCE:,} characters with its blocks"
                self.lacks.append(Lack(problem, file, line))
            return
        assert name is not None
        self.template(text, path, (*trail, name))

    def _find(self, name: str | None, trail: tuple[str, ...]) -> tuple[str, tuple[str, str] | None]:
        """The file of a block and its text; or what is wrong."""
        if name is None:
            return 'write the block\'s name in quotes: {% block "footer" %}', None
        versions = self._texts.get(name)
        if versions is None:
            near = did_you_mean(name, self._texts)
            return f"there is no block `{name}` in {FOLDER}/{near}", None
        if name in trail:
            return f"a circle of blocks: {' -> '.join((*trail[trail.index(name) :], name))}", None
        if len(trail) >= DEEPEST:
            return f"blocks in blocks more than {DEEPEST} deep: {' -> '.join(trail)}", None
        for language in self._languages:
            for form in self._forms:
                if (language, form) in versions:
                    return "", versions[language, form]
        has = ", ".join(sorted(path for path, _ in versions.values()))
        wanted = " or ".join(f"{FOLDER}/{name}.{form}" for form in self._forms)
        return f"the block `{name}` has no form for this place: write {wanted} (it has {has})", None


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1
