"""What customers did, in the set form: each condition is one sub-select of `events`."""

from collections.abc import Callable
from operator import ge, gt

from msgspec import UNSET

from harken.people.traits import LARGEST_NUMBER, MACHINES_DO
from harken.segments.behaviour import count_bounds
from harken.segments.calendar import window_start
from harken.segments.compare import instant
from harken.segments.dialects.base import Place
from harken.segments.rules import (
    Average,
    Did,
    Distinct,
    First,
    Follow,
    Last,
    Max,
    Measure,
    Messages,
    Min,
    Span,
    Sum,
    Test,
    Where,
)
from harken.segments.sql_values import at_path, where
from harken.segments.sql_writing import Writing, constant, double, sure

PROPS = "e.props"
BEYOND = 10**37
"""More millionths than any sum has; 128 bits hold it."""


def did(rule: Did, writing: Writing, holds: bool) -> str:
    """How often they did it."""
    low, high = count_bounds(rule)
    if (low <= 0 and high is None) or (high is not None and high < low):
        return constant(holds is (high is None))
    follow = rule.then or rule.then_not
    if follow is None:
        rows = f"SELECT e.profile_id FROM {happened(rule.did, rule.where, writing, rule)}"
        return _counted(rows, "e.profile_id", low, high, writing, holds)
    rows = _followed(rule, follow, writing)
    return _counted(rows, "a.profile_id", low, high, writing, holds)


def measured(rule: Sum | Average | Min | Max | Distinct, writing: Writing, holds: bool) -> str:
    """A number made of a property, compared."""
    if isinstance(rule, Average):
        return _average(rule, writing, holds)
    low, high = integer_bounds(rule)
    of_nothing = isinstance(rule, Sum | Distinct) and _inside(0, low, high)
    if of_nothing and low is None and high is None:
        return constant(holds)
    dialect = writing.dialect
    events = happened(rule.of, rule.where, writing, rule)
    if isinstance(rule, Distinct):
        every = keys(rule.path, events, writing)
        rows, number = f"SELECT DISTINCT d.profile_id, d.k FROM ({every}) AS d", "count(*)"
    else:
        sum_or = {"sum": dialect.wide_sum("m.k"), "min": "min(m.k)", "max": "max(m.k)"}
        rows, number = amounts(rule.path, events, writing), sum_or[rule.key]
    parts = [f"{number} >= {dialect.wide(low)}"] if low is not None else []
    parts += [f"{number} <= {dialect.wide(high)}"] if high is not None else []
    test = " AND ".join(parts) or "true"
    return writing.among(
        f"SELECT m.profile_id FROM ({rows}) AS m WHERE m.k IS NOT NULL GROUP BY m.profile_id"
        f" HAVING {f'NOT ({test})' if of_nothing else test}",
        holds is not of_nothing,
    )


def occasion(rule: First | Last, writing: Writing, holds: bool) -> str:
    """When they first or last did it, and what that was like."""
    name, first = (rule.first, True) if isinstance(rule, First) else (rule.last, False)
    low, high = _occasion_bounds(rule, writing.asked.now)
    # The bound that the earliest (latest) time meets as soon as any does needs no grouping.
    rows = happened(name, rule.where, writing)
    best = "min(e.ts)" if first else "max(e.ts)"
    parts = []
    for sign, bound, early in ((">=", low, False), ("<=", high, True)):
        if bound is None:
            continue
        if early is first:
            rows += f" AND e.ts {sign} {bound}"
        else:
            parts.append(f"{best} {sign} {bound}")
    if rule.is_:
        like = " AND ".join(where(rule.is_, PROPS, writing))
        same = f"CASE WHEN {like} THEN e.ts END"
        parts.append(f"{best} = {'min' if first else 'max'}({same})")
    grouped = f" GROUP BY e.profile_id HAVING {' AND '.join(parts)}" if parts else ""
    return writing.among(f"SELECT e.profile_id FROM {rows}{grouped}", holds)


def messages(rule: Messages, writing: Writing, holds: bool) -> str:
    """What became of the last messages sent."""
    low, high = count_bounds(rule)
    given = {"channel": rule.channel, "journey": rule.journey}
    filters = {name: Test(equals=value) for name, value in given.items() if value is not None}
    message = writing.dialect.text(Place(PROPS, ("message",)))
    sent = f"SELECT e.profile_id, e.ts, {message} AS id FROM"
    sent += f" {happened('$message_sent', filters, writing)}"
    newest = (
        "SELECT s.profile_id, s.id, row_number() OVER"
        " (PARTITION BY s.profile_id ORDER BY max(s.ts) DESC, s.id DESC) AS place"
        f" FROM ({sent}) AS s WHERE s.id <> '' GROUP BY s.profile_id, s.id"
    )
    told = (
        f"SELECT DISTINCT e.profile_id, {message} AS id"
        f" FROM {happened(f'$message_{rule.messages}', {}, writing)}"
    )
    passes = f"count(t.id) >= {low}" + ("" if high is None else f" AND count(t.id) <= {high}")
    return writing.among(
        f"SELECT n.profile_id FROM ({newest}) AS n LEFT JOIN ({told}) AS t"
        " ON t.profile_id = n.profile_id AND t.id = n.id"
        f" WHERE n.place <= {int(rule.of_last)} GROUP BY n.profile_id"
        f" HAVING count(*) = {int(rule.of_last)} AND {passes}",
        holds,
    )


def happened(name: str, conditions: Where, writing: Writing, span: Span | None = None) -> str:
    """`events AS e WHERE ...`: those of a name that pass, in a span of time."""
    parts = [f"e.name = {writing.text(name)}"]
    if span is not None and span.within is not None:
        parts.append(f"e.ts >= {window_start(span.within, writing.asked.now)}")
    if span is not None and span.between is not None:
        start, end = map(instant, span.between)
        parts.append(f"e.ts >= {start} AND e.ts < {end}")
    if name in MACHINES_DO:
        by_machine = writing.dialect.flag(Place(PROPS, ("machine",)), True)
        parts.append(f"NOT {sure(by_machine)}")
    parts += where(conditions, PROPS, writing)
    return f"events AS e WHERE {' AND '.join(parts)}{writing.sampled('e.profile_id')}"


def integer_bounds(rule: Measure) -> tuple[int | None, int | None]:
    """The least and the greatest whole number that passes; None where there is no bound.

    Of `distinct` these are counts, else millionths. A comparison of `number / 1e6` becomes one
    of integers, which every engine does alike.
    """
    scale = 1.0 if isinstance(rule, Distinct) else 1e6
    least, most = [], []
    for bound in (rule.gte, rule.equals):
        if bound is not UNSET:
            least.append(_first_integer(ge, scale, bound))
    for bound in (rule.lte, rule.equals):
        if bound is not UNSET:
            most.append(_first_integer(gt, scale, bound) - 1)
    if rule.gt is not UNSET:
        least.append(_first_integer(gt, scale, rule.gt))
    if rule.lt is not UNSET:
        most.append(_first_integer(ge, scale, rule.lt) - 1)
    return max(least, default=None), min(most, default=None)


def _first_integer(passes: Callable[[float, float], bool], scale: float, bound: float) -> int:
    """The least integer that, divided by the scale, compares so with the bound."""
    low, high = -BEYOND, BEYOND
    while low < high:
        middle = (low + high) // 2
        if passes(middle / scale, bound):
            high = middle
        else:
            low = middle + 1
    return low


def _inside(value: int, low: int | None, high: int | None) -> bool:
    return (low is None or low <= value) and (high is None or value <= high)


def _counted(
    rows: str, column: str, low: int, high: int | None, writing: Writing, holds: bool
) -> str:
    """How many rows a customer has lies between bounds. Who has none is in no group of SQL's."""
    if low <= 0 and high is not None:
        low, high, holds = high + 1, None, not holds
    if low == 1 and high is None:
        return writing.among(rows, holds)
    passes = f"count(*) >= {low}" if high is None else f"count(*) BETWEEN {low} AND {high}"
    return writing.among(f"{rows} GROUP BY {column} HAVING {passes}", holds)


def _followed(rule: Did, follow: Follow, writing: Writing) -> str:
    """One row for each event after which the other came (or did not), with its customer."""
    earlier = happened(rule.did, rule.where, writing, rule)
    if rule.then_not is not None:
        earlier += f" AND e.ts <= {writing.asked.now - int(follow.in_ or 0)}"
    later = happened(follow.did, follow.where, writing)
    span = None if follow.in_ is None else int(follow.in_)
    return writing.dialect.followed(earlier, later, span, rule.then is not None)


def amounts(path: str, events: str, writing: Writing) -> str:
    """Rows (profile_id, ts, k): the millionths of each event's number, NULL of what is none."""
    dialect = writing.dialect
    numbers = (
        f"SELECT e.profile_id, e.ts, {at_path(PROPS, path, writing.number, writing)} AS x"
        f" FROM {events}"
    )
    whole = dialect.integer("floor(y.x * 1e6 + 0.5e0)")
    largest = double(LARGEST_NUMBER)
    counts = f"y.x BETWEEN -{largest} AND {largest}"
    return (
        f"SELECT y.profile_id, y.ts, CASE WHEN {counts} THEN {whole} END AS k FROM ({numbers}) AS y"
    )


def keys(path: str, events: str, writing: Writing) -> str:
    """Rows (profile_id, ts, k): the key of each event's value, NULL of what has none."""
    key = at_path(PROPS, path, writing.dialect.key, writing)
    return f"SELECT e.profile_id, e.ts, {key} AS k FROM {events}"


def _occasion_bounds(rule: First | Last, now: int) -> tuple[int | None, int | None]:
    """The earliest and the latest time that passes; None where there is no bound."""
    early = [] if rule.within is None else [now - int(rule.within)]
    late = [] if rule.longer_ago is None else [now - int(rule.longer_ago) - 1]
    if rule.after is not None:
        early.append(instant(rule.after) + 1)
    if rule.before is not None:
        late.append(instant(rule.before) - 1)
    return max(early, default=None), min(late, default=None)


def _average(rule: Average, writing: Writing, holds: bool) -> str:
    number = writing.dialect.double(writing.dialect.wide_sum("m.k")) + " / 1e6 / count(*)"
    signs = ((">", rule.gt), (">=", rule.gte), ("<", rule.lt), ("<=", rule.lte), ("=", rule.equals))
    parts = [f"{number} {sign} {double(bound)}" for sign, bound in signs if bound is not UNSET]
    having = f" HAVING {' AND '.join(parts)}" if parts else ""
    rows = amounts(rule.path, happened(rule.of, rule.where, writing, rule), writing)
    return writing.among(
        f"SELECT m.profile_id FROM ({rows}) AS m WHERE m.k IS NOT NULL"
        f" GROUP BY m.profile_id{having}",
        holds,
    )
