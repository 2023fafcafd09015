"""A customer's time line: events and decisions as readable lines, newest first."""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from harken.clock import iso
from harken.effects import Decision, Happening
from harken.reports.doings import OURS, by_machine
from harken.reports.reasons import clause
from harken.reports.words import Words, capital, value

UPDATED = "$updated"
"""The event of an `update` step: the attributes that it changed, null for one taken away."""
_SHOWN = 6
"""Properties told in a line; all of them stand beside it."""


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
        text = capital(by_machine(event.name, told | shown)) or f"They {said.format_map(told)}"
    elif event.name == UPDATED:
        text = f"The journey {event.journey} {_set(shown)}"
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


def _set(attributes: Mapping[str, Any]) -> str:
    """`set vip to true, took away old`."""
    told = [
        f"took away {name}" if found is None else f"set {name} to {value(found)}"
        for name, found in list(attributes.items())[:_SHOWN]
    ]
    return ", ".join(told)


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
