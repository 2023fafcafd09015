"""Ids are derived, not drawn: the same cause always gets the same id."""

from hashlib import blake2b, md5

IDS = 1 << 63
"""Profile ids are below this, and evenly spread."""
NAMED_BY = ("user", "anonymous", "profile")
HEXADECIMAL = "0123456789abcdef"


def profile_id(kind: str, value: str) -> int:
    """The id of the profile that `value` names by itself: 63 bits of BLAKE2b.

    `kind` is `user` or `anonymous`. No look-up is needed for a customer never merged, and a
    replay of the log creates the same profiles.
    """
    digest = blake2b(_bytes_of(f"{kind}:{value}"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def named(text: str) -> tuple[str, str]:
    """How people and programs name a customer, as (`user`, `anonymous` or `profile`, which).

    `anonymous:ID`, `profile:NUMBER`, or else a user id; `user:ID` is one whatever it begins with.
    """
    kind, _, which = text.partition(":")
    return (kind, which) if which and kind in NAMED_BY else ("user", text)


def derived_id(*parts: object) -> str:
    """A 26-character id (104 bits, hexadecimal) of the parts, in order."""
    return _id_of("\x1f".join(map(str, parts)))


def run_id(profile: int, journey: str, key: str, occurrence: str) -> str:
    """The derived id of a customer's run; it begins with the first bits of the customer's id.

    And so do its messages': those of a broadcast, which goes through customers in the order of
    their ids, are neighbours in the ledger's index. Otherwise each would write a page of it.
    """
    # Written out, here and below: each decision asks it, and to join parts takes longer.
    id = _id_of(f"{profile}\x1f{journey}\x1f{key}\x1f{occurrence}")
    return f"{profile >> 39:06x}{id[6:]}"


def message_id(run: str, of: object, what: object, which: object) -> str:
    """The derived id of what a run says: it begins as the run's, which a merge does not change."""
    id = _id_of(f"{run}\x1f{of}\x1f{what}\x1f{which}")
    # Runs from when ids were base32 lie anywhere, and so may their messages.
    return id if run[:6].strip(HEXADECIMAL) else run[:6] + id[6:]


def _id_of(text: str) -> str:
    return blake2b(_bytes_of(text), digest_size=13).hexdigest()


def _bytes_of(text: str) -> bytes:
    """UTF-8, also of what JSON may hold and UTF-8 may not."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def fingerprint(text: str) -> bytes:
    """Eight bytes that stand for a message id in a customer's document."""
    return blake2b(_bytes_of(text), digest_size=8).digest()


def bucket(profile: int, salt: str) -> int:
    """Where a profile falls for an experiment or control group: 0 to 9999, the same each time.

    The first 32 bits of an MD5, which SQL engines have too: a segment can ask for buckets.
    """
    digest = md5(_bytes_of(f"{salt}:{profile}"), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big") % 10_000
