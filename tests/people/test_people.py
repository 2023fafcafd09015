"""What events and choices make of a customer's document."""

from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from harken.ingest.protocol import decode_event
from harken.inputs import Kind, Record
from harken.people.apply import apply_event
from harken.people.attributes import apply_traits, standard_name
from harken.people.consent import apply_consent, consent_for, standing, stricter, stricter_choices
from harken.people.place import zone_of
from harken.people.profile import ConsentChange, Profile

NOW = 1_772_445_600_000
UTC = ZoneInfo("UTC")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("firstName", "first_name"),
        ("first_name", "first_name"),
        ("FIRST-NAME", "first_name"),
        ("First Name", "first_name"),
        ("givenName", "first_name"),
        ("Email", "email"),
        ("emailAddress", "email"),
        ("phoneNumber", "phone"),
        ("createdAt", "created_at"),
        ("dob", "birthday"),
        ("favouriteBrand", "favouriteBrand"),
        ("", ""),
    ],
)
def test_spellings_of_standard_attributes(written: str, name: str) -> None:
    assert standard_name(written) == name


@pytest.mark.parametrize(
    ("stated", "kept"),
    [
        ({"country": "kr"}, {"country": "KR"}),
        ({"email": " Mina@SHOP.Example "}, {"email": "Mina@shop.example"}),
        ({"phone": 821012345678}, {"phone": "821012345678"}),
        ({"firstName": "  "}, {}),
        ({"plan": None}, {}),
        ({"address": {"city": "Ulsan", "country": "kr"}},
         {"address": {"city": "Ulsan", "country": "kr"}, "city": "Ulsan", "country": "KR"}),
        ({"city": "Busan", "address": {"city": "Ulsan"}},
         {"city": "Busan", "address": {"city": "Ulsan"}}),
        ({"tags": ["a", {"b": 1}], "nested": {"c": [1]}},
         {"tags": ["a", {"b": 1}], "nested": {"c": [1]}}),
    ],
)  # fmt: skip
def test_attributes(stated: dict[str, Any], kept: dict[str, Any]) -> None:
    attributes: dict[str, Any] = {}
    apply_traits(attributes, stated)
    assert attributes == kept


def test_who_moves_is_known_by_the_new_address() -> None:
    attributes: dict[str, Any] = {}
    for city, country in (("Ulsan", "kr"), ("Osaka", "jp")):
        apply_traits(attributes, {"address": {"city": city, "country": country}})
    assert (attributes["city"], attributes["country"]) == ("Osaka", "JP")
    apply_traits(attributes, {"City": None, "address": {"city": "Kobe"}})
    assert "city" not in attributes


def test_null_takes_an_attribute_away() -> None:
    attributes: dict[str, Any] = {"plan": "paid", "first_name": "Mina"}
    apply_traits(attributes, {"plan": None, "firstName": None})
    assert attributes == {}


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"type": "track", "event": "Go"}, "Go"),
        ({"type": "page", "name": "Home"}, "Page Viewed"),
        ({"type": "screen", "name": "Home"}, "Screen Viewed"),
        ({"type": "identify"}, None),
        ({"type": "group", "groupId": "g"}, None),
    ],
)
def test_what_is_counted(fields: dict[str, Any], name: str | None) -> None:
    profile = Profile(id=1)
    body = msgspec.json.encode({"userId": "u", **fields})
    event = decode_event(body)
    apply_event(profile, event, Record(1, NOW, NOW - 5, Kind.EVENT, body), {})
    assert list(profile.events) == ([name] if name else [])
    assert profile.created_at == NOW - 5
    assert profile.user_id == "u"


@pytest.mark.parametrize(
    ("attributes", "learned", "zone"),
    [
        ({}, {}, "UTC"),
        ({"timezone": "Asia/Seoul"}, {"timezone": "Asia/Tokyo"}, "Asia/Seoul"),
        ({"timezone": "Mars/Base"}, {"timezone": "Asia/Tokyo"}, "Asia/Tokyo"),
        ({"timezone": "../etc/passwd"}, {}, "UTC"),
        ({"country": "KR"}, {}, "Asia/Seoul"),
        ({"country": "kor"}, {}, "Asia/Seoul"),
        ({"country": "Republic of Korea"}, {}, "Asia/Seoul"),
        ({"country": "일본"}, {}, "Asia/Tokyo"),
        ({"country": "nowhere"}, {"country": "JP"}, "Asia/Tokyo"),
        ({"country": "US"}, {}, "UTC"),
        ({"country": {"code": "KR"}}, {}, "UTC"),
    ],
)
def test_time_zones(attributes: dict[str, Any], learned: dict[str, Any], zone: str) -> None:
    assert zone_of(Profile(id=1, attributes=attributes, learned=learned), UTC).key == zone


def change(state: Any, at: int, channel: str = "email") -> ConsentChange:
    return ConsentChange(
        channel=channel, purpose="marketing", state=state, at=at, by="customer", how="a test"
    )


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ([], None),
        ([change("opted_in", 1)], "opted_in"),
        ([change("opted_in", 1), change("opted_out", 2)], "opted_out"),
        ([change("opted_out", 2), change("opted_in", 1)], "opted_out"),
        ([change("opted_in", 1), change("opted_out", 2, "all")], "opted_out"),
        ([change("opted_out", 1, "all"), change("opted_in", 2)], "opted_in"),
        ([change("opted_out", 1, "sms")], None),
    ],
)
def test_the_latest_choice_holds(changes: list[ConsentChange], holds: str | None) -> None:
    profile = Profile(id=1)
    for one in changes:
        apply_consent(profile, one)
    found = consent_for(profile, "email", "marketing")
    assert (found.state if found else None) == holds
    assert len(profile.consent_log) == len(changes)


@pytest.mark.parametrize(
    ("mine", "theirs", "holds"),
    [
        ([change("opted_in", 10)], [change("opted_out", 5, "all")], "opted_out"),
        ([change("opted_in", 10, "all")], [change("opted_out", 5)], "opted_out"),
        ([change("opted_in", 10)], [change("opted_in", 5, "all")], "opted_in"),
        ([change("opted_in", 10, "all")], [change("opted_out", 5, "sms")], "opted_in"),
        ([change("opted_out", 5), change("opted_in", 10, "all")], [], "opted_in"),
        ([change("opted_in", 10)],
         [change("opted_out", 1, "all"), change("opted_in", 5)], "opted_in"),
    ],
)  # fmt: skip
def test_of_two_the_stricter_choice_holds_for_whichever_channels_it_was_made(
    mine: list[ConsentChange], theirs: list[ConsentChange], holds: str
) -> None:
    left, right = Profile(id=1), Profile(id=2)
    for profile, changes in ((left, mine), (right, theirs)):
        for one in changes:
            apply_consent(profile, one)
    for both in (stricter_choices(left, right), stricter_choices(right, left)):
        found = standing(Profile(id=1, consent=both), "email", "marketing")
        assert (found and found.state) == holds
        assert all(key == f"{one.channel}:{one.purpose}" for key, one in both.items())


def test_the_stricter_choice_and_of_equals_the_later() -> None:
    early, late = change("opted_in", 1), change("opted_in", 2)
    out = change("opted_out", 0)
    assert stricter(early, late) is late
    assert stricter(out, late) is out
    assert stricter(late, out) is out
