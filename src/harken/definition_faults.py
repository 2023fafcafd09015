"""What is wrong with definitions that are well formed, each by itself and all taken together.

What is not well formed `checking` strips of its faults first.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from harken.catalogs.settings import catalog_faults
from harken.deciding.saying import Named, compile_words
from harken.errors import BadDefinition, Fault
from harken.files.naming import There, faults_left, naming_faults
from harken.files.reader import read
from harken.files.remnants import Remnant, beside, readable
from harken.gates import workspace_faults
from harken.inputs import Approved, Definitions, JourneySource
from harken.journeys.faults import journey_faults
from harken.journeys.model import Journey
from harken.messages.approvals import approvals
from harken.messages.pools import CouponPool, pool_faults
from harken.messages.surveys import Survey
from harken.segments.check import segment_faults
from harken.segments.live import Traits
from harken.segments.model import Segment
from harken.segments.rules import ANYBODY
from harken.workspace import Workspace

T = TypeVar("T")


def check(written: Definitions, *, guarded: bool = True) -> list[tuple[str, str, Fault]]:
    """Every fault of a bundle: (`workspace`, `journey` or `segment`, its name, the fault).

    Whole: what is well formed is also compiled, so that nothing broken ever goes live. Not
    `guarded`, what messages say that they may not is left to whoever knows what was approved.
    """
    faults: list[tuple[str, str, Fault]] = []
    workspace = Workspace()
    try:
        workspace = read(written.workspace, Workspace)
    except BadDefinition as bad:
        faults += [("workspace", "", fault) for fault in bad.faults]
    else:
        wrong = [*workspace_faults(workspace), *catalog_faults(workspace.catalogs)]
        faults += [("workspace", "", fault) for fault in wrong]
    segments = {name: readable(one, Segment) for name, one in written.segments.items()}
    faults += _segment_faults(segments)
    pools, unfit = _read_all(written.coupons, CouponPool, "coupon", pool_faults)
    faults += unfit + _read_all(written.surveys, Survey, "survey", _survey_faults)[1]
    journeys: dict[str, Journey] = {}
    broken: dict[str, Remnant] = {}
    for name, source in written.journeys.items():
        try:
            journeys[name] = read(source.source, Journey)
        except BadDefinition as bad:
            faults += [("journey", name, fault) for fault in bad.faults]
            broken[name] = readable(source.source, Journey)
    # One that is there but broken is named as such, not called unknown by all that refer to it.
    others = {name: journeys.get(name) for name in written.journeys}
    known = {name: rest.typed.rule for name, rest in segments.items() if rest.typed}
    there = There(
        workspace, dict.fromkeys(written.segments, ANYBODY) | known, others, written.coupons
    )
    named = Named(pools, written.surveys)
    approved = approvals(workspace, written.approvals) if guarded else None
    for name, journey in journeys.items():
        found = _check_journey(journey, written.journeys[name], there, named, approved)
        faults += [("journey", name, fault) for fault in found]
    for name, rest in broken.items():
        source = written.journeys[name]
        also = faults_left(source.source, rest, there, archived=source.archived)
        faults += [("journey", name, fault) for fault in also]
    return faults


def _segment_faults(segments: Mapping[str, Remnant]) -> Iterator[tuple[str, str, Fault]]:
    """What is wrong with each segment, and with what is left of all taken together."""
    for name, rest in segments.items():
        yield from (("segment", name, fault) for fault in rest.faults)
    whole = {name: rest.typed for name, rest in segments.items() if rest.typed is not None}
    for name, fault in segment_faults(whole, segments):
        if beside([fault], segments[name].removed):
            yield "segment", name, fault


def _survey_faults(survey: Survey) -> Iterable[Fault]:
    # Not at the top: what knows languages takes longer to load than Harken may take to start.
    from harken.messages.forms import survey_faults

    return survey_faults(survey)


def _read_all(
    written: Mapping[str, dict[str, Any]],
    type_: type[T],
    kind: str,
    faults_of: Callable[[T], Iterable[Fault]],
) -> tuple[dict[str, T], list[tuple[str, str, Fault]]]:
    """Those of a kind of file that are well formed, and every fault of all."""
    good: dict[str, T] = {}
    faults: list[tuple[str, str, Fault]] = []
    for name, source in written.items():
        try:
            good[name] = read(source, type_)
        except BadDefinition as bad:
            faults += [(kind, name, fault) for fault in bad.faults]
        else:
            faults += [(kind, name, fault) for fault in faults_of(good[name])]
    return good, faults


def _check_journey(
    journey: Journey,
    source: JourneySource,
    there: There,
    named: Named,
    approved: Collection[Approved] | None,
) -> list[Fault]:
    """`approved`: what messages may say though it would be refused; None: that is not looked at."""
    faults = journey_faults(journey)
    faults += naming_faults(journey, there, archived=source.archived)
    words = compile_words(source, there.workspace, Traits(), named)
    faults += words.faults
    if approved is not None and not source.archived:
        from harken.messages.privacy import guarded

        faults += guarded(journey, words, there.workspace, approved, there.segments)
    return faults
