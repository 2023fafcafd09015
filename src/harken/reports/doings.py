"""Harken's own events as what a customer did or what befell them: "They opened the message ..."."""

import re
from collections.abc import Mapping
from typing import Any

from harken.reports.words import value

OURS = {
    "$identify": "said who they are",
    "$group": "joined a group",
    "$alias": "took another id",
    "$session_started": "began a session",
    "$session_ended": "ended a session",
    "$segment_entered": "came into the segment {segment}",
    "$segment_exited": "left the segment {segment}",
    "$place_entered": "came to the place {place}",
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
    "$coupon_issued": "were given a coupon of {pool}",
    "$coupon_redeemed": "used their coupon of {pool}",
    "$coupon_expired": "had their coupon of {pool} expire",
    "$coupon_released": "had their coupon of {pool} taken back",
    "$survey_answered": "answered the survey {survey}",
    "$unsubscribed": "opted out of {purpose} by {channel}",
    "$consent_given": "consented to {purpose} by {channel}",
    "$address_allowed": "may be written to again by {channel}",
    "$back_in_stock": "could be told that {id} of {catalog} is in stock again",
    "$price_dropped": "could be told that {id} of {catalog} costs {new} instead of {old}",
    "$merged": "were joined with another profile",
    "$unmerged": "were parted from another profile",
}
BRIEFLY = {
    "$segment_entered": "came into the segment",
    "$segment_exited": "left the segment",
    "$place_entered": "came to the place",
    "$message_sent": "were sent a message",
    "$message_delivered": "got a message",
    "$message_opened": "opened a message",
    "$message_clicked": "clicked in a message",
    "$message_bounced": "could not be reached by a message",
    "$message_failed": "could not be sent a message",
    "$message_aborted": "were not sent a message",
    "$message_complained": "complained about a message",
    "$coupon_issued": "were given a coupon",
    "$coupon_redeemed": "used their coupon",
    "$coupon_expired": "had their coupon expire",
    "$survey_answered": "answered the survey",
    "$unsubscribed": "opted out",
    "$consent_given": "consented",
    "$back_in_stock": "could be told that something is in stock again",
    "$price_dropped": "could be told that something costs less",
}
"""Where only the event's name is known."""
MACHINES = {
    "method": "in a way that no browser does",
    "too_soon": "sooner after it left than a person could",
    "many_clicks": "many links within seconds",
    "no_user_agent": "a program that does not name itself",
    "library": "a program that is no browser",
    "apple_privacy": "Apple's mail privacy protection, which loads every image",
    "prefetch": "the mailbox provider, ahead of any reader",
    "security_scanner": "a security scanner",
    "link_preview": "a link preview",
    "robot": "a robot",
    "scanner_network": "from a network of mail filters",
}
"""What told the machine from a person, by the code of `channels.scanners`."""
_CODE = re.compile(r"\((\w+)\)$")
"""The code, at the end of an event's `detail`."""
_NAMES = re.compile(r"\{(\w+)\}")


def doing(event: str, properties: Mapping[str, Any]) -> str:
    """`came into the segment vip`, to follow `they`; empty for an event that is not one of ours."""
    said = OURS.get(event, "")
    if all(name in properties for name in named(event)):
        return said.format_map({name: value(found) for name, found in properties.items()})
    return BRIEFLY.get(event, "")


def by_machine(event: str, properties: Mapping[str, Any]) -> str:
    """`a machine clicked in the message hello of welcome, a link preview`; empty of a person's.

    What a scanner or proxy did is nobody's doing: no `they` may be said of it.
    """
    if not properties.get("machine"):
        return ""
    found = _CODE.search(str(properties.get("detail", "")))
    why = MACHINES.get(found[1], "") if found else ""
    return f"a machine {doing(event, properties)}{f', {why}' if why else ''}"


def named(event: str) -> list[str]:
    """The properties that the words of an event name, here or in `ways.cause`."""
    if event == "$message_ignored":
        return ["step", "journey", "within"]
    return _NAMES.findall(OURS.get(event, ""))
