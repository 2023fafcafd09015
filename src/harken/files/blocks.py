"""Content blocks: files in `blocks/` that templates take in, `{% block "footer" %}`.

`footer.html`, `footer.mjml`, `footer.txt` and `footer.liquid` are forms of one block;
`footer.ko.html` is its Korean version. Which one is taken depends on where it stands
(`messages.blocks`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from harken.files.words import nearest

FOLDER = "blocks"
FORMS = ("html", "mjml", "txt", "liquid")

USE = re.compile(
    r"\{%-?\s*(?P<closed>raw|comment)\s*-?%\}.*?\{%-?\s*end(?P=closed)\s*-?%\}"
    r"|\{%(?P<before>-?)\s*block\b(?P<name>.*?)(?P<after>-?)%\}",
    re.DOTALL,
)
"""A use of a block; or, without a `name`, what Liquid reads no tags in."""
_NAMED = re.compile(r"""\s*(?P<quote>["'])(?P<name>[\w-]{1,64})(?P=quote)\s*""")
_FILE = re.compile(
    rf"{FOLDER}/(?P<name>[\w-]{{1,64}})(\.(?P<language>[A-Za-z0-9_-]{{2,35}}))?"
    rf"\.(?P<form>{'|'.join(FORMS)})"
)


class BlockFile(NamedTuple):
    """What a file's name says of it."""

    name: str
    language: str
    """In lower case; empty for the version of all other languages."""
    form: str


def block_file(path: str) -> BlockFile | None:
    """What `blocks/footer.ko.html` is; None for what is no block's file."""
    found = _FILE.fullmatch(path)
    if found is None:
        return None
    language = (found["language"] or "").replace("_", "-").lower()
    return BlockFile(found["name"], language, found["form"])


def name_in(use: re.Match[str]) -> str | None:
    """The block that a match of `USE` names; None when it does not name one in quotes."""
    named = _NAMED.fullmatch(use["name"])
    return named["name"] if named else None


def files_used(source: Any, texts: Iterable[str], blocks: Mapping[str, str]) -> dict[str, str]:
    """The block files of a folder that a journey and its content files come to use.

    All versions and forms of a block go along, and the blocks in them. Of one that there is not,
    the nearest goes along: who checks the journey can say what was meant.
    """
    by_name: dict[str, list[str]] = {}
    for path in blocks:
        file = block_file(path)
        if file is not None:
            by_name.setdefault(file.name, []).append(path)
    found: dict[str, str] = {}
    waiting = [*_texts(source), *texts]
    while waiting:
        for name in _names(waiting.pop()):
            for path in by_name.get(name) or by_name.get(nearest(name, by_name)) or ():
                if path not in found:
                    found[path] = blocks[path]
                    waiting.append(blocks[path])
    return dict(sorted(found.items()))


def _names(text: str) -> Iterator[str]:
    for use in USE.finditer(text):
        if use["name"] is not None and (name := name_in(use)):
            yield name


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
