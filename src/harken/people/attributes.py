"""Standard attributes have one name each, whatever the client's spelling."""

import re
from typing import Any

import msgspec

STANDARD = (
    "first_name", "last_name", "name", "email", "phone", "language", "locale", "country", "city",
    "timezone", "birthday", "gender", "created_at", "avatar",
)  # fmt: skip

# What clients write, folded to lower case without '_', '-' and blanks.
_SPELLINGS = {name.replace("_", ""): name for name in STANDARD} | {
    "emailaddress": "email",
    "mail": "email",
    "phonenumber": "phone",
    "mobile": "phone",
    "lang": "language",
    "countrycode": "country",
    "tz": "timezone",
    "birthdate": "birthday",
    "dateofbirth": "birthday",
    "dob": "birthday",
    "createddate": "created_at",
    "signupdate": "created_at",
    "givenname": "first_name",
    "familyname": "last_name",
    "fullname": "name",
}
# Beside blanks: soft hyphens, joiners, marks of direction, and what Hangul fills a gap with, which
# people take for a name where one is asked for. They would be greeted as "Hi ,".
_visible = re.compile(
    r"[^\s\u00ad\u115f\u1160\u200b-\u200f\u202a-\u202e\u2060-\u2064\u3164\ufeff\uffa0]"
).search
_known: dict[str, str] = {}
_encode = msgspec.msgpack.Encoder().encode


def standard_name(key: str) -> str:
    """The attribute that a trait's key means: `firstName` is `first_name`; others stay."""
    found = _known.get(key)
    if found is None:
        folded = key.lower().replace("_", "").replace("-", "").replace(" ", "")
        found = _SPELLINGS.get(folded, key)
        if len(_known) < 10_000:
            _known[key] = found
    return found


def misnamed(attribute: str) -> str:
    """What is wrong with an attribute's name that nothing is kept under, or empty."""
    kept = standard_name(attribute)
    return f"it is kept as `{kept}`, however clients spell it" if kept != attribute else ""


def apply_traits(attributes: dict[str, Any], traits: dict[str, Any]) -> None:
    """Set what an `identify` states. `null` takes an attribute away.

    The standard attributes are kept as text (country and e-mail in their usual case, so that
    rules and policy packs meet one spelling); the Segment spec's `address` also states city and
    country where the same call does not state them by themselves.
    """
    for key, value in traits.items():
        name = standard_name(key)
        if name in STANDARD:
            value = _standard_value(name, value)
        if value is None:
            attributes.pop(name, None)
        else:
            attributes[name] = value
    address = traits.get("address")
    if isinstance(address, dict):
        themselves = {standard_name(key) for key in traits}
        for name in ("city", "country"):
            stated = _standard_value(name, address.get(name))
            if stated is not None and name not in themselves:
                attributes[name] = stated


def changed(before: dict[str, Any], now: dict[str, Any]) -> set[str]:
    """The names of attributes that are not what they were."""
    if same(before, now):
        return set()
    return {
        name for name in before.keys() | now.keys() if not same(before.get(name), now.get(name))
    }


def same(left: Any, right: Any) -> bool:
    """To Python `true` equals 1, also deep inside; to rules it does not."""
    if left is right:
        return True
    return bool(left == right) and (isinstance(left, str) or _encode(left) == _encode(right))


def _standard_value(name: str, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None if value is None else str(value)
    text = str(value).strip()
    if not _visible(text):
        return None
    if name == "country" and len(text) == 2:
        return text.upper()
    if name == "email":
        local, at, domain = text.rpartition("@")
        return f"{local}@{domain.lower()}" if at else text
    return text
