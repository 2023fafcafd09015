"""A statement in the making: the question, the dialect and the parameters so far."""

from collections.abc import Mapping, Sequence
from math import isinf
from typing import NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from harken.segments.dialects.base import Dialect, Place
from harken.segments.dialects.duckdb import DUCKDB, DUCKDB_CAREFUL
from harken.segments.rules import Rule

APART = 8
"""Sets of customers that a statement asks for each in a sub-select of its own. For each of those
engines keep a table in memory at the same time, and DuckDB's planner takes the cube of their number
and gives up at a thousand: all beyond come from one table, as bits."""
BITS = 62
"""Sets whose bits one column holds; a signed number has room for one more."""


class Statement(NamedTuple):
    """SQL, and the texts that it refers to by number (`$1`, `{p1:String}`)."""

    sql: str
    params: tuple[str, ...]


class Asked(Struct, frozen=True, kw_only=True):
    """What an answer depends on beside the rule."""

    now: int
    """Milliseconds: where windows end."""
    zone: ZoneInfo
    """The workspace's, for anniversaries."""
    segments: Mapping[str, Rule]
    """What `in_segment` refers to."""
    dialect: Dialect = DUCKDB


def careful(asked: Asked) -> Asked:
    """The same in phrases that fail on no value: for what is not asked a second time by `ask`."""
    return replace(asked, dialect=DUCKDB_CAREFUL) if asked.dialect is DUCKDB else asked


class Writing:
    """Collects parameters and names while a statement is written."""

    def __init__(self, asked: Asked, one_in: int = 1) -> None:
        self.asked = asked
        self.dialect = asked.dialect
        self.one_in = one_in
        """Only every so manieth customer is looked at."""
        self._texts: dict[str, int] = {}
        self._numbers: set[Place] = set()
        self._names = 0
        self._apart: set[str] = set()
        self._together: dict[str, int] = {}

    def text(self, value: str) -> str:
        """A parameter that holds the text; equal texts share one."""
        return self.dialect.param(self._texts.setdefault(value, len(self._texts) + 1))

    def number(self, place: Place) -> str:
        """The value as a double if it is a number."""
        self._numbers.add(place)
        return self.dialect.number(place)

    def name(self) -> str:
        """A variable that nothing else in the statement is called."""
        self._names += 1
        return f"x{self._names}"

    def among(self, select: str, holds: bool) -> str:
        """That the customer `p` is (or is not) one of those whose ids a SELECT finds."""
        if select in self._apart or len(self._apart) < APART:
            self._apart.add(select)
            return f"p.profile_id {'IN' if holds else 'NOT IN'} ({select})"
        column, bit = divmod(self._together.setdefault(select, len(self._together)), BITS)
        found = sure(self.dialect.has_bit(f"f.b{column}", 1 << bit))
        return found if holds else f"NOT {found}"

    def people(self) -> str:
        """`FROM profiles AS p`, with what the conditions need that were written before."""
        if not self._together:
            return "FROM profiles AS p"
        rows = [
            f"SELECT s{at}.profile_id AS id, {at // BITS} AS c, {1 << at % BITS} AS b"
            f" FROM ({select}) AS s{at}"
            for select, at in self._together.items()
        ]
        columns = [
            self.dialect.bits(f"CASE WHEN u.c = {column} THEN u.b ELSE 0 END") + f" AS b{column}"
            for column in range((len(rows) + BITS - 1) // BITS)
        ]
        found = f"SELECT u.id, {', '.join(columns)} FROM ({by_halves(rows, 'UNION ALL')}) AS u"
        return f"FROM profiles AS p LEFT JOIN ({found} GROUP BY u.id) AS f ON f.id = p.profile_id"

    def sampled(self, column: str) -> str:
        """A condition to be added that lets only sampled customers pass, or nothing."""
        return f" AND {column} % {self.one_in} = 0" if self.one_in > 1 else ""

    def statement(self, sql: str) -> Statement:
        """The whole, to be run."""
        return Statement(self.dialect.statement(sql, self._numbers), tuple(self._texts))


def sure(condition: str) -> str:
    """A condition with NULL made false, for where it is negated or counted."""
    return f"coalesce({condition}, false)"


def by_halves(terms: Sequence[str], joined: str) -> str:
    """Terms with a word between them: engines take an expression a thousand deep for a fault."""
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return f"({by_halves(terms[:half], joined)}) {joined} ({by_halves(terms[half:], joined)})"


def constant(value: bool) -> str:
    """True or false."""
    return "true" if value else "false"


def double(value: float) -> str:
    """A number as a literal that is read as a double, with every digit."""
    if isinf(value):
        return f"CAST('{value}' AS DOUBLE)"
    text = repr(float(value))
    # Without an exponent DuckDB would take it for a decimal.
    return f"({text})" if "e" in text else f"({text}e0)"
