"""A pattern is looked for as RE2 searches it, however it is asked."""

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from harken.segments import rules
from harken.segments.compare import (
    LARGEST_PROGRAM,
    LONGEST_TEXT,
    compile_regex,
    compile_test,
)

PIECES = (
    "a", "b", "_", " ", "@", "é", ".", "*", "+?", "|", "\\.", "\\\\", "\\d", "\\b", "\\n", "^", "$",
    "(", ")", "[ab]", "[^a]", "a{2}", "(?i)", "(?s)", "(?m)", "\\p{L}", "",
)  # fmt: skip
TEXTS = ("a", "b", "_", " ", "@", "é", ".", "\\", "\n", "\ud800", "7", "A", "가")
LARGE = "[a-zé-힣]{1,1000}[0-9é-힣]{1,1000}$"


@given(
    pattern=st.lists(st.sampled_from(PIECES), max_size=5).map("".join),
    text=st.lists(st.sampled_from(TEXTS), max_size=6).map("".join),
)
def test_the_same_as_searched(pattern: str, text: str) -> None:
    try:
        compile_regex(pattern)
    except ValueError:
        with pytest.raises(re2.error):
            re2.compile(pattern)
        return
    searched = re2.search(pattern, text.encode("utf-8", "surrogatepass")) is not None
    assert compile_test(rules.Test(regex=pattern))(text) is searched


@pytest.mark.parametrize(("text", "holds"), [("ab12", True), ("12", False), ("가나0", True)])
def test_one_too_large_for_a_set(text: str, holds: bool) -> None:
    assert re2.compile(LARGE).programsize > LARGEST_PROGRAM
    assert compile_test(rules.Test(regex=LARGE))(text) is holds


def test_looks_at_no_more_than_the_longest_text() -> None:
    long = "a" * LONGEST_TEXT + "b"
    for pattern, holds in (("b$", False), ("[b]$", False), ("a$", True), ("[a]$", True)):
        assert compile_test(rules.Test(regex=pattern))(long) is holds
