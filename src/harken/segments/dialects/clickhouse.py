"""Phrases of ClickHouse, where values of unknown kind are JSON texts in String columns.

Its JSON type takes `a.b` and `b` inside `a` for one path and drops empty objects, so it could not
tell what rules tell apart.
"""

from collections.abc import Collection, Mapping, Sequence

from harken.clock import DATE_FORM
from harken.people.traits import LONGEST_ID, LONGEST_KEY
from harken.segments.dialects.base import Place

DAY_MS = 86_400_000


class ClickHouse:
    """ClickHouse 24 or later."""

    name = "clickhouse"

    def statement(self, sql: str, numbers: Collection[Place]) -> str:
        # As standard SQL has it, a row without a partner has NULLs.
        return f"{sql}\nSETTINGS join_use_nulls = 1"

    def param(self, number: int) -> str:
        return f"{{p{number}:String}}"

    def fact(self, place: Place) -> str:
        kind, text = _call("JSONType", place), _call("JSONExtractString", place)
        raw = _call("JSONExtractRaw", place)
        return f"multiIf({kind} = 'Null', NULL, {kind} = 'String', {text}, {raw})"

    def has_key(self, document: str, key: str) -> str:
        return f"(JSONHas({document}, {_literal(key)}) = 1)"

    def exists(self, place: Place) -> str:
        return f"({_call('JSONType', place)} != 'Null')"

    def is_object(self, place: Place) -> str:
        return f"({_call('JSONType', place)} = 'Object')"

    def text(self, place: Place) -> str:
        is_text = f"{_call('JSONType', place)} = 'String'"
        return f"if({is_text}, {_call('JSONExtractString', place)}, NULL)"

    def number(self, place: Place) -> str:
        is_number = f"{_call('JSONType', place)} IN ('Int64', 'UInt64', 'Double')"
        return f"if({is_number}, {_call('JSONExtractFloat', place)}, NULL)"

    def flag(self, place: Place, wanted: bool) -> str:
        is_flag = f"{_call('JSONType', place)} = 'Bool'"
        return f"({is_flag} AND {_call('JSONExtractBool', place)} = {int(wanted)})"

    def key(self, place: Place) -> str:
        kind, text = _call("JSONType", place), _call("JSONExtractString", place)
        number = _call("JSONExtractFloat", place)
        hashed = f"concat('h', lower(hex(MD5({text}))))"
        return (
            f"multiIf({kind} = 'Bool', if({_call('JSONExtractBool', place)} = 1, 'btrue',"
            f" 'bfalse'), {kind} = 'String', if(lengthUTF8({text}) <= {LONGEST_KEY},"
            f" concat('t', {text}), {hashed}), {kind} IN ('Int64', 'UInt64', 'Double'),"
            f" concat('n', {_repr(number)}), NULL)"
        )

    def text_in(self, place: Place, texts: Mapping[str, str]) -> str:
        return f"{self.text(place)} IN ({', '.join(texts)})"

    def any_element(self, place: Place, variable: str, condition: str) -> str:
        # Of what is no array this makes an empty one.
        elements = _call("JSONExtractArrayRaw", place)
        return f"(arrayExists({variable} -> {condition}, {elements}) = 1)"

    def item_id(self, place: Place) -> str:
        return _item_id(_call("JSONExtractRaw", place))

    def item_ids(self, document: str, products: Sequence[str], id: Sequence[str]) -> str:
        place = Place(document, tuple(products))
        listed = f"{_call('JSONType', place)} = 'Array'"
        some = f"if({listed}, {_call('JSONExtractArrayRaw', place)}, [{document}])"
        raw = f"arrayMap(one -> {_call('JSONExtractRaw', Place('one', tuple(id)))}, {some})"
        ids = f"arrayMap(raw -> {_item_id('raw')}, {raw})"
        return f"arrayFilter(id -> id IS NOT NULL, {ids})"

    def each(self, array: str) -> str:
        return f"arrayJoin({array})"

    def element(self, variable: str) -> Place:
        return Place(variable)

    def contains(self, text: str, part: str) -> str:
        return f"(position({text}, {part}) > 0)"

    def matches(self, text: str, pattern: str) -> str:
        # Its `match` lets a dot stand for a line's end too; RE2 elsewhere does not.
        return f"match({text}, concat('(?-s)', {pattern}))"

    def first_characters(self, text: str, count: int) -> str:
        return f"substringUTF8({text}, 1, {count})"

    def date(self, text: str) -> str:
        given = f"assumeNotNull({text})"
        whole = f"match({given}, {_literal(DATE_FORM)}) AND {_real_day(given)}"
        ms = f"{_day_number(given)} * {DAY_MS} + {_time_of_day(given)} - {_offset(given)}"
        return f"if({whole}, {ms}, NULL)"

    def stored_date(self, place: Place) -> str:
        is_date = f"{_call('JSONType', place)} IN ('Int64', 'UInt64')"
        return f"if({is_date}, {_call('JSONExtractInt', place)}, NULL)"

    def month_day(self, ms: str) -> str:
        # The calendar repeats after 400 years; DateTime64 holds those from 1900 on.
        cycle, base = 146_097 * DAY_MS, -2_208_988_800_000
        inside = f"positiveModulo({ms} - ({base}), {cycle}) + ({base})"
        at = f"fromUnixTimestamp64Milli(toInt64({inside}), 'UTC')"
        return f"(toMonth({at}) * 100 + toDayOfMonth({at}))"

    def listed(self, column: str, text: str) -> str:
        return f"(has({column}, {text}) = 1)"

    def bucket(self, profile_id: str, salt: str) -> str:
        digest = f"MD5(concat({salt}, ':', toString({profile_id})))"
        return f"(reinterpretAsUInt32(reverse(substring({digest}, 1, 4))) % 10000)"

    def last(self, value: str, by: str) -> str:
        return f"argMax({value}, {by})"

    def first(self, value: str, by: str) -> str:
        return f"argMin({value}, {by})"

    def count_if(self, condition: str) -> str:
        return f"countIf({condition})"

    def tally(self, number: str, count: int) -> str:
        return f"arrayMap(n -> sumMap(map(coalesce({number}, -1), 1))[n], range({count}))"

    def bits(self, number: str) -> str:
        return f"groupBitOr({number})"

    def has_bit(self, number: str, bit: int) -> str:
        return f"bitAnd({number}, {bit}) <> 0"

    def integer(self, double: str) -> str:
        return f"toInt64({double})"

    def wide_sum(self, integers: str) -> str:
        return f"sum(toInt128({integers}))"

    def wide(self, number: int) -> str:
        return f"toInt128('{number}')"

    def double(self, number: str) -> str:
        return f"toFloat64({number})"

    def followed(self, earlier: str, later: str, span: int | None, came: bool) -> str:
        in_time = "b.ts > a.ts" if span is None else f"b.ts <= a.ts + {span}"
        return (
            f"SELECT a.profile_id FROM (SELECT e.profile_id, e.ts FROM {earlier}) AS a"
            f" ASOF {'' if came else 'LEFT '}JOIN (SELECT e.profile_id, e.ts FROM {later}) AS b"
            " ON a.profile_id = b.profile_id AND a.ts < b.ts"
            f" WHERE {in_time if came else f'NOT coalesce({in_time}, false)'}"
        )

    def pair(self, first: str, second: str) -> str:
        return f"tuple({first}, {second})"

    def last_sorted(self, value: str, count: int, condition: str = "true") -> str:
        return f"arraySlice(arraySort(groupArrayIf({value}, {condition})), -{count})"

    def first_distinct(self, value: str, count: int) -> str:
        return f"arraySlice(arraySort(groupUniqArray({value})), 1, {count})"


def _numbers(date: str) -> tuple[str, str, str]:
    year, month, day = (
        f"toInt64OrZero(substring({date}, {at}))" for at in ("1, 4", "6, 2", "9, 2")
    )
    return year, month, day


def _real_day(date: str) -> str:
    year, month, day = _numbers(date)
    leap = f"({year} % 4 = 0 AND ({year} % 100 != 0 OR {year} % 400 = 0))"
    longest = f"if({month} = 2, if({leap}, 29, 28), if({month} IN (4, 6, 9, 11), 30, 31))"
    return f"{year} > 0 AND {day} <= {longest}"


def _day_number(date: str) -> str:
    """Days since 1970, by arithmetic: DateTime64 holds the years 1900 to 2299 alone."""
    year, month, day = _numbers(date)
    # Years that begin in March have their odd day at the end.
    year = f"({year} - if({month} <= 2, 1, 0))"
    month = f"({month} + if({month} > 2, -3, 9))"
    leaps = f"intDiv({year}, 4) - intDiv({year}, 100) + intDiv({year}, 400)"
    return f"({year} * 365 + {leaps} + intDiv(153 * {month} + 2, 5) + {day} - 719469)"


def _time_of_day(date: str) -> str:
    return (
        f"(toInt64OrZero(substring({date}, 12, 2)) * 3600000"
        f" + toInt64OrZero(substring({date}, 15, 2)) * 60000"
        f" + toInt64OrZero(extract({date}, 'T[0-9:]{{5}}:([0-9]{{2}})')) * 1000"
        f" + toInt64OrZero(substring(concat(extract({date}, '[.]([0-9]+)'), '000'), 1, 3)))"
    )


def _offset(date: str) -> str:
    hours = f"toInt64OrZero(extract({date}, '[+-]([0-9]{{2}}):[0-9]{{2}}$'))"
    minutes = f"toInt64OrZero(extract({date}, '[+-][0-9]{{2}}:([0-9]{{2}})$'))"
    sign = f"if(extract({date}, '([+-])[0-9]{{2}}:[0-9]{{2}}$') = '-', -60000, 60000)"
    return f"({sign} * ({hours} * 60 + {minutes}))"


def _item_id(raw: str) -> str:
    """A JSON value as an id: texts have quotes, whole numbers digits alone."""
    text = f"if(startsWith({raw}, '\"'), JSONExtractString({raw}), {raw})"
    fits = f"match({raw}, '^(\"|-?[0-9]+$)') AND lengthUTF8({text}) BETWEEN 1 AND {LONGEST_ID}"
    return f"if({fits}, {text}, NULL)"


def _call(function: str, place: Place) -> str:
    return f"{function}({', '.join([place.document, *map(_literal, place.keys)])})"


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _repr(number: str) -> str:
    """A double as Python writes it. ClickHouse has the same digits, but exponents elsewhere."""
    text = f"toString(abs({number}))"
    whole = f"replaceRegexpOne({text}, '0*$', '')"
    small = f"replaceRegexpOne({text}, '^0[.]0*', '')"
    tiny = f"splitByChar('e', {text})"
    size = f"abs({number})"
    return (
        f"concat(if({number} < 0, '-', ''), multiIf({size} = 0, '0.0',"
        f" {size} >= 1e16 AND position({text}, 'e') > 0, replace({text}, 'e', 'e+'),"
        f" {size} >= 1e16, concat({_pointed(whole)}, 'e+', toString(length({text}) - 1)),"
        f" {size} >= 1e-4, if(position({text}, '.') > 0, {text}, concat({text}, '.0')),"
        f" position({text}, 'e') > 0, concat({tiny}[1], 'e-',"
        f" leftPad(replace({tiny}[2], '-', ''), 2, '0')),"
        f" concat({_pointed(small)}, 'e-',"
        f" leftPad(toString(length({text}) - 1 - length({small})), 2, '0'))))"
    )


def _pointed(digits: str) -> str:
    """1234 as 1.234, 1 as 1."""
    rest = f"substring({digits}, 2)"
    return f"concat(substring({digits}, 1, 1), if({rest} = '', '', concat('.', {rest})))"


CLICKHOUSE = ClickHouse()
