"""How one input works through a customer's document: runs end, begin and go on.

`Handling` holds what one call of `handle` shares: the document, the time, the definitions, and
the effects that pile up.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from harken.asking import ask
from harken.clock import SECOND
from harken.definitions import InForce
from harken.effects import Decision, Effects, Happening, Outcome
from harken.ids import derived_id
from harken.inputs import WakeUp
from harken.journeys.compile import LiveJourney
from harken.journeys.model import Exit, Message, Reentry, Step, Wait
from harken.journeys.steps import End, Go, Park, Result, take_exit, take_wait
from harken.people import sessions
from harken.people.apply import count_event
from harken.people.profile import Profile, Run, Trigger
from harken.segments.explain import unmet
from harken.segments.members import Group, LiveSegment, moves
from harken.segments.rules import lookup

DEEPEST = 5
"""How many events of our own may follow from one another before the chain is cut."""
KEPT_KEYS = 1_000
"""Entry keys remembered per journey; the oldest are forgotten."""
RUNS_AT_ONCE = 100
"""Runs of one journey that a customer may have in flight."""


class Handling:
    """One input at work on one document."""

    def __init__(self, profile: Profile, now: int, definitions: InForce) -> None:
        self.profile = profile
        self.now = now
        self.definitions = definitions
        self.effects = Effects(profile)
        self.received_at = now
        self.upto = now
        """When the input was due or received: what came later is not known yet. A wait that ends
        after it parks, however late we are, so that its exceptions are seen first."""
        self.depth = 0
        """How far this input is from what the customer did: chains of our own events are cut."""
        self._asked: Group = {}

    # -- history

    def record(self, name: str, properties: dict[str, Any], *, at: int, **columns: Any) -> None:
        """Keep an event in history."""
        self.effects.happenings.append(
            Happening(
                at=at,
                received_at=self.received_at,
                profile_id=self.profile.id,
                name=name,
                properties=properties,
                **columns,
            )
        )

    def emit(
        self,
        name: str,
        properties: dict[str, Any],
        *,
        at: int,
        silent: bool = False,
        **columns: Any,
    ) -> None:
        """An event of our own: kept, counted, and reacted to like any other."""
        self.record(name, properties, at=at, **columns)
        if silent:
            return
        trigger = Trigger(name=name, at=at, properties=properties)
        count_event(self.profile, trigger, self.definitions.traits, self.now)
        self.ask(self.definitions.segments.by_event.get(name, {}))
        if self.depth >= DEEPEST:
            return
        self.depth += 1
        self.react(trigger)
        self.depth -= 1

    def decide(
        self,
        run: Run,
        outcome: Outcome,
        reason: str,
        *,
        step: str = "",
        facts: dict[str, Any] | None = None,
    ) -> None:
        """Note what was decided about a run."""
        self.effects.decisions.append(
            Decision(
                at=self.now,
                profile_id=self.profile.id,
                journey=run.journey,
                revision=run.revision,
                run=run.id,
                outcome=outcome,
                reason=reason,
                step=step,
                facts=facts or {},
            )
        )

    # -- segments

    def ask(self, segments: Group) -> None:
        """Look at these segments again once the input is handled."""
        self._asked.update(segments)

    def state(self, fact: str, *attributes: str) -> None:
        """A fact of the customer has changed (`attributes`, `reach` ...): history and segments."""
        self.effects.facts = True
        segments = self.definitions.segments
        self.ask(segments.by_fact.get(fact, {}))
        for name in attributes:
            self.ask(segments.by_attribute.get(name, {}))

    def move(self) -> None:
        """Let the customer enter and leave segments; what follows from that may move them again."""
        for _ in range(DEEPEST):
            asked, self._asked = self._asked, {}
            if not asked or self.effects.forgotten:
                return
            self._wake_for_segments(self._moved(asked.values()))
        # A chain that would go on for ever goes on later: other customers have their turn.
        self._wake_for_segments(self.now + SECOND)

    def _moved(self, asked: Iterable[LiveSegment]) -> int:
        unfilled = self.definitions.unfilled(self.profile.id)
        if unfilled:
            asked = [segment for segment in asked if segment.name not in unfilled]
        found, until = moves(self.profile, asked, self.upto)
        for one in found:
            name = "$segment_entered" if one.entered else "$segment_exited"
            self.emit(name, {"segment": one.segment}, at=self.upto)
        return until

    def move_if_due(self, due: int) -> None:
        """The wake-up `segments`: time alone may have moved the customer."""
        if self.profile.segments_due == due:
            self.profile.segments_due = 0
            self.ask(self.definitions.segments.timed)

    def fill(self, segments: Iterable[str]) -> None:
        """Note which new segments the customer is in: that they are there is no event."""
        known = self.definitions.segments.by_name
        asked = [known[name] for name in segments if name in known]
        found, until = moves(self.profile, asked, self.upto)
        self.effects.changed = self.effects.changed or bool(found or until)
        self._wake_for_segments(until)

    def _wake_for_segments(self, until: int) -> None:
        profile = self.profile
        due = profile.segments_due
        # Moved to an earlier time only: a wake-up too early costs less than moving it each event.
        if until and (not due or until < due):
            if due:
                self.cancel(WakeUp(due, profile.id, "segments"))
            profile.segments_due = until
            self.effects.wake.append(WakeUp(until, profile.id, "segments"))

    # -- sessions

    def follow_session(self, event: Trigger) -> None:
        """Count the event into the session that is going on, or begin one."""
        after = self.definitions.workspace.sessions.after
        session = self.profile.session
        if session is not None and event.at - session.last > after:
            self._end_session()
            session = None
        if session is None:
            session = sessions.begin(event)
            session.due = max(event.at, self.received_at) + after
            self.profile.session = session
            self.effects.wake.append(WakeUp(session.due, self.profile.id, "session"))
            self.emit("$session_started", {}, at=event.at)
        sessions.follow(session, event)

    def end_session_if_over(self) -> None:
        """The session's wake-up: it moves once a session, not once an event."""
        session = self.profile.session
        if session is None or session.due > self.now:
            return
        over = session.last + self.definitions.workspace.sessions.after
        if over <= self.now:
            self._end_session()
        else:
            session.due = over
            self.effects.wake.append(WakeUp(over, self.profile.id, "session"))

    def rewake_session(self) -> None:
        """After a merge: one session, one wake-up."""
        session = self.profile.session
        if session is not None:
            session.due = max(self.now, session.last + self.definitions.workspace.sessions.after)
            self.effects.wake.append(WakeUp(session.due, self.profile.id, "session"))

    def _end_session(self) -> None:
        session = self.profile.session
        if session is None:
            return
        self.profile.session = None
        self.cancel(WakeUp(session.due, self.profile.id, "session"))
        self.emit("$session_ended", sessions.summary(session), at=session.last)

    # -- reactions

    def react(self, event: Trigger, *, late: bool = False) -> None:
        """Let every run and every journey see the event."""
        self.show(event)
        for journey in self.definitions.entries.get(event.name, ()):
            # One that does not fit is no decision about the customer: see `reports.misses`.
            if journey.fits(event.properties):
                self._enter(journey, event, late)

    def show(self, event: Trigger) -> None:
        """Let every run in flight see the event."""
        for run in list(self.profile.runs.values()):
            self._see(run, event)

    def _see(self, run: Run, event: Trigger) -> None:
        """A run in flight sees an event: it may be an exception, or make `exit_when` true."""
        journey = self.definitions.journey(run.journey, run.revision)
        if journey is None:
            return
        for passes in journey.exceptions.get(event.name, ()):
            if passes(event.properties):
                # The customer is free to enter again, whatever `reentry` says.
                self.profile.entries.get(run.journey, {}).pop(run.key, None)
                facts = {"event": event.name, "at": event.at, "properties": event.properties}
                self._end(run, journey, "exception", facts)
                return
        if journey.exit_when and journey.exit_when(self.profile, run.event, self.now):
            self._end(run, journey, "exit_when", {"event": event.name})

    def _enter(self, journey: LiveJourney, event: Trigger, late: bool) -> None:
        key = _key_of(journey, event)
        refusal = self._refusal(journey, event, key, late)
        if refusal is not None or key is None:
            self._refuse(journey, event, *(refusal or ("no_key", {})))
            return
        run = Run(
            id=derived_id(journey.name, self.profile.id, key, _occurrence(event)),
            journey=journey.name,
            revision=journey.revision,
            key=key,
            entered_at=self.received_at,
            since=self.received_at,
            event=event,
            depth=self.depth,
        )
        if run.id in self.profile.runs:
            return
        self.profile.runs[run.id] = run
        self._remember_entry(run)
        facts = {"event": event.name, "at": event.at, "properties": event.properties}
        self.decide(run, "entered", "event", facts=facts)
        self.emit(
            "$journey_entered",
            {"journey": journey.name, "revision": journey.revision, "run": run.id},
            at=self.received_at,
            journey=journey.name,
        )
        if run.id in self.profile.runs:
            self._advance(run, journey)

    def _refuse(
        self, journey: LiveJourney, event: Trigger, reason: str, facts: dict[str, Any]
    ) -> None:
        self.effects.decisions.append(
            Decision(
                at=self.now,
                profile_id=self.profile.id,
                journey=journey.name,
                revision=journey.revision,
                outcome="not_entered",
                reason=reason,
                facts={"event": event.name, **facts},
            )
        )

    def _refusal(
        self, journey: LiveJourney, event: Trigger, key: str | None, late: bool
    ) -> tuple[str, dict[str, Any]] | None:
        """Why the event does not start the journey: (reason, facts), or None."""
        entry = journey.source.entry
        if journey.source.state == "paused":
            return "paused", {}
        if late:
            return "late", {"at": event.at, "received_at": self.received_at}
        if journey.name in self.definitions.unfilled(self.profile.id):
            return "warming", {}
        if journey.starts_at and self.received_at < journey.starts_at:
            return "not_started", {"starts_at": journey.starts_at}
        if journey.ends_at and self.received_at >= journey.ends_at:
            return "ended", {"ends_at": journey.ends_at}
        if key is None:
            return "no_key", {"key": entry.key}
        if journey.audience and not journey.audience(self.profile, event, self.now):
            known, audience = self.definitions.known, entry.audience
            failed = unmet(audience, self.profile, event, self.now, known) if audience else []
            return "audience", {"failed": failed}
        in_flight = sum(run.journey == journey.name for run in self.profile.runs.values())
        if in_flight >= RUNS_AT_ONCE:
            return "too_many_runs", {"in_flight": in_flight}
        return self._reentry_refusal(journey, key)

    def _reentry_refusal(self, journey: LiveJourney, key: str) -> tuple[str, dict[str, Any]] | None:
        reentry = journey.source.entry.reentry
        entered = self.profile.entries.get(journey.name, {}).get(key)
        if entered is not None and reentry != "always":
            if not isinstance(reentry, Reentry):
                return "reentry", {"entered_at": entered}
            if self.received_at - entered < reentry.after:
                return "reentry", {"entered_at": entered, "again_at": entered + reentry.after}
        # One run for each value of a key, also when it lasts longer than re-entry waits.
        return ("already_in", {"key": key}) if key and self._in_flight(journey.name, key) else None

    def at_any_time(self, run: Run) -> bool:
        """Whether the run's journey may be entered again while it is in flight."""
        journey = self.definitions.journey(run.journey, run.revision)
        return not run.key and journey is not None and journey.source.entry.reentry == "always"

    def _in_flight(self, journey: str, key: str) -> bool:
        return any((run.journey, run.key) == (journey, key) for run in self.profile.runs.values())

    def _remember_entry(self, run: Run) -> None:
        keys = self.profile.entries.setdefault(run.journey, {})
        keys.pop(run.key, None)
        keys[run.key] = run.entered_at
        if len(keys) > KEPT_KEYS:
            del keys[next(iter(keys))]

    # -- runs

    def resume(self, run_id: str) -> None:
        """A run's wake-up. One that ended or was moved since is no longer of interest."""
        run = self.profile.runs.get(run_id)
        if run is None or run.due > self.now:
            return
        journey = self.definitions.journey(run.journey, run.revision)
        if journey is None:
            del self.profile.runs[run_id]
            self.decide(run, "ended", "archived")
            return
        self._advance(run, journey)

    def cancel_wake(self, run: Run) -> None:
        """The run needs no wake-up any more."""
        if run.due:
            self.cancel(WakeUp(run.due, self.profile.id, f"run:{run.id}"))

    def cancel(self, wakeup: WakeUp) -> None:
        """Take a wake-up back, also one that this input set: the store cancels before it sets."""
        if wakeup in self.effects.wake:
            self.effects.wake.remove(wakeup)
        self.effects.cancel.append(wakeup)

    def _advance(self, run: Run, journey: LiveJourney) -> None:
        """Take steps until the run waits or ends."""
        while run.step < len(journey.steps):
            if journey.exit_when and journey.exit_when(self.profile, run.event, self.now):
                self._end(run, journey, "exit_when", {})
                return
            step = journey.steps[run.step]
            match self._take(run, journey, step):
                case Go(at=at):
                    run.step, run.since, run.due = run.step + 1, at, 0
                case Park(until=until):
                    self.cancel_wake(run)
                    run.due, run.delayed = until, True
                    if isinstance(step, Wait):
                        run.depth = 0
                    self.effects.wake.append(WakeUp(until, self.profile.id, f"run:{run.id}"))
                    return
                case End(reason=reason):
                    self._end(run, journey, reason, {})
                    return
        self._end(run, journey, "completed", {})

    def _take(self, run: Run, journey: LiveJourney, step: Step) -> Result:
        match step:
            case Wait():
                return take_wait(step, run, self.profile, self.upto, self.definitions.zone)
            case Exit():
                return take_exit(journey.exits[run.step], run, self.profile, self.now)
            case Message():
                return ask(self, run, journey, step)

    def _end(self, run: Run, journey: LiveJourney, reason: str, facts: dict[str, Any]) -> None:
        self.cancel_wake(run)
        self.profile.runs.pop(run.id, None)
        step = journey.step_id(run.step) if run.step < len(journey.steps) else ""
        self.decide(run, "ended", reason, step=step, facts=facts)


def _key_of(journey: LiveJourney, event: Trigger) -> str | None:
    """The entry key's value as text: empty without a `key`, None when the event lacks it."""
    path = journey.source.entry.key
    if path is None:
        return ""
    value = lookup(event.properties, path)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value) or None


def _occurrence(event: Trigger) -> str:
    """What tells an event from another of its name; our own can happen twice in a millisecond."""
    if event.message_id:
        return event.message_id
    return f"{event.name} {event.at} {msgspec.json.encode(event.properties, order='sorted')!r}"
