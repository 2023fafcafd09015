"""Who moves between segments, at an event or at the second at which time alone moves them.

A segment is looked at again only when something that its rule reads has changed: the indexes of
`LiveSegments` say which those are.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec import Struct

from harken.people.profile import Profile, Trigger
from harken.segments.check import parts
from harken.segments.least import Holds, Least, least
from harken.segments.live import Check, Traits, compile_rule
from harken.segments.model import Segment
from harken.segments.pull import pull
from harken.segments.reads import Reads, reads
from harken.segments.rules import Bucket, InSegment, Rule
from harken.segments.watch import Watch, compile_watch


class LiveSegment(Struct, frozen=True):
    """A segment ready to be asked."""

    name: str
    check: Check
    watch: Watch | None
    """None of those which time alone cannot change."""
    reads: Reads


Group = dict[str, LiveSegment]
"""Segments by name, to be put together quickly."""


class Listening:
    """The segments that an event of a name may change."""

    def __init__(self, event: str, segments: Group, rules: Mapping[str, Rule], traits: Traits):
        self._all = segments
        self._left: Group = {}
        """Those out of which it may take anyone."""
        self._always: Group = {}
        """Those into which it may bring anyone."""
        steps: dict[tuple[object, ...], list[Step]] = {}
        for name, one in segments.items():
            into, out = pull(rules[name], event, traits)
            wanted = least(rules[name], traits) if into else None
            if wanted is not None:
                steps.setdefault((wanted.trait, wanted.within), []).append(Step(wanted, one, out))
            elif into:
                self._always[name] = one
            if out and (wanted is None or wanted.may_fall):
                self._left[name] = one
        self._ladders = [_ladder(some) for some in steps.values()]

    def asked(self, profile: Profile, event: Trigger, now: int) -> Group:
        """Those that it may change for a customer, once it is counted: in the others they are not
        and are far from coming into them, or they are and stay."""
        stat = profile.events.get(event.name)
        if stat is None or event.at <= stat.first:
            return self._all
        inside, traits = profile.segments, profile.traits
        coming, leaving = self._always, self._left
        for id, has, lowest, sizes, groups, left in self._ladders:
            state = traits.get(id)
            if state is not None and (size := has(state, now)) >= lowest:
                coming = coming | groups[bisect_right(sizes, size) - 1]
                leaving = leaving | left
        # As keys, of which the fewer are looked up in the more: mostly nobody moves, and a document
        # with its many segments is far from the processor.
        if coming and coming.keys() <= inside.keys():
            coming = {}
        elif coming:
            coming = {name: one for name, one in coming.items() if name not in inside}
        if not leaving or leaving.keys().isdisjoint(inside.keys()):
            return coming
        return coming | {name: one for name, one in leaving.items() if name in inside}


class Step(NamedTuple):
    """A segment into which an event may bring those who have the least that it asks for."""

    wanted: Least
    segment: LiveSegment
    out: bool
    """Whether the event may also take them out."""


Ladder = tuple[str, Holds, int, list[int], list[Group], Group]
"""Segments that ask for some of the same: the trait, how much its state holds, the least that any
asks for, how much they ask for, in order, and all those that ask for no more than that. Last, those
out of which the event may take customers: in none of them is who holds less than the least."""


def _ladder(steps: list[Step]) -> Ladder:
    wanted, sizes = steps[0].wanted, sorted({one.wanted.size for one in steps})
    groups = [
        {one.segment.name: one.segment for one in steps if one.wanted.size <= at} for at in sizes
    ]
    left = {one.segment.name: one.segment for one in steps if one.out}
    return wanted.trait, wanted.holds(), sizes[0], sizes, groups, left


class Move(Struct, frozen=True):
    """A customer enters a segment, or leaves it."""

    segment: str
    entered: bool


def refers_to(rule: Rule) -> set[str]:
    """The segments that a rule names itself."""
    return {str(inner.in_segment) for _, inner in parts(rule, "") if isinstance(inner, InSegment)}


def _by_chance(rule: Rule, rules: Mapping[str, Rule]) -> bool:
    """Whether the answer also hangs on the customer's id."""
    if any(isinstance(inner, Bucket) for _, inner in parts(rule, "")):
        return True
    return any(_by_chance(rules[name], rules) for name in refers_to(rule) & rules.keys())


NOTHING: tuple[list[Move], int] = ([], 0)


class LiveSegments:
    """All segments, and which of them an event, attribute or other fact may change."""

    def __init__(self, segments: Mapping[str, Segment], traits: Traits) -> None:
        self.sources = segments
        rules = {name: segment.rule for name, segment in segments.items()}
        self.by_name: Group = {}
        by_event: dict[str, Group] = {}
        self.by_attribute: dict[str, Group] = {}
        """By the first part of the attribute's path."""
        self.by_fact: dict[str, Group] = {}
        """`consent`, `reach`, `lists`, `location`, `user_id`, `devices`."""
        self.timed: Group = {}
        """Those which time alone may change."""
        self.of_anyone: Group = {}
        """Those which someone may be in of whom nothing is known yet."""
        for name, rule in rules.items():
            seen = reads(rule, rules)
            watch = compile_watch(rule, traits) if seen.timed else None
            check = compile_rule(rule, traits)
            segment = LiveSegment(name, check, watch, seen)
            self.by_name[name] = segment
            for index, names in (
                (by_event, segment.reads.events),
                (self.by_attribute, segment.reads.attributes),
                (self.by_fact, segment.reads.facts),
            ):
                for one in names:
                    index.setdefault(one, {})[name] = segment
            if segment.reads.timed:
                self.timed[name] = segment
            if moves(Profile(id=0), [segment], 0) != NOTHING or _by_chance(rule, rules):
                self.of_anyone[name] = segment
        self._by_event = {
            event: Listening(event, group, rules, traits) for event, group in by_event.items()
        }

    def by_event(self, event: Trigger, profile: Profile, now: int) -> Group:
        """The segments that an event, which is counted, may change for a customer."""
        listening = self._by_event.get(event.name)
        return {} if listening is None else listening.asked(profile, event, now)


def moves(profile: Profile, asked: Iterable[LiveSegment], at: int) -> tuple[list[Move], int]:
    """Which of the segments asked the customer enters or leaves at `at`; notes it in the document.

    Also the earliest time (ms) at which time alone may change one of the answers, 0 for never.
    """
    found, earliest = [], 0
    inside = profile.segments
    for segment in asked:
        watch = segment.watch
        if watch is None:
            member, until = segment.check(profile, None, at), 0
        else:
            member, until = watch(profile, at)
        if until and (until < earliest or not earliest):
            earliest = until
        if member != (segment.name in inside):
            if member:
                inside[segment.name] = at
            else:
                del inside[segment.name]
            found.append(Move(segment.name, member))
    return found, earliest
