"""Our filters, and those of Liquid that had to be made safe or follow our rule of missing data.

They raise ValueError or TypeError for values of the wrong kind; `liquid.Value` turns these into a
fault of the template.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date as Date
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache, wraps
from itertools import islice
from typing import TYPE_CHECKING, Any

from babel.core import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_skeleton, format_time
from babel.numbers import format_currency, format_decimal, format_percent, list_currencies
from liquid.filter import with_context
from liquid.undefined import Undefined
from markupsafe import Markup

from harken import clock
from harken.files.words import did_you_mean
from harken.messages.josa import particle

if TYPE_CHECKING:
    from harken.messages.evaluate import Context

LONGEST = 1_000_000
_SECONDS_END = 100_000_000_000
"""Numbers below are seconds since 1970 (until the year 5138), those above milliseconds."""
_FRACTION = re.compile(r"0(\.[0#]+)?(?=[^0#.,]|$)")
_STYLES = ("short", "medium", "long", "full")
STYLES = (*_STYLES, "day", "weekday", "time", "datetime")
"""What `date` knows by name."""
# What strftime would write in the server's language.
_NAMES = {"%A": "EEEE", "%a": "EEE", "%B": "LLLL", "%b": "LLL", "%h": "LLL", "%p": "a"}
_DIRECTIVE = re.compile(r"%[-_0^#]?(.?)", re.DOTALL)
_DIRECTIVES = frozenset("aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%")
_CURRENCIES: frozenset[str] = frozenset(list_currencies())


def default(value: object, otherwise: object = "", *, allow_false: object = False) -> object:
    """`otherwise` for what the customer does not have: absent, null, blank, empty, or false."""
    if isinstance(value, str):
        return otherwise if not value or value.isspace() else value
    if value is False:
        return value if allow_false is True else otherwise
    if isinstance(value, int | float):
        return value
    if value is None or (isinstance(value, list | dict | tuple | Undefined) and not value):
        return otherwise
    return value


@with_context
def money(
    value: object, currency: object = None, decimals: object = None, *, context: "Context"
) -> str:
    """An amount of a currency (ISO 4217; the event's `currency` when not given), as locals write.

    `{{ event.properties.cart_value | money: "KRW" }}` is `₩39,000`. `decimals` fixes the digits
    after the point (0 to 10), which else are the currency's own.
    """
    if currency is None:
        currency = context.get(["event", "properties", "currency"], token=None, default=None)
    code = currency.upper() if isinstance(currency, str) else ""
    if code not in _CURRENCIES:
        raise ValueError(f"{str(currency)[:20]!r} is no currency; write one such as 'KRW'")
    return _money(_number(value), str(code), _decimals(decimals), context.place_locale)


@with_context
def number(value: object, decimals: object = None, *, context: "Context") -> str:
    """A number as locals write it; `decimals` fixes the digits after the point (0 to 10)."""
    return _decimal(_number(value), _decimals(decimals), context.place_locale)


@with_context
def percent(value: object, decimals: object = 0, *, context: "Context") -> str:
    """A share of 100 as locals write it: `{{ 12.5 | percent: 1 }}` is `12.5%`, in German `12,5 %`.

    `decimals` is at most how many digits stand after the point.
    """
    return _percent(_number(value), _decimals(decimals) or 0, context.place_locale)


@with_context
def date(value: object, style: object = "medium", *, context: "Context") -> str:
    """A time in the recipient's zone and locale.

    `style` is short, medium, long or full (the day), `day` (without its year), `weekday`, `time`,
    `datetime`, or a strftime pattern.
    The value is ISO 8601, `now`, or seconds or milliseconds since 1970; a day without a time
    stays that day in every zone.
    """
    at = _moment(value, context)
    locale = _locale(context.place_locale)
    if style in _STYLES:
        return format_date(at, str(style), locale)
    if style == "weekday":
        return format_date(at, "EEEE", locale)
    if style == "day":
        # Babel takes a plain date for the midnight before it, of another zone.
        return str(format_skeleton("MMMMd", at, locale=locale, tzinfo=getattr(at, "tzinfo", None)))
    if style in ("time", "datetime"):
        if not isinstance(at, datetime):
            raise ValueError(f"{value!r} is a day without a time")
        if style == "time":
            return format_time(at, "short", at.tzinfo, locale)
        return format_datetime(at, "medium", at.tzinfo, locale)
    if not isinstance(style, str) or "%" not in style:
        raise ValueError(f"{str(style)[:20]!r} is no style; {', '.join(STYLES)}, '%d.%m.'")
    pattern = str(style)[:200]
    for directive, babel_pattern in _NAMES.items():
        if directive in pattern:
            named = format_datetime(at, babel_pattern, locale=locale)
            pattern = pattern.replace(directive, named.replace("%", "%%"))
    return at.strftime(pattern)


def josa(value: object, pair: object) -> str:
    """The word with its Korean particle: `{{ name | josa: "이/가" }}`."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("josa needs a word")
    word = value if isinstance(value, str) else str(value)
    said = word.striptags() if isinstance(word, Markup) else word
    return word + particle(said[-60:], str(pair))


def replace(value: object, old: object, new: object = "") -> str:
    """Liquid's `replace`; refused when the result would be giant."""
    if isinstance(value, list | tuple | Mapping):
        raise ValueError("a list or an object is no text")
    text, old, new = _text(value), _text(old), _text(new)
    grown = (text.count(old) + 1) * max(len(new) * 5 - len(old), 0)
    if len(text) + grown > LONGEST:
        raise ValueError("its result is too long")
    return text.replace(old, new)


def join(value: object, separator: object = " ") -> str:
    """Liquid's `join`, without what is missing in the list; refused when it would be giant."""
    items = [value] if isinstance(value, str | dict) else value
    if not isinstance(items, list | tuple | range):
        raise ValueError("join needs a list")
    if any(isinstance(item, Mapping) for item in items):
        raise ValueError("a list of objects cannot be joined; map it first")
    between = _text(separator)
    texts = [text for item in items if item is not None and (text := _text(item)).strip()]
    if sum(map(len, texts)) * 5 + len(between) * len(texts) > LONGEST:
        raise ValueError("its result is too long")
    return between.join(texts)


def times(value: object, by: object) -> int | float:
    """Liquid's `times`; refused when the result would have more than a hundred digits."""
    if value.__class__ is int and by.__class__ is int and abs(value) < 2**64 > abs(by):
        return value * by
    left, right = _number(value), _number(by)
    product = left * right
    if abs(product) > Decimal(10) ** 100:
        raise ValueError("its result is too large")
    whole = not isinstance(value, float) and not isinstance(by, float)
    return int(product) if whole and product == int(product) else float(product)


def _of_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    """Liquid's filter, which takes what is no number for 0: nobody has "0 points" by a slip."""

    @wraps(function)
    def strict(*given: object) -> Any:
        for one in given:
            if one.__class__ is not int:
                _number(one)
        return function(*given)

    return strict


def _of_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """Liquid's filter, which would show lists and objects as Python writes them."""

    @wraps(function)
    def strict(value: object, *given: object, **named: object) -> Any:
        if isinstance(value, list | tuple | Mapping | range):
            raise ValueError("a list or an object is no text")
        if isinstance(value, bool):
            value = "true" if value else "false"
        return function(value, *given, **named)

    return strict


@_of_text
def same(value: object) -> object:
    """The text itself: what escaping is where nothing is markup."""
    return value


def made_strict(library: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """Liquid's filters that take values of any kind, made to refuse those of the wrong one."""
    numbers = {name: _of_numbers(library[name]) for name in _NUMBERS}
    return numbers | {name: _of_text(library[name]) for name in _TEXTS}


_NUMBERS = (
    "abs", "at_least", "at_most", "ceil", "divided_by", "floor", "minus", "modulo", "plus", "round",
)  # fmt: skip
_TEXTS = (
    "append", "base64_decode", "base64_encode", "base64_url_safe_decode", "base64_url_safe_encode",
    "capitalize", "downcase", "escape", "escape_once", "lstrip", "newline_to_br", "prepend",
    "remove", "remove_first", "remove_last", "replace_first", "replace_last", "rstrip", "split",
    "squish", "strip", "strip_html", "strip_newlines", "truncate", "truncatewords", "upcase",
    "url_decode", "url_encode",
)  # fmt: skip
FILTERS: dict[str, Callable[..., Any]] = {
    "default": default,
    "money": money,
    "number": number,
    "percent": percent,
    "date": date,
    "josa": josa,
    "replace": replace,
    "join": join,
    "times": times,
}


def literal_fault(name: str, written: str) -> str:
    """What is wrong with the text that a filter is given first in a template; empty for nothing."""
    match name:
        case "date" if "%" not in written and written not in STYLES:
            hint = did_you_mean(written, STYLES) or f"; it is one of {', '.join(STYLES)}"
            return f"`{written[:20]}` is no style of dates{hint}"
        case "date" if unknown := set(_DIRECTIVE.findall(written)) - _DIRECTIVES:
            return f"`%{min(unknown)}` stands for nothing in a date; write `%%` for a percent sign"
        case "money" if written.upper() not in _CURRENCIES:
            return f"`{written[:20]}` is no currency; write one such as 'KRW'"
        case "josa":
            try:
                particle("", written)
            except ValueError as fault:
                return str(fault)
    return ""


def _decimals(given: object) -> int | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= 10:
        raise ValueError("decimals are a whole number from 0 to 10")
    return given


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def _number(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise ValueError(f"{type(value).__name__} is no number")
    try:
        found = Decimal(str(value).strip().replace("_", "x")[:200])
    except InvalidOperation:
        raise ValueError(f"{str(value)[:40]!r} is no number") from None
    if not found.is_finite() or abs(found.adjusted()) > 100:
        raise ValueError(f"{str(value)[:40]!r} is no number to show")
    # Minus nothing equals nothing, so the caches below would give one the text of the other.
    return found or Decimal(0)


def _moment(value: object, context: "Context") -> Date:
    if isinstance(value, str):
        text = value.strip()
        if text in ("now", "today"):
            return clock.to_datetime(context.now_ms, context.place_zone)
        if len(text) == 10 and text[4:5] == "-":
            try:
                return Date.fromisoformat(str(text))
            except ValueError:
                raise ValueError(f"{text!r} is no date") from None
        ms = clock.parse_time(str(text))
        if ms is None:
            raise ValueError(f"{text[:40]!r} is no date")
        return clock.to_datetime(ms, context.place_zone)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{type(value).__name__} is no date")
    ms = int(value * 1000 if abs(value) < _SECONDS_END else value)
    if not clock.EARLIEST <= ms <= clock.LATEST:
        raise ValueError(f"{str(value)[:40]} is no date")
    return clock.to_datetime(ms, context.place_zone)


@lru_cache(maxsize=8_192)
def _money(value: Decimal, currency: str, decimals: int | None, locale: str) -> str:
    place = _locale(locale)
    if decimals is None:
        return format_currency(value, currency, locale=place)
    pattern = _with_decimals(place.currency_formats["standard"].pattern, decimals)
    return format_currency(value, currency, pattern, locale=place, currency_digits=False)


@lru_cache(maxsize=8_192)
def _decimal(value: Decimal, decimals: int | None, locale: str) -> str:
    if decimals is None:
        return format_decimal(value, locale=_locale(locale))
    place = _locale(locale)
    pattern = _with_decimals(place.decimal_formats[None].pattern, decimals)
    return format_decimal(value, pattern, locale=place)


@lru_cache(maxsize=8_192)
def _percent(value: Decimal, decimals: int, locale: str) -> str:
    place, share = _locale(locale), round(value, decimals) / 100
    return format_percent(share, locale=place, decimal_quantization=False)


def _with_decimals(pattern: str, decimals: int) -> str:
    """A pattern of the locale's (its way of grouping, its signs) with so many decimals."""
    return _FRACTION.sub("0" + ("." + "0" * decimals if decimals else ""), pattern)


@lru_cache(maxsize=1_024)
def _locale(tag: str) -> Locale:
    parts = tag.replace("_", "-").split("-")
    for count in range(len(parts), 0, -1):
        try:
            return Locale.parse("_".join(islice(parts, count)))
        except (UnknownLocaleError, ValueError, TypeError):
            continue
    return Locale("en")


def known_locale(tag: str) -> bool:
    """Whether dates and numbers can be written in this language (a BCP 47 tag)."""
    try:
        Locale.parse(tag.replace("-", "_"))
    except (UnknownLocaleError, ValueError, TypeError):
        return False
    return True
