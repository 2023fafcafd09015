"""When time alone may change the answer of a rule: the live form with a look ahead.

A window loses its oldest event, a date comes near, a time to do something is over. Each condition
says the next ms at which that happens; a tree leaves out what cannot matter: while two parts of
an `all` fail, it cannot hold before both have changed.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Any

from harken.people.profile import Profile
from harken.segments.behaviour import (
    NOTHING,
    compile_occasion,
    count_bounds,
    count_range,
    followed_times,
    measure_kinds,
    occasion_time,
    pairs_since,
    span_times,
)
from harken.segments.calendar import (
    ONE_DAY,
    Window,
    midnight,
    month_day,
    next_round,
    of_today,
    window,
)
from harken.segments.compare import compile_measure, compile_test, date_of, has_comparison
from harken.segments.least import least, least_sum
from harken.segments.live import anniversary_zone, attribute_value, compile_rule
from harken.segments.needs import Traits
from harken.segments.reads import reads
from harken.segments.rules import (
    All,
    Anniversary,
    Any_,
    Attribute,
    Average,
    Did,
    Distinct,
    First,
    InSegment,
    Last,
    Max,
    Measure,
    Min,
    Not,
    Rule,
    Sum,
)
from harken.values import Duration

NEVER = 0
NO = (False, NEVER)
Answer = tuple[bool, int]
"""Whether it holds, and the earliest ms at which time alone may change that (NEVER: it cannot)."""
Watch = Callable[[Profile, int], Answer]
"""(document, now) -> the answer. The time in it is always after now."""
DateWatch = Callable[[int, int], Answer]
"""The same, of (a date, now)."""


def compile_watch(rule: Rule, traits: Traits) -> Watch:
    """`rule` as a closure that also looks ahead; the traits it reads are added to `traits`."""
    if not reads(rule, traits.segments).timed:
        check = compile_rule(rule, traits)
        return lambda profile, now: (check(profile, None, now), NEVER)
    match rule:
        case All(all=parts):
            return _tree(parts, traits, decides=False)
        case Any_(any=parts):
            return _tree(parts, traits, decides=True)
        case Not(not_=inner):
            return _not(compile_watch(inner, traits))
        case InSegment(in_segment=name):
            return compile_watch(traits.segments[name], traits)
        case Attribute():
            return _attribute(rule, traits)
        case Did() if rule.then_not is not None:
            return _not_followed(rule, traits)
        case Did():
            return _counted(rule, traits)
        case Measure():
            return _measured(rule, traits)
        case First() | Last():
            return _occasion(rule, traits)
        case _:
            raise AssertionError(f"time does not change {rule!r}")


def joined(answers: Iterable[Answer], *, decides: bool) -> Answer:
    """The answer of an `all` (False decides) or `any` (True decides) of several.

    Those that decide must all change first; if none does, the first change of any decides.
    """
    latest = earliest = NEVER
    decided = False
    for holds, until in answers:
        if holds is decides:
            if until == NEVER:
                return decides, NEVER
            decided, latest = True, max(latest, until)
        elif until and (earliest == NEVER or until < earliest):
            earliest = until
    return (decides, latest) if decided else (not decides, earliest)


def _tree(parts: Sequence[Rule], traits: Traits, *, decides: bool) -> Watch:
    timed = [reads(part, traits.segments).timed for part in parts]
    checks = [
        compile_rule(part, traits) for part, moves in zip(parts, timed, strict=True) if not moves
    ]
    watches = [
        compile_watch(part, traits) for part, moves in zip(parts, timed, strict=True) if moves
    ]

    only = watches[0] if len(watches) == 1 else None

    def watch(profile: Profile, now: int) -> Answer:
        for check in checks:
            if check(profile, None, now) is decides:
                return decides, NEVER
        if only is not None:
            return only(profile, now)
        return joined([one(profile, now) for one in watches], decides=decides)

    return watch


def _not(inner: Watch) -> Watch:
    def watch(profile: Profile, now: int) -> Answer:
        holds, until = inner(profile, now)
        return not holds, until

    return watch


def _attribute(rule: Attribute, traits: Traits) -> Watch:
    path, parts = rule.attribute, list(_date_watches(rule, traits))
    passes = compile_test(rule) if has_comparison(rule) else None

    def watch(profile: Profile, now: int) -> Answer:
        value = attribute_value(profile, path)
        at = date_of(value) if isinstance(value, str) else None
        if at is None or (passes is not None and not passes(value)):
            return False, NEVER
        return joined([part(at, now) for part in parts], decides=False)

    return watch


def _date_watches(rule: Attribute, traits: Traits) -> Iterable[DateWatch]:
    if rule.within is not None:
        past = int(rule.within)
        yield lambda at, now: _between(at, at + past, now)
    if rule.in_next is not None:
        ahead = int(rule.in_next)
        yield lambda at, now: _between(at - ahead, at, now)
    if rule.longer_ago is not None:
        gone = int(rule.longer_ago)
        yield lambda at, now: _after(at + gone, now)
    if rule.anniversary is not None:
        yield _anniversary(rule.anniversary, traits)


def _between(start: int, end: int, now: int) -> Answer:
    """From `start` to `end`, both included."""
    if now < start:
        return False, start
    return (True, end + 1) if now <= end else (False, NEVER)


def _after(edge: int, now: int) -> Answer:
    return (True, NEVER) if now > edge else (False, edge + 1)


def _anniversary(rule: Anniversary, traits: Traits) -> DateWatch:
    place, in_next = anniversary_zone(rule, traits), rule.in_next
    day_of = of_today(place, lambda today: today)

    def watch(at: int, now: int) -> Answer:
        today, of = day_of(now), month_day(at)
        comes = next_round(of, today)
        if (comes - today).days >= in_next:
            return False, midnight(comes, 1 - in_next, place)
        # Of nearly a whole year, the next round begins before this one is over.
        for _ in range(10):
            again = next_round(of, comes + ONE_DAY)
            if (again - comes).days > in_next:
                break
            comes = again
        return True, midnight(comes, 1, place)

    return watch


def _counted(rule: Did, traits: Traits) -> Watch:
    """How often in a window, perhaps of those that something followed: the count only falls."""
    assert rule.within is not None
    low, high = count_bounds(rule)
    if high is None and low > 0 and rule.then is None and isinstance(rule.within, Duration):
        return _enough(traits.of_span("times", rule.did, rule), int(rule.within), low)
    times_of, span, ahead = span_times(rule, traits), window(rule.within), window(rule.within)
    later = traits.of_follow(rule, rule.then) if rule.then is not None else ""
    followed_by = rule.then.in_ if rule.then is not None else None

    def watch(profile: Profile, now: int) -> Answer:
        times = times_of(profile, now)
        if later:
            times = followed_times(times, profile.traits.get(later, NOTHING), followed_by)
        count = len(times)
        if count < low:
            return False, NEVER
        if high is None or count <= high:
            return True, span.leaves(times[count - low]) if low > 0 else NEVER
        until = span.leaves(times[count - high - 1])
        left = count - bisect_left(times, ahead.start(until))
        return False, until if left >= low else NEVER

    return watch


def _enough(id: str, span: int, wanted: int) -> Watch:
    """At least so many in a rolling window: until the oldest of that many latest ones leaves it."""

    def watch(profile: Profile, now: int) -> Answer:
        times = profile.traits.get(id)
        if times is None or len(times) < wanted:
            return NO
        at = times[-wanted]
        return (True, at + span + 1) if at >= now - span else NO

    return watch


def _not_followed(rule: Did, traits: Traits) -> Watch:
    """Each event counts from when its time to be followed is over until it leaves the window."""
    assert rule.then_not is not None
    in_range, within = count_range(rule), rule.then_not.in_
    wait = int(within or 0)
    times_of, later = span_times(rule, traits), traits.of_follow(rule, rule.then_not)
    span = window(rule.within) if rule.within is not None else None

    def watch(profile: Profile, now: int) -> Answer:
        since = profile.traits.get(later, NOTHING)
        times = followed_times(times_of(profile, now), since, within, followed=False)
        count = sum(at + wait <= now for at in times)
        return _first_change(in_range, count, sorted(_changes(times, wait, span, now)))

    return watch


def _changes(
    times: Sequence[int], wait: int, span: Window | None, now: int
) -> Iterable[tuple[int, int]]:
    """When the count will change, and by how much."""
    for at in times:
        over, leaves = at + wait, span.leaves(at) if span is not None else None
        if leaves is not None and leaves <= over:
            continue
        if over > now:
            yield over, 1
        if leaves is not None:
            yield leaves, -1


def _first_change(
    in_range: Callable[[int], bool], count: int, changes: Sequence[tuple[int, int]]
) -> Answer:
    holds = in_range(count)
    for place, (at, by) in enumerate(changes):
        count += by
        together = place + 1 < len(changes) and changes[place + 1][0] == at
        if not together and in_range(count) != holds:
            return holds, at
    return holds, NEVER


def _measured(rule: Measure, traits: Traits) -> Watch:
    assert rule.within is not None
    id = traits.of_span(measure_kinds(rule)[1], rule.of, rule, rule.path)
    whole = _measured_whole(id, rule, window(rule.within))
    if not isinstance(rule.within, Duration):
        return whole
    span = int(rule.within)
    if isinstance(rule, Sum) and (total := least_sum(rule)) is not None:
        sums: Sums = traits.sums.setdefault((id, span), Sums(id, span))
        return _summed(sums, total, span, whole)
    if isinstance(rule, Distinct) and rule.only_least and (wanted := least(rule, traits)):
        return _distinct(id, wanted.size, span)
    return whole


class Sums:
    """The sums of the latest amounts in a rolling window, worked out once for several rules."""

    def __init__(self, id: str, span: int) -> None:
        self._id, self._span = id, span
        self._seen: tuple[Any, ...] = ()
        self._found: tuple[list[Any], list[int]] = ([], [])

    def of(self, profile: Profile, now: int) -> tuple[list[Any], list[int]]:
        """The pairs (time, amount) inside, in order, and of the latest 1, 2, 3 ... of them the sum;
        no sums where some amount is below 0, for what is older then takes away again."""
        pairs = profile.traits.get(self._id)
        if not pairs:
            return [], []
        # An amount that comes late moves the length or the first pair.
        seen = self._seen
        if (
            seen
            and seen[0] is pairs
            and seen[1] == now
            and seen[2] == len(pairs)
            and seen[3] is pairs[0]
            and seen[4] is pairs[-1]
        ):
            return self._found
        inside = pairs_since(now - self._span, pairs)
        values = [value for _, value in reversed(inside)]
        sums = list(accumulate(values)) if values and min(values) >= 0 else []
        self._seen, self._found = (pairs, now, len(pairs), pairs[0], pairs[-1]), (inside, sums)
        return self._found


def _summed(sums: Sums, wanted: int, span: int, whole: Watch) -> Watch:
    """At least such a sum: until the oldest of the latest amounts that make it up leaves."""

    def watch(profile: Profile, now: int) -> Answer:
        pairs, rising = sums.of(profile, now)
        if not pairs:
            return NO
        if not rising:
            return whole(profile, now)
        if rising[-1] < wanted:
            return NO
        return True, pairs[-1 - bisect_left(rising, wanted)][0] + span + 1

    return watch


def _distinct(id: str, wanted: int, span: int) -> Watch:
    """At least so many different values: until the oldest of the latest that are so many leaves."""

    def watch(profile: Profile, now: int) -> Answer:
        edge, met = now - span, set()
        for at, value in reversed(profile.traits.get(id, NOTHING)):
            if at < edge:
                break
            met.add(value)
            if len(met) >= wanted:
                return True, at + span + 1
        return NO

    return watch


def _measured_whole(id: str, rule: Measure, span: Window) -> Watch:
    passes = compile_measure(rule)

    def watch(profile: Profile, now: int) -> Answer:
        pairs = pairs_since(span.start(now), profile.traits.get(id, NOTHING))
        passing = [value is not None and passes(value) for value in _as_they_leave(rule, pairs)]
        holds, gone = passing[0], 1
        while gone <= len(pairs):
            if passing[gone] != holds:
                until = span.leaves(pairs[gone - 1][0])
                # Others may leave in the same ms, and change it back.
                gone = bisect_left(pairs, [span.start(until)])
                if passing[gone] != holds:
                    return holds, until
            gone += 1
        return holds, NEVER

    return watch


def _as_they_leave(rule: Measure, pairs: Sequence[Any]) -> list[float | None]:
    """The measure of all pairs, of all but the oldest, and so on to none."""
    values = [pair[1] for pair in reversed(pairs)]
    found: list[float | None]
    match rule:
        case Distinct():
            met: set[str] = set()
            found = [0]
            for value in values:
                met.add(value)
                found.append(len(met))
        case Min() | Max():
            pick, best = (min if isinstance(rule, Min) else max), None
            found = [None]
            for value in values:
                best = value if best is None else pick(best, value)
                found.append(best / 1e6)
        case _:
            total, average = 0, isinstance(rule, Average)
            found = [None if average else 0.0]
            for count, value in enumerate(values, start=1):
                total += value
                found.append(total / 1e6 / count if average else total / 1e6)
    return found[::-1]


def _occasion(rule: First | Last, traits: Traits) -> Watch:
    alone = (rule.within is None) is not (rule.longer_ago is None)
    if alone and not rule.is_ and rule.before is None and rule.after is None:
        return _recent(rule, traits)
    check, when = compile_occasion(rule, traits), occasion_time(rule, traits)
    edges = [int(one) for one in (rule.within, rule.longer_ago) if one is not None]

    def watch(profile: Profile, now: int) -> Answer:
        holds, at = check(profile, None, now), when(profile)
        if at is not None:
            for until in sorted(at + edge + 1 for edge in edges):
                if until > now and check(profile, None, until) != holds:
                    return holds, until
        return holds, NEVER

    return watch


def _recent(rule: First | Last, traits: Traits) -> Watch:
    """How long ago it was, and nothing else."""
    when, within, longer_ago = occasion_time(rule, traits), rule.within, rule.longer_ago or 0

    def watch(profile: Profile, now: int) -> Answer:
        at = when(profile)
        if at is None:
            return NO
        return _after(at + longer_ago, now) if within is None else _between(at, at + within, now)

    return watch
