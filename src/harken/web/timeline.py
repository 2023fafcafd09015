"""A customer's time line: events and decisions as readable lines, newest first."""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from harken.clock import iso
from harken.effects import Decision, Happening
from harken.reports.reasons import clause
from harken.reports.words import Words, value

_SHOWN = 6
"""Properties told in a line; all of them stand beside it."""

OURS = {
    "$identify": "said who they are",
    "$group": "joined a group",
    "$alias": "took another id",
    "$session_started": "began a session",
    "$session_ended": "ended a session",
    "$journey_entered": "entered the journey {journey}",
    "$message_sent": "were sent the message {step} of {journey}",
    "$message_failed": "could not be sent the message {step} of {journey}",
    "$message_aborted": "were not sent the message {step} of {journey}: it was given up",
    "$message_unsure": "may or may not have been sent the message {step} of {journey}",
    "$message_delivered": "got the message {step} of {journey}",
    "$message_opened": "opened the message {step} of {journey}",
    "$message_clicked": "clicked in the message {step} of {journey}",
    "$message_bounced": "could not be reached: the message {step} of {journey} bounced",
    "$message_complained": "complained about the message {step} of {journey}",
    "$message_unsubscribed": "unsubscribed by the message {step} of {journey}",
    "$webhook_called": "had a webhook called at {step} of {journey}",
    "$unsubscribed": "opted out of {purpose} by {channel}",
    "$consent_given": "consented to {purpose} by {channel}",
    "$address_allowed": "may be written to again by {channel}",
    "$back_in_stock": "could be told that {id} of {catalog} is in stock again",
    "$price_dropped": "could be told that {id} of {catalog} costs {new} instead of {old}",
    "$merged": "were joined with another profile",
    "$unmerged": "were parted from another profile",
}


class Line(Struct, kw_only=True):
    """One thing that happened or was decided."""

    at: str
    kind: Literal["event", "decision"]
    text: str
    name: str
    """The event's name, or the decision's outcome."""
    reason: str
    journey: str
    step: str
    message: str
    properties: dict[str, Any]
    """The event's properties, or the facts that were decided on."""


def line_of(entry: Mapping[str, Any], words: Words) -> Line:
    """An entry of `History.timeline` as a line."""
    if entry["kind"] == "decision":
        return _decided(Decision(**_without_kind(entry)), words)
    return _happened(Happening(**_without_kind(entry)), words)


def _happened(event: Happening, words: Words) -> Line:
    shown = event.properties if event.properties else {}
    said = OURS.get(event.name)
    if said is not None:
        known = {"journey": "?", "step": "?", "purpose": "messages", "channel": "every channel"}
        told = {**known, **_texts(shown), **_columns(event)}
        text = f"They {said.format_map(told)}"
        if event.properties.get("machine"):
            text += " (a machine did)"
    else:
        listed = [f"{name} {value(found)}" for name, found in list(shown.items())[:_SHOWN]]
        text = event.name + (f" ({', '.join(listed)})" if listed else "")
    return Line(
        at=iso(event.at),
        kind="event",
        text=f"{words.on(event.at)}: {text}.",
        name=event.name,
        reason="",
        journey=event.journey,
        step=event.step,
        message=event.message,
        properties=event.properties,
    )


def _decided(decision: Decision, words: Words) -> Line:
    return Line(
        at=iso(decision.at),
        kind="decision",
        text=f"{words.on(decision.at)}, journey {decision.journey}: {clause(decision, words)}.",
        name=decision.outcome,
        reason=decision.reason,
        journey=decision.journey,
        step=decision.step,
        message=decision.message,
        properties=decision.facts,
    )


def _columns(event: Happening) -> dict[str, str]:
    found = {"journey": event.journey, "step": event.step, "channel": event.channel}
    return {name: text for name, text in found.items() if text}


def _texts(properties: Mapping[str, Any]) -> dict[str, str]:
    return {name: value(found) for name, found in properties.items()}


def _without_kind(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found for name, found in entry.items() if name != "kind"}
