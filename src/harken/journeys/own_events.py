"""What Harken's own events say, so that templates may use it and misspelt names are found.

What a property is beside these (the answers of a survey, what the API sends along) is up to
others, so nothing is said of the events that carry such.
"""

from collections.abc import Collection
from difflib import get_close_matches
from typing import Any, NamedTuple

from harken.journeys.entries import (
    DATE_REACHED,
    IGNORED,
    PLACE_ENTERED,
    SCHEDULED,
    Entry,
    EventEntry,
    OutcomeEntry,
    Recurring,
    ScheduleEntry,
)


class Says(NamedTuple):
    """The properties of an event."""

    always: tuple[str, ...] = ()
    """Those that it always has, and that never are blank."""
    at_times: tuple[str, ...] = ()


OF_MESSAGE = ("message", "journey", "step", "channel")
OF_COUPON = ("pool", "code", "journey", "step")
OF_NEWS = ("catalog", "version", "id", "items")
OF_CONSENT = ("channel", "purpose", "state", "at", "by")
BY_MACHINE = ("variant", "detail", "machine")
SAYS: dict[str, Says] = {
    SCHEDULED: Says(("occurrence",)),
    PLACE_ENTERED: Says(("place",)),
    DATE_REACHED: Says(("attribute", "date"), ("journey",)),
    IGNORED: Says((*OF_MESSAGE, "within"), ("variant",)),
    "$message_sent": Says(OF_MESSAGE, ("variant", "detail")),
    "$message_failed": Says(OF_MESSAGE, ("variant", "detail", "hard")),
    "$message_aborted": Says(OF_MESSAGE, ("variant", "detail")),
    "$message_unsure": Says(OF_MESSAGE, ("variant", "detail")),
    "$message_opened": Says(OF_MESSAGE, BY_MACHINE),
    "$message_clicked": Says(OF_MESSAGE, BY_MACHINE),
    # What a provider tells may be of a message that the ledger has no row of any more.
    "$message_delivered": Says(("channel",), (*OF_MESSAGE, "variant", "detail")),
    "$message_bounced": Says(("channel",), (*OF_MESSAGE, "variant", "detail", "hard")),
    "$message_complained": Says(("channel",), (*OF_MESSAGE, "variant", "detail")),
    "$message_unsubscribed": Says(("channel",), (*OF_MESSAGE, "variant", "detail")),
    "$segment_entered": Says(("segment",)),
    "$segment_exited": Says(("segment",)),
    "$session_started": Says(),
    "$session_ended": Says(
        ("started_at", "duration", "cart_value", "ordered"), ("events", "products")
    ),
    "$journey_entered": Says(("journey", "revision", "run")),
    "$coupon_issued": Says(OF_COUPON, ("expires_at",)),
    "$coupon_redeemed": Says(OF_COUPON, ("reference", "amount")),
    "$coupon_expired": Says(OF_COUPON),
    "$coupon_released": Says((*OF_COUPON, "why")),
    "$unsubscribed": Says(OF_CONSENT, ("how", "text_version")),
    "$consent_given": Says(OF_CONSENT, ("how", "text_version")),
    "$address_allowed": Says(("channel", "by")),
    "$back_in_stock": Says(OF_NEWS, ("item", "old", "new")),
    "$price_dropped": Says((*OF_NEWS, "old", "new"), ("item",)),
}

HAPPEN = frozenset({*SAYS, "$survey_answered"}) - {SCHEDULED}
"""Those that happen to customers: rules ask for them, and they start journeys."""
SHOWN = HAPPEN | {"$identify", "$group", "$alias"}
"""Those that runs in flight see."""


def unheard_of(event: str, known: Collection[str] = HAPPEN) -> str:
    """What is wrong with a name that is Harken's to give and that it gives to none of `known`."""
    if not event.startswith("$") or event in known:
        return ""
    near = get_close_matches(event, sorted(known), n=1)
    hint = f"; did you mean `{near[0]}`?" if near else ""
    return f"`{event[:64]}` is none of Harken's own events (with `$`) that can be named here{hint}"


def certain_of(entry: Entry) -> frozenset[str]:
    """The paths of what the event that lets customers in always says, for templates."""
    said = SAYS.get(entry.event, Says())
    names = (*said.always, *OF_MESSAGE) if isinstance(entry, OutcomeEntry) else said.always
    return frozenset(f"{root}.{name}" for name in names for root in ("event.properties", "entry"))


def properties_of(entry: Entry) -> Collection[str] | None:
    """All that the event that lets customers in ever says; None where that is for others to say."""
    said = SAYS.get(entry.event)
    return (*said.always, *said.at_times) if said is not None else None


def example_of(entry: Entry) -> dict[str, Any]:
    """What the event might say, to try a message on a customer whom it did not let in yet."""
    if isinstance(entry, EventEntry):
        return {}
    # What the way in asks of its event is what it will say.
    known = {path: test.equals for path, test in entry.where.items()}
    if isinstance(entry, OutcomeEntry):
        return {"message": "MESSAGE", "step": "STEP", "channel": "email"} | known
    if isinstance(entry, ScheduleEntry):
        when = entry.schedule
        known["occurrence"] = str(when.starts_at if isinstance(when, Recurring) else when)
    return known
