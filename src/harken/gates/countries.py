"""Which country's law is the recipient's, however the country is spelled."""

from functools import cache, lru_cache
from typing import Any

from babel import Locale
from babel.core import get_global

from harken.gates.base import Candidate
from harken.people.profile import Profile

_BY_PHONE = frozenset({"sms", "kakao", "alimtalk"})


def country_of(
    candidate: Candidate, profile: Profile, dialling: dict[str, str], default: str | None
) -> str | None:
    """The recipient's country: stated, learned from a client, told by a phone number, default.

    `dialling` maps the codes at the front of phone numbers to countries. A stated country that
    cannot be read says nothing, so that the next source does.
    """
    return (
        country_code(profile.attributes.get("country"))
        or country_code(profile.learned.get("country"))
        or _dialled(candidate, profile, dialling)
        or default
    )


def country_code(value: Any) -> str | None:
    """The ISO 3166 code of a country written as `KR`, `kor`, `South Korea` or `대한민국`."""
    return _code(value) if isinstance(value, str) else None


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


def _dialled(candidate: Candidate, profile: Profile, dialling: dict[str, str]) -> str | None:
    phone = candidate.address if candidate.channel in _BY_PHONE else profile.attribute("phone")
    if not isinstance(phone, str) or not phone:
        return None
    digits = "".join(letter for letter in phone if letter in "+0123456789")
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    return next((dialling[code] for code in dialling if digits.startswith(code)), None)
