"""Ids are derived, not drawn: the same cause always gets the same id."""

from hashlib import blake2b, md5

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
# Ten bits at a time: base64.b32encode takes three times as long, and every run and message has ids.
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def profile_id(kind: str, value: str) -> int:
    """The id of the profile that `value` names by itself: 63 bits of BLAKE2b.

    `kind` is `user` or `anonymous`. No look-up is needed for a customer never merged, and a
    replay of the log creates the same profiles.
    """
    digest = blake2b(f"{kind}:{value}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def derived_id(*parts: object) -> str:
    """A 26-character id (128 bits, lower-case base32) of the parts, in order."""
    text = "\x1f".join(map(str, parts))
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    bits, pairs = int.from_bytes(digest, "big") << 2, _PAIRS
    # Written out: a loop takes a quarter longer, and each message costs two ids.
    return (
        f"{pairs[bits >> 120]}{pairs[bits >> 110 & 1023]}{pairs[bits >> 100 & 1023]}"
        f"{pairs[bits >> 90 & 1023]}{pairs[bits >> 80 & 1023]}{pairs[bits >> 70 & 1023]}"
        f"{pairs[bits >> 60 & 1023]}{pairs[bits >> 50 & 1023]}{pairs[bits >> 40 & 1023]}"
        f"{pairs[bits >> 30 & 1023]}{pairs[bits >> 20 & 1023]}{pairs[bits >> 10 & 1023]}"
        f"{pairs[bits & 1023]}"
    )


def fingerprint(text: str) -> bytes:
    """Eight bytes that stand for a message id in a customer's document."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def bucket(profile: int, salt: str) -> int:
    """Where a profile falls for an experiment or control group: 0 to 9999, the same each time.

    The first 32 bits of an MD5, which SQL engines have too: a segment can ask for buckets.
    """
    text = f"{salt}:{profile}".encode("utf-8", "surrogatepass")
    digest = md5(text, usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big") % 10_000
