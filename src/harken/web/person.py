"""Everything known of a customer, as the API shows it."""

from typing import Any, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from harken.clock import iso
from harken.deciding.timing import habit_of
from harken.definitions import InForce
from harken.people.place import zone_of
from harken.people.profile import ConsentChange, ConsentState, Profile, Session
from harken.store.base import LedgerRow
from harken.web.api import Api
from harken.web.ledger import Message, message_of, moment

LATEST_MESSAGES = 50


class EventCount(Struct):
    """How often an event happened."""

    count: int
    first: str
    last: str


class ConsentLine(Struct, kw_only=True):
    """A line of the consent ledger."""

    channel: str
    purpose: str
    state: ConsentState
    at: str
    by: str
    how: str
    text_version: str


class DeviceSeen(Struct, kw_only=True):
    """An app or browser that the customer uses."""

    id: str
    type: str
    model: str
    last_seen: str | None


class RunInFlight(Struct, kw_only=True):
    """Where the customer is in a journey."""

    id: str
    journey: str
    revision: int
    goes_on_on: int | None
    """The revision onto which its editor moved it, from when it goes on; null: its own."""
    key: str
    entered_at: str
    step: str
    """Where it is: the wait that goes on, or the message that is held."""
    due: str | None
    """When it goes on."""


class DeadAddress(Struct, kw_only=True):
    """An address found dead."""

    address: str
    why: str
    at: str
    detail: str


class SessionNow(Struct, kw_only=True):
    """The session that is going on."""

    started: str
    last: str
    events: dict[str, int]
    products: list[dict[str, Any]]


class BestHour(Struct, kw_only=True):
    """At which hour of their day a customer is best spoken to, and by what that is known."""

    hour: str
    """`09:00`, on their own clock."""
    whose: Literal["own", "all", "setting"]
    """Their own opens and clicks, those of all customers, or the workspace's setting."""
    opens: int
    """How many opens and clicks it rests on."""
    counts: list[int]
    """Their own, by the hour of their day, 0 to 23; empty when there are none."""


class Person(Struct, kw_only=True):
    """A customer: the document, and their latest messages."""

    profile_id: str
    user_id: str | None
    former_user_ids: list[str]
    """Those of users who were joined into this one; they lead here."""
    anonymous_ids: list[str]
    attributes: dict[str, Any]
    """Stated attributes, the standard ones under their one name."""
    learned: dict[str, Any]
    """Taken from a client's context where nobody stated them."""
    timezone: str
    """The one that counts: stated, learned, their country's, else the workspace's."""
    segments: dict[str, str]
    """Segments that the customer is in, and since when; those that are warming are not told."""
    lists: dict[str, str]
    """Uploaded lists that they stand on, and since when."""
    events: dict[str, EventCount]
    consent: list[ConsentLine]
    """The latest choice of each channel and purpose."""
    consent_log: list[ConsentLine]
    devices: list[DeviceSeen]
    groups: dict[str, str]
    """Group ids, and when each was last stated."""
    runs: list[RunInFlight]
    messages: list[Message]
    unreachable: dict[str, DeadAddress]
    session: SessionNow | None
    best_hour: BestHour
    absorbed: dict[str, str]
    """Profiles that were joined into this one, and when."""
    created_at: str | None
    seen_at: str | None


def person_of(api: Api, profile: Profile) -> Person:
    """The answer about a customer."""
    in_force = api.services.in_force
    return Person(
        profile_id=str(profile.id),
        user_id=profile.user_id,
        former_user_ids=profile.former_user_ids,
        anonymous_ids=api.anonymous_ids(profile),
        attributes=profile.attributes,
        learned=profile.learned,
        timezone=zone_of(profile, ZoneInfo(in_force.workspace.timezone)).key,
        segments=_segments(api, profile),
        lists={name: iso(at) for name, at in sorted(profile.lists.items())},
        events={
            name: EventCount(stat.count, iso(stat.first), iso(stat.last))
            for name, stat in sorted(profile.events.items())
        },
        consent=[consent_line(profile.consent[key]) for key in sorted(profile.consent)],
        consent_log=[consent_line(change) for change in profile.consent_log],
        devices=[
            DeviceSeen(id=d.id, type=d.type, model=d.model, last_seen=moment(d.last_seen))
            for d in profile.devices.values()
        ],
        groups={group: iso(at) for group, at in profile.groups.items()},
        runs=_runs(profile, in_force),
        messages=[message_of(row) for row in rows_of(api, profile, LATEST_MESSAGES)],
        unreachable={
            channel: DeadAddress(address=r.address, why=r.why, at=iso(r.at), detail=r.detail)
            for channel, r in profile.unreachable.items()
        },
        session=_session(profile.session),
        best_hour=_best_hour(profile, in_force),
        absorbed={str(id): iso(at) for id, at in profile.absorbed.items()},
        created_at=moment(profile.created_at),
        seen_at=moment(profile.seen_at),
    )


def _best_hour(profile: Profile, in_force: InForce) -> BestHour:
    habit = habit_of(profile, in_force)
    return BestHour(
        hour=f"{habit.best:02}:00", whose=habit.whose, opens=habit.opens, counts=profile.hours
    )


def rows_of(api: Api, profile: Profile, limit: int, before: str | None = None) -> list[LedgerRow]:
    """The customer's messages, newest first, those of profiles joined into theirs among them."""
    rows = [
        row
        for id in (profile.id, *profile.absorbed)
        for row in api.services.store.messages(profile_id=id, before=before, limit=limit)
    ]
    return sorted(rows, key=lambda row: row.queued_at, reverse=True)[:limit]


def _segments(api: Api, profile: Profile) -> dict[str, str]:
    known, warming = api.segments.all(), api.segments.warming()
    return {
        name: iso(at)
        for name, at in sorted(profile.segments.items())
        if name in known and name not in warming
    }


def consent_line(change: ConsentChange) -> ConsentLine:
    return ConsentLine(
        channel=change.channel,
        purpose=change.purpose,
        state=change.state,
        at=iso(change.at),
        by=change.by,
        how=change.how,
        text_version=change.text_version,
    )


def _runs(profile: Profile, in_force: InForce) -> list[RunInFlight]:
    found = []
    for run in profile.runs.values():
        journey = in_force.journey(run.journey, run.revision)
        to = in_force.revision_for(run.journey, run.revision)
        found.append(
            RunInFlight(
                id=run.id,
                journey=run.journey,
                revision=run.revision,
                goes_on_on=to if to != run.revision else None,
                key=run.key,
                entered_at=iso(run.entered_at),
                step=journey.step_id(run.step) if journey is not None else "",
                due=moment(run.due),
            )
        )
    return found


def _session(session: Session | None) -> SessionNow | None:
    if session is None:
        return None
    return SessionNow(
        started=iso(session.started),
        last=iso(session.last),
        events=session.events,
        products=session.products,
    )
