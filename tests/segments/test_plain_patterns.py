"""Regular expressions that are but a text are not searched as such: the answer is the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harken.segments import rules
from harken.segments.compare import LONGEST_TEXT, PLAIN_TEXT, compile_regex, compile_test

PIECES = (
    "a", "b", "_", "-", " ", "/", "@", "é", ".", "*", "|", "\\.", "\\@", "\\-", "\\_", "\\/", "\\$",
    "\\^", "\\\\", "\\d", "\\b", "\\n", "^", "$", "(", ")", "[ab]", "a{2}",
)  # fmt: skip
TEXTS = ("a", "b", "_", "-", " ", "/", "@", "é", ".", "$", "^", "\\", "\n", "\ud800", "7", "A")


@given(
    pattern=st.lists(st.sampled_from(PIECES), max_size=4).map("".join),
    text=st.lists(st.sampled_from(TEXTS), max_size=6).map("".join),
)
def test_the_same_as_searched(pattern: str, text: str) -> None:
    try:
        regex = compile_regex(pattern)
    except ValueError:
        return
    searched = regex.search(text.encode("utf-8", "surrogatepass")) is not None
    assert compile_test(rules.Test(regex=pattern))(text) is searched


@pytest.mark.parametrize("pattern", ["@shop\\.example$", "^VIP-", "^gold$", "", "^\\+82 1"])
def test_which_are_but_a_text(pattern: str) -> None:
    assert PLAIN_TEXT.fullmatch(pattern)


@pytest.mark.parametrize("pattern", ["a.b", "^a|b$", "(?i)gold", "\\d", "a$b", "é+"])
def test_which_are_more(pattern: str) -> None:
    assert not PLAIN_TEXT.fullmatch(pattern)


def test_neither_looks_beyond_the_longest_text() -> None:
    long = "a" * LONGEST_TEXT + "b"
    for pattern, holds in (("b$", False), ("[b]$", False), ("a$", True), ("[a]$", True)):
        assert compile_test(rules.Test(regex=pattern))(long) is holds
