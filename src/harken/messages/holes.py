"""Liquid inside markup, kept safe while the markup goes through a compiler or parser."""

import re

from liquid.exceptions import LiquidSyntaxError

LIQUID = re.compile(
    r"\{%-?\s*(?P<open>raw|comment)\s*-?%\}.*?\{%-?\s*end(?P=open)\s*-?%\}"
    r"|\{%.*?%\}|\{\{.*?\}\}",
    re.DOTALL,
)


class Holes:
    """Stands plain words in the place of Liquid tags and outputs, and puts the Liquid back."""

    def __init__(self, source: str) -> None:
        """Raises LiquidSyntaxError when the source contains what looks like our own words."""
        self.pieces: list[str] = []
        self._mark = "hole"
        while self._mark in source:
            self._mark += "q"
            if len(self._mark) > 40:
                raise LiquidSyntaxError("a text of this form cannot be compiled", token=None)
        self.pattern = re.compile(rf"{self._mark}(\d+)z")

    def dig(self, source: str) -> str:
        """`source` with a word for each piece of Liquid."""
        return LIQUID.sub(lambda found: self.word(found.group()), source)

    def word(self, piece: str) -> str:
        """The word for one piece."""
        self.pieces.append(piece)
        return f"{self._mark}{len(self.pieces) - 1}z"

    def fill(self, text: str) -> str:
        """`text` with the Liquid back in its place."""
        return self.pattern.sub(lambda found: self.pieces[int(found.group(1))], text)

    def piece(self, found: re.Match[str]) -> str:
        """The piece that a match of `pattern` stands for."""
        return self.pieces[int(found.group(1))]

    def lost(self, text: str) -> list[str]:
        """The pieces that have no word in `text`."""
        kept = {int(found) for found in self.pattern.findall(text)}
        return [piece for number, piece in enumerate(self.pieces) if number not in kept]
