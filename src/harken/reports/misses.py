"""Events that did not start a journey because their properties do not fit its `where`.

Such an event says nothing about the customer, and there may be fifty journeys to every page view:
no decision is kept for it. Whether it fits is plain from the event itself, so it is asked when
somebody wants to know.
"""

from collections.abc import Iterable

from harken.effects import Decision, Happening
from harken.journeys.compile import LiveJourney
from harken.journeys.entries import EventEntry

MOVES = frozenset({"$segment_entered", "$segment_exited"})
OTHER = "segment "
"""How a condition on the event's segment begins (`Condition.said`)."""


def misses(journey: LiveJourney, events: Iterable[Happening]) -> list[Decision]:
    """What would have been decided about those of `events` that do not fit, oldest first.

    `events` are a customer's, of the name that starts the journey. Imported ones start none and
    are left out, and so are those of another segment, message or place than the journey's. The
    conditions are those of the revision given.
    """
    if not isinstance(journey.source.entry, EventEntry):
        return []
    found = []
    for event in events:
        failed = journey.unmet(event.properties)
        of_another = event.name in MOVES and any(one["rule"].startswith(OTHER) for one in failed)
        if failed and not event.imported and not of_another:
            found.append(
                Decision(
                    at=event.received_at,
                    profile_id=event.profile_id,
                    journey=journey.name,
                    revision=journey.revision,
                    outcome="not_entered",
                    reason="where",
                    facts={"event": event.name, "failed": failed},
                )
            )
    return sorted(found, key=lambda decision: decision.at)
