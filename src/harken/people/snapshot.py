"""How a customer stands, as the row that history holds of them; `segments.sql` asks it."""

from collections.abc import Sequence
from typing import Any

from harken.clock import parse_date
from harken.history.rows import Snapshot
from harken.people.address import reachable
from harken.people.consent import ALL, PURPOSES, standing
from harken.people.profile import Profile


def snapshot_of(profile: Profile, channels: Sequence[str]) -> Snapshot:
    """The row of a living customer; who was absorbed or forgotten has none.

    `channels` are all that there are: a choice about all of them is written for each.
    """
    attributes = {**profile.learned, **profile.attributes}
    latitude, longitude = profile.location() or (None, None)
    return Snapshot(
        profile_id=profile.id,
        user_id=profile.user_id,
        created_at=profile.created_at,
        attributes=attributes,
        dates=dates_in(attributes),
        reachable=reachable(profile),
        consent=_choices(profile, channels),
        lists=sorted(profile.lists),
        latitude=latitude,
        longitude=longitude,
    )


def dates_in(values: dict[str, Any]) -> dict[str, Any]:
    """Those of the values, nested objects included, that are dates, in ms."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        date = dates_in(value) if isinstance(value, dict) else parse_date(value)
        if date is not None and date != {}:
            found[name] = date
    return found


def _choices(profile: Profile, channels: Sequence[str]) -> list[str]:
    """Explicit choices in force, as `email:marketing:opted_in`."""
    stated = profile.consent
    if not stated:
        return []
    found = []
    for purpose in PURPOSES:
        every = f"{ALL}:{purpose}" in stated
        for channel in (*channels, ALL):
            # Most customers chose about one channel; the others need no look.
            if every or f"{channel}:{purpose}" in stated:
                choice = standing(profile, channel, purpose)
                if choice is not None and choice.state != "implied":
                    found.append(f"{channel}:{purpose}:{choice.state}")
    return found
