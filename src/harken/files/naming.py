"""What journeys name that is not there, and what else is wrong with one that is half read."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from harken.errors import Fault
from harken.files.plain import plain_steps
from harken.files.remnants import Remnant, beside
from harken.files.words import did_you_mean
from harken.journeys.compile import rules_of
from harken.journeys.entries import (
    ApiEntry,
    Entry,
    OutcomeEntry,
    PlaceEntry,
    SegmentEntry,
    way_in,
)
from harken.journeys.faults import journey_faults
from harken.journeys.kinds import CallWebhook, EnterJourney, IssueCoupon, Message, Step, walk
from harken.journeys.model import Journey
from harken.segments.check import rule_faults
from harken.segments.rules import Rule
from harken.workspace import Workspace

ASKED_ELSEWHERE = {"$.entry": ".same_key", "$.goal": ".measure", "$.steps": ".experiment"}
"""Where a journey says what a key elsewhere needs: a `key`, a goal, arms to try."""


class There(NamedTuple):
    """What a journey may name."""

    workspace: Workspace
    segments: Mapping[str, Rule]
    journeys: Mapping[str, Journey | None]
    """None for one that is there but broken."""
    coupons: Collection[str]
    """Pools, also those that are broken."""


def naming_faults(journey: Journey, there: There, *, archived: bool) -> Iterator[Fault]:
    """Names that nothing has, in the way in, the steps and the rules of a journey."""
    if not archived:
        yield from _entry_faults(journey.entry, there)
    for path, step in walk(journey.steps):
        yield from _named_by(step, path, there)
    for path, rule in rules_of(journey):
        yield from rule_faults(rule, path, there.segments)


def faults_left(
    source: Mapping[str, Any], rest: Remnant, there: There, *, archived: bool
) -> list[Fault]:
    """These and all else that is wrong with a journey that is not well formed, as far as it can be
    read."""
    if rest.typed is None:
        return []
    found = list(naming_faults(rest.typed, there, archived=archived))
    whole = _called(source) == _called(rest.plain)
    found += journey_faults(rest.typed, whole=whole)
    return [one for one in beside(found, rest.removed) if not _of_gap(one, rest.removed)]


def _called(source: Mapping[str, Any]) -> list[str]:
    """How the steps of a journey as it is written are called: by name, or by kind and place."""
    kinds = [one.key for one in get_args(Step)]
    found = []
    for place, (_, step) in enumerate(plain_steps(source.get("steps"))):
        kind = next((key for key in kinds if key in step), "")
        name = step.get("id") if kind not in ("message", "split") else step[kind]
        found.append(str(name or f"{kind}-{place + 1}"))
    return found


def _of_gap(fault: Fault, removed: Sequence[str]) -> bool:
    """Whether it is only said because what it asks for was taken away elsewhere in the file."""
    return any(
        gap.startswith(root) and fault.path.endswith(end)
        for root, end in ASKED_ELSEWHERE.items()
        for gap in removed
    )


def _entry_faults(entry: Entry, there: There) -> Iterator[Fault]:
    """What a way in names that is not there."""
    workspace, others = there.workspace, there.journeys
    match entry:
        case SegmentEntry(segment=name) if name not in there.segments:
            near = did_you_mean(name, there.segments)
            yield Fault("$.entry.segment", f"there is no segment `{name}`{near}")
        case PlaceEntry(place=name) if name not in workspace.places:
            near = did_you_mean(name, workspace.places)
            yield Fault("$.entry.place", f"the workspace has no place `{name}`{near}")
        case OutcomeEntry(journey=name) if name not in others:
            problem = f"there is no journey `{name}`{did_you_mean(name, others)}"
            yield Fault("$.entry.journey", problem)
        case OutcomeEntry(journey=name, message=message) if message and (other := others[name]):
            known = [step.message for _, step in walk(other.steps) if isinstance(step, Message)]
            if message not in known:
                problem = f"`{name}` has no message `{message}`{did_you_mean(message, known)}"
                yield Fault("$.entry.message", problem)


def _named_by(step: Step, path: str, there: There) -> Iterator[Fault]:
    """What a step names that is not there."""
    workspace, others = there.workspace, there.journeys
    match step:
        case IssueCoupon(coupon=name) if name not in there.coupons:
            hint = did_you_mean(name, there.coupons) or "; a pool is a file coupons/NAME.yaml"
            yield Fault(f"{path}.coupon", f"there is no coupon pool `{name}`{hint}")
        case Message() | CallWebhook():
            yield from _of_workspace(step, path, workspace)
        case EnterJourney(enter=name) if name not in others:
            problem = f"there is no journey `{name}`{did_you_mean(name, others)}"
            yield Fault(f"{path}.enter", problem)
        case EnterJourney(enter=name) if (other := others[name]) and not isinstance(
            other.entry, ApiEntry
        ):
            problem = (
                f"`{name}` is entered by {way_in(other.entry)}; it needs `entry: {{api: true}}`"
            )
            yield Fault(f"{path}.enter", problem)


def _of_workspace(step: Message | CallWebhook, path: str, workspace: Workspace) -> Iterator[Fault]:
    """A sender or webhook that there is not, or no webhook's name where there are several."""
    hooks = workspace.webhooks
    if isinstance(step, CallWebhook):
        key, name = "webhook", str(step.webhook)
    else:
        if step.sender and step.sender not in workspace.senders:
            known = ", ".join(workspace.senders) or "none"
            problem = f"the workspace has no sender `{step.sender}` (it has: {known})"
            near = did_you_mean(step.sender, workspace.senders)
            yield Fault(f"{path}.sender", f"{problem}{near}")
        if "webhook" not in step.by:
            return
        key, name = "hook", workspace.hook(step.hook)
    if name and name not in hooks:
        known = ", ".join(hooks) or "none"
        problem = f"the workspace has no webhook `{name}` (it has: {known})"
        yield Fault(f"{path}.{key}", f"{problem}{did_you_mean(name, hooks)}")
    elif hooks and not name:
        yield Fault(path, f"name the `hook` that it goes to: {', '.join(hooks)}")
