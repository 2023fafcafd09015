"""Consent per channel and purpose, and the ledger of its changes."""

from msgspec.structs import replace

from harken.people.profile import ConsentChange, Profile

PURPOSES = ("marketing", "transactional", "night")
STATES = ("opted_in", "implied", "opted_out")
STRICTNESS = {"opted_out": 2, "implied": 1, "opted_in": 0}
KEPT = 1_000
"""Lines of the ledger kept with the customer; history has them all."""
ALL = "all"
"""The channel that stands for every channel."""


def apply_consent(profile: Profile, change: ConsentChange) -> bool:
    """Record a change; False when it is older than what is in force (it still is in the ledger)."""
    profile.consent_log = [*profile.consent_log, change][-KEPT:]
    key = f"{change.channel}:{change.purpose}"
    current = profile.consent.get(key)
    if current is not None and current.at > change.at:
        return False
    profile.consent[key] = change
    return True


def consent_for(profile: Profile, channel: str, purpose: str) -> ConsentChange | None:
    """The change that decides for a channel and purpose, or None when there was no choice.

    A choice about the channel itself and one about `all` channels both count: the later one
    decides, so that "stop everything" holds until the customer opts into something again.
    """
    own = profile.consent.get(f"{channel}:{purpose}")
    every = profile.consent.get(f"{ALL}:{purpose}")
    if own is None or every is None:
        return own or every
    return own if own.at >= every.at else every


def standing(profile: Profile, channel: str, purpose: str) -> ConsentChange | None:
    """The choice in force, or None. What is merely implied never undoes an opt-out."""
    if not profile.consent:
        return None
    choice = consent_for(profile, channel, purpose)
    if choice is not None and choice.state == "implied":
        for name in (channel, ALL):
            other = profile.consent.get(f"{name}:{purpose}")
            if other is not None and other.state == "opted_out":
                return other
    return choice


def stricter(left: ConsentChange, right: ConsentChange) -> ConsentChange:
    """What holds when two profiles become one: the stricter side, the later of equals."""
    ranks = STRICTNESS[left.state], STRICTNESS[right.state]
    if ranks[0] != ranks[1]:
        return left if ranks[0] > ranks[1] else right
    return left if left.at >= right.at else right


def stricter_choices(left: Profile, right: Profile) -> dict[str, ConsentChange]:
    """The choices by `channel:purpose` when two profiles become one: of what stood with each the
    stricter, also where one had chosen for the channel and the other for all."""
    found = {**right.consent, **left.consent}
    for key in sorted(found, key=lambda key: not key.startswith(f"{ALL}:")):
        channel, _, purpose = key.partition(":")
        mine, theirs = standing(left, channel, purpose), standing(right, channel, purpose)
        if mine is None or theirs is None:
            continue
        wins, every = stricter(mine, theirs), found.get(f"{ALL}:{purpose}")
        # The later choice decides: one for all that is not so strict must not be later.
        at = wins.at if every is None or channel == ALL else max(wins.at, every.at)
        found[key] = replace(wins, channel=channel, at=at)
    return found
