"""Who enters a journey, and why others do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from harken.clock import on_the_wall
from harken.effects import Decision
from harken.gates.who import held_out
from harken.ids import derived_id, run_id
from harken.journeys.compile import LiveJourney, Node
from harken.journeys.entries import DATE_REACHED, ENTERED, SCHEDULED, Reentry, ScheduleEntry
from harken.journeys.kinds import EnterJourney
from harken.journeys.steps import given
from harken.people.place import zone_of
from harken.people.profile import Profile, Run, Trigger

if TYPE_CHECKING:
    from harken.deciding.reactions import Handling

DEEPEST = 5
"""How many events of our own may follow from one another before the chain is cut."""
KEPT_KEYS = 1_000
"""Entry keys remembered per journey; the oldest are forgotten."""
BY_CLOCK = (SCHEDULED, DATE_REACHED)
RUNS_AT_ONCE = 100
"""Runs of one journey that a customer may have in flight."""

Refusal = tuple[str, dict[str, Any]]
"""A reason, and the values that it was decided on."""


def enter(
    handling: Handling,
    journey: LiveJourney,
    event: Trigger,
    *,
    past: Refusal | None = None,
    control: str = "",
) -> str:
    """Begin a run of the journey because of the event, or note why not: `entered` or the reason.

    `past` is why the event starts none, when it is of the past. `control` names the experiment in
    whose control group the run is from the start.
    """
    key = journey.key_of(event.properties)
    refusal = _refusal(handling, journey, event, key, past)
    if refusal is not None or key is None:
        return refuse(handling, journey, event, *(refusal or ("no_key", {})))
    profile = handling.profile
    run = Run(
        id=run_id(profile.id, journey.name, key, _occurrence(event)),
        journey=journey.name,
        revision=journey.revision,
        key=key,
        entered_at=_entry_time(handling, event),
        since=handling.upto,
        # What a run learns stands with its event, and several may begin with the same one.
        event=replace(event, answers={}, coupon=""),
        depth=handling.depth,
        control=control,
    )
    if run.id in profile.runs:
        return "already_in"
    profile.runs[run.id] = run
    _remember_entry(profile, run)
    facts = _facts_of(event)
    facts["at"], facts["properties"] = event.at, event.properties
    handling.decide(run, "entered", "event", facts=facts)
    told = {"journey": journey.name, "revision": journey.revision, "run": run.id}
    handling.record("$journey_entered", told, at=handling.received_at, journey=journey.name)
    handling.take_in(Trigger(name="$journey_entered", at=handling.received_at, properties=told))
    if run.id in profile.runs:
        handling.advance(run, journey)
    return "entered"


def _entry_time(handling: Handling, event: Trigger) -> int:
    """From when re-entry is measured: what slipped must not shift tomorrow's."""
    return event.at if event.name == SCHEDULED else handling.upto


def _facts_of(event: Trigger) -> dict[str, Any]:
    facts: dict[str, Any] = {"event": event.name}
    if event.broadcast:
        facts["broadcast"] = event.broadcast
    return facts


def put_in(
    handling: Handling, name: str, properties: dict[str, Any], id: str, control: str = ""
) -> None:
    """Enter a journey whose entry is by API. `id` tells this time from another.

    That it is by API was checked, but it may have changed until the word came here.
    """
    journey = handling.definitions.journeys.get(name)
    event = Trigger(name=ENTERED, at=handling.received_at, message_id=id, properties=properties)
    if journey is None:
        _note(handling, name, 0, event, "unknown_journey", {})
    elif not journey.by_hand and not journey.archived:
        refuse(handling, journey, event, "not_by_hand", {})
    else:
        enter(handling, journey, event, control=control)


def enter_other(handling: Handling, run: Run, node: Node, step: EnterJourney) -> None:
    """A run puts the customer into another journey. Journeys that put customers into one another
    are cut like any chain of our own."""
    properties = given(step.properties, run) if step.properties else run.event.properties
    depth = max(handling.depth, run.depth)
    if depth >= DEEPEST:
        event = Trigger(name=ENTERED, at=handling.received_at, properties=properties)
        revision = getattr(handling.definitions.journeys.get(step.enter), "revision", 0)
        facts = {"by": run.journey, "step": node.id, "depth": depth}
        _note(handling, step.enter, revision, event, "chain_too_long", facts)
        return
    before, handling.depth = handling.depth, depth + 1
    # What follows from a journey is part of what its control group is held back from.
    control = run.control or _held_out_of(handling, run)
    put_in(handling, step.enter, properties, derived_id(run.id, node.id, run.turns), control)
    handling.depth = before


def _held_out_of(handling: Handling, run: Run) -> str:
    """The run's journey, if its control group holds the customer out of it."""
    journey = handling.definitions.journey(run.journey, run.revision)
    if journey is None or journey.source.purpose == "transactional":
        return ""
    percent = journey.source.control_percent
    return run.journey if held_out(handling.profile.id, run.journey, percent) else ""


def at_any_time(handling: Handling, run: Run) -> bool:
    """Whether the run's journey may be entered again while it is in flight."""
    journey = handling.definitions.journey(run.journey, run.revision)
    return not run.key and journey is not None and journey.source.entry.reentry == "always"


def refuse(
    handling: Handling, journey: LiveJourney, event: Trigger, reason: str, facts: dict[str, Any]
) -> str:
    """Note why the event does not start the journey; the reason."""
    _note(handling, journey.name, journey.revision, event, reason, facts)
    return reason


def _note(
    handling: Handling,
    journey: str,
    revision: int,
    event: Trigger,
    reason: str,
    facts: dict[str, Any],
) -> None:
    handling.effects.decisions.append(
        Decision(
            at=handling.now,
            profile_id=handling.profile.id,
            journey=journey,
            revision=revision,
            outcome="not_entered",
            reason=reason,
            facts={**_facts_of(event), **facts},
        )
    )


def _refusal(
    handling: Handling,
    journey: LiveJourney,
    event: Trigger,
    key: str | None,
    past: Refusal | None,
) -> Refusal | None:
    """Why the event does not start the journey, or None."""
    entry, profile = journey.source.entry, handling.profile
    if journey.archived:
        return "archived", {}
    if journey.source.state == "paused":
        return "paused", {}
    if past is not None:
        return past
    if journey.name in handling.definitions.unfilled(profile.id):
        return "warming", {}
    if journey.starts_at and handling.received_at < journey.starts_at:
        return "not_started", {"starts_at": journey.starts_at}
    if journey.ends_at and handling.received_at >= journey.ends_at:
        return "ended", {"ends_at": journey.ends_at}
    if key is None:
        return "no_key", {"key": entry.key_property}
    if journey.audience and not journey.audience(profile, event, handling.now):
        unmet = handling.definitions.unmet_audience(journey)
        return "audience", {"failed": unmet(profile, event, handling.now)}
    if len(profile.runs) >= RUNS_AT_ONCE:
        in_flight = sum(run.journey == journey.name for run in profile.runs.values())
        if in_flight >= RUNS_AT_ONCE:
            return "too_many_runs", {"in_flight": in_flight}
    return _reentry_refusal(handling, journey, event, key)


def _reentry_refusal(
    handling: Handling, journey: LiveJourney, event: Trigger, key: str
) -> Refusal | None:
    reentry, profile = journey.source.entry.reentry, handling.profile
    entered = profile.entries.get(journey.name, {}).get(key)
    if entered is not None and reentry != "always":
        facts: dict[str, Any] = {"key": key} if key else {}
        facts["entered_at"] = entered
        if not isinstance(reentry, Reentry):
            return "reentry", facts
        if not _long_after(handling, journey, event, entered, reentry.after):
            return "reentry", {**facts, "again_at": entered + reentry.after}
    # One run for each value of a key, also when it lasts longer than re-entry waits.
    return ("already_in", {"key": key}) if key and _in_flight(profile, journey.name, key) else None


def _long_after(
    handling: Handling, journey: LiveJourney, event: Trigger, entered: int, after: int
) -> bool:
    """Whether so much time has passed since the last entry.

    What comes by the clock on the wall is measured by it, or a day of 23 hours would be left out.
    One that the clocks have skipped came when they had changed: it counts from just before.
    """
    at, entry = _entry_time(handling, event), journey.source.entry
    if event.name not in BY_CLOCK:
        return at - entered >= after
    ours = isinstance(entry, ScheduleEntry) and entry.zone == "workspace"
    zone = handling.definitions.zone
    zone = zone if ours else zone_of(handling.profile, zone)
    return on_the_wall(at, zone) - on_the_wall(entered - 1, zone) > after


def _in_flight(profile: Profile, journey: str, key: str) -> bool:
    return any((run.journey, run.key) == (journey, key) for run in profile.runs.values())


def _remember_entry(profile: Profile, run: Run) -> None:
    keys = profile.entries.setdefault(run.journey, {})
    keys.pop(run.key, None)
    keys[run.key] = run.entered_at
    if len(keys) > KEPT_KEYS:
        del keys[next(iter(keys))]


def _occurrence(event: Trigger) -> str:
    """What tells an event from another of its name; our own can happen twice in a millisecond."""
    if event.message_id:
        return event.message_id
    return f"{event.name} {event.at} {msgspec.json.encode(event.properties, order='sorted')!r}"
