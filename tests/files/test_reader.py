"""Plain values read as domain types: what passes, and the words for what does not."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harken.errors import BadDefinition
from harken.files import yaml
from harken.files.reader import MOST_FAULTS, read, try_read
from harken.files.words import describe
from harken.journeys.entries import Entry, Reentry
from harken.journeys.kinds import Exit, Message, Step, Until, UntilDate, Wait
from harken.journeys.model import Journey
from harken.segments.model import Segment
from harken.segments.rules import All, Any_, Attribute, Did, Not, Rule, Test, Where
from harken.values import Duration
from harken.workspace import Cap, Workspace

EXAMPLE = Path(__file__).parent / "data" / "abandoned-cart.yaml"


def test_the_example_of_the_contract_reads_as_it_stands() -> None:
    journey = read(yaml.parse(EXAMPLE.read_bytes()).value, Journey)
    assert journey.entry.where == {"cart_value": Test(gte=100.0)}
    assert journey.entry.audience == Attribute(attribute="country", in_=["KR", "ID", "US"])
    assert journey.entry.reentry == Reentry(Duration.parse("1d"))
    wait, message = journey.steps
    assert wait == Wait(wait=Duration.parse("30m"))
    assert isinstance(message, Message)
    assert [variant.mjml for variant in message.variants] == ["abandoned-premium.mjml", None]
    assert message.sending_hours is not None
    assert str(message.sending_hours.from_) == "09:00"


@pytest.mark.parametrize(
    ("value", "type_", "typed"),
    [
        ({"attribute": "a", "equals": "x"}, Rule, Attribute(attribute="a", equals="x")),
        ({"attribute": "a", "equals": None}, Rule, Attribute(attribute="a", equals=None)),
        (
            {"did": "A", "where": {"b": "c", "d": [1, 2], "e": {"lt": 5}}, "within": "30d"},
            Rule,
            Did(
                did="A",
                where={"b": Test(equals="c"), "d": Test(in_=[1, 2]), "e": Test(lt=5.0)},
                within=Duration.parse("30d"),
            ),
        ),
        (
            {"all": [{"not": {"did": "A"}}, {"any": [{"did": "B", "exactly": 0}]}]},
            Rule,
            All([Not(Did(did="A")), Any_([Did(did="B", exactly=0)])]),
        ),
        ({"wait": {"time": "09:00"}}, Step, Wait(wait=Until(time=540))),  # type: ignore[arg-type]
        (
            {"wait": {"event_property": "d", "before": "1d"}, "id": "w"},
            Step,
            Wait(wait=UntilDate(event_property="d", before=Duration.parse("1d")), id="w"),  # type: ignore[arg-type]
        ),
        ({"exit": True}, Step, Exit(exit=True)),
        ({"exit": {"did": "A"}}, Step, Exit(exit=Did(did="A"))),
        ({"at_most": 2, "per": "1d"}, Cap, Cap(at_most=2, per=Duration.parse("1d"))),
        ({"at_most": 2, "per": "calendar day"}, Cap, Cap(at_most=2, per="calendar day")),
        ({}, Workspace, Workspace()),
        (None, int | None, None),
        (5, float, 5.0),
        ({"x": True}, Where, {"x": Test(equals=True)}),
        ("x", Test | None, Test(equals="x")),
        ([True], list[bool], [True]),
        ({"a": [1]}, dict[str, Any], {"a": [1]}),
        ({"a": 1}, dict, {"a": 1}),
    ],
)
def test_what_is_right_becomes_its_type(value: object, type_: Any, typed: object) -> None:
    found = read(value, type_)
    assert found == typed
    assert type(found) is type(typed)


SOME_RULE = describe(Rule).removeprefix("a mapping with ")
WAYS_IN = describe(Entry).removeprefix("a mapping with ")
A_SCALAR = "text or a whole number or a number or `true` or `false`"
FEW_COMPARISONS = "`equals`, `not_equals`, `in`, `not_in`, `contains`, `gt` ... or `exists`"
NO_DURATION = "write a duration as a number and a unit (s, m, h, d, w): 30m, 1d12h"


@pytest.mark.parametrize(
    ("value", "type_", "fault"),
    [
        (True, int, "$: must be a whole number, not `true`"),
        (1.0, int, "$: must be a whole number, not the number 1.0"),
        (2**70, int, "$: must be a whole number, not the number of more than 64 bits"),
        ("5", int, "$: must be a whole number, not the text '5'"),
        ("5", float, "$: must be a number, not the text '5'"),
        (True, float, "$: must be a number, not `true`"),
        (float("nan"), float, "$: must be a finite number of at most 64 bits, not the number nan"),
        (5, str, "$: must be text, not the number 5; put it in quotes"),
        (None, str, "$: is empty; must be text"),
        ([], str, "$: must be text, not a list"),
        ("yes", bool, "$: must be `true` or `false`, not the text 'yes'"),
        (1, bool, "$: must be `true` or `false`, not the number 1"),
        ("x", list[str], "$: must be a list, each text, not the text 'x'"),
        ([1], dict[str, str], "$: must be a mapping of names to values, not a list"),
        ("30", Duration, f"$: '30' is no duration; {NO_DURATION}"),
        (30, Duration, "$: must be a duration such as `30s`, not the number 30"),
        ({}, Rule, f"$: must have one of {SOME_RULE}; it has nothing"),
        ({"wherever": 1}, Rule, f"$: must have one of {SOME_RULE}; it has `wherever`"),
        ({"atribute": "x", "equals": 1}, Rule,
         "$.atribute: unknown key `atribute`; did you mean `attribute`?"),
        ({"did": "A", "any": []}, Rule, "$: has `did` and `any`; only one can stand"),
        ("x", Rule, f"$: must be a mapping with {SOME_RULE}, not the text 'x'"),
        ({"attribute": "a"}, Rule, f"$: needs a comparison: {FEW_COMPARISONS}"),
        ({"a": {}}, Where, f"$.a: needs a comparison: {FEW_COMPARISONS}"),
        ({"a": None}, Where, "$.a: is empty; write a value, comparisons, or {exists: false}"),
        ({"a": []}, Where, "$.a.in: the list is empty; name at least one value"),
        ({"a": ["x", None]}, Where, f"$.a[1]: is empty; must be {A_SCALAR}"),
        ({"a": {"not_in": [None]}}, Where, f"$.a.not_in[0]: is empty; must be {A_SCALAR}"),
        ({"a": {"contains": None}}, Where, f"$.a.contains: is empty; must be {A_SCALAR}"),
        ({"a": {"between": [1]}}, Where,
         "$.a.between: needs two numbers, lowest first; it has 1"),
        ({"a": {"between": [5, 1]}}, Where, "$.a.between: the lowest comes first: [1, 5]"),
        ({"a": {"regex": "x" * 501}}, Where, "$.a.regex: is 501 characters long; at most 500"),
        ({"a": {"after": "monday"}}, Where, ("$.a.after: 'monday' is no date or time; "
         "write 2026-01-31 or 2026-01-31T09:00:00Z")),
        ({"a": {"exists": False, "equals": 1}}, Where,
         "$.a.exists: a value that does not exist passes no other comparison; keep one"),
        ({"message": "m", "subject": "Hi", "default": {}}, Message,
         "$.subject: unknown key `subject`; it stands under `default`: `default: {subject: ...}`"),
        ({"journey": "a", "entry": {"api": True}, "steps": [], "ends_at": "2026-01-01"}, Journey,
         "$.ends_at: unknown key `ends_at`; it stands under `window`: `window: {ends_at: ...}`"),
        ({"a": {"eqals": 1}}, Where, "$.a.eqals: unknown key `eqals`; did you mean `equals`?"),
        ({"did": "A", "at_least": -1}, Rule,
         "$.at_least: a count cannot be negative; it is -1"),
        ({"did": "A", "at_least": 3, "at_most": 1}, Rule,
         "$.at_least: is more than `at_most` (1); nobody did that"),
        ({"did": "A", "exactly": 3, "at_most": 1}, Rule,
         "$.exactly: stands alone; remove `at_least` and `at_most`, or `exactly`"),
        ({"all": []}, Rule, "$.all: the list is empty; write at least one rule"),
        ({"any": []}, Rule, "$.any: the list is empty; write at least one rule"),
        ({"at_most": 1, "per": "calender day"}, Cap,
         ("$.per: must be `calendar day` or `calendar week`, not the text 'calender day'; "
         "did you mean `calendar day`?")),
        ({"at_most": 1, "per": "daily"}, Cap,
         f"$.per: 'daily' is no duration; {NO_DURATION}, or `calendar day` or `calendar week`"),
        ({"exit": False}, Step,
         f"$.exit: must be `true` or a mapping with {SOME_RULE}, not `false`"),
        ({"wait": "30minutes"}, Step, f"$.wait: '30minutes' is no duration; {NO_DURATION}"),
        ({"timezone": "Seoul"}, Workspace,
         "$.timezone: 'Seoul' is no IANA time zone; did you mean `Asia/Seoul`?"),
        ({"timezone": "Europe/Berln"}, Workspace,
         "$.timezone: 'Europe/Berln' is no IANA time zone; did you mean `Europe/Berlin`?"),
        ({"timezone": "KST"}, Workspace,
         "$.timezone: 'KST' is no IANA time zone; write one such as Asia/Seoul"),
        ({"segment": "s"}, Segment, f"$: missing key `rule`: a mapping with {SOME_RULE}"),
        ({"segment": "a b", "rule": {"did": "A"}}, Segment,
         "$.segment: 'a b' is no name; use letters, digits, '-', '_' and '.', 64 at most"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_plain_words(value: object, type_: Any, fault: str) -> None:
    typed, faults = try_read(value, type_)
    assert typed is None
    assert [str(found) for found in faults] == [fault]


def test_a_pattern_that_is_none_says_so() -> None:
    _, faults = try_read({"a": {"regex": "("}}, Where)
    assert [fault.path for fault in faults] == ["$.a.regex"]
    assert faults[0].problem.startswith("'(' is no regular expression (RE2)")


def test_all_faults_are_told_at_once_each_with_its_line() -> None:
    text = """\
journey: 5
purpos: marketing
purpose: marketin
entry:
  audience: {atribute: country, in: [KR]}
  reentry: nevr
goal: {event: x, within: 3}
steps:
  - message: nudge
    channel: emial
    sendng_hours: {from: "09:00", to: "21:00"}
    counts: yes
"""
    document = yaml.parse(text)
    with pytest.raises(BadDefinition) as caught:
        read(document.value, Journey)
    told = [f"{document.line(fault.path)}: {fault}" for fault in caught.value.faults]
    assert told == [
        "1: $.journey: must be a name, not the number 5",
        "2: $.purpos: unknown key `purpos`; did you mean `purpose`?",
        (
            "3: $.purpose: must be `marketing` or `transactional`, not the text 'marketin'; "
            "did you mean `marketing`?"
        ),
        f"4: $.entry: must have one of {WAYS_IN}; it has `audience`, `reentry`",
        "5: $.entry.audience.atribute: unknown key `atribute`; did you mean `attribute`?",
        (
            "6: $.entry.reentry: must be `never` or `always`, not the text 'nevr'; "
            "did you mean `never`?"
        ),
        "7: $.goal.within: must be a duration such as `30s`, not the number 3",
        "10: $.steps[0].channel: must be `email` or `webhook`, not 'emial'; did you mean `email`?",
        "11: $.steps[0].sendng_hours: unknown key `sendng_hours`; did you mean `sending_hours`?",
        "12: $.steps[0].counts: must be `true` or `false`, not the text 'yes'",
        (
            "9: $.steps[0]: missing key `default`: "
            "a mapping of some of `subject`, `preheader`, `html`, `mjml` and `text` ..."
        ),
    ]


def test_a_misspelt_key_is_not_also_told_as_missing() -> None:
    _, faults = try_read({"segmnt": "s", "rul": {"did": "A"}}, Segment)
    assert [str(fault) for fault in faults] == [
        "$.segmnt: unknown key `segmnt`; did you mean `segment`?",
        "$.rul: unknown key `rul`; did you mean `rule`?",
    ]
    _, faults = try_read({"segment": "s", "segmen": "t"}, Segment)
    assert f"$: missing key `rule`: a mapping with {SOME_RULE}" in [str(fault) for fault in faults]


def test_the_path_to_begin_with_is_the_callers() -> None:
    _, faults = try_read({"a": {}}, Where, path="$.filter")
    assert faults[0].path == "$.filter.a"


def test_depth_and_number_of_faults_are_bounded() -> None:
    deep: Any = {"did": "A"}
    for _ in range(5000):
        deep = {"not": deep}
    _, faults = try_read(deep, Rule)
    assert [str(fault) for fault in faults] == [f"${'.not' * 60}: nested more than 60 deep"]
    _, faults = try_read({"k" * 10**6: {"in": [1] * 10**5, "x": 1}, "n" * 10**6: []}, Where)
    assert all(len(str(fault)) < 1500 for fault in faults)
    _, faults = try_read({"wait": "3" * 10**6}, Step)
    assert len(str(faults[0])) < 200
    _, many = try_read(["x"] * 5000, list[int])
    assert len(many) == MOST_FAULTS


KEYS = st.sampled_from(
    [
        *Journey.__struct_encode_fields__,
        *Message.__struct_encode_fields__,
        *Workspace.__struct_encode_fields__,
        *Attribute.__struct_encode_fields__,
        "event",
        "where",
        "audience",
        "reentry",
        "key",
        "wait",
        "time",
        "when",
        "event_property",
        "did",
        "all",
        "any",
        "not",
        "at_least",
        "within",
        "rule",
        "segment",
        "per",
        "at_most",
    ]
)
VALUES = st.sampled_from(["30m", "09:00", "email", "never", "2026-01-01", "UTC", "mon", "(", "$"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), VALUES
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(KEYS, st.text(max_size=4)), inner, max_size=5),
    ),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_any_json_value_is_read_or_has_faults(value: object) -> None:
    for type_ in (Journey, Workspace, Segment, Rule, Step, Where, Cap, Test):
        typed, faults = try_read(value, type_)
        assert (typed is None) == bool(faults)


@st.composite
def damaged(draw: st.DrawFn) -> object:
    """The example with one value somewhere replaced."""
    value = yaml.parse(EXAMPLE.read_bytes()).value
    at = value
    while True:
        key = draw(st.sampled_from(list(at) if isinstance(at, dict) else range(len(at))))
        if not isinstance(at[key], dict | list) or not at[key] or draw(st.booleans()):
            at[key] = draw(JSON)
            return value
        at = at[key]


@settings(max_examples=300, deadline=None)
@given(damaged())
def test_a_damaged_journey_is_read_or_has_faults(value: object) -> None:
    typed, faults = try_read(value, Journey)
    assert (typed is None) == bool(faults)
    assert all(fault.path.startswith("$") and fault.problem for fault in faults)


@pytest.mark.parametrize(
    ("account", "path", "problem"),
    [
        ({"url": "https://api.example"}, "url", "to a `/`"),
        ({"url": "https://user@api.example/"}, "url", "to a `/`"),
        ({"url": "ftp://api.example/"}, "url", "to a `/`"),
        ({"url": "https://{{ x }}.example/"}, "url", "to a `/`"),
        ({"header": "X Key"}, "header", "no header's name"),
        ({"secret_env": "A-B"}, "secret_env", "no name of a variable"),
        ({"secret_env": "HARKEN_SECRET_KEY"}, "secret_env", "Harken's own secrets"),
    ],
)
def test_where_a_feeds_secret_may_go(account: dict[str, str], path: str, problem: str) -> None:
    right = {"url": "https://api.example/v1/", "header": "X-Api-Key", "secret_env": "KEY"}
    assert try_read({"connected": {"weather": right}}, Workspace)[1] == ()
    faults = try_read({"connected": {"weather": {**right, **account}}}, Workspace)[1]
    assert [fault.path for fault in faults] == [f"$.connected.weather.{path}"]
    assert problem in faults[0].problem
