"""Which values of a journey name a content file, and where that file is.

A wording stands in the journey itself, or in a file beside it: what begins with `<`, or has a line
break or `{`, is the wording; else `mjml` always names a file, and `html` and `text` do when they
end like one.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from harken.files.plain import plain_steps
from harken.files.words import LARGEST, nearest

SUFFIXES = (".html", ".htm", ".mjml", ".txt", ".liquid")
FIELDS = ("mjml", "html", "text")


class Named(NamedTuple):
    """A value that names a content file."""

    path: str
    name: str


def names_file(field: str, value: str) -> bool:
    """Whether the value of `mjml`, `html` or `text` names a file instead of being the wording."""
    if value.startswith("<") or "\n" in value or "{" in value:
        return False
    return field == "mjml" or value.endswith(SUFFIXES)


def named_files(source: Any) -> Iterator[Named]:
    """Every content file that a journey's source names; total on any plain value."""
    for place, step in plain_steps(source.get("steps") if isinstance(source, dict) else None):
        yield from _of_content(step.get("default"), f"{place}.default")
        variants = step.get("variants")
        for number, variant in enumerate(variants if isinstance(variants, list) else []):
            yield from _of_content(variant, f"{place}.variants[{number}]")


def _of_content(content: Any, path: str) -> Iterator[Named]:
    if not isinstance(content, dict):
        return
    for field in FIELDS:
        value = content.get(field)
        if isinstance(value, str) and names_file(field, value):
            yield Named(f"{path}.{field}", value)
    locales = content.get("locales")
    for tag, version in locales.items() if isinstance(locales, dict) else ():
        yield from _of_content(version, f"{path}.locales.{tag}")


def find(name: str, root: Path, beside: Path) -> Path:
    """The file that `name` means: in `beside`, in `root/content`, or in `root`.

    `root` is resolved. Raises ValueError with what would be right: for a name that leads out of
    `root` (by `..`, an absolute path or a link), or that no such file has.
    """
    if not name or any(ord(letter) < 32 for letter in name):
        raise ValueError(f"{name[:60]!r} is no file name")
    for folder in (beside, root / "content", root):
        try:
            target = (folder / name).resolve()
            inside = target.is_relative_to(root)
            if inside and target.is_file():
                return target
        except (OSError, RuntimeError, ValueError):
            raise ValueError(f"{name[:60]!r} cannot be a file name") from None
        if not inside:
            raise ValueError(f"`{name[:100]}` leads out of the folder; keep content files in it")
    near = nearest(name, _content_files(root, beside))
    known = f"; did you mean `{near}`?" if near else " beside the journey, in content/ or above"
    raise ValueError(f"there is no content file `{name[:100]}`{known}")


def is_inside(path: Path, root: Path) -> bool:
    """Whether a path, its links followed, is still below the resolved `root`."""
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):
        return False


def read_bytes(path: Path) -> bytes:
    """A file's bytes. Raises ValueError when it is larger than `LARGEST` or cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if len(data) > LARGEST:
        raise ValueError(f"is larger than {LARGEST:,} bytes")
    return data


def read_text(path: Path) -> str:
    """A file's text. Raises ValueError as `read_bytes` does, and when it is not UTF-8."""
    data = read_bytes(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"is not UTF-8 on line {line}; save it as UTF-8") from None


def _content_files(root: Path, beside: Path) -> list[str]:
    names = set()
    for folder in (beside, root / "content", root):
        if folder.is_dir():
            names |= {path.name for path in folder.iterdir() if path.name.endswith(SUFFIXES)}
    return sorted(names)
