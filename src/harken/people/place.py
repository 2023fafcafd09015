"""Where and when the customer is: their time zone."""

from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from harken.people.countries import country_of
from harken.people.profile import Profile
from harken.values import zone

ZONE_FACTS = frozenset({"timezone", "country"})
"""The attributes by which a customer's zone is known."""


def zone_of(profile: Profile, default: ZoneInfo) -> ZoneInfo:
    """The customer's zone: stated, learned from a client, their country's only one, or default."""
    for name in (profile.attributes.get("timezone"), profile.learned.get("timezone")):
        found = zone(name)
        if found is not None:
            return found
    country = country_of(profile)
    only = only_zones().get(country) if country else None
    return (zone(only) if only else None) or default


def zone_facts(profile: Profile) -> tuple[object, ...]:
    """All that `zone_of` looks at."""
    sources = (profile.attributes, profile.learned)
    return tuple(source.get(name) for source in sources for name in ("timezone", "country"))


@cache
def only_zones() -> dict[str, str]:
    """Countries that lie in one zone, from the tz database's own table (zone1970 names more)."""
    table = files("tzdata").joinpath("zoneinfo/zone.tab").read_text()
    zones: dict[str, list[str]] = {}
    for line in table.splitlines():
        if line and not line.startswith("#"):
            country, _, name = line.split("\t")[:3]
            zones.setdefault(country, []).append(name)
    return {country: names[0] for country, names in zones.items() if len(names) == 1}
