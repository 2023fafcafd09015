"""How one input works through a customer's document: runs end, begin and go on.

`Handling` holds what one call of `handle` shares: the document, the time, the definitions, and
the effects that pile up.
"""

from collections.abc import Iterable
from typing import Any

from harken.clock import SECOND
from harken.deciding.asking import ask
from harken.deciding.calling import call
from harken.deciding.entering import DEEPEST, Refusal, enter, enter_other
from harken.deciding.issuing import issue, let_go
from harken.deciding.moving import move, note_done
from harken.deciding.noticing import look_around
from harken.deciding.supply import Supply
from harken.deciding.timing import take_best_hour
from harken.definitions import InForce
from harken.effects import Decision, Effects, Happening, Outcome
from harken.gates import in_order
from harken.inputs import WakeUp
from harken.journeys.compile import LiveJourney, Node
from harken.journeys.experiments import CONTROL
from harken.journeys.kinds import (
    BestHour,
    Branch,
    CallWebhook,
    EnterJourney,
    Exit,
    GoTo,
    IssueCoupon,
    Message,
    Split,
    Update,
    Wait,
    WaitFor,
)
from harken.journeys.steps import (
    End,
    Go,
    Park,
    Result,
    Take,
    learn_outcome,
    take_branch,
    take_exit,
    take_go_to,
    take_split,
    take_wait,
    take_wait_for,
    updated,
    way_of,
)
from harken.people import sessions
from harken.people.apply import count_event, state_attributes
from harken.people.attributes import changed
from harken.people.place import ZONE_FACTS
from harken.people.profile import Profile, Run, Trigger
from harken.segments.members import Group, LiveSegment, moves


class Handling:
    """One input at work on one document."""

    def __init__(
        self, profile: Profile, now: int, definitions: InForce, supply: Supply | None = None
    ) -> None:
        self.profile = profile
        self.supply = supply or Supply()
        """Codes of coupons at hand."""
        self.now = now
        self.definitions = definitions
        self.effects = Effects(profile)
        self.received_at = now
        self.upto = now
        """When the input was due or received: what came later is not known yet. A wait that ends
        after it parks, however late we are, so that its exceptions are seen first."""
        self.depth = 0
        """How far this input is from what the customer did: chains of our own events are cut."""
        self.touched: set[str] = set()
        """The attributes that have changed."""
        self.past: Refusal | None = None
        """Why the input starts no journey, when it tells of the past. Nor does what follows from
        it, and where the customer was then is no coming to a place."""
        self.asked: Group = {}
        """Segments to be looked at once the input is handled."""

    # -- history

    def record(
        self,
        name: str,
        properties: dict[str, Any],
        *,
        at: int,
        message_id: str = "",
        journey: str = "",
        step: str = "",
        variant: str = "",
        channel: str = "",
        message: str = "",
    ) -> None:
        """Keep an event of our own in history."""
        self.effects.happenings.append(
            # All by name, not passed on as a dictionary: that takes six times as long.
            Happening(
                at=at,
                received_at=self.received_at,
                profile_id=self.profile.id,
                name=name,
                properties=properties,
                message_id=message_id,
                journey=journey,
                step=step,
                variant=variant,
                channel=channel,
                message=message,
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
        if not silent:
            self.take_in(Trigger(name=name, at=at, properties=properties))

    def take_in(self, trigger: Trigger) -> None:
        """Count an event of our own, and react to it."""
        definitions = self.definitions
        count_event(self.profile, trigger, definitions.traits, self.now)
        self.ask(definitions.segments.by_event(trigger, self.profile, self.upto))
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
        gate: str = "",
        message: str = "",
        until: int = 0,
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
                gate=gate,
                message=message,
                until=until,
                facts=facts or {},
            )
        )

    # -- segments

    def ask(self, segments: Group) -> None:
        """Look at these segments again once the input is handled."""
        self.asked.update(segments)

    def state(self, fact: str, *attributes: str) -> None:
        """A fact of the customer has changed (`attributes`, `reach` ...): history and segments."""
        self.effects.facts = True
        self.touched.update(attributes)
        if fact != "new" and not ZONE_FACTS.isdisjoint(attributes):
            self.profile.moved = self.now
        segments = self.definitions.segments
        self.ask(segments.by_fact.get(fact, {}))
        for name in attributes:
            self.ask(segments.by_attribute.get(name, {}))

    def move(self) -> None:
        """Let the customer enter and leave places and segments; what follows from that may move
        them again."""
        for _ in range(DEEPEST):
            if not (self.asked or self.touched) or self.effects.forgotten:
                return
            if "location" in self.touched:
                self.touched.remove("location")
                look_around(self, silent=self.past is not None)
            asked, self.asked = self.asked, {}
            if not asked:
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
            facts = {"segment": one.segment}
            self.record(name, facts, at=self.upto)
            self.take_in(Trigger(name=name, at=self.upto, properties=facts))
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
        # Not by `now`: the log may be behind, and hold an event from within the session.
        if over <= self.upto:
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

    def react(self, event: Trigger) -> None:
        """Let every run and every journey see the event."""
        self.show(event)
        for journey in self.definitions.entries.get(event.name, ()):
            # One that does not fit is no decision about the customer: see `reports.misses`.
            if journey.fits(event.properties):
                enter(self, journey, event, past=self.past)

    def show(self, event: Trigger) -> None:
        """Let every run in flight see the event."""
        for run in list(self.profile.runs.values()):
            if run.id in self.profile.runs:
                self._see(run, event)

    def _see(self, run: Run, event: Trigger) -> None:
        """A run in flight sees an event: it may end it, or be what it waits for."""
        journey = self.journey_of(run)
        if journey is None or not (event.name in journey.heard or run.sent or journey.exit_when):
            return
        if journey.ends(run, event) and not self._begins_nothing(journey, event):
            # The customer is free to enter again, whatever `reentry` says.
            self.profile.entries.get(run.journey, {}).pop(run.key, None)
            facts = {"event": event.name, "at": event.at, "properties": event.properties}
            self._end(run, journey, "exception", facts)
            return
        if journey.exit_when and journey.exit_when(self.profile, run.event, self.now):
            self._end(run, journey, "exit_when", {"event": event.name})
            return
        if run.sent and event.name.startswith("$message_"):
            learn_outcome(run, event)
        node = journey.nodes[run.step] if run.step < len(journey.nodes) else None
        # Once its time is out it has gone by `otherwise`, though nobody may have looked yet.
        if node is not None and node.awaited and run.due > self.upto:
            way = way_of(node, run, event)
            if way is not None:
                run.event.answers[node.id] = event.properties
                self.go_on(run, journey, Take(way, self.upto), {"event": event.name})

    def _begins_nothing(self, journey: LiveJourney, event: Trigger) -> bool:
        """Whether it is the journey's own event, and tells of the past: what would end a run for
        another one to begin ends none, for none would."""
        entry = journey.source.entry
        return (
            self.past is not None and event.name == entry.event and journey.fits(event.properties)
        )

    def go_on(
        self, run: Run, journey: LiveJourney, how: Go | Take, facts: dict[str, Any] | None = None
    ) -> None:
        """Let a run go on that waits for something other than its time."""
        self.cancel_wake(run)
        if isinstance(how, Take):
            self._take_way(run, journey, how, facts or {})
        else:
            self._move(run, journey.nodes[run.step].after, how.at)
        self.advance(run, journey)

    # -- runs

    def resume(self, run_id: str) -> None:
        """A run's wake-up. One that ended or was moved since is no longer of interest."""
        run = self.profile.runs.get(run_id)
        if run is None or run.due > self.now:
            return
        if run.bid is not None:
            self._decide_slots(run)
        else:
            self._go_on(run)

    def _decide_slots(self, run: Run) -> None:
        """Messages that waited for the same slots of the caps are taken, the first to be first."""
        taken = in_order(run, self.profile, self.definitions.policy)
        for one in taken:
            self.cancel_wake(one)
            if one.bid is not None:
                one.bid.until = min(one.bid.until, self.now)
        for one in taken:
            if one.id in self.profile.runs:
                self._go_on(one)

    def _go_on(self, run: Run) -> None:
        journey = self.journey_of(run, due=True)
        if journey is None:
            del self.profile.runs[run.id]
            self.decide(run, "ended", "archived")
            return
        self.advance(run, journey)

    def journey_of(self, run: Run, *, due: bool = False) -> LiveJourney | None:
        """The run's journey, on the revision onto which its editor has moved it.

        A run whose step is gone moves when it is `due`, to the first step behind it that is left.
        """
        definitions, revision = self.definitions, run.revision
        latest = definitions.journeys.get(run.journey)
        if latest is not None and latest.revision == revision:
            return latest
        journey = definitions.journey(run.journey, revision)
        to = definitions.revision_for(run.journey, revision)
        moved = definitions.journey(run.journey, to) if to != revision else None
        if journey is None or moved is None:
            return journey
        return move(self, run, journey, moved, due=due)

    def cancel_wake(self, run: Run) -> None:
        """The run needs no wake-up any more."""
        if run.due:
            self.cancel(WakeUp(run.due, self.profile.id, f"run:{run.id}"))

    def cancel(self, wakeup: WakeUp) -> None:
        """Take a wake-up back."""
        self.effects.take_back(wakeup)

    def advance(self, run: Run, journey: LiveJourney) -> None:
        """Take steps until the run waits or ends."""
        nodes = journey.nodes
        if run.event.broadcast in self.definitions.called_off:
            self._end(run, journey, "broadcast_stopped", {"broadcast": run.event.broadcast})
            return
        while run.step < len(nodes):
            if journey.exit_when and journey.exit_when(self.profile, run.event, self.now):
                self._end(run, journey, "exit_when", {})
                return
            node = nodes[run.step]
            match self._take(run, journey, node):
                case Go(at=at):
                    note_done(run, node)
                    self._move(run, node.after, at)
                case Take() as taken:
                    self._take_way(run, journey, taken, {})
                case Park(until=until):
                    self.cancel_wake(run)
                    run.due, run.delayed = until, True
                    if isinstance(node.step, Wait | WaitFor):
                        run.depth = 0
                    self.effects.wake.append(WakeUp(until, self.profile.id, f"run:{run.id}"))
                    return
                case End(reason=reason, why=why):
                    self._end(run, journey, reason, {"why": why} if why else {})
                    return
            if run.id not in self.profile.runs:
                return
        self._end(run, journey, "completed", {})

    def _take(self, run: Run, journey: LiveJourney, node: Node) -> Result:
        """What becomes of a run at a step."""
        if node.once in run.done:
            self.decide(run, "took", "done_already", step=node.id, facts={"kind": node.step.key})
            return Go(at=self.now)
        match node.step:
            case Message() as message:
                return ask(self, run, journey, message)
            case Wait(wait=BestHour() as best):
                return take_best_hour(self, run, journey, node, best)
            case Wait() as wait:
                return take_wait(wait, run, self.profile, self.upto, self.definitions.zone)
            case WaitFor() as wait_for:
                return take_wait_for(node, wait_for, run, self.upto)
            case Branch():
                return take_branch(node, run, self.profile, self.now)
            case Split() as split:
                allocation = self.definitions.allocations.get(f"{run.journey}/{split.split}")
                return take_split(node, split, run, self.profile, self.now, allocation)
            case Exit():
                return take_exit(node, run, self.profile, self.now)
            case GoTo():
                return take_go_to(node, run, self.upto)
            case IssueCoupon() as coupon:
                return issue(self, run, journey, node, coupon)
            case CallWebhook() as to_call:
                return call(self, run, journey, node, to_call)
            case Update() as update:
                self._update(run, node, update)
            case EnterJourney() as other:
                enter_other(self, run, node, other)
        return Go(at=self.now)

    def _move(self, run: Run, to: int, at: int) -> None:
        if to <= run.step:
            run.turns, run.turned_at, run.done = run.turns + 1, self.upto, []
        run.step, run.since, run.due = to, at, 0

    def _take_way(self, run: Run, journey: LiveJourney, taken: Take, facts: dict[str, Any]) -> None:
        node, way = journey.nodes[run.step], taken.way
        facts = {"way": way.name, "said": taken.why or way.said, **facts}
        if taken.drawn is not None:
            run.arms[node.id] = taken.drawn.arm
            facts |= {"said": taken.drawn.said(), "experiment": taken.drawn.facts()}
        if taken.drawn is not None and taken.drawn.arm == CONTROL:
            run.control, facts["control"] = node.id, True
        self.decide(run, "took", node.step.key, step=node.id, facts=facts)
        self._move(run, way.to, max(taken.at, run.since))

    def _update(self, run: Run, node: Node, step: Update) -> None:
        profile = self.profile
        before = dict(profile.attributes)
        state_attributes(profile, updated(step.update, run, profile, self.now))
        names = changed(before, profile.attributes)
        if names:
            self.state("location" if "location" in names else "attributes", *names)
            now = {name: profile.attributes.get(name) for name in sorted(names)}
            self.record("$updated", now, at=self.now, journey=run.journey, step=node.id)

    def _end(self, run: Run, journey: LiveJourney, reason: str, facts: dict[str, Any]) -> None:
        self.cancel_wake(run)
        self.profile.runs.pop(run.id, None)
        let_go(self, run, journey)
        self.decide(run, "ended", reason, step=journey.step_id(run.step), facts=facts)
