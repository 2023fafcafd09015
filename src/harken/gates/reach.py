"""Gate 4: is there an address, can it be one, and has it not been found dead."""

import re
from functools import cache, lru_cache
from typing import Any

from harken.gates.base import PULLED, Candidate, Verdict
from harken.gates.policy import CompiledWorkspace
from harken.people.profile import Profile

REACHABLE = Verdict("pass", "reachable")

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# The whole check costs 85 microseconds, and each customer's address is met but rarely; this one
# accepts only a part of what that accepts (a test holds it to that).
_PLAIN = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+([A-Za-z]{{2,63}})")
_LONGEST = 254


def reachable(
    candidate: Candidate, profile: Profile, now: int, workspace: CompiledWorkspace
) -> Verdict:
    """There is an address that can be one, and nothing says that it is dead."""
    address = candidate.address
    if not address:
        if candidate.channel in PULLED:
            return REACHABLE
        return Verdict("drop", "reachable", "no_address", facts={"channel": candidate.channel})
    if candidate.channel == "email":
        problem = address_problem(address)
        if problem:
            shown = {"address": address[:_LONGEST], "problem": problem}
            return Verdict("drop", "reachable", "bad_address", facts=shown)
    dead = profile.unreachable.get(candidate.channel)
    if dead is not None and dead.address.lower() == address.lower():
        facts: dict[str, Any] = {"why": dead.why, "since": dead.at, "detail": dead.detail}
        return Verdict("drop", "reachable", "unreachable", facts=facts)
    return REACHABLE


def address_problem(address: str) -> str:
    """What is wrong with the form of an e-mail address (RFC 5321, 6531), or "". Asks no DNS.

    `.test` addresses are let pass (RFC 6761 keeps them for testing); a domain needs a dot.
    """
    plain = _PLAIN.fullmatch(address)
    if (
        plain is not None
        and len(address) <= _LONGEST
        and "--" not in address
        and plain[1].lower() not in _special()
    ):
        return ""
    return _thorough(address[: 2 * _LONGEST])


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
