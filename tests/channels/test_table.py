"""The table of channels: where a customer's address stands, and what is said of it elsewhere."""

import pytest

from harken.channels import table
from harken.channels.table import TABLE, Need, address_of, looks_at
from harken.people.address import is_reachable, reachable
from harken.people.profile import Device, Profile, Reach

MINA = Profile(
    id=1,
    user_id="mina",
    attributes={"email": "mina@shop.example", "phone": "+8210", "crm": 42, "vip": True},
    devices={
        "a": Device(id="a", type="ios", token="old", last_seen=1),
        "b": Device(id="b", type="Android", token="new", last_seen=2),
        "c": Device(id="c", type="web", token="browser", last_seen=3),
        "d": Device(id="d", type="android", last_seen=4),
    },
)


@pytest.mark.parametrize(
    ("channel", "attribute", "expected"),
    [
        ("email", None, "mina@shop.example"),
        ("sms", None, "+8210"),
        ("webhook", None, "mina"),
        ("webhook", "crm", "42"),
        ("webhook", "vip", ""),
        ("webhook", "unknown", ""),
        ("push", None, "new"),
        ("web_push", None, "browser"),
        ("in_app", None, ""),
    ],
)
def test_an_address_is_found_where_the_table_says(
    channel: str, attribute: str | None, expected: str
) -> None:
    assert address_of(MINA, channel, attribute) == expected


def test_who_is_reachable() -> None:
    assert reachable(MINA) == ["email", "webhook"]
    assert reachable(Profile(id=2)) == []
    dead = Profile(id=3, user_id="x", unreachable={"webhook": Reach(address="X", why="x", at=1)})
    assert not is_reachable(dead, "webhook")


@pytest.mark.parametrize("channel", table.NAMES)
def test_an_entry_is_whole(channel: str) -> None:
    entry = TABLE[channel]
    assert entry.name == channel
    assert entry.a_message.startswith(("a ", "an "))
    assert entry.pulled or entry.source is not None
    attributes, facts = looks_at(channel)
    assert bool(attributes or facts) == (entry.source is not None)
    assert len(set(entry.parts)) == len(entry.parts)


def test_what_needs_no_content_cannot_send() -> None:
    assert table.SENDING == ("email", "webhook")
    assert table.ADDRESSED == table.SENDING
    assert TABLE["email"].needs[0] == Need(("subject",))
    with pytest.raises(ValueError, match="did you mean `webhook`"):
        table.ChannelName.parse("webhok")
