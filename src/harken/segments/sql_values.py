"""Tests of values in the set form: attributes, and properties of events."""

from collections.abc import Callable, Iterator

from msgspec import UNSET

from harken.people.traits import as_double
from harken.segments.calendar import anniversary_days, local, zone_named
from harken.segments.compare import LONGEST_TEXT, instant
from harken.segments.dialects.base import Place
from harken.segments.rules import Anniversary, Attribute, Scalar, Test, Where
from harken.segments.sql_writing import Writing, constant, double, sure

AtPlace = Callable[[Place], str]


def attribute(rule: Attribute, writing: Writing) -> str:
    """The customer's attribute passes, in the row `p` of `profiles`."""

    def dated(keys: tuple[str, ...]) -> list[str]:
        date = writing.dialect.stored_date(Place("p.dates", keys))
        return [*_on_date(rule, date, writing), *_before_after(rule, date)]

    def at(place: Place) -> str:
        return _all([*_comparisons(rule, place, writing), *dated(place.keys)])

    return at_path("p.attributes", rule.attribute, at, writing)


def where(conditions: Where, document: str, writing: Writing) -> list[str]:
    """The properties in a document pass."""
    return [
        at_path(document, path, _passes(test, writing), writing)
        for path, test in conditions.items()
    ]


def at_path(document: str, path: str, at: AtPlace, writing: Writing) -> str:
    """What `at` says of the value at a dotted path; a whole key wins over its parts."""
    whole = at(Place(document, (path,)))
    if "." not in path:
        return whole
    parts = at(Place(document, tuple(path.split("."))))
    has = writing.dialect.has_key(document, path)
    return f"CASE WHEN {has} THEN {whole} ELSE {parts} END"


def _passes(test: Test, writing: Writing) -> AtPlace:
    def at(place: Place) -> str:
        dated: list[str] = []
        if test.before is not UNSET or test.after is not UNSET:
            dated = _before_after(test, writing.dialect.date(writing.dialect.text(place)))
        return _all([*_comparisons(test, place, writing), *dated])

    return at


def _all(parts: list[str]) -> str:
    return f"({' AND '.join(parts)})" if parts else constant(True)


def _comparisons(test: Test, place: Place, writing: Writing) -> Iterator[str]:
    dialect = writing.dialect
    there = dialect.exists(place)
    if test.exists is not UNSET:
        yield there if test.exists else f"NOT {there}"
    if test.equals is not UNSET:
        yield _equals(test.equals, place, writing)
    if test.not_equals is not UNSET:
        yield f"({there} AND NOT {sure(_equals(test.not_equals, place, writing))})"
    if test.in_ is not UNSET:
        yield _one_of(test.in_, place, writing)
    if test.not_in is not UNSET:
        yield f"({there} AND NOT {sure(_one_of(test.not_in, place, writing))})"
    if test.contains is not UNSET:
        yield _contains(test.contains, place, writing)
    for sign, bound in _bounds(test):
        yield f"({writing.number(place)}) {sign} {double(bound)}"
    if test.regex is not UNSET:
        start = dialect.first_characters(dialect.text(place), LONGEST_TEXT)
        yield dialect.matches(start, writing.text(test.regex))
    if test.some is not UNSET:
        yield _some(test.some, place, writing)


def _bounds(test: Test) -> Iterator[tuple[str, float]]:
    for sign, bound in ((">", test.gt), (">=", test.gte), ("<", test.lt), ("<=", test.lte)):
        if bound is not UNSET:
            yield sign, bound
    if test.between is not UNSET:
        yield ">=", test.between[0]
        yield "<=", test.between[1]


def _equals(wanted: Scalar | None, place: Place, writing: Writing) -> str:
    if wanted is None:
        return f"NOT {writing.dialect.exists(place)}"
    return _one_of([wanted], place, writing)


def _one_of(choices: list[Scalar], place: Place, writing: Writing) -> str:
    dialect = writing.dialect
    texts = {writing.text(one): one for one in choices if isinstance(one, str)}
    flags = sorted({one for one in choices if isinstance(one, bool)})
    numbers = sorted(
        {
            as_double(one)
            for one in choices
            if isinstance(one, int | float) and not isinstance(one, bool)
        }
    )
    parts = [dialect.flag(place, one) for one in flags]
    if texts:
        parts.append(dialect.text_in(place, texts))
    if numbers:
        parts.append(f"({writing.number(place)}) IN ({', '.join(map(double, numbers))})")
    return f"({' OR '.join(parts)})" if parts else constant(False)


def _contains(wanted: Scalar, place: Place, writing: Writing) -> str:
    dialect, variable = writing.dialect, writing.name()
    same = _one_of([wanted], dialect.element(variable), writing)
    found = dialect.any_element(place, variable, sure(same))
    if not isinstance(wanted, str):
        return found
    return f"({dialect.contains(dialect.text(place), writing.text(wanted))} OR {found})"


def _some(conditions: Where, place: Place, writing: Writing) -> str:
    dialect, variable = writing.dialect, writing.name()
    item = dialect.element(variable)
    passes = [dialect.is_object(item), *where(conditions, item.document, writing)]
    return dialect.any_element(place, variable, sure(_all(passes)))


def _before_after(test: Test, date: str) -> list[str]:
    edges = (("<", test.before), (">", test.after))
    return [f"{date} {sign} {instant(edge)}" for sign, edge in edges if edge is not UNSET]


def _on_date(rule: Attribute, date: str, writing: Writing) -> Iterator[str]:
    now = writing.asked.now
    if rule.within is not None:
        yield f"{date} BETWEEN {now - int(rule.within)} AND {now}"
    if rule.in_next is not None:
        yield f"{date} BETWEEN {now} AND {now + int(rule.in_next)}"
    if rule.longer_ago is not None:
        yield f"{date} < {now - int(rule.longer_ago)}"
    if rule.anniversary is not None:
        days = ", ".join(_days(rule.anniversary, writing))
        yield f"{writing.dialect.month_day(date)} IN ({days})"


def _days(rule: Anniversary, writing: Writing) -> list[str]:
    zone = zone_named(rule.timezone) if rule.timezone else writing.asked.zone
    days = anniversary_days(local(writing.asked.now, zone), rule.in_next)
    return sorted(str(int(day.replace("-", ""))) for day in days) or ["0"]
