"""The schemas accept what the reader accepts, and underline the slips that authors make."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harken.files import yaml
from harken.files.reader import try_read
from harken.files.schema import FILES, field_notes, schemas
from harken.files.words import key_of, members
from harken.messages.content import Content
from harken.segments.rules import Rule, Test

SCHEMAS = schemas()
VALID = {kind: jsonschema_rs.validator_for(schema) for kind, schema in SCHEMAS.items()}
EXAMPLE = (Path(__file__).parent / "data" / "abandoned-cart.yaml").read_bytes()


@pytest.mark.parametrize("kind", SCHEMAS)
def test_each_is_a_2020_12_schema_with_a_title(kind: str) -> None:
    schema = SCHEMAS[kind]
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert jsonschema_rs.meta.is_valid(schema)
    assert schema["title"] == f"Harken {kind} file"


def test_the_example_of_the_contract_is_valid() -> None:
    assert VALID["journey"].is_valid(yaml.parse(EXAMPLE).value)


RULE_KEYS = {key_of(type_) for type_ in members(Rule)}
JOURNEY = {"journey": "a", "entry": {"event": "E"}, "steps": [{"wait": "1d"}]}
RULES = [
    {"attribute": "country", "equals": "KR"},
    {"did": "A", "where": {"a": "x", "b": [1, 2], "c": {"gte": 5}}, "at_least": 3, "within": "30d"},
    {"all": [{"not": {"did": "A"}}, {"any": [{"did": "B"}]}]},
    {"attribute": "birthday", "anniversary": {"in_next": 7, "timezone": "Asia/Seoul"}},
    {"attribute": "trial_ends", "in_next": "3d", "exists": True},
    {"attribute": "cars", "some": {"make": "Kia", "year": {"gte": 2020}}},
    {"did": "A", "within": {"days": 7, "timezone": "UTC"}},
    {"did": "A", "between": ["2026-01-01", "2026-02-01T00:00:00Z"], "exactly": 0},
    {"did": "A", "then": {"did": "B", "where": {"a": 1}}},
    {"did": "A", "then_not": {"did": "B", "in": "1d"}},
    {"sum": "revenue", "of": "A", "gte": 200},
    {"average": "revenue", "of": "A", "lt": 20},
    {"min": "revenue", "of": "A", "within": "90d", "gt": 5},
    {"max": "revenue", "of": "A", "equals": 5},
    {"distinct": "sku", "of": "A", "lte": 5},
    {"first": "A", "within": "7d", "is": {"coupon": {"exists": True}}},
    {"last": "A", "longer_ago": "14d"},
    {"messages": "opened", "of_last": 5, "channel": "email", "at_most": 0},
    {"in_segment": "loyal"},
    {"in_list": "guests"},
    {"reachable": "email"},
    {"consent": "email", "purpose": "night", "is": "opted_in"},
    {"near": {"latitude": 37.5, "longitude": 127}, "radius": 500},
    {"bucket": "test-1", "to": 4999},
]


@pytest.mark.parametrize("rule", RULES)
def test_rules_are_valid(rule: dict[str, Any]) -> None:
    segment = {"segment": "s", "rule": rule}
    assert VALID["segment"].is_valid(segment)
    assert try_read(segment, FILES["segment"])[1] == ()


def test_every_condition_is_tried() -> None:
    tried = {key for rule in RULES for key in rule if key in RULE_KEYS}
    assert tried == RULE_KEYS - {"event_property", "answer", "any", "not"}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("journey", {}),
        ("journey", {**JOURNEY, "purpos": "marketing"}),
        ("journey", {**JOURNEY, "purpose": "marketin"}),
        ("journey", {**JOURNEY, "steps": [{"wait": "soon"}]}),
        ("journey", {**JOURNEY, "steps": [{"wait": "1d", "sendng_hours": {}}]}),
        ("journey", {**JOURNEY, "steps": [{"message": "a", "channel": "email"}]}),
        ("journey", {**JOURNEY, "steps": "none"}),
        ("journey", {**JOURNEY, "goal": {"event": "E", "within": 3}}),
        ("journey", {**JOURNEY, "entry": {"event": "E", "where": {"a": {}}}}),
        ("journey", {**JOURNEY, "entry": {"event": "E", "where": {"a": None}}}),
        ("segment", {"segment": "s"}),
        ("segment", {"segment": "s s", "rule": RULES[0]}),
        ("segment", {"segment": "s", "rule": {"attribute": "a"}}),
        ("segment", {"segment": "s", "rule": {"atribute": "a", "equals": 1}}),
        ("segment", {"segment": "s", "rule": {"did": "A", "within": 30}}),
        ("segment", {"segment": "s", "rule": {"did": "A", "within": {"days": 3}}}),
        ("segment", {"segment": "s", "rule": {"did": "A", "then": {"where": {}}}}),
        ("segment", {"segment": "s", "rule": {"sum": "a", "gt": 1}}),
        ("segment", {"segment": "s", "rule": {"messages": "seen", "of_last": 1}}),
        ("segment", {"segment": "s", "rule": {"consent": "email", "is": "yes"}}),
        ("segment", {"segment": "s", "rule": {"near": {"latitude": 1}, "radius": 1}}),
        ("workspace", {"quiet_hours": {"from": "21:00"}}),
        ("workspace", {"quiet_hours": {"from": "25:00", "to": "08:00"}}),
        ("workspace", {"caps": [{"at_most": "2", "per": "1d"}]}),
        ("workspace", {"caps": [{"at_most": 2, "per": "calendar month"}]}),
    ],
)
def test_slips_are_not_valid_and_the_reader_agrees(kind: str, value: dict[str, Any]) -> None:
    assert not VALID[kind].is_valid(value)
    assert try_read(value, FILES[kind])[1]


def test_what_editors_show_comes_from_the_source() -> None:
    workspace = SCHEMAS["workspace"]["$defs"]
    cap = workspace["Workspace"]["properties"]["late_after"]
    assert cap["default"] == "1d"
    assert workspace["QuietHours"]["description"] == "No marketing between these local times."
    assert workspace["QuietHours"]["properties"]["outside"]["enum"] == ["hold", "drop"]
    journey = SCHEMAS["journey"]["$defs"]
    assert journey["Message"]["properties"]["counts"]["default"] is True
    assert journey["EventEntry"]["properties"]["key"]["description"].startswith(
        "A property of the event"
    )
    assert journey["EventEntry"]["required"] == ["event"]
    assert "text" in field_notes(Content)


ANY_RULE = st.recursive(
    st.fixed_dictionaries({"attribute": st.text()}, optional={"gt": st.integers(-9, 9)})
    | st.fixed_dictionaries({"did": st.text()}, optional={"at_least": st.integers(0, 9)}),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"not": inner}),
        st.fixed_dictionaries({"all": st.lists(inner, max_size=3)}),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(ANY_RULE)
def test_what_the_reader_takes_is_valid(rule: dict[str, Any]) -> None:
    value = {"segment": "s", "rule": rule}
    if not try_read(value, FILES["segment"])[1]:
        assert VALID["segment"].is_valid(value)


def test_every_comparison_is_in_the_schema() -> None:
    known = SCHEMAS["segment"]["$defs"]["Attribute"]["properties"]
    assert {name.rstrip("_") for name in Test.__struct_fields__} < set(known)
