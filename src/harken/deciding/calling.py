"""A webhook step: call, wait for the answer, and go on with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harken.channels.table import CALL, address_of
from harken.effects import Outgoing
from harken.ids import message_id
from harken.inputs import Feedback, encode
from harken.journeys.compile import LiveJourney, Node
from harken.journeys.kinds import CallWebhook
from harken.journeys.steps import Go, Park, Result, Take
from harken.messages.context import kept_of
from harken.people.profile import Run

if TYPE_CHECKING:
    from harken.deciding.reactions import Handling


def call(
    handling: Handling, run: Run, journey: LiveJourney, node: Node, step: CallWebhook
) -> Result:
    """Put the call on its way and wait; once the time is out, go on without an answer."""
    id = call_id(run, node)
    due = run.since + step.at_most
    if run.sent.get(node.id) == id:
        if handling.upto < due:
            return Park(until=due)
        return _without(run, node, f"no answer within {step.at_most}", due)
    run.sent[node.id] = id
    run.event.answers.pop(node.id, None)
    if not handling.definitions.live(journey.name):
        return _without(run, node, "the journey is not live", handling.now)
    handling.effects.messages.append(_outgoing(handling, run, journey, node, step, id, due))
    return Park(until=due)


def call_id(run: Run, node: Node) -> str:
    """The id of what a run calls for at a step; of a step in a loop, each turn's is another.

    Not of one revision: a run that is moved while it waits has called already.
    """
    return message_id(run.id, node.id, run.turns + 1, "call")


def _outgoing(
    handling: Handling,
    run: Run,
    journey: LiveJourney,
    node: Node,
    step: CallWebhook,
    id: str,
    due: int,
) -> Outgoing:
    profile, workspace = handling.profile, handling.definitions.workspace
    hook = workspace.webhook(step.webhook)
    context = kept_of(profile, run.event, handling.now)
    return Outgoing(
        id=id,
        profile_id=profile.id,
        journey=journey.name,
        revision=journey.revision,
        step=node.id,
        run=run.id,
        channel=CALL,
        purpose=CALL,
        address=address_of(profile, "webhook", hook.address if hook else None),
        queued_at=handling.now,
        not_before=handling.now,
        expires_at=due,
        # A run waits for it.
        priority=1,
        context=encode(context),
    )


def answered(handling: Handling, feedback: Feedback) -> None:
    """A call came to its end. One whose run has gone on meanwhile is only kept in history."""
    handling.record(
        "$webhook_called",
        {"step": feedback.step, "outcome": feedback.what, "detail": feedback.detail},
        at=feedback.at,
        journey=feedback.journey,
        step=feedback.step,
        message=feedback.message,
    )
    runs = handling.profile.runs.values()
    run = next((one for one in runs if one.sent.get(feedback.step) == feedback.message), None)
    journey = handling.journey_of(run) if run else None
    if run is None or journey is None or journey.step_id(run.step) != feedback.step:
        return
    node = journey.nodes[run.step]
    if feedback.what == "sent":
        run.event.answers[node.id] = feedback.answer
        facts: dict[str, Any] = {"way": "answered", "detail": feedback.detail}
        handling.decide(run, "took", node.step.key, step=node.id, facts=facts)
        handling.go_on(run, journey, Go(at=handling.upto))
    else:
        why = feedback.detail or feedback.what
        handling.go_on(run, journey, _without(run, node, why, handling.upto))


def _without(run: Run, node: Node, error: str, at: int) -> Take:
    run.event.answers[node.id] = {"error": error}
    return Take(node.ways[-1], at, why=error)
