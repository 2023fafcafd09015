"""What the set form asks of an engine's SQL. All else in it is the same for every engine.

A value of unknown kind lies at a `Place`. The phrases about it never fail on a value of another
kind, and keep kinds apart: the text "5" is not the number 5, and true is not 1.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol


class Place(NamedTuple):
    """Where a value lies: under these keys, one inside the other, of a document (SQL)."""

    document: str
    keys: tuple[str, ...] = ()


class Dialect(Protocol):
    """Phrases of SQL. Arguments and answers are SQL text unless said otherwise.

    Those that answer a value answer NULL when there is none of that kind. Those that answer a
    condition may answer NULL for false.
    """

    name: str

    def statement(self, sql: str, numbers: Collection[Place]) -> str:
        """The whole statement, with what the engine wants around it; `numbers` are the places of
        which it asks for the number."""

    def param(self, number: int) -> str:
        """The text parameter of this number, from 1."""

    def fact(self, place: Place) -> str:
        """The value at a place of a column of decisions, as text: a text itself, else its JSON."""

    def has_key(self, document: str, key: str) -> str:
        """Whether an object has the key (given as it is, not as SQL), be it null."""

    def exists(self, place: Place) -> str:
        """Whether there is a value, other than null."""

    def is_object(self, place: Place) -> str:
        """Whether it is an object."""

    def text(self, place: Place) -> str:
        """The value if it is a text."""

    def number(self, place: Place) -> str:
        """The value as a double if it is a number."""

    def flag(self, place: Place, wanted: bool) -> str:
        """Whether it is that flag."""

    def key(self, place: Place) -> str:
        """`people.traits.key_of` the value."""

    def text_in(self, place: Place, texts: Mapping[str, str]) -> str:
        """Whether it is one of the texts, which are given by the parameters that hold them."""

    def any_element(self, place: Place, variable: str, condition: str) -> str:
        """Whether it is an array with an element, named `variable`, that meets the condition."""

    def item_id(self, place: Place) -> str:
        """`people.traits.id_of` the value."""

    def item_ids(self, document: str, products: Sequence[str], id: Sequence[str]) -> str:
        """`people.traits.ids_in` a document, as a list of texts."""

    def each(self, array: str) -> str:
        """A row for each element of an array, in the list of columns."""

    def element(self, variable: str) -> Place:
        """Where an element of `any_element` lies."""

    def contains(self, text: str, part: str) -> str:
        """Whether the part occurs in the text."""

    def matches(self, text: str, pattern: str) -> str:
        """Whether an RE2 pattern is found in the text."""

    def first_characters(self, text: str, count: int) -> str:
        """The text's beginning."""

    def date(self, text: str) -> str:
        """The date of `clock.DATE_FORM` that the text is, in ms."""

    def stored_date(self, place: Place) -> str:
        """The ms at a place of the column `dates`."""

    def month_day(self, ms: str) -> str:
        """Month times 100 plus day of a time, in UTC."""

    def listed(self, column: str, text: str) -> str:
        """Whether a list of texts has this one."""

    def bucket(self, profile_id: str, salt: str) -> str:
        """`ids.bucket`."""

    def last(self, value: str, by: str) -> str:
        """The value, of those that are not NULL, of the row that is the last by a column."""

    def first(self, value: str, by: str) -> str:
        """The same of the first row."""

    def count_if(self, condition: str) -> str:
        """How many rows meet the condition."""

    def tally(self, number: str, count: int) -> str:
        """A list of how many rows have the number 0, 1, ... up to so many numbers."""

    def bits(self, number: str) -> str:
        """All bits that are set in any of the numbers."""

    def has_bit(self, number: str, bit: int) -> str:
        """Whether the bit (a power of two, given as it is) is set."""

    def integer(self, double: str) -> str:
        """A double that is whole, as a 64-bit integer."""

    def wide_sum(self, integers: str) -> str:
        """The sum of 64-bit integers, in 128 bits."""

    def wide(self, number: int) -> str:
        """A number of 128 bits."""

    def double(self, number: str) -> str:
        """A number as a double."""

    def followed(self, earlier: str, later: str, span: int | None, came: bool) -> str:
        """The customer (`a.profile_id`) of each earlier event that a later one came after, at most
        so many ms later; or did not come after. Both are what `FROM` takes, of `events AS e`."""

    def pair(self, first: str, second: str) -> str:
        """Two values as one, which sorts by the first and then the second."""

    def last_sorted(self, value: str, count: int, condition: str = "true") -> str:
        """An ascending list of the greatest so many values of the rows that meet the condition."""

    def first_distinct(self, value: str, count: int) -> str:
        """An ascending list of the least so many different values."""
