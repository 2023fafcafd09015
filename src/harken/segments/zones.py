"""Who is in some time zones, as a rule that history can answer.

`people.place.zone_of` decides for one document; this comes as near to it as a set can, so that a
broadcast by local time need not look at everybody at each zone's moment. What it misses (someone
whose stated zone is none, while a client told one) is found when the document is looked at.
"""

import re
from collections.abc import Collection
from zoneinfo import ZoneInfo, available_timezones

from harken.people.countries import spellings
from harken.people.place import only_zones
from harken.segments.rules import All, Any_, Attribute, Not, Rule


def in_zones(names: Collection[str], default: ZoneInfo) -> Rule:
    """Who is in one of the zones; `default` is where those are of whom nobody knows better."""
    told = Attribute(attribute="timezone", in_=[*sorted(available_timezones())])
    found: list[Rule] = [Attribute(attribute="timezone", in_=list(names))]
    of_one_zone = only_zones()
    here = [code for code, name in of_one_zone.items() if name in names]
    if here:
        found.append(All([Not(told), _in_countries(here)]))
    if default.key in names:
        found.append(All([Not(told), Not(_in_countries(list(of_one_zone)))]))
    return Any_(found)


def _in_countries(codes: list[str]) -> Rule:
    words = sorted({word for code in codes for word in spellings(code)})
    return Attribute(attribute="country", regex=rf"(?i)^\s*({'|'.join(map(_escaped, words))})\s*$")


def _escaped(word: str) -> str:
    # RE2 knows no escaped blanks.
    return re.escape(word).replace(r"\ ", " ").replace("\\&", "&").replace("\\-", "-")
