"""Events that did not start a journey: their properties do not fit, or a machine did them.

Such an event says nothing about the customer, and there may be fifty journeys to every page view:
no decision is kept for it. Whether it fits is plain from the event itself, so it is asked when
somebody wants to know.
"""

from collections.abc import Iterable
from typing import Any

from harken.effects import Decision, Happening
from harken.journeys.compile import LiveJourney
from harken.journeys.entries import EventEntry
from harken.people.traits import MACHINES_DO

MOVES = frozenset({"$segment_entered", "$segment_exited"})
OTHER = "segment "
"""How a condition on the event's segment begins (`Condition.said`)."""


def misses(journey: LiveJourney, events: Iterable[Happening]) -> list[Decision]:
    """What would have been decided about those of `events` that do not fit, oldest first.

    `events` are a customer's, of the name that starts the journey. Imported ones start none and
    are left out, and so are those of another segment, message or place than the journey's. The
    conditions are those of the revision given. An open or click by a machine starts none either.
    """
    found = []
    for event in events:
        failed = journey.unmet(event.properties)
        if event.properties.get("machine") and event.name in MACHINES_DO:
            # Of a message that the journey does not look at, nobody's click would start it.
            if not failed:
                facts: dict[str, Any] = {"event": event.name, "properties": event.properties}
                found.append(_not_entered(journey, event, "machine", facts))
            continue
        of_another = event.name in MOVES and any(one["rule"].startswith(OTHER) for one in failed)
        by_event = isinstance(journey.source.entry, EventEntry)
        if by_event and failed and not event.imported and not of_another:
            facts = {"event": event.name, "failed": failed}
            found.append(_not_entered(journey, event, "where", facts))
    return sorted(found, key=lambda decision: decision.at)


def _not_entered(
    journey: LiveJourney, event: Happening, reason: str, facts: dict[str, Any]
) -> Decision:
    return Decision(
        at=event.received_at,
        profile_id=event.profile_id,
        journey=journey.name,
        revision=journey.revision,
        outcome="not_entered",
        reason=reason,
        facts=facts,
    )
