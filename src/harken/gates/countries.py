"""Which country's law is the recipient's."""

from harken.channels.table import BY_PHONE
from harken.gates.base import Candidate
from harken.people import countries
from harken.people.profile import Profile


def country_of(
    candidate: Candidate, profile: Profile, dialling: dict[str, str], default: str | None
) -> str | None:
    """The recipient's country: stated, learned from a client, told by a phone number, default.

    `dialling` maps the codes at the front of phone numbers to countries.
    """
    return countries.country_of(profile) or _dialled(candidate, profile, dialling) or default


def _dialled(candidate: Candidate, profile: Profile, dialling: dict[str, str]) -> str | None:
    phone = candidate.address if candidate.channel in BY_PHONE else profile.attribute("phone")
    if not isinstance(phone, str) or not phone:
        return None
    digits = "".join(letter for letter in phone if letter in "+0123456789")
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    return next((dialling[code] for code in dialling if digits.startswith(code)), None)
