"""Which country a customer is in, however it is spelled."""

from functools import cache, lru_cache
from typing import Any

from babel import Locale
from babel.core import get_global

from harken.people.profile import Profile


def country_of(profile: Profile) -> str | None:
    """The ISO 3166 code of the customer's country: stated, else learned from a client.

    A stated country that cannot be read says nothing, so that the next source does.
    """
    return country_code(profile.attributes.get("country")) or country_code(
        profile.learned.get("country")
    )


def country_code(value: Any) -> str | None:
    """The ISO 3166 code of a country written as `KR`, `kor`, `South Korea` or `대한민국`."""
    return _code(value) if isinstance(value, str) else None


def spellings(code: str) -> list[str]:
    """Everything, however capitals are used, that `country_code` reads as the country."""
    return _spellings().get(code, [])


@cache
def _spellings() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text, code in _names().items():
        found.setdefault(code, []).append(text)
    return found


@lru_cache(maxsize=4_000)
def _code(text: str) -> str | None:
    known = _names()
    text = text.strip()
    return known.get(text.upper()) or known.get(text.casefold())


@cache
def _names() -> dict[str, str]:
    """Codes of two and three letters in capitals, names in each language that Harken speaks."""
    known: dict[str, str] = {}
    for language in ("en", "ko", "id"):
        for code, name in Locale(language).territories.items():
            if len(code) == 2:
                known[code] = code
                known[name.casefold()] = code
    for code, codes in get_global("territory_aliases").items():
        if len(codes) == 1 and len(code) == 3 and code.isalpha():
            known[code] = codes[0]
    # Babel's names are the common ones; these are the usual others for a country with a pack.
    for name in ("korea", "republic of korea", "korea, republic of", "한국", "korea (south)"):
        known[name] = "KR"
    return known
