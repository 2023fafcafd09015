"""A message step: ask the gates, and put the message on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harken.channels.table import address_of
from harken.deciding.issuing import shown
from harken.definitions import InForce
from harken.effects import Outcome, Outgoing
from harken.gates import Candidate, Verdict, bid_of, check, decision, demands, first_open
from harken.gates.policy import LONGEST_WINDOW, MOST_SENDS
from harken.gates.who import group_of, holdout
from harken.ids import message_id
from harken.inputs import encode
from harken.journeys.compile import LiveJourney
from harken.journeys.experiments import remember
from harken.journeys.kinds import Message
from harken.journeys.steps import Go, Park, Result
from harken.messages.choose import Choice
from harken.messages.context import kept_of
from harken.people.profile import Profile, Run, Send
from harken.workspace import Workspace

if TYPE_CHECKING:
    from harken.deciding.reactions import Handling

OUTCOMES: dict[str, Outcome] = {
    "pass": "passed",
    "hold": "held",
    "drop": "dropped",
    "control": "control",
}


def ask(handling: Handling, run: Run, journey: LiveJourney, step: Message) -> Result:
    """Ask the gates; let the message go, hold it, or leave it out and go on."""
    profile, now, definitions = handling.profile, handling.now, handling.definitions
    live = definitions.live(journey.name)
    candidate, chain = choose(profile, run, journey, step, definitions, now, live=live)
    verdicts = check(candidate, profile, now, definitions.policy)
    last = decision(verdicts)
    chooser = definitions.chooser(journey.name, journey.revision, step)
    allocation = definitions.allocations.get(chooser.key)
    choice = chooser.choose(profile, run.event, now, allocation=allocation)
    if choice.drawn is not None:
        remember(profile, chooser.key, choice.drawn, step.experiment, now)
    if last.outcome == "pass":
        shown(handling, run, journey, step.message, candidate.message_id)
        facts = _send(handling, run, journey, step, candidate, verdicts, choice)
    else:
        facts = last.facts
    facts = {**facts, **_groups(handling, run, candidate, choice), **chain}
    if last.outcome != "hold":
        # In a loop: what became of the message of an earlier turn is nothing of this turn's.
        run.sent.pop(step.message, None)
        run.event.answers.pop(step.message, None)
    if last.outcome in ("pass", "control"):
        run.sent[step.message] = candidate.message_id
        _take_slot(handling, run, candidate, control=last.outcome == "control")
    handling.decide(
        run,
        OUTCOMES[last.outcome],
        last.reason,
        step=step.message,
        facts=facts,
        gate=last.gate,
        message=candidate.message_id,
        until=last.until,
    )
    _bid(handling, run, candidate, last)
    if last.outcome == "hold":
        return Park(until=last.until)
    run.delayed = False
    return Go(at=now)


def choose(
    profile: Profile,
    run: Run,
    journey: LiveJourney,
    step: Message,
    definitions: InForce,
    now: int,
    *,
    live: bool,
) -> tuple[Candidate, dict[str, Any]]:
    """The message by the channel that it goes by, and as facts how that was chosen of several."""
    workspace, by = definitions.workspace, step.by
    if len(by) == 1:
        return candidate_of(profile, run, journey, step, by[0], workspace, live=live), {}
    candidates = [
        candidate_of(profile, run, journey, step, channel, workspace, live=live) for channel in by
    ]
    found, over = first_open(candidates, profile, now, definitions.policy)
    return found, {"channel": found.channel, "passed_over": over}


def candidate_of(
    profile: Profile,
    run: Run,
    journey: LiveJourney,
    step: Message,
    channel: str,
    workspace: Workspace,
    *,
    live: bool,
) -> Candidate:
    """The message as the gates look at it; `live` is whether the journey's messages may leave."""
    hook = workspace.webhook(step.hook) if channel == "webhook" else None
    # Not all by name: of more than fifteen, Python makes a dictionary first.
    return Candidate(
        message_id_of(run, journey, step),
        journey.name,
        journey.revision,
        run,
        step,
        step.purpose or journey.source.purpose,
        tags=[*journey.source.tags, *step.tags],
        channel=channel,
        address=address_of(profile, channel, hook.address if hook else None),
        since=run.since,
        delayed=run.delayed,
        starts_at=journey.starts_at,
        ends_at=journey.ends_at,
        journey_live=live,
        audience=journey.audience,
        control_percent=journey.source.control_percent,
        split=run.control,
    )


def message_id_of(run: Run, journey: LiveJourney, step: Message) -> str:
    """The id of what a run says at a step; of a step in a loop, each turn's is another."""
    return message_id(run.id, journey.revision, step.message, run.turns + 1)


def _send(
    handling: Handling,
    run: Run,
    journey: LiveJourney,
    step: Message,
    candidate: Candidate,
    verdicts: list[Verdict],
    choice: Choice,
) -> dict[str, Any]:
    """Put the message on its way; which variant was chosen, and why."""
    context = kept_of(handling.profile, run.event, handling.now)
    # What a message must show, only the law of a listed pack says.
    wanted = demands(verdicts) if handling.definitions.policy.packs else None
    if wanted:
        context["demands"] = wanted
    expires, ends = run.since + step.expires_after if step.expires_after else 0, journey.ends_at
    handling.effects.messages.append(
        Outgoing(
            candidate.message_id,
            handling.profile.id,
            journey.name,
            journey.revision,
            step=step.message,
            run=run.id,
            channel=candidate.channel,
            purpose=candidate.purpose,
            address=candidate.address,
            queued_at=handling.now,
            not_before=handling.now,
            expires_at=min(expires, ends) if expires and ends else expires or ends,
            priority=1 if step.priority == "high" else 0,
            variant=choice.variant,
            why_variant=choice.why,
            context=encode(context),
        )
    )
    facts = {"variant": choice.variant, "why": choice.why}
    return {**facts, "demands": wanted} if wanted else facts


def _groups(handling: Handling, run: Run, candidate: Candidate, choice: Choice) -> dict[str, Any]:
    """What reports count a message by: the arms that it is in of experiments and control groups."""
    profile, policy = handling.profile, handling.definitions.policy
    found: dict[str, Any] = {}
    if choice.drawn is not None:
        found["experiment"] = choice.drawn.facts()
    if run.arms:
        found["arms"] = dict(run.arms)
    if policy.holdout_percent or candidate.control_percent or candidate.split:
        group = group_of(candidate, profile, policy)
        if group is not None:
            found["holdout"] = {"arm": group[0], "shares": group[1]}
        if holdout(candidate, profile, handling.now, policy).outcome == "control":
            found["held_out"] = True
    return found


def _bid(handling: Handling, run: Run, candidate: Candidate, last: Verdict) -> None:
    """Let others see what the message waits for, as long as it waits for them."""
    if last.reason != "arbitration":
        run.bid = None
    elif run.bid is None or run.bid.message != candidate.message_id:
        policy = handling.definitions.policy
        run.bid = bid_of(candidate, handling.profile, handling.now, last.until, policy)


def _take_slot(handling: Handling, run: Run, candidate: Candidate, *, control: bool) -> None:
    """Remember for the caps what was sent, or would have been."""
    send = Send(
        id=candidate.message_id,
        at=handling.now,
        channel=candidate.channel,
        journey=candidate.journey,
        step=candidate.step.message,
        tags=candidate.tags,
        counts=candidate.step.counts,
        depth=run.depth + 1,
        control=control,
    )
    edge = handling.now - LONGEST_WINDOW
    kept = [s for s in handling.profile.sends if s.at >= edge and s.id != send.id]
    kept.append(send)
    handling.profile.sends = kept[-MOST_SENDS:]
