"""What msgspec says of a value that does not fit, in words that need no Python."""

import re

_UNFIT = re.compile(
    r"Expected `(?P<right>[^`]+)`(?:, got `(?P<given>[^`]+)`)?(?P<more>.*)", re.DOTALL
)
_WORDS = {
    "str": "text", "int": "a whole number", "float": "a number", "bool": "`true` or `false`",
    "object": "an object", "array": "a list", "null": "nothing",
}  # fmt: skip
WORDS = "the words that are known here"
_NAME = "^[A-Za-z0-9]"
"""How the patterns of names begin."""


def in_words(said: str, known: str = WORDS) -> str:
    """`Expected `str | null`, got `int`` as `must be text or nothing, not a whole number`.

    `known` names the words of which it may be one.
    """
    if found := re.fullmatch(r"Invalid enum value (.*)", said, re.DOTALL):
        return f"{found[1]} is none of {known}"
    if found := re.fullmatch(r"Object missing required field `(.*)`", said, re.DOTALL):
        return f"missing key `{found[1]}`"
    if found := re.fullmatch(r"Object contains unknown field `(.*)`", said, re.DOTALL):
        return f"unknown key `{found[1]}`"
    unfit = _UNFIT.fullmatch(said)
    if unfit is None:
        return said
    right, more = _types(unfit["right"]), unfit["more"]
    if more.startswith(f" matching regex '{_NAME}"):
        right, more = "letters, digits, `-`, `_` and `.`, a letter or digit first", ""
    return f"must be {right}{more}" + (f", not {_types(unfit['given'])}" if unfit["given"] else "")


def _types(said: str) -> str:
    return " or ".join(_WORDS.get(one, one) for one in said.split(" | "))
