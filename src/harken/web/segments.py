"""Groups of customers as they are asked about: counted, listed, compared, and how they grew.

Answers about groups come from history, in the set form, and are exact for what history holds:
each first waits (a moment) until that is all that the engine had handled. Whether one customer is
in a segment is read from their document, which is never behind.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from math import ceil, sqrt
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from harken.errors import BadDefinition, BadInput, Fault
from harken.files.reader import read
from harken.history.base import QUERY_LIMIT, Row
from harken.ids import derived_id
from harken.logs import structlog
from harken.loops.backfill import NOTE
from harken.segments import questions
from harken.segments.check import event_faults, rule_faults
from harken.segments.filling import Filling
from harken.segments.model import Segment
from harken.segments.needs import Traits
from harken.segments.rules import All, Any_, InSegment, Rule
from harken.segments.sql import compile_members
from harken.segments.sql_writing import Asked, Statement, careful
from harken.segments.words import describe
from harken.web import lists
from harken.web.catchup import caught_up
from harken.web.names import Names
from harken.web.problems import not_there
from harken.web.rules import parts

if TYPE_CHECKING:
    from harken.running.services import Services

PATIENCE = 2.0
"""Seconds that a question waits for history; then it is answered with what is there."""
FRESH = 60.0
"""Seconds for which a count in the list of segments stands."""
BUDGET = 2.0
"""Seconds that the list of segments spends on counting; what is left is counted next time."""
SMALL = 50_000
"""Customers below which an estimate is a count: it takes no longer, and is exact."""
TOTAL = "SELECT count(*) FROM profiles"
PAGE = 50_000
"""Members asked for at once."""


class Member(NamedTuple):
    """A customer in a group."""

    profile_id: int
    user_id: str | None


class Condition(Struct, kw_only=True):
    """One of the conditions of which all must hold."""

    condition: str
    passes: int
    """How many customers pass it, whatever the others say."""
    alone: int
    """How many it decides for alone: of an `all`, those who fail only this one and would be in
    without it; of an `any`, those who pass only this one."""


class Breakdown(Struct, kw_only=True):
    """How many customers each condition lets through."""

    count: int
    total: int
    conditions: list[Condition]


class Overlap(Struct, kw_only=True):
    """How many customers two groups share."""

    a: int
    b: int
    both: int
    only_a: int
    only_b: int


class Estimate(NamedTuple):
    """About how many, of how many, and how far off in all but one of twenty estimates."""

    estimate: int
    total: int
    margin: int


class Known(NamedTuple):
    """A count, and when it was made (ms)."""

    size: int
    at: int


NEVER = (float("-inf"), None)

log = structlog.get_logger("segments")


class Segments:
    """The segments in force, and questions about any group. Safe for many threads."""

    def __init__(self, services: "Services") -> None:
        self._services = services
        self.names = Names(services.history)
        self._lock = threading.Lock()
        self._read: tuple[int, dict[str, Segment]] = (-1, {})
        self._counts: dict[tuple[int, str], tuple[float, Known | None]] = {}
        """By revision of the definitions and segment; when (`time.monotonic`), and how many."""

    # -- what is in force

    def all(self) -> dict[str, Segment]:
        """The segments in force, by name."""
        return self._in_force()[1]

    def get(self, name: str) -> Segment:
        """A segment in force. Raises NotFound."""
        known = self.all()
        if name not in known:
            raise not_there("segment", name, known)
        return known[name]

    def warming(self) -> dict[str, float]:
        """Segments that do not know every customer's past yet, and how much is done (0 to 1)."""
        note = self._services.store.note(NOTE)
        return msgspec.msgpack.decode(note, type=Filling).shares() if note else {}

    def rule(self, raw: object, path: str = "$.rule") -> Rule:
        """A rule as it was sent, or the name of a segment. Raises BadDefinition and NotFound."""
        if isinstance(raw, str):
            return self.get(raw).rule
        rule: Rule = read(raw, Rule, path=path)
        faults = rule_faults(rule, path, self._rules())
        faults += event_faults(rule, path, "a question about everybody")
        if faults:
            raise BadDefinition(faults)
        return rule

    def warnings(self, definition: object, path: str, given: Collection[str] = ()) -> list[Fault]:
        """Names that a definition looks for and no data has; `given` are those to come."""
        uploaded = [one.name for one in lists.lists(self._services)]
        return self.names.warnings(definition, path, uploaded, given)

    # -- groups

    def count(self, rule: Rule) -> int:
        """How many customers the rule holds for."""
        return int(self._ask(lambda asked: questions.count(rule, asked))[0][0])

    def estimate(self, rule: Rule) -> Estimate:
        """About how many it holds for."""
        total = int(self._services.history.query(TOTAL)[0][0])
        if total < SMALL:
            found = self._ask(lambda asked: questions.count(rule, asked), patience=0.0)
            return Estimate(int(found[0][0]), total, 0)
        found = self._ask(lambda asked: questions.estimate(rule, asked), patience=0.0)
        estimate, drawn = found[0]
        # Of none drawn, up to three in the sample may have been missed (the rule of three).
        margin = 2 * estimate / sqrt(drawn) if drawn else 3 * questions.ONE_IN
        return Estimate(int(estimate), total, ceil(margin))

    def breakdown(self, rule: Rule) -> Breakdown:
        """How many pass each of the rule's conditions, and how many fail only that one."""
        found = self._ask(lambda asked: questions.breakdown(rule, asked))
        total, count, passes, alone = found[0]
        return Breakdown(
            total=total,
            count=count,
            conditions=[
                Condition(condition=describe(one), passes=int(passing), alone=int(deciding))
                for one, passing, deciding in zip(conditions(rule), passes, alone, strict=True)
            ],
        )

    def overlap(self, a: Rule, b: Rule) -> Overlap:
        """How many customers are in both groups, and in one of them alone."""
        only_a, both, only_b = self._ask(lambda asked: questions.overlap(a, b, asked))[0]
        return Overlap(a=only_a + both, b=only_b + both, both=both, only_a=only_a, only_b=only_b)

    def sample(self, rule: Rule, limit: int) -> list[Member]:
        """Some members, the same ones each time."""
        found = self._ask(lambda asked: questions.sample(rule, asked, limit))
        return [Member(*row) for row in found]

    def page(
        self, rule: Rule, after: int | None, limit: int, now: int | None = None
    ) -> list[Member]:
        """Members above a profile id, in the order of these ids."""

        def write(asked: Asked) -> Statement:
            return questions.members(rule, asked, after, limit)

        return [Member(*row) for row in self._ask(write, now=now, limit=limit, patience=0.0)]

    def page_of(self, name: str, after: int, limit: int) -> list[Member]:
        """Members of a segment in force, as `page` has them. Raises NotFound."""
        return self.page(self.get(name).rule, after, limit)

    def asks(self, name: str) -> str:
        """A hash of what a segment asks, by way of others too, and the zone. Raises NotFound."""
        self.get(name)
        rules = self._rules()
        asked: dict[str, Rule] = {}
        left = [name]
        while left:
            one = left.pop()
            if one in rules and one not in asked:
                asked[one] = rules[one]
                inner = [part for _, part in parts(rules[one])]
                left += [part.in_segment for part in inner if isinstance(part, InSegment)]
        return derived_id(self._zone().key, msgspec.json.encode(asked, order="sorted").decode())

    def pages(self, rule: Rule) -> Iterator[list[Member]]:
        """All members, a page at a time, as of one moment in all that time alone changes."""
        caught_up(self._services, PATIENCE)
        now, after = self._services.clock.now(), None
        while found := self.page(rule, after, PAGE, now):
            yield found
            if len(found) < PAGE:
                return
            after = found[-1].profile_id

    # -- counts of the segments in force

    def known_counts(self) -> dict[str, Known]:
        """What is known of how many each segment has; some are counted anew, for 2 s at most."""
        revision, segments = self._in_force()
        with self._lock:
            kept = {name: self._counts.get((revision, name), NEVER) for name in segments}
        until = time.monotonic() + BUDGET
        # Those never counted first, then the oldest counts.
        for name in sorted(segments, key=lambda name: kept[name][0]):
            now = time.monotonic()
            if now < until and now - kept[name][0] > FRESH:
                kept[name] = (now, self._counted_if_it_can_be(name))
        return {name: known for name, (_, known) in kept.items() if known is not None}

    def counted(self, name: str) -> Known:
        """How many a segment has now; remembered for the list of segments. Raises NotFound."""
        revision, rule = self._in_force()[0], self.get(name).rule
        made = Known(self.count(rule), self._services.clock.now())
        with self._lock:
            self._counts[revision, name] = (time.monotonic(), made)
        return made

    def record_sizes(self) -> int:
        """Write down how large each segment is now, those aside that are warming; how many."""
        warming, sizes = self.warming(), 0
        for name in self.all():
            if name not in warming and (known := self._counted_if_it_can_be(name)) is not None:
                self._services.history.record_size(name, known.at, known.size)
                sizes += 1
        return sizes

    def _counted_if_it_can_be(self, name: str) -> Known | None:
        """One segment that takes too long or too much memory must not keep the others from it."""
        try:
            return self.counted(name)
        except BadInput as fault:
            log.warning("segment_not_counted", segment=name, fault=str(fault))
            with self._lock:
                self._counts[self._read[0], name] = (time.monotonic(), None)
            return None

    # -- one customer

    def traits(self) -> Traits:
        """What rules about one document need to know of everything else."""
        return Traits(self._rules(), self._zone())

    def has(self, rule: Rule, profile_id: int) -> bool:
        """Whether history says that the rule holds for the customer."""
        caught_up(self._services, PATIENCE)
        return [one.profile_id for one in self.page(rule, profile_id - 1, 1)] == [profile_id]

    def selection(self, name: str) -> Statement:
        """The profile ids of a segment's members, for statements about them. Raises NotFound.

        Careful, since whoever puts it into a statement of their own cannot ask it a second time.
        """
        return compile_members(self.get(name).rule, careful(self._asked()))

    # -- how it is asked

    def _asked(self, now: int | None = None) -> Asked:
        at = self._services.clock.now() if now is None else now
        return Asked(now=at, zone=self._zone(), segments=self._rules())

    def _ask(
        self,
        write: Callable[[Asked], Statement],
        *,
        now: int | None = None,
        limit: int = QUERY_LIMIT,
        patience: float = PATIENCE,
    ) -> list[Row]:
        if patience:
            caught_up(self._services, patience)
        query = partial(self._services.history.query, limit=limit)
        return questions.ask(query, self._asked(now), write)

    def _rules(self) -> dict[str, Rule]:
        return {name: segment.rule for name, segment in self.all().items()}

    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self._services.in_force.workspace.timezone)

    def _in_force(self) -> tuple[int, dict[str, Segment]]:
        """The revision in force, and its segments by name."""
        revision = self._services.store.definitions_revision()
        with self._lock:
            if self._read[0] == revision:
                return self._read
        written = self._services.store.definitions()
        segments = {n: read(written.segments[n], Segment) for n in sorted(written.segments)}
        with self._lock:
            self._read = (written.revision, segments)
            for key in [key for key in self._counts if key[0] != written.revision]:
                del self._counts[key]
        return written.revision, segments


def conditions(rule: Rule) -> Sequence[Rule]:
    """The parts of an `all` or `any`; any other rule itself."""
    match rule:
        case All(all=found) | Any_(any=found):
            return found
        case _:
            return [rule]
