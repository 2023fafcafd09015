"""Addresses: which can be one, which have been found dead, and by what a customer is reached."""

import re
from functools import cache, lru_cache

from harken.channels.table import ADDRESSED, TABLE, address_of
from harken.people.profile import Profile, Reach

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++"
_LABEL = r"[A-Za-z0-9]++(?:-[A-Za-z0-9]++)*+"
# The whole check costs 85 microseconds. These cost less than to remember what it has said of each
# address, and accept only a part of what that accepts (a test holds them to that): in an address as
# short as `_SHORT` neither the local part nor a label can be too long.
_PLAIN_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*+")
_PLAIN_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+([A-Za-z]{{2,}})")
_SHORT = 64
LONGEST = 254
"""Characters in an address (RFC 5321)."""


def found_dead(profile: Profile, channel: str, address: str) -> Reach | None:
    """Why the address must not be written to any more, or None."""
    dead = profile.unreachable.get(channel)
    return dead if dead is not None and dead.address.lower() == address.lower() else None


def reachable(profile: Profile) -> list[str]:
    """The channels with an address through which the customer can be written to."""
    return [channel for channel in ADDRESSED if is_reachable(profile, channel)]


def is_reachable(profile: Profile, channel: str) -> bool:
    """Whether they have an address for the channel that can be one and was not found dead."""
    address = address_of(profile, channel)
    return bool(
        address
        and not form_problem(channel, address)
        and found_dead(profile, channel, address) is None
    )


def form_problem(channel: str, address: str) -> str:
    """Why the text can be no address of the channel, or ""."""
    return address_problem(address) if TABLE[channel].form == "e-mail" else ""


def address_problem(address: str) -> str:
    """What is wrong with the form of an e-mail address (RFC 5321, 6531), or "". Asks no DNS.

    `.test` addresses are let pass (RFC 6761 keeps them for testing); a domain needs a dot.
    """
    if len(address) <= _SHORT:
        local, _, domain = address.rpartition("@")
        if _is_plain(domain) and _PLAIN_LOCAL.fullmatch(local):
            return ""
    return _thorough(address[: 2 * LONGEST])


@lru_cache(maxsize=10_000)
def _is_plain(domain: str) -> bool:
    """Whether nothing can be wrong with a domain; most customers share a few."""
    plain = _PLAIN_DOMAIN.fullmatch(domain)
    return plain is not None and plain[1].lower() not in _special()


@cache
def _special() -> frozenset[str]:
    from email_validator import SPECIAL_USE_DOMAIN_NAMES

    return frozenset(SPECIAL_USE_DOMAIN_NAMES) - {"test"}


@lru_cache(maxsize=10_000)
def _thorough(address: str) -> str:
    # Here and in `_special`, and not at the top: it loads slowly, and no start should wait for it.
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(
            address, strict=True, check_deliverability=False, test_environment=True
        )
    except EmailNotValidError as problem:
        return str(problem)
    if "." not in found.ascii_domain:
        return "The part after the @-sign is not a whole domain name."
    return ""
