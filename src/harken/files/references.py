"""Surveys, questions, pools and segments that conditions ask for and that are not there.

Warnings, for an event's properties are whatever its sender says; but of Harken's own events it is
known what they can say, and a name that nothing has is never met.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import UNSET

from harken.errors import Fault
from harken.files.reader import try_read
from harken.files.remnants import beside, readable
from harken.files.words import did_you_mean
from harken.inputs import Definitions
from harken.journeys.compile import rules_of
from harken.journeys.kinds import (
    AwaitedEvent,
    EnterJourney,
    FromAnswer,
    IssueCoupon,
    Step,
    Update,
    WaitFor,
    step_id,
    walk,
)
from harken.journeys.model import Journey
from harken.messages.pools import OWN as OF_COUPONS
from harken.messages.pools import CouponPool
from harken.messages.surveys import OWN as OF_SURVEYS
from harken.messages.surveys import Survey
from harken.segments.check import parts
from harken.segments.model import Segment
from harken.segments.rules import AnswerIs, Did, First, Last, Measure, Rule, Where

ANSWERED = "$survey_answered"
COUPON_EVENTS = ("$coupon_issued", "$coupon_redeemed", "$coupon_expired")
SEGMENT_EVENTS = ("$segment_entered", "$segment_exited")

Asked = Iterator[tuple[str, str, Where]]
"""(Path of the conditions, the event, the conditions on its properties)."""


class There(NamedTuple):
    """What conditions may ask for, by name; None for one that is there but broken."""

    surveys: Mapping[str, Survey | None]
    pools: Mapping[str, CouponPool | None]
    segments: Collection[str]


def unmet(written: Definitions) -> Iterator[tuple[str, str, Fault]]:
    """A warning for each name that nothing has: (kind of file, its name, the warning)."""
    there = There(
        {name: try_read(one, Survey)[0] for name, one in written.surveys.items()},
        {name: try_read(one, CouponPool)[0] for name, one in written.coupons.items()},
        written.segments,
    )
    for name, one in written.segments.items():
        left = readable(one, Segment)
        if left.typed is not None:
            for fault in beside(_events(_of_rule(left.typed.rule, "$.rule"), there), left.removed):
                yield "segment", name, fault
    for name, source in written.journeys.items():
        if source.archived:
            continue
        rest = readable(source.source, Journey)
        if rest.typed is None:
            continue
        for fault in beside(_events(_of_journey(rest.typed), there), rest.removed):
            yield "journey", name, fault
        for fault in () if rest.faults else _answers(rest.typed, there):
            yield "journey", name, fault


def _of_journey(journey: Journey) -> Asked:
    where = getattr(journey.entry, "where", None)
    if where and "event" in journey.entry.__struct_fields__:
        yield "$.entry.where", journey.entry.event, where
    for index, exception in enumerate(journey.exceptions):
        yield f"$.exceptions[{index}].where", exception.event, exception.where
    if journey.goal is not None:
        yield "$.goal.where", journey.goal.event, journey.goal.where
    for path, step in walk(journey.steps):
        if isinstance(step, WaitFor):
            for index, one in enumerate(step.wait_for):
                if isinstance(one, AwaitedEvent):
                    yield f"{path}.wait_for[{index}].where", one.event, one.where
    for path, rule in rules_of(journey):
        yield from _of_rule(rule, path)


def _of_rule(rule: Rule, path: str) -> Asked:
    for place, inner in parts(rule, path):
        match inner:
            case Did():
                yield f"{place}.where", inner.did, inner.where
                for key, follow in (("then", inner.then), ("then_not", inner.then_not)):
                    if follow is not None:
                        yield f"{place}.{key}.where", follow.did, follow.where
            case Measure():
                yield f"{place}.where", inner.of, inner.where
            case First():
                yield f"{place}.where", inner.first, inner.where
                yield f"{place}.is", inner.first, inner.is_
            case Last():
                yield f"{place}.where", inner.last, inner.where
                yield f"{place}.is", inner.last, inner.is_


def _events(asked: Asked, there: There) -> Iterator[Fault]:
    for path, event, where in asked:
        if event == ANSWERED:
            yield from _absent(path, where, "survey", there.surveys, "there is no survey")
            yield from _questions(path, where, there)
        elif event in COUPON_EVENTS:
            yield from _absent(path, where, "pool", there.pools, "there is no coupon pool")
        elif event in SEGMENT_EVENTS:
            yield from _absent(path, where, "segment", there.segments, "there is no segment")


def _absent(
    path: str, where: Where, key: str, known: Collection[str], problem: str
) -> Iterator[Fault]:
    for name in _named(where, key):
        if name not in known:
            said = f"{problem} `{name[:64]}`{did_you_mean(name, known)}"
            yield Fault(f"{path}.{key}", said, warning=True)


def _named(where: Where, key: str) -> list[str]:
    """The names that a property must be: `equals` one, or be `in` a list."""
    test = where.get(key)
    if test is None:
        return []
    names = [test.equals] if test.equals is not UNSET else test.in_ if test.in_ is not UNSET else []
    return [name for name in names if isinstance(name, str)]


def _questions(path: str, where: Where, there: There) -> Iterator[Fault]:
    known = _answerable(_named(where, "survey"), there)
    for key in where if known else ():
        if key.partition(".")[0] not in known:
            near = did_you_mean(key, known)
            yield Fault(f"{path}.{key}", f"the survey has no question `{key}`{near}", warning=True)


def _answerable(surveys: list[str], there: There) -> set[str]:
    """What answers to these surveys say; empty when that is not known of all."""
    found = [there.surveys.get(name) for name in surveys]
    if not found or None in found:
        return set()
    return {*OF_SURVEYS, *(one.id for survey in found if survey for one in survey.questions)}


def _answers(journey: Journey, there: There) -> Iterator[Fault]:
    """`{answer: step.name}` of what the step never learns."""
    learned = {
        step_id(step, place): _learned(step, there)
        for place, (_, step) in enumerate(walk(journey.steps))
    }
    for path, answer in _asked_answers(journey):
        id, _, name = answer.partition(".")
        known = learned.get(id)
        if known and name.partition(".")[0] not in known:
            problem = f"`{id}` learns no `{name}`{did_you_mean(name, known)}"
            yield Fault(path, problem, warning=True)


def _learned(step: Step, there: There) -> set[str]:
    """The names that a step learns; empty when these are anybody's."""
    match step:
        case IssueCoupon(coupon=name):
            pool = there.pools.get(name)
            return {*OF_COUPONS, *pool.facts} if pool is not None else set()
        case WaitFor(wait_for=awaited):
            known = [
                _answerable(_named(one.where, "survey"), there)
                if isinstance(one, AwaitedEvent) and one.event == ANSWERED
                else set[str]()
                for one in awaited
            ]
            return set[str]().union(*known) if all(known) else set()
    return set()


def _asked_answers(journey: Journey) -> Iterator[tuple[str, str]]:
    for path, rule in rules_of(journey):
        for place, inner in parts(rule, path):
            if isinstance(inner, AnswerIs):
                yield f"{place}.answer", inner.answer
    for path, step in walk(journey.steps):
        values: dict[str, Any] = {}
        key = "with"
        if isinstance(step, Update):
            values, key = step.update, "update"
        elif isinstance(step, EnterJourney):
            values = step.properties
        for name, value in values.items():
            if isinstance(value, FromAnswer):
                yield f"{path}.{key}.{name}.answer", value.answer
