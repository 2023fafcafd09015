"""However much one customer does, their document stays small."""

import random

import msgspec

from harken.clock import DAY
from harken.ids import profile_id
from harken.ingest.protocol import decode_event
from harken.inputs import Kind, Record
from harken.people import profile as documents
from harken.people.apply import (
    ATTRIBUTES,
    DEVICES,
    EVENT_NAMES,
    GROUPS,
    SEEN_ENTRY,
    SEEN_IDS,
    apply_event,
    merge_seen,
    seen_before,
)
from harken.people.consent import KEPT, apply_consent
from harken.people.merge import merge, unmerge
from harken.people.profile import ConsentChange, Profile
from harken.people.traits import KEPT as KEPT_TIMES
from harken.people.traits import make_trait

NOW = 1_772_445_600_000


def happen(
    profile: Profile, now: int = NOW, counting: dict | None = None, **fields: object
) -> None:
    body = msgspec.json.encode({"type": "track", "userId": "u", **fields})
    record = Record(profile.id, now, now, Kind.EVENT, body)
    event = decode_event(body)
    if event.message_id and seen_before(profile, event.message_id, now):
        return
    apply_event(profile, event, record, counting or {})


def size(profile: Profile) -> int:
    return len(documents.encode(profile))


def test_ten_thousand_events_of_one_customer() -> None:
    """A person's: 60 kB at most while 5,000 ids of two days are remembered, 12 kB after."""
    profile = Profile(id=profile_id("user", "u"))
    times = make_trait("times", ("Product Viewed",))
    trait = {"Product Viewed": [times]}
    for number in range(10_000):
        at = NOW + number * DAY // 2_500
        happen(profile, at, trait, event="Product Viewed", messageId=f"m{number}")
    assert profile.events["Product Viewed"].count == 10_000
    assert len(profile.traits[times.id]) == KEPT_TIMES
    assert size(profile) < 72_000
    happen(profile, at + 3 * DAY, trait, event="Product Viewed", messageId="last")
    assert size(profile) < 12_000


def test_a_robot_fills_no_disk() -> None:
    """10,000 events at once, each with another name, device, group and attributes."""
    profile = Profile(id=profile_id("user", "u"))
    for number in range(10_000):
        happen(
            profile,
            event=f"Event {number}",
            messageId=f"m{number}",
            anonymousId=f"a{number}",
            context={"device": {"id": f"d{number}"}, "traits": {f"trait{number}": "x" * 200}},
        )
    for number in range(2_000):
        happen(profile, type="group", groupId=f"g{number}", messageId=f"g{number}")
        change = ConsentChange(
            channel="email", purpose="marketing", state="opted_in", at=number, by="x", how="x"
        )
        apply_consent(profile, change)
    assert len(profile.events) == EVENT_NAMES
    assert "Event 9999" in profile.events
    assert len(profile.devices) == DEVICES
    assert len(profile.groups) == GROUPS
    assert len(profile.attributes) == ATTRIBUTES
    assert len(profile.consent_log) == KEPT
    assert len(profile.seen) == SEEN_IDS * SEEN_ENTRY
    assert size(profile) < 600_000


def test_attributes_have_a_size_and_standard_ones_always_room() -> None:
    profile = Profile(id=1)
    for number in range(20):
        happen(profile, type="identify", traits={f"blob{number}": "x" * 30_000, "plan": number})
    assert size(profile) < 300_000
    happen(profile, type="identify", traits={"email": "mina@shop.example", "blob99": "x" * 30_000})
    assert profile.attributes["email"] == "mina@shop.example"
    assert "blob99" not in profile.attributes
    traits = {"email": None, "blob99": "x" * 30_000}
    happen(profile, type="identify", traits=traits)
    assert "email" not in profile.attributes, "what is taken away takes no room"
    happen(profile, type="identify", traits={"email": "mina@shop.example"})
    happen(profile, type="identify", traits=dict.fromkeys(f"blob{n}" for n in range(20)))
    happen(profile, type="identify", traits={"plan": "paid"})
    assert profile.attributes == {"email": "mina@shop.example", "plan": "paid"}


def test_what_two_had_of_everything_is_not_twice_as_much_in_one() -> None:
    both = [Profile(id=1, user_id="u"), Profile(id=2)]
    for profile in both:
        for number in range(EVENT_NAMES):
            name = f"{profile.id}-{number}"
            context = {"device": {"id": name}, "traits": {f"trait{name}": number}}
            happen(profile, NOW + profile.id, event=name, messageId=name, context=context)
            happen(profile, NOW + number, type="group", groupId=name, messageId=f"g{name}")
    merge(*both, NOW, "identify", asked={"1-7"})
    survivor = both[0]
    assert len(survivor.events) == EVENT_NAMES
    assert "1-7" in survivor.events
    assert len(survivor.groups) == GROUPS
    assert {id[0] for id in survivor.devices} == {"2"}, "the latest"
    assert len(survivor.devices) == DEVICES
    assert survivor.attributes == {f"trait1-{number}": number for number in range(ATTRIBUTES)}
    happen(survivor, type="identify", traits={"trait1-0": "new", "trait1-1": None})
    assert survivor.attributes["trait1-0"] == "new"
    assert "trait1-1" not in survivor.attributes


def test_a_thousand_merges_into_one() -> None:
    survivor = Profile(id=1, user_id="u")
    for number in range(1_500):
        other = Profile(id=number + 2, anonymous_ids=[f"a{number}"])
        happen(other, NOW + number, event="Go", messageId=f"m{number}")
        merge(survivor, other, NOW + number, "identify")
    assert survivor.events["Go"].count == 1_500
    assert len(survivor.absorbed) == 1_000
    assert size(survivor) < 60_000


def test_message_ids_of_two_documents_stand_in_the_order_of_time() -> None:
    left, right = Profile(id=1), Profile(id=2)
    for number in range(100):
        owner = random.Random(number).choice((left, right))
        seen_before(owner, f"m{number}", NOW + number * 3_600_000)
    both = Profile(id=1, seen=merge_seen(left.seen, right.seen))
    times = [both.seen[at + 8 : at + 12] for at in range(0, len(both.seen), SEEN_ENTRY)]
    assert times == sorted(times)
    now = NOW + 99 * 3_600_000
    remembered = [number for number in range(100) if seen_before(both, f"m{number}", now)]
    assert remembered == list(range(51, 100))


def test_merging_and_parting_leaves_both_as_they_were() -> None:
    left, right = Profile(id=1, user_id="u"), Profile(id=2, anonymous_ids=["a"])
    for profile, names in ((left, ("Go", "Buy")), (right, ("Go", "See", "See"))):
        for number, name in enumerate(names):
            happen(profile, NOW + number, event=name, messageId=f"{profile.id}-{number}")
    left.anonymous_ids.clear()
    right.user_id = None
    before = documents.encode(left), documents.encode(right)
    tombstone, _ = merge(left, right, NOW + 10, "alias")
    assert left.events["Go"].count == 2
    restored = unmerge(left, tombstone, {}, NOW + 20)
    restored.seen_at = NOW + 2
    # What was seen stays seen on both sides: forgetting it could count a retry twice.
    left.seen, restored.seen = (documents.decode(one).seen for one in before)
    assert (left.events, restored.events) == tuple(documents.decode(b).events for b in before)
    assert restored == documents.decode(before[1])
