"""Which way an event can move customers: into a segment, out of it, or both.

Who is in a segment that more events only bring people into need not be asked again when another
comes, for it also leaves them in at least as long; nor who is out of one that events only take
people out of. That holds of every event but the earliest of its name that a customer did, which
can set a clock going.
"""

from collections.abc import Callable

from harken.segments.behaviour import count_bounds
from harken.segments.needs import Traits
from harken.segments.reads import reads
from harken.segments.rules import All, Any_, Did, Distinct, First, InSegment, Last, Not, Rule


def only_in(rule: Rule, event: str, traits: Traits) -> bool:
    """Whether another event of this name, counted, can only bring customers in."""
    match rule:
        case _ if event not in reads(rule, traits.segments).events:
            return True
        case All() | Any_() | InSegment():
            return _each(only_in, rule, event, traits)
        case Not(not_=inner):
            return only_out(inner, event, traits)
        case Did():
            return not (rule.then or rule.then_not) and count_bounds(rule)[1] is None
        case Distinct():
            # In a window, the newest 1,000 are kept, of which a new one may drive out an old one.
            return rule.within is None and rule.only_least
        case Last():
            return _of_time_alone(rule) and rule.longer_ago is None
        case First():
            return _of_time_alone(rule)
        case _:
            return False


def only_out(rule: Rule, event: str, traits: Traits) -> bool:
    """Whether another event of this name, counted, can only take customers out."""
    match rule:
        case _ if event not in reads(rule, traits.segments).events:
            return True
        case All() | Any_() | InSegment():
            return _each(only_out, rule, event, traits)
        case Not(not_=inner):
            return only_in(inner, event, traits)
        case Did():
            return not (rule.then or rule.then_not) and count_bounds(rule)[0] <= 0
        case Last():
            return _of_time_alone(rule) and rule.within is None and rule.longer_ago is not None
        case First():
            return _of_time_alone(rule)
        case _:
            return False


def _each(
    one_way: Callable[[Rule, str, Traits], bool],
    rule: All | Any_ | InSegment,
    event: str,
    traits: Traits,
) -> bool:
    match rule:
        case All(all=parts) | Any_(any=parts):
            return all(one_way(part, event, traits) for part in parts)
        case InSegment(in_segment=name):
            return one_way(traits.segments[name], event, traits)


def _of_time_alone(rule: First | Last) -> bool:
    """How long ago an event of the name was, whatever it was like."""
    return not (rule.where or rule.is_) and rule.before is None and rule.after is None
