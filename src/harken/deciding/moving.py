"""A run whose editor moves it onto a new revision: where it stands there, and what it has done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from harken.deciding.asking import message_id_of
from harken.deciding.calling import call_id
from harken.journeys.compile import LiveJourney, Node
from harken.journeys.kinds import CallWebhook, EnterJourney, IssueCoupon, Message, Update
from harken.journeys.moving import place_after, place_in
from harken.people.profile import Run

if TYPE_CHECKING:
    from harken.deciding.reactions import Handling


def move(
    handling: Handling, run: Run, old: LiveJourney, new: LiveJourney, *, due: bool
) -> LiveJourney:
    """Take the run onto the new revision, and answer the one that it is on.

    A run whose step is gone moves when it is `due`, to the first step behind it that is left.
    """
    place = place_in(new, old, run.step)
    if place is None and not due:
        return old
    run.done = _done(run, old)
    if place is None:
        place = place_after(new, old, run.step)
        run.since, run.due = run.due, 0
    run.revision, run.step = new.revision, place
    _keep_slot(run, new)
    facts = {"from": old.revision, "to": new.revision}
    handling.decide(run, "took", "moved", step=new.step_id(place), facts=facts)
    return new


def note_done(run: Run, node: Node) -> None:
    """The step is over. What the run said and called stands in `Run.sent`."""
    lasting = isinstance(node.step, EnterJourney | IssueCoupon | Update)
    if lasting and node.once not in run.done:
        run.done.append(node.once)


def _done(run: Run, old: LiveJourney) -> list[str]:
    """The steps (kind and id) that did something since the run last turned back.

    The new revision may have them behind the run's place. The step at which it stands is not over.
    """
    found, standing = set(run.done), old.step_id(run.step)
    for node in old.nodes:
        match node.step:
            case Message() as message:
                done = run.sent.get(node.id) == message_id_of(run, old, message)
            case CallWebhook():
                done = run.sent.get(node.id) == call_id(run, node)
            case _:
                done = False
        if done and node.id != standing:
            found.add(node.once)
    return sorted(found)


def _keep_slot(run: Run, journey: LiveJourney) -> None:
    """A run that was moved keeps its place among those that wait for a slot, if what waits is still
    said: of another revision it would be another message, which had to wait anew."""
    if run.bid is not None:
        step = next((one for one in journey.messages() if one.message == run.bid.step), None)
        run.bid = replace(run.bid, message=message_id_of(run, journey, step)) if step else None
