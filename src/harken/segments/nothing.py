"""What a rule says of somebody of whom nothing was counted: who a back-fill need not look at."""

from collections.abc import Collection, Iterable

from harken.people.profile import Profile
from harken.segments.needs import Traits
from harken.segments.rules import (
    All,
    Any_,
    Average,
    Did,
    Distinct,
    First,
    InSegment,
    Last,
    Max,
    Messages,
    Min,
    Not,
    Rule,
    Sum,
)
from harken.segments.watch import NEVER, compile_watch

Behaviour = Did | Sum | Average | Min | Max | Distinct | First | Last | Messages


def fails_for_nothing(rule: Rule, counts: Collection[str], known: Traits) -> bool:
    """Whether the rule fails for everybody of whom these traits (ids) have counted nothing.

    Whatever else is so of them, and for as long as they do nothing.
    """
    return _answer(rule, counts, known) is False


def _answer(rule: Rule, counts: Collection[str], known: Traits) -> bool | None:
    """None: that hangs on other things, or on the time."""
    match rule:
        case All():
            return _joined((_answer(part, counts, known) for part in rule.all), decides=False)
        case Any_():
            return _joined((_answer(part, counts, known) for part in rule.any), decides=True)
        case Not():
            inner = _answer(rule.not_, counts, known)
            return None if inner is None else not inner
        case InSegment():
            named = known.segments.get(rule.in_segment)
            return False if named is None else _answer(named, counts, known)
        case Did() | Sum() | Average() | Min() | Max() | Distinct() | First() | Last() | Messages():
            return _of_nothing(rule, counts, known)
        case _:
            return None


def _joined(answers: Iterable[bool | None], *, decides: bool) -> bool | None:
    found = set(answers)
    if decides in found:
        return decides
    return None if None in found else not decides


def _of_nothing(rule: Behaviour, counts: Collection[str], known: Traits) -> bool | None:
    needed = Traits(known.segments, known.zone)
    watch = compile_watch(rule, needed)
    # Some count by what every document has, and some by a trait that has been counting for long.
    if not needed.by_id or not needed.by_id.keys() <= set(counts):
        return None
    holds, until = watch(Profile(id=0), 0)
    return holds if until == NEVER else None
