"""Phrases of DuckDB, where values of unknown kind are VARIANTs.

Only plain casts on a path (`props.x::DOUBLE`) let DuckDB read that path alone, without making the
VARIANT: TRY_CAST took four to eight times as long. But such a cast moves into the scan, where no
guard holds, and there it fails on a text that is no number, and on an object with keys that differ
in case alone. Anybody may send these. So there are two tables: `DUCKDB` takes the risk, and who
asks turns to `DUCKDB_CAREFUL` when a cast fails (`questions.ask`). Both tell kinds apart: a number
is cast plainly only where history knows of nothing but numbers (`numeric`).
"""

import re
from collections.abc import Collection, Mapping, Sequence

from harken.clock import DATE_FORM
from harken.numeric import ANYWHERE, mark
from harken.people.traits import LONGEST_ID, LONGEST_KEY
from harken.segments.dialects.base import Place

# Texts that another kind of value could turn into when it is cast to text.
_AMBIGUOUS = re.compile(r"\s*[-+.\d\[{]|true|false|null|inf|nan", re.IGNORECASE)
_COLUMNS = {"e.props": "props", "p.attributes": "attributes"}
_PEOPLE = "FROM profiles AS p"
_ONLY_NUMBERS = """
WITH profiles AS (FROM main.profiles WHERE (
    SELECT CASE WHEN count(*) = 0 THEN true ELSE error('something else than a number') END
    FROM not_numbers WHERE mark IN ({marks})
))
"""
"""Asked once for all keys: a look-up at each cast took so much memory that a few hundred did not do
in a small one."""
_WALL_CLOCK = r"^[0-9-]{10}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,3})?)?)?"
_OFFSET = r"([+-])([0-9]{2}):([0-9]{2})$"


class DuckDB:
    """The engine that history is kept in unless told otherwise."""

    name = "duckdb"

    def __init__(self, *, quick: bool) -> None:
        self._quick = quick

    def statement(self, sql: str, numbers: Collection[Place]) -> str:
        columns = [(_COLUMNS[one.document], one.keys[0]) for one in numbers if self._plain(one)]
        if not columns:
            return sql
        # Whoever asks customers nothing would not hear that there is something else.
        assert _PEOPLE in sql, "a statement without `profiles` is to be careful"
        marks = sorted({ANYWHERE, *(mark(*column) for column in columns)})
        return _ONLY_NUMBERS.format(marks=", ".join(map(str, marks))) + sql

    def param(self, number: int) -> str:
        return f"${number}"

    def fact(self, place: Place) -> str:
        path = "$" + "".join(f'."{key}"' for key in place.keys)
        return f"({place.document}->>{_literal(path)})"

    def has_key(self, document: str, key: str) -> str:
        return f"variant_exists({document}, {_literal(key)})"

    def exists(self, place: Place) -> str:
        return f"({_value(place)} IS NOT NULL)"

    def is_object(self, place: Place) -> str:
        return f"variant_type({_value(place)}) = 'OBJECT'"

    def text(self, place: Place) -> str:
        value = _value(place)
        return f"(CASE WHEN variant_type({value}) = 'VARCHAR' THEN {value} END)::VARCHAR"

    def number(self, place: Place) -> str:
        return f"{_value(place)}::DOUBLE" if self._plain(place) else _any_number(place)

    def _plain(self, place: Place) -> bool:
        """Whether a number is cast plainly: where `not_numbers` can tell of anything else."""
        return self._quick and place.document in _COLUMNS and len(place.keys) == 1

    def flag(self, place: Place, wanted: bool) -> str:
        return f"{_value(place)}::JSON::VARCHAR = '{str(wanted).lower()}'"

    def key(self, place: Place) -> str:
        text, kind = self.text(place), f"variant_type({_value(place)})"
        short = f"length({text}) <= {LONGEST_KEY}"
        return (
            f"CASE {kind} WHEN 'BOOL_TRUE' THEN 'btrue' WHEN 'BOOL_FALSE' THEN 'bfalse'"
            f" WHEN 'VARCHAR' THEN CASE WHEN {short} THEN 't' || {text} ELSE 'h' || md5({text}) END"
            f" ELSE 'n' || (({_any_number(place)}) + 0.0)::VARCHAR END"
        )

    def text_in(self, place: Place, texts: Mapping[str, str]) -> str:
        # A VARIANT that holds a text equals that text alone.
        value = _value(place)
        quick = [p for p, text in texts.items() if self._quick and not _AMBIGUOUS.match(text)]
        slow = [param for param in texts if param not in quick]
        readings = ((f"{value}::VARCHAR", quick), (value, slow))
        parts = [f"{reading} IN ({', '.join(params)})" for reading, params in readings if params]
        return f"({' OR '.join(parts)})"

    def any_element(self, place: Place, variable: str, condition: str) -> str:
        value = _value(place)
        elements = f"list_filter(TRY_CAST({value} AS VARIANT[]), lambda {variable}: {condition})"
        return f"(variant_type({value}) = 'ARRAY' AND len({elements}) > 0)"

    def item_id(self, place: Place) -> str:
        return _item_id(f"{_value(place)}::JSON")

    def item_ids(self, document: str, products: Sequence[str], id: Sequence[str]) -> str:
        # By one path over the JSON: to unnest VARIANTs took ten times as long.
        whole, listed, own = f"{document}::JSON", _json_path(products), _json_path(id)
        each = _json_path([*products[:-1], f"{products[-1]}[*]", *id])
        found = (
            f"CASE WHEN json_type({whole}, {listed}) = 'ARRAY' THEN json_extract({whole}, {each})"
            f" ELSE [json_extract({whole}, {own})] END"
        )
        ids = f"list_transform({found}, lambda one: {_item_id('one')})"
        return f"list_filter({ids}, lambda id: id IS NOT NULL)"

    def each(self, array: str) -> str:
        return f"unnest({array})"

    def element(self, variable: str) -> Place:
        return Place(variable)

    def contains(self, text: str, part: str) -> str:
        return f"contains({text}, {part})"

    def matches(self, text: str, pattern: str) -> str:
        return f"regexp_matches({text}, {pattern})"

    def first_characters(self, text: str, count: int) -> str:
        return f"left({text}, {count})"

    def date(self, text: str) -> str:
        # Casts to TIMESTAMP ignore an offset, and TIMESTAMPTZ would take the machine's zone.
        wall = f"TRY_CAST(regexp_extract({text}, '{_WALL_CLOCK}') AS TIMESTAMP)"
        sign = f"CASE regexp_extract({text}, '{_OFFSET}', 1) WHEN '-' THEN -60000 ELSE 60000 END"
        hours, minutes = (
            f"coalesce(TRY_CAST(regexp_extract({text}, '{_OFFSET}', {group}) AS BIGINT), 0)"
            for group in (2, 3)
        )
        ms = f"epoch_ms({wall}) - ({sign}) * ({hours} * 60 + {minutes})"
        return f"CASE WHEN regexp_matches({text}, '{DATE_FORM}') AND {text} >= '0001' THEN {ms} END"

    def stored_date(self, place: Place) -> str:
        return f"TRY_CAST({_value(place)}::JSON::VARCHAR AS BIGINT)"

    def month_day(self, ms: str) -> str:
        at = f"epoch_ms({ms})"
        return f"(month({at}) * 100 + day({at}))"

    def listed(self, column: str, text: str) -> str:
        return f"list_contains({column}, {text})"

    def bucket(self, profile_id: str, salt: str) -> str:
        digits = f"substr(md5({salt} || ':' || {profile_id}), 1, 8)"
        return f"(('0x' || {digits})::BIGINT % 10000)"

    def last(self, value: str, by: str) -> str:
        return f"arg_max({value}, {by})"

    def first(self, value: str, by: str) -> str:
        return f"arg_min({value}, {by})"

    def count_if(self, condition: str) -> str:
        return f"count_if({condition})"

    def tally(self, number: str, count: int) -> str:
        return f"list_transform(range({count}), lambda n: coalesce(histogram({number})[n], 0))"

    def bits(self, number: str) -> str:
        return f"bit_or({number})"

    def has_bit(self, number: str, bit: int) -> str:
        return f"({number} & {bit}) <> 0"

    def integer(self, double: str) -> str:
        return f"({double})::BIGINT"

    def wide_sum(self, integers: str) -> str:
        return f"sum({integers})"

    def wide(self, number: int) -> str:
        return f"({number})::HUGEINT"

    def double(self, number: str) -> str:
        return f"({number})::DOUBLE"

    def followed(self, earlier: str, later: str, span: int | None, came: bool) -> str:
        # Not ASOF JOIN, which is no faster, and of a sample two hundred times slower.
        in_time = "" if span is None else f" AND b.ts <= a.ts + {span}"
        return (
            f"SELECT a.profile_id FROM (SELECT e.profile_id, e.ts FROM {earlier}) AS a"
            f" WHERE {'' if came else 'NOT '}EXISTS (SELECT 1 FROM (SELECT e.profile_id, e.ts"
            f" FROM {later}) AS b WHERE b.profile_id = a.profile_id AND b.ts > a.ts{in_time})"
        )

    def pair(self, first: str, second: str) -> str:
        return f"{{'a': {first}, 'b': {second}}}"

    def last_sorted(self, value: str, count: int, condition: str = "true") -> str:
        found = f"list_sort(list({value}) FILTER (WHERE {condition}))"
        return f"coalesce({found}[-{count}:], [])"

    def first_distinct(self, value: str, count: int) -> str:
        return f"list_sort(list(DISTINCT {value}))[1:{count}]"


def _any_number(place: Place) -> str:
    # In JSON a text has quotes, and is not taken for a number.
    return f"TRY_CAST({_value(place)}::JSON::VARCHAR AS DOUBLE)"


def _item_id(json: str) -> str:
    """A JSON value as an id: texts have quotes, whole numbers digits alone."""
    text = f"json_extract_string({json}, '$')"
    return (
        f"CASE WHEN regexp_matches({json}::VARCHAR, '^(\"|-?[0-9]+$)')"
        f" AND length({text}) BETWEEN 1 AND {LONGEST_ID} THEN {text} END"
    )


def _json_path(keys: Sequence[str]) -> str:
    """Keys are plain names; the last may say `[*]`."""
    names = [key.partition("[") for key in keys]
    return "'$" + "".join(f'."{name}"{bracket}{rest}' for name, bracket, rest in names) + "'"


def _value(place: Place) -> str:
    # There is no identifier without a character.
    return place.document + "".join(f".{_identifier(key)}" if key else "['']" for key in place.keys)


def _identifier(key: str) -> str:
    return '"' + key.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


DUCKDB = DuckDB(quick=True)
DUCKDB_CAREFUL = DuckDB(quick=False)
UNCASTABLE = ("Conversion Error", "duplicate name", "something else than a number")
"""What DuckDB says of a cast that fails, or that we did not dare."""
