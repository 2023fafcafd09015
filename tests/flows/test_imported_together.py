"""Imported events of a customer that are handled at once come to what each would by itself."""

import copy
from typing import Any

import msgspec
import pytest
from driver import START, instant
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import journey, say, wait

from harken.clock import HOUR, iso
from harken.definition_faults import check
from harken.definitions import InForce
from harken.files import yaml
from harken.handle import handle
from harken.history.rows import pack
from harken.ids import profile_id
from harken.ingest.protocol import Reader
from harken.inputs import Definitions, Input, JourneySource, Kind, Record, together
from harken.loops.turn import Turn
from harken.people.profile import Profile

Place = tuple[int, int, str]
NOW = instant(START)
MINA = profile_id("user", "mina")
JOURNEYS = {
    "came": journey("$segment_entered", name="came", entry_reentry="always", steps=say("hello")),
    "cart": journey(
        "Left", exit_when="{did: Bought, at_least: 2}", exceptions="[{event: Bought}]",
        steps=wait("1h") + say("nudge"),
    ),
    "day": "journey: day\nentry: {date: day, yearly: true, before: 1d}\nsteps:" + say("day"),
}  # fmt: skip
RULES: dict[str, Any] = {
    "undecided": {"all": [{"did": "Left"}, {"not": {"did": "Bought", "within": "1d"}}]},
    "buyers": {"sum": "price", "of": "Bought", "gte": 20},
    "here": {"attribute": "city", "equals": "Seoul"},
    "quiet": {"last": "Left", "longer_ago": "2h"},
}
WORKSPACE = {
    "workspace": "shop",
    "places": {"store": {"latitude": 37.5, "longitude": 127.0, "radius": 500}},
}

messages = st.sampled_from("abcdefghij")
calls = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("track"),
            "event": st.sampled_from(("Left", "Bought")),
            "messageId": messages,
            "properties": st.fixed_dictionaries({"price": st.integers(1, 15)}),
        },
        optional={
            "anonymousId": st.sampled_from("xy"),
            "context": st.fixed_dictionaries({"timezone": st.just("Asia/Seoul")}),
        },
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("identify"),
            "messageId": messages,
            "traits": st.fixed_dictionaries(
                {},
                optional={
                    "city": st.sampled_from(("Seoul", "Oslo")),
                    "day": st.sampled_from(("2026-03-04", "1990-03-05")),
                    "location": st.just({"latitude": 37.5, "longitude": 127.0}),
                    "email": st.just("mina@shop.example"),
                },
            ),
        }
    ),
)


@pytest.fixture(scope="module")
def force() -> InForce:
    journeys = {
        name: JourneySource(1, yaml.parse(text, name).value) for name, text in JOURNEYS.items()
    }
    rules = {name: {"segment": name, "rule": rule} for name, rule in RULES.items()}
    written = Definitions(1, NOW, "a test", WORKSPACE, journeys, rules)
    assert not [str(fault) for _, _, fault in check(written) if not fault.warning]
    return InForce(written, lambda name, revision: None)


def records(items: list[dict[str, Any]], *, imported: bool, at: int) -> list[Record]:
    bodies = [
        msgspec.json.encode({"userId": "mina", **item, "timestamp": iso(at - HOUR * number)})
        for number, item in enumerate(items)
    ]
    accepted, rejected = Reader(at).read(bodies)
    assert not rejected
    return [
        Record(MINA, at + number // 2, one.timestamp, Kind.EVENT, bytes(one.body), imported)
        for number, one in enumerate(accepted)
    ]


def taken(profile: Profile, inputs: list[Record] | list[Input], now: int, force: InForce) -> Turn:
    turn = Turn()
    for one in inputs:
        turn.take([handle(profile, one, now, force)])
    turn.pack()
    return turn


def outcome(turn: Turn, parked: set[Place]) -> Any:
    """All that is to be written, of wake-ups that are cancelled those that the store has."""
    cancelled = parked & {(one.due, one.profile_id, one.key) for one in turn.cancel}
    return (
        turn.packed, turn.wake, cancelled, turn.messages, turn.decisions,
        pack(turn.history.gathered()), turn.stated,
    )  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(calls, max_size=4), st.lists(calls, min_size=1, max_size=12))
def test_what_comes_of_events_does_not_depend_on_how_many_are_handled_at_once(
    force: InForce, before: list[dict[str, Any]], items: list[dict[str, Any]]
) -> None:
    profile = Profile(id=MINA)
    past = taken(profile, records(before, imported=False, at=NOW - HOUR), NOW - HOUR, force)
    parked, other = set(past.wake), copy.deepcopy(profile)
    found = records(items, imported=True, at=NOW)
    joined = together(found)
    assert len(joined) == 1
    at_once, singly = (
        taken(who, inputs, NOW + 100, force) for who, inputs in ((profile, joined), (other, found))
    )
    assert outcome(at_once, parked) == outcome(singly, parked)


def test_only_imported_events_of_one_customer_that_follow_each_other_are_joined() -> None:
    def record(id: int, *, imported: bool = True, kind: Kind = Kind.EVENT) -> Record:
        return Record(id, NOW, NOW, kind, b"{}", imported)

    command = record(1, imported=False, kind=Kind.COMMAND)
    log = [record(1), record(1), command, record(1), record(2), record(1, imported=False)]
    sizes = [len(getattr(one, "records", "1")) for one in together(log)]
    assert sizes == [2, 1, 1, 1, 1]
    assert together(log)[1] is command
    live = [record(1, imported=False), record(1, imported=False)]
    assert together(live) == live
