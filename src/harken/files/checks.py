"""Checks of what types cannot say: a rule is typed well, but no author can have meant it."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from harken.channels.table import ADDRESSED, NAMES
from harken.clock import parse_date
from harken.journeys.own_events import unheard_of
from harken.people.attributes import misnamed
from harken.people.consent import ALL
from harken.people.traits import KEPT, SENT_KEPT, UNCOUNTED
from harken.segments.compare import compile_regex
from harken.segments.rules import (
    All,
    Anniversary,
    Any_,
    Attribute,
    Average,
    Bucket,
    CalendarDays,
    ConsentIs,
    Did,
    Distinct,
    First,
    Follow,
    Last,
    Max,
    Measure,
    Messages,
    Min,
    Near,
    Occasion,
    Point,
    Reachable,
    Span,
    Sum,
    Test,
)
from harken.workspace import Account, Place

# How addresses begin that a secret may go to: host and path fixed, so that no other host begins so.
_BEGINNING = re.compile(r"https?://[\w.\-\[\]:]+/[^\s?#{}]*")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
LONGEST_REGEX = 500
"""Characters in a regular expression."""
MOST_DAYS = 3_660
A_YEAR = 366
FARTHEST = 20_040_000
"""Metres: half way round the Earth."""
MOST_BUCKET = 9_999

Problems = Iterator[tuple[str, str]]
"""(key under the struct, or empty for itself; what is wrong)."""

COMPARISONS = tuple(field.encode_name for field in msgspec.structs.fields(Test))
DATE_CONDITIONS = ("within", "in_next", "longer_ago", "anniversary")


def check(value: Any) -> Problems:
    """The problems of one struct, its members aside."""
    for type_, look in _CHECKS.items():
        if isinstance(value, type_):
            yield from look(value)


def _test(test: Test) -> Problems:
    given = [
        field.encode_name
        for field in msgspec.structs.fields(Test)
        if getattr(test, field.name) is not UNSET
    ]
    near = isinstance(test, Attribute) and any(
        getattr(test, name) is not None for name in DATE_CONDITIONS
    )
    if not given and not near:
        some = ", ".join(f"`{name}`" for name in COMPARISONS[:6])
        yield "", f"needs a comparison: {some} ... or `exists`"
    if test.exists is False and (len(given) > 1 or near):
        yield "exists", "a value that does not exist passes no other comparison; keep one"
    for name, values in (("in", test.in_), ("not_in", test.not_in)):
        if values is not UNSET and not values:
            yield name, "the list is empty; name at least one value"
    if test.some is not UNSET and not test.some:
        yield "some", "is empty; name at least one property and what it must be"
    yield from _between(test)
    yield from _regex(test)
    yield from _dates(("before", test.before), ("after", test.after))


def _between(test: Test) -> Problems:
    if test.between is UNSET:
        return
    if len(test.between) != 2:
        yield "between", f"needs two numbers, lowest first; it has {len(test.between)}"
    elif test.between[0] > test.between[1]:
        low, high = sorted(test.between)
        yield "between", f"the lowest comes first: [{low:g}, {high:g}]"


def _regex(test: Test) -> Problems:
    if test.regex is UNSET:
        return
    if len(test.regex) > LONGEST_REGEX:
        yield "regex", f"is {len(test.regex)} characters long; at most {LONGEST_REGEX}"
        return
    try:
        compile_regex(test.regex)
    except ValueError as fault:
        yield "regex", str(fault)


def _dates(*given: tuple[str, str | UnsetType | None]) -> Problems:
    for name, at in given:
        if isinstance(at, str) and parse_date(at) is None:
            yield name, _no_date(at)


def _no_date(text: str) -> str:
    return f"{text[:40]!r} is no date or time; write 2026-01-31 or 2026-01-31T09:00:00Z"


def _attribute(rule: Attribute) -> Problems:
    yield from _named("attribute", rule.attribute)
    yield from _some_time(rule, "within", "in_next", "longer_ago")
    if problem := misnamed(rule.attribute):
        yield "attribute", problem
    if rule.attribute == "country":
        for key in ("equals", "not_equals", "in", "not_in"):
            said = getattr(rule, f"{key}_" if key == "in" else key)
            for code in said if isinstance(said, list) else [said]:
                if isinstance(code, str) and len(code) == 2 and not code.isupper():
                    yield key, f"countries are kept in capitals: {code.upper()}"


def _some_time(rule: Any, *names: str) -> Problems:
    """A span of time that is nothing holds at one millisecond at most."""
    for name in names:
        if getattr(rule, name) == 0:
            yield name, "no time at all; write a duration such as 30d"


def _anniversary(rule: Anniversary) -> Problems:
    if not 1 <= rule.in_next <= A_YEAR:
        yield "in_next", f"must be 1 (today alone) to {A_YEAR} days, not {rule.in_next}"


def _days(rule: CalendarDays) -> Problems:
    if not 1 <= rule.days <= MOST_DAYS:
        yield "days", f"must be 1 (today alone) to {MOST_DAYS}, not {rule.days}"


def _span(span: Span) -> Problems:
    if span.within is not None and span.between is not None:
        yield "between", "`within` and `between` are two ways to say when; keep one"
    if span.within == 0:
        yield "within", "no time at all; write a duration such as 30d"
    if span.between is None:
        return
    if len(span.between) != 2:
        yield "between", f"needs two dates, the earlier first; it has {len(span.between)}"
        return
    start, end = parse_date(span.between[0]), parse_date(span.between[1])
    for text, at in zip(span.between, (start, end), strict=True):
        if at is None:
            yield "between", _no_date(text)
    if start is not None and end is not None and start >= end:
        yield "between", "the earlier date comes first, and the second is not included"


def _did(did: Did) -> Problems:
    yield from _counted("did", did.did)
    yield from _counts(did, KEPT if did.within or did.then or did.then_not else None)
    if did.then is not None and did.then_not is not None:
        yield "then_not", "stands in the place of `then`; keep one of them"
    if did.then_not is not None and did.then_not.in_ is None:
        yield "then_not", "needs `in`: how long after it the other did not come, such as 7d"


def _follow(follow: Follow) -> Problems:
    yield from _counted("did", follow.did)
    if follow.in_ == 0:
        yield "in", "no time at all; write a duration such as 1d"


def _counts(rule: Did | Messages, most: int | None) -> Problems:
    """`most`: how many are remembered at most, where there is such a bound."""
    for name in ("at_least", "at_most", "exactly"):
        count = getattr(rule, name)
        if count is not None and count < 0:
            yield name, f"a count cannot be negative; it is {count}"
        # That there were at most so many can only be told while one more would be remembered.
        allowed = most if most is None or name == "at_least" else most - 1
        if count is not None and allowed is not None and count > allowed:
            yield name, f"at most {allowed} are told apart here; it is {count}"
    if rule.exactly is not None and (rule.at_least is not None or rule.at_most is not None):
        yield "exactly", "stands alone; remove `at_least` and `at_most`, or `exactly`"
    if rule.at_least is not None and rule.at_most is not None and rule.at_least > rule.at_most:
        yield "at_least", f"is more than `at_most` ({rule.at_most}); nobody did that"


def _measure(rule: Measure) -> Problems:
    yield from _counted("of", rule.of)
    bounds = {name: getattr(rule, name) for name in ("equals", "gt", "gte", "lt", "lte")}
    given = {name: bound for name, bound in bounds.items() if bound is not UNSET}
    if not given:
        words = ", ".join(f"`{name}`" for name in bounds)
        yield "", f"needs a comparison of the number: one of {words}"
    if isinstance(rule, Distinct):
        for name, bound in given.items():
            most = KEPT if name in ("gte", "lt") else KEPT - 1
            if bound > most:
                yield name, f"at most {most} different values are told apart; it is {bound:g}"


def _measured(key: str) -> Callable[[Any], Problems]:
    return lambda rule: _named(key, getattr(rule, key))


def _occasion(rule: Occasion) -> Problems:
    yield from _some_time(rule, "within", "longer_ago")
    yield from _dates(("before", rule.before), ("after", rule.after))


def _messages(rule: Messages) -> Problems:
    yield from _counts(rule, None)
    if not 1 <= rule.of_last <= SENT_KEPT:
        yield "of_last", f"must be 1 to {SENT_KEPT} messages, not {rule.of_last}"
    for name in ("at_least", "exactly"):
        count = getattr(rule, name)
        if count is not None and count > rule.of_last >= 1:
            yield name, f"is more than `of_last` ({rule.of_last}); nobody can be in it"
    if rule.channel is not None:
        yield from _channel("channel", rule.channel, NAMES)


def _reachable(rule: Reachable) -> Problems:
    if rule.reachable not in ADDRESSED:
        known = ", ".join(f"`{name}`" for name in ADDRESSED)
        yield "reachable", f"{rule.reachable[:40]!r} is no channel with an address; known: {known}"


def _consent(rule: ConsentIs) -> Problems:
    yield from _channel("consent", rule.consent, (*NAMES, ALL))


def _channel(key: str, channel: str, known: tuple[str, ...]) -> Problems:
    if channel not in known:
        names = ", ".join(f"`{name}`" for name in known)
        yield key, f"there is no channel {channel[:40]!r}; known: {names}"


def _point(point: Point) -> Problems:
    for name, most in (("latitude", 90), ("longitude", 180)):
        degrees = getattr(point, name)
        if not -most <= degrees <= most:
            yield name, f"must be degrees from -{most} to {most}, not {degrees:g}"


def _near(rule: Near | Place) -> Problems:
    if not 0 < rule.radius <= FARTHEST:
        yield "radius", f"must be metres, more than 0 and at most {FARTHEST:,}; not {rule.radius:g}"


def _bucket(rule: Bucket) -> Problems:
    yield from _named("bucket", rule.bucket)
    for name, place in (("from", rule.from_), ("to", rule.to)):
        if not 0 <= place <= MOST_BUCKET:
            yield name, f"buckets are 0 to {MOST_BUCKET}; it is {place}"
    if rule.from_ > rule.to:
        yield "from", f"is more than `to` ({rule.to}); no bucket lies there"


def _account(account: Account) -> Problems:
    if not _BEGINNING.fullmatch(account.url) or not account.url.endswith("/"):
        yield "url", "must be how its addresses begin, to a `/`: https://api.example/v1/"
    if not _HEADER.fullmatch(account.header):
        yield "header", f"{account.header[:40]!r} is no header's name; write one such as X-Api-Key"
    if not _VARIABLE.fullmatch(account.secret_env):
        yield "secret_env", f"{account.secret_env[:40]!r} is no name of a variable"
    elif account.secret_env.upper().startswith("HARKEN_"):
        yield "secret_env", "Harken's own secrets go to no feed; use a variable of another name"


def _counted(key: str, event: str) -> Problems:
    yield from _named(key, event)
    if event in UNCOUNTED:
        yield key, f"`{event}` is kept in history but not counted; no rule can ask for it"
    elif problem := unheard_of(event):
        yield key, problem


def _named(key: str, name: str) -> Problems:
    if not name.strip():
        yield key, "is empty; write a name"


def _all(rule: All) -> Problems:
    if not rule.all:
        yield "all", "the list is empty; write at least one rule"


def _any(rule: Any_) -> Problems:
    if not rule.any:
        yield "any", "the list is empty; write at least one rule"


_CHECKS: dict[type, Callable[[Any], Problems]] = {
    Test: _test,
    Attribute: _attribute,
    Anniversary: _anniversary,
    CalendarDays: _days,
    Span: _span,
    Did: _did,
    Follow: _follow,
    Measure: _measure,
    Sum: _measured("sum"),
    Average: _measured("average"),
    Min: _measured("min"),
    Max: _measured("max"),
    Distinct: _measured("distinct"),
    Occasion: _occasion,
    First: lambda rule: _counted("first", rule.first),
    Last: lambda rule: _counted("last", rule.last),
    Messages: _messages,
    Reachable: _reachable,
    ConsentIs: _consent,
    Point: _point,
    Near: _near,
    Place: _near,
    Bucket: _bucket,
    Account: _account,
    All: _all,
    Any_: _any,
}
