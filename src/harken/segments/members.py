"""Who moves between segments, at an event or at the second at which time alone moves them.

A segment is looked at again only when something that its rule reads has changed: the indexes of
`LiveSegments` say which those are.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping

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
        """Those out of which it may take customers."""
        self._always: Group = {}
        """Those into which it may bring anyone."""
        steps: dict[tuple[object, ...], list[tuple[Least, LiveSegment]]] = {}
        for name, one in segments.items():
            into, out = pull(rules[name], event, traits)
            if out:
                self._left[name] = one
            wanted = least(rules[name], traits) if into else None
            if wanted is not None:
                steps.setdefault((wanted.trait, wanted.within), []).append((wanted, one))
            elif into:
                self._always[name] = one
        self._ladders = [_ladder(some) for some in steps.values()]

    def asked(self, profile: Profile, event: Trigger, now: int) -> Group:
        """Those that it may change for a customer, once it is counted: in the others they are not
        and are far from coming into them, or they are and stay."""
        stat = profile.events.get(event.name)
        if stat is None or event.at <= stat.first:
            return self._all
        inside, traits = profile.segments, profile.traits
        coming = self._always
        for id, has, lowest, sizes, groups in self._ladders:
            state = traits.get(id)
            if state is not None and (size := has(state, now)) >= lowest:
                coming = coming | groups[bisect_right(sizes, size) - 1]
        if coming:
            coming = {name: one for name, one in coming.items() if name not in inside}
        if not self._left or self._left.keys().isdisjoint(inside):
            return coming
        return coming | {name: self._left[name] for name in inside.keys() & self._left.keys()}


Ladder = tuple[str, Holds, int, list[int], list[Group]]
"""Segments that ask for some of the same: the trait, how much its state holds, the least that any
asks for, how much they ask for, in order, and all those that ask for no more than that."""


def _ladder(steps: list[tuple[Least, LiveSegment]]) -> Ladder:
    wanted, sizes = steps[0][0], sorted({one.size for one, _ in steps})
    groups = [{segment.name: segment for one, segment in steps if one.size <= at} for at in sizes]
    return wanted.trait, wanted.holds(), sizes[0], sizes, groups


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
