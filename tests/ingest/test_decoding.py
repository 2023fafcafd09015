"""What does not fit is told in plain words."""

import pytest

from harken.decoding import in_words


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        ("Expected `str | null`, got `int`", "must be text or nothing, not a whole number"),
        ("Expected `int` >= 1", "must be a whole number >= 1"),
        ("Invalid enum value 'x'", "'x' is none of the words that are known here"),
        ("Object missing required field `a`", "missing key `a`"),
        ("Object contains unknown field `a`", "unknown key `a`"),
        (
            "Expected `str` matching regex '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'",
            "must be letters, digits, `-`, `_` and `.`, a letter or digit first",
        ),
        ("Expected `str` matching regex '[0-9]+'", "must be text matching regex '[0-9]+'"),
        ("something else", "something else"),
    ],
)
def test_what_does_not_fit_is_told_without_python(said: str, plain: str) -> None:
    assert in_words(said) == plain
