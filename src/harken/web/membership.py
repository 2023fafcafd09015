"""Whether one customer is in a segment, and because of what, in words and values."""

from typing import Any

from msgspec import Struct

from harken.clock import iso
from harken.people.profile import Profile
from harken.reports.words import apart
from harken.segments.explain import seen, unmet
from harken.segments.live import compile_rule
from harken.segments.words import describe
from harken.web.api import Api
from harken.web.segments import conditions


class Checked(Struct, kw_only=True):
    """A condition of the segment, for the customer."""

    condition: str
    holds: bool
    value: Any
    """What the customer has there."""


class Unmet(Struct, kw_only=True):
    """A single condition because of which the customer is not in the segment."""

    condition: str
    value: Any


class Membership(Struct, kw_only=True):
    """Whether a customer is in a segment, and why."""

    segment: str
    member: bool
    since: str | None
    """Since when; null for who is not in it, and while the segment is warming."""
    state: str
    """`live`, or `warming`: then history answers, and the values may lack what was long ago."""
    reason: str
    """In one sentence."""
    conditions: list[Checked]
    unmet: list[Unmet]
    """The innermost conditions that keep the customer out."""


def membership(api: Api, name: str, profile: Profile) -> Membership:
    """Whether the customer is in the segment, and why. Raises NotFound."""
    segment, traits, now = api.segments.get(name), api.segments.traits(), api.now
    warming = name in api.segments.warming()
    member = api.segments.has(segment.rule, profile.id) if warming else name in profile.segments
    since = profile.segments.get(name) if member and not warming else None
    missing = (
        []
        if member
        else [
            Unmet(condition=one["rule"], value=one["value"])
            for one in unmet(segment.rule, profile, None, now, traits)
        ]
    )
    return Membership(
        segment=name,
        member=member,
        since=iso(since) if since else None,
        state="warming" if warming else "live",
        reason=_reason(name, member, since, describe(segment.rule), missing),
        conditions=[
            Checked(
                condition=describe(one),
                holds=compile_rule(one, traits)(profile, None, now),
                value=seen(one, profile, None, now, traits),
            )
            for one in conditions(segment.rule)
        ],
        unmet=missing,
    )


def _reason(name: str, member: bool, since: int | None, words: str, missing: list[Unmet]) -> str:
    if member:
        when = f" since {iso(since)}" if since else ""
        return f"In {name}{when}: {words}."
    if not missing:
        return f"Not in {name} yet: {words}."
    faults = "; ".join(f"{one.condition} (is: {_shown(one.value)})" for one in missing[:5])
    return f"Not in {name}, for this does not hold: {faults}."


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return apart(value)
