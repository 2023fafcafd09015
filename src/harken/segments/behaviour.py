"""The live form of what customers did: how often, how much, when first and last, what followed."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from harken.people.profile import Profile, Trigger
from harken.people.traits import Kind
from harken.segments.calendar import window
from harken.segments.compare import compile_measure, every, instant
from harken.segments.needs import Check, Traits
from harken.segments.rules import (
    Average,
    Did,
    Distinct,
    First,
    Last,
    Max,
    Measure,
    Messages,
    Min,
    Sum,
    Test,
)
from harken.values import Duration

InRange = Callable[[int], bool]
NOTHING: list[Any] = []
_value = itemgetter(1)


def compile_did(rule: Did, traits: Traits) -> Check:
    """How often they did it."""
    in_range, (low, high) = count_range(rule), count_bounds(rule)
    followed = rule.then or rule.then_not
    if isinstance(rule.within, Duration) and high is None and low > 0 and not followed:
        return _enough(traits.of_span("times", rule.did, rule), int(rule.within), low)
    anywhen = rule.within is None and rule.between is None
    if anywhen and high is None and not rule.where and not followed:
        traits.ask_totals(rule.did)
        return _ever(rule.did, low)
    count = occurrences(rule, traits)
    return lambda profile, event, now: in_range(count(profile, now))


def _ever(name: str, wanted: int) -> Check:
    """At least so often, over all time."""

    def ever(profile: Profile, event: Trigger | None, now: int) -> bool:
        stat = profile.events.get(name)
        return (stat.count if stat is not None else 0) >= wanted

    return ever


def occurrences(rule: Did, traits: Traits) -> Callable[[Profile, int], int]:
    """How often they did what the rule counts."""
    if rule.then or rule.then_not:
        return _followed(rule, traits)
    if rule.within is not None:
        id, start = traits.of_span("times", rule.did, rule), window(rule.within).start

        def lately(profile: Profile, now: int) -> int:
            times = profile.traits.get(id, NOTHING)
            return len(times) - bisect_left(times, start(now))

        return lately
    if rule.where or rule.between:
        id = traits.of_span("count", rule.did, rule)
        return lambda profile, now: profile.traits.get(id, 0)
    name = rule.did
    traits.ask_totals(name)

    def ever(profile: Profile, now: int) -> int:
        stat = profile.events.get(name)
        return stat.count if stat else 0

    return ever


def count_bounds(rule: Did | Messages) -> tuple[int, int | None]:
    """The least and the most (None: no most) that pass."""
    if rule.exactly is not None:
        return rule.exactly, rule.exactly
    low = rule.at_least if rule.at_least is not None else 1 if rule.at_most is None else 0
    return low, rule.at_most


def count_range(rule: Did | Messages) -> InRange:
    """Whether a count passes."""
    low, high = count_bounds(rule)
    if high is None:
        return low.__le__
    most = high
    return lambda count: low <= count <= most


def followed_times(
    times: Sequence[int], later: Sequence[int], span: int | None, *, followed: bool = True
) -> list[int]:
    """Those of the times after which one of `later` came, at most `span` ms (None: any) later.

    Or, not `followed`, those after which none did, also if it still may.
    """
    found, count = [], len(later)
    for at in times:
        place = bisect_right(later, at)
        if (place < count and (span is None or later[place] <= at + span)) is followed:
            found.append(at)
    return found


def measure_kinds(rule: Measure) -> tuple[Kind, Kind]:
    """The kinds of trait for a measure: without a window, and with one."""
    match rule:
        case Distinct():
            return "values", "seen"
        case Min():
            return "min", "amounts"
        case Max():
            return "max", "amounts"
        case _:
            return "total", "amounts"


def compile_measure_rule(rule: Measure, traits: Traits) -> Check:
    """A number made of a property, compared."""
    passes, value_of = compile_measure(rule), measured(rule, traits)

    def check(profile: Profile, event: Trigger | None, now: int) -> bool:
        value = value_of(profile, now)
        return value is not None and passes(value)

    return check


def measured(rule: Measure, traits: Traits) -> Callable[[Profile, int], float | None]:
    """The number that is compared; None when there is none."""
    without, within = measure_kinds(rule)
    if rule.within is None:
        id, read = traits.of_span(without, rule.of, rule, rule.path), state_reader(rule)
        return lambda profile, now: read(profile.traits.get(id))
    id = traits.of_span(within, rule.of, rule, rule.path)
    start, of_pairs = window(rule.within).start, pairs_reader(rule)

    def lately(profile: Profile, now: int) -> float | None:
        return of_pairs(pairs_since(start(now), profile.traits.get(id, NOTHING)))

    return lately


def pairs_since(edge: int, pairs: list[Any]) -> list[Any]:
    """Those of the pairs whose time is at or after `edge`; mostly all, which costs one look."""
    return pairs[bisect_left(pairs, [edge]) :] if pairs and pairs[0][0] < edge else pairs


def state_reader(rule: Measure) -> Callable[[Any], float | None]:
    """From the state of a measure's trait without a window to its value; None when it has none."""
    match rule:
        case Sum():
            return lambda state: 0.0 if state is None else int(state[1]) / 1e6
        case Average():
            return lambda state: None if state is None else int(state[1]) / 1e6 / state[0]
        case Distinct():
            return lambda state: 0 if state is None else len(state)
        case _:
            return lambda state: None if state is None else state / 1e6


def pairs_reader(rule: Measure) -> Callable[[list[Any]], float | None]:
    """From the pairs inside a window to the measure's value; None when it has none."""
    match rule:
        case Sum():
            return lambda pairs: sum(map(_value, pairs)) / 1e6
        case Average():
            return lambda pairs: sum(map(_value, pairs)) / 1e6 / len(pairs) if pairs else None
        case Min():
            return lambda pairs: min(map(_value, pairs)) / 1e6 if pairs else None
        case Max():
            return lambda pairs: max(map(_value, pairs)) / 1e6 if pairs else None
        case _:
            return lambda pairs: len(set(map(_value, pairs)))


def compile_occasion(rule: First | Last, traits: Traits) -> Check:
    """When they first or last did it, and what that was like."""
    when = occasion_time(rule, traits)
    parts: list[Callable[[Any], bool]] = []
    if rule.before is not None:
        parts.append(instant(rule.before).__gt__)
    if rule.after is not None:
        parts.append(instant(rule.after).__lt__)
    passes = every(parts)
    like = traits.of_occasion(rule, like=True) if rule.is_ else None
    within, longer_ago = rule.within, rule.longer_ago

    def check(profile: Profile, event: Trigger | None, now: int) -> bool:
        at = when(profile)
        if at is None or (within is not None and at < now - within):
            return False
        if longer_ago is not None and at >= now - longer_ago:
            return False
        return passes(at) and (like is None or profile.traits.get(like) == at)

    return check


def occasion_time(rule: First | Last, traits: Traits) -> Callable[[Profile], int | None]:
    """When the first or last such event was, or None."""
    if rule.where or rule.is_:
        id = traits.of_occasion(rule, like=False)
        return lambda profile: profile.traits.get(id)
    name, first = (rule.first, True) if isinstance(rule, First) else (rule.last, False)
    traits.ask_totals(name)

    def ever(profile: Profile) -> int | None:
        stat = profile.events.get(name)
        if stat is None:
            return None
        return stat.first if first else stat.last

    return ever


def compile_messages(rule: Messages, traits: Traits) -> Check:
    """What became of the last messages sent."""
    in_range, told = count_range(rule), told_of_messages(rule, traits)

    def check(profile: Profile, event: Trigger | None, now: int) -> bool:
        count = told(profile)
        return count is not None and in_range(count)

    return check


def told_of_messages(rule: Messages, traits: Traits) -> Callable[[Profile], int | None]:
    """Of the last messages sent, how many were opened (or the like); None when fewer were sent."""
    given = {"channel": rule.channel, "journey": rule.journey}
    where = {name: Test(equals=value) for name, value in given.items() if value is not None}
    events = ("$message_sent", f"$message_{rule.messages}")
    id, wanted = traits.need("messages", events, (where,)), rule.of_last

    def told(profile: Profile) -> int | None:
        state = profile.traits.get(id)
        if state is None or len(state["sent"]) < wanted:
            return None
        opened = state["told"]
        return sum([message in opened for message in list(state["sent"])[-wanted:]])

    return told


def _enough(id: str, span: int, wanted: int) -> Check:
    """At least so many in a rolling window: the oldest of that many latest events lies in it."""

    def enough(profile: Profile, event: Trigger | None, now: int) -> bool:
        times = profile.traits.get(id)
        return times is not None and len(times) >= wanted and bool(times[-wanted] >= now - span)

    return enough


def _followed(rule: Did, traits: Traits) -> Callable[[Profile, int], int]:
    times_of = span_times(rule, traits)
    follow = rule.then or rule.then_not
    assert follow is not None
    later, span = traits.of_follow(rule, follow), follow.in_
    if rule.then is not None:

        def followed(profile: Profile, now: int) -> int:
            times = times_of(profile, now)
            if not times:
                return 0
            return len(followed_times(times, profile.traits.get(later, NOTHING), span))

        return followed
    wait = int(span or 0)

    def unfollowed(profile: Profile, now: int) -> int:
        times = times_of(profile, now)
        over = times[: bisect_right(times, now - wait)]
        if not over:
            return 0
        since = profile.traits.get(later, NOTHING)
        return len(followed_times(over, since, span, followed=False))

    return unfollowed


def span_times(rule: Did, traits: Traits) -> Callable[[Profile, int], list[int]]:
    """The times in the rule's span of the events that it names."""
    id = traits.of_span("times", rule.did, rule)
    if rule.within is None:
        return lambda profile, now: profile.traits.get(id, NOTHING)
    start = window(rule.within).start

    def lately(profile: Profile, now: int) -> list[int]:
        times: list[int] = profile.traits.get(id, NOTHING)
        return times[bisect_left(times, start(now)) :]

    return lately
