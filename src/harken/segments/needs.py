"""What a set of rules needs: traits to count by, the other segments, the workspace's zone."""

from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from harken.clock import LATEST
from harken.people.profile import Profile, Trigger
from harken.people.traits import Kind, Trait, make_trait, trait_id
from harken.segments.compare import compile_where, every, instant
from harken.segments.rules import CalendarDays, Did, First, Follow, Last, Rule, Span, Where
from harken.values import Duration

Check = Callable[[Profile, Trigger | None, int], bool]
"""(document, triggering event, now) -> whether the rule holds."""

UTC = ZoneInfo("UTC")


class Traits:
    """The traits that a set of rules needs, by id and by the event that moves them."""

    def __init__(self, segments: Mapping[str, Rule] | None = None, zone: ZoneInfo = UTC) -> None:
        self.by_id: dict[str, Trait] = {}
        self.by_event: dict[str, list[Trait]] = {}
        self.segments: Mapping[str, Rule] = segments or {}
        """Every segment's rule by name, for `in_segment`."""
        self.zone = zone
        """The workspace's, for rules that name none."""
        self.sums: dict[tuple[str, int], Any] = {}
        """What works out the sums of a trait in a window, shared by rules that differ in the amount
        alone."""
        self.checks: dict[str, Check] = {}
        """Segments compiled, by name."""

    def need(
        self,
        kind: Kind,
        events: tuple[str, ...],
        where: tuple[Where, ...] = (),
        *,
        path: str = "",
        within: Duration | CalendarDays | None = None,
        between: tuple[int, int] | None = None,
    ) -> str:
        """The id of the trait of that definition, shared with every rule that needs the same."""
        where = tuple(part for part in where if part)
        id = trait_id(kind, events, where, path, within, between)
        if id not in self.by_id:
            passes = every([compile_where(part) for part in where]) if where else None
            trait = make_trait(
                kind, events, where, path=path, within=within, between=between, passes=passes
            )
            self.by_id[id] = trait
            for event in events:
                self.by_event.setdefault(event, []).append(trait)
        return id

    def ask_totals(self, event: str) -> None:
        """Note that a rule asks how often the event was, ever, or when: documents keep that."""
        self.by_event.setdefault(event, [])

    def of_span(self, kind: Kind, event: str, span: Span, path: str = "") -> str:
        """The trait of the events of a span."""
        between = dates(span)
        return self.need(
            kind, (event,), (span.where,), path=path, within=span.within, between=between
        )

    def of_follow(self, rule: Did, follow: Follow) -> str:
        """The times of what may follow the events that `rule` counts."""
        between = dates(rule)
        if between is not None:
            end = LATEST if follow.in_ is None else between[1] + follow.in_
            between = (between[0], end)
        return self.need(
            "times", (follow.did,), (follow.where,), within=rule.within, between=between
        )

    def of_occasion(self, rule: First | Last, *, like: bool) -> str:
        """The first or last time; of the events that are also as `is` says, when `like`."""
        event = rule.first if isinstance(rule, First) else rule.last
        where = (rule.where, rule.is_) if like else (rule.where,)
        return self.need("first" if isinstance(rule, First) else "last", (event,), where)


def dates(span: Span) -> tuple[int, int] | None:
    """`between` as times: from the first (included) to the second (not included)."""
    if span.between is None:
        return None
    start, end = span.between
    return instant(start), instant(end)
