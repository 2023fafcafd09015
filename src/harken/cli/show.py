"""How answers look: tables for people, JSON for programs."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

UNSEEN_WIDTH = 200
"""Columns where there is no terminal: lines of a file or pipe are not to be cut at 80."""


def console() -> Console:
    """Standard output. Nothing in what it shows is taken for markup."""
    width = None if sys.stdout.isatty() else UNSEEN_WIDTH
    return Console(width=width, markup=False, highlight=False, emoji=False, soft_wrap=True)


def as_json(value: Any) -> None:
    """A value as indented JSON."""
    print(msgspec.json.format(msgspec.json.encode(value)).decode())


def line(text: str = "", style: str = "") -> None:
    """A line of text."""
    console().print(Text(clean(text), style=style))


def sentence(text: str, style: str = "") -> None:
    """A sentence on one line: what it quotes of events cannot begin a line and pass for another."""
    line(one_line(text), style)


def one_line(text: str) -> str:
    """Text with each run of blanks and line ends as one blank."""
    return " ".join(text.split())


def heading(text: str) -> None:
    console().print(Text(f"\n{clean(text)}", style="bold"))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str) -> None:
    """Rows under headings, or `empty` when there are none."""
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(word(value)) for value in row))
    if shown.row_count:
        console().print(shown)
    else:
        line(empty, "dim")


def facts(pairs: Mapping[str, Any]) -> None:
    """Names and values, one a line; what is empty is left out."""
    shown = Table.grid(padding=(0, 2, 0, 0))
    for name, value in pairs.items():
        if value not in (None, "", [], {}):
            shown.add_row(Text(clean(name), style="dim"), Text(word(value)))
    console().print(shown)


def word(value: Any) -> str:
    """A value in a cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict | list):
        return clean(msgspec.json.encode(value).decode())
    return clean(moment(value) if isinstance(value, str) else str(value))


def counted(count: int, thing: str) -> str:
    """`1 line`, `2,000 lines`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def moment(text: str) -> str:
    """A time without what nobody reads: `2026-01-31 09:00:00 UTC`; other text as it is."""
    if len(text) == 24 and text[10] == "T" and text.endswith("Z"):
        return f"{text[:10]} {text[11:19]} UTC"
    return text


def clean(text: str) -> str:
    """Text from outside without control characters, which could repaint the terminal."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )
