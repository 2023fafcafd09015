"""YAML 1.2: what values are, where they stand, and what is refused."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harken.errors import BadDefinition, Fault
from harken.files import yaml


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("NO", "NO"),
        ("on", "on"),
        ("yes", "yes"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("tRue", "tRue"),
        ("~", None),
        ("null", None),
        ("", None),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01T00:00", "2026-01-01T00:00"),
        ("09:00", "09:00"),
        ("12:30:45", "12:30:45"),
        ("30m", "30m"),
        ("12", 12),
        ("-3", -3),
        ("+7", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("017", 17),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("9223372036854775807", 2**63 - 1),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("! 12", "12"),
        ("1.2.3", "1.2.3"),
        ("한국", "한국"),
        ('"\\u00e9"', "é"),
    ],
)
def test_plain_values_follow_the_core_schema(written: str, value: object) -> None:
    found = yaml.parse(f"a: {written}\n").value["a"]
    assert found == value
    assert type(found) is type(value)


def test_lines_are_those_of_keys_and_items() -> None:
    document = yaml.parse(
        "a: 1\nsteps:\n  - wait: 1d\n  - message: x\n\n    channel: e\nb:\n  c: 2\n"
    )
    assert document.lines == {
        "$": 1,
        "$.a": 1,
        "$.steps": 2,
        "$.steps[0]": 3,
        "$.steps[0].wait": 3,
        "$.steps[1]": 4,
        "$.steps[1].message": 4,
        "$.steps[1].channel": 6,
        "$.b": 7,
        "$.b.c": 8,
    }


@pytest.mark.parametrize(
    ("path", "line"),
    [("$", 1), ("$.b", 2), ("$.b[0].x.y[3]", 3), ("$.c", 1), ("$.b[0]", 3), ("", 1), ("[", 1)],
)
def test_a_path_that_is_not_there_is_on_the_line_of_what_holds_it(path: str, line: int) -> None:
    assert yaml.parse("a: 1\nb:\n  - x: 1\n").line(path) == line


def test_aliases_stand_for_what_they_name() -> None:
    document = yaml.parse("a: &x {b: [1, 2]}\nc: *x\nd: [*x, *x]\n")
    assert document.value["d"] == [{"b": [1, 2]}] * 2
    assert document.line("$.c.b[1]") == 2


def test_a_merge_key_is_a_plain_key_and_a_byte_order_mark_is_nothing() -> None:
    assert yaml.parse(b"\xef\xbb\xbf<<: {a: 1}\n1: 2\n").value == {"<<": {"a": 1}, "1": 2}


def test_an_empty_file_is_none() -> None:
    assert yaml.parse("# nothing\n").value is None


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
LONG_TEXT = f"a: &x {'y' * 30_000}\nb: [{', '.join(['*x'] * 1000)}]\n"
DEEP_ALIAS = f"a: &x {'[' * 30}{']' * 30}\nb: {'[' * 30}*x{']' * 30}\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3: $.a: duplicate key `a`; first on line 1"),
        ("a:\n\tb: 1\n", "f.yaml:2: $: a tab cannot indent; use spaces"),
        (
            "a: 1\n---\nb: 1\n",
            "f.yaml:2: $: a second document begins; keep one document a file",
        ),
        (b"a: 1\nb: \xff\n", "f.yaml:2: $: byte 0xff is not UTF-8; save as UTF-8"),
        ("a: 1\nb: \x01\n", "f.yaml:2: $: control character U+0001; remove it"),
        (
            "a: 1\n" * 9_000 + "b: \x7f\n",
            "f.yaml:9001: $: control character U+007F; remove it",
        ),
        (
            "a: b: c\n",
            (
                "f.yaml:1: $: `: ` inside a value, or wrong indentation; "
                "put a value that holds `: ` in quotes"
            ),
        ),
        (
            "a: 1\nb: @x\n",
            "f.yaml:2: $: character '@' that cannot start any token; put the value in quotes",
        ),
        (
            "subject: {{ profile.first_name }}\n",
            (
                "f.yaml:1: $.subject: a key must be text, not a mapping; "
                "quote a value that begins with `{`, `[` or `*`"
            ),
        ),
        (
            "? [a]\n: 1\n",
            (
                "f.yaml:1: $: a key must be text, not a list; "
                "quote a value that begins with `{`, `[` or `*`"
            ),
        ),
        ("a: 1\n: 2\n", "f.yaml:2: $: a key is missing before `:`"),
        (
            f"{'k' * 201}: 1\n",
            "f.yaml:1: $: a key of 201 characters; at most 200",
        ),
        (
            "{" + f"{'k' * 199}: {{" * 6,
            f"f.yaml:1: ${('.' + 'k' * 199) * 5}: the keys that lead here are too long together",
        ),
        ("a: *no\n", "f.yaml:1: $.a: `*no` names no anchor above it"),
        ("a: &x\n  b: *x\n", "f.yaml:2: $.a.b: `*x` stands inside what it names"),
        ("a: !ruby 1\n", "f.yaml:1: $.a: tag '!ruby' means nothing here; remove it"),
        ("a: !set {b: 1}\n", "f.yaml:1: $.a: tag '!set' means nothing here; remove it"),
        ("a: .nan\n", "f.yaml:1: $.a: .nan is no finite number; put text in quotes"),
        ("a: 1e999\n", "f.yaml:1: $.a: 1e999 is no finite number; put text in quotes"),
        (
            "a: 9223372036854775808\n",
            "f.yaml:1: $.a: 9223372036854775808 is too large for a number; put text in quotes",
        ),
        (
            "a: " + "9" * 5000 + "\n",
            f"f.yaml:1: $.a: {'9' * 24} is too large for a number; put text in quotes",
        ),
        (
            "a: 1\nb: 'x\n",
            (
                "f.yaml:2: $: this is no YAML 1.2: while scanning a quoted scalar, "
                "found unexpected end of stream (begun on line 2)"
            ),
        ),
        (
            "a:\n  b: 1\n c: 2\n",
            "f.yaml:3: $: wrong indentation: it fits neither the line above nor what holds it",
        ),
        ("a: [1, 2\nb: 1\n", "f.yaml:2: $: a `[` is not closed, or a comma is missing"),
        ("a: {b: 1\n", "f.yaml:2: $: a `{` is not closed, or a comma is missing"),
        ("\n" + "[" * 60 + "]" * 60, f"f.yaml:2: ${'[0]' * 51}: nested more than 50 deep"),
        (DEEP_ALIAS, f"f.yaml:2: $.b{'[0]' * 30}: nested more than 50 deep"),
        (
            "x" * 1_000_001,
            "f.yaml:1: $: the file has 1,000,001 bytes; at most 1,000,000 are read",
        ),
    ],
)
def test_what_is_refused_names_file_and_line(text: str | bytes, fault: str) -> None:
    with pytest.raises(BadDefinition) as caught:
        yaml.parse(text, "f.yaml")
    assert str(caught.value) == fault


@pytest.mark.parametrize("text", [LAUGHS, LONG_TEXT, "[" * 900_000, "- " * 400_000, "{a: " * 1000])
def test_bombs_are_refused(text: str) -> None:
    with pytest.raises(BadDefinition):
        yaml.parse(text)


def test_every_duplicate_is_told() -> None:
    with pytest.raises(BadDefinition) as caught:
        yaml.parse("a: 1\na: 2\nb: {c: 1, c: 2}\n")
    assert [fault.line for fault in caught.value.faults] == [2, 3]


pieces = st.sampled_from(
    [*"abc:-?[]{},&*!|>%@`'\"\\#~<0\n\t ", ": ", "- ", "\n  ", "---\n", "...\n", "%YAML 1.1\n",
     "%TAG ! x\n", "&a ", "*a", "!!int ", "!<x> ", "\\ud800", "\\U00110000", "\\x4", "\ud800",
     "\x85", "\u2028", "\ufeff", "\x00", "0x", "0o8", "1e", "<<: "]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.lists(pieces, max_size=30).map("".join), st.text(max_size=40), st.binary()))
def test_any_text_is_a_storable_value_or_a_fault_with_a_line(text: str | bytes) -> None:
    document, faults = None, tuple[Fault, ...]()
    try:
        document = yaml.parse(text, "f.yaml")
    except BadDefinition as bad:
        faults = bad.faults
    assert (document is None) == bool(faults)
    assert all(fault.line >= 1 and fault.file == "f.yaml" for fault in faults)
    msgspec.msgpack.encode(document)
    msgspec.json.encode(document)
