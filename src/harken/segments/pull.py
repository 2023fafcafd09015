"""Which way an event can move customers: into a segment, out of it, or both.

Who is in a segment that more events only bring people into need not be asked again when another
comes, for it also leaves them in at least as long; nor who is out of one that events only take
people out of. That holds of every event but the earliest of its name that a customer did, which
can set a clock going.
"""

from typing import NamedTuple

from harken.segments.behaviour import count_bounds
from harken.segments.needs import Traits
from harken.segments.reads import reads
from harken.segments.rules import All, Any_, Did, Distinct, First, InSegment, Last, Not, Rule


class Pull(NamedTuple):
    """Whether another event of a name, counted, can bring customers in, and take them out."""

    into: bool
    out: bool


NEITHER = Pull(into=False, out=False)
INTO = Pull(into=True, out=False)
OUT = Pull(into=False, out=True)
BOTH = Pull(into=True, out=True)


def pull(rule: Rule, event: str, traits: Traits) -> Pull:
    """Which way another event of this name can move customers, as far as `rule` goes."""
    match rule:
        case _ if event not in reads(rule, traits.segments).events:
            return NEITHER
        case All(all=parts) | Any_(any=parts):
            pulls = [pull(part, event, traits) for part in parts]
            return Pull(any(one.into for one in pulls), any(one.out for one in pulls))
        case InSegment(in_segment=name):
            return pull(traits.segments[name], event, traits)
        case Not(not_=inner):
            into, out = pull(inner, event, traits)
            return Pull(into=out, out=into)
        case Did(then=None, then_not=None):
            low, high = count_bounds(rule)
            return Pull(into=low > 0, out=high is not None)
        case Distinct(within=None) if rule.only_least:
            # In a window, the newest 1,000 are kept, of which a new one may drive out an old one.
            return INTO
        case First() | Last():
            return _of_occasion(rule)
        case _:
            return BOTH


def _of_occasion(rule: First | Last) -> Pull:
    """The first time stays what it is, the last time is put off."""
    if rule.where or rule.is_ or rule.before is not None or rule.after is not None:
        return BOTH
    if isinstance(rule, First):
        return NEITHER
    if rule.longer_ago is None:
        return INTO
    return OUT if rule.within is None else BOTH
