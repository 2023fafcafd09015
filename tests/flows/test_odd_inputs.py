"""Whatever is well formed is handled: odd values, huge numbers, deep objects, odd definitions."""

import json
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from driver import START, Shop, instant
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain import journey, say, wait

from harken.definition_faults import check
from harken.definitions import InForce
from harken.handle import handle
from harken.history.rows import Collector, pack
from harken.ids import profile_id
from harken.ingest.protocol import Reader
from harken.inputs import Definitions, JourneySource, Kind, Record, WakeUp, encode
from harken.people import profile as documents
from harken.people.profile import Profile

Open = Callable[..., Shop]
NOW = instant(START)
BOUNDED = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)

PATHS = ("price", "quantity", "date", "key", "a", "a.b", "email", "country", "timezone", "locale")
numbers = st.one_of(
    st.integers(),
    st.sampled_from((0, -1, 2**31, 2**63 - 1, -(2**63), 2**64, 10**400, 1e308, -1e308, 5e-324)),
    st.floats(allow_nan=True, allow_infinity=True),
)
texts = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        (
            "", "0001-01-01", "9999-12-31", "9999-12-31T23:59:59.999+00:00", "2026-02-30", "inf",
            "2026-03-08T02:30", "-12:00", "24:00", "a@b.example", "a@b\r\nBcc: c@d.example",
            "KR", "korea", "Asia/Seoul", "../../etc/passwd", "\ud800", "\x00", "x" * 5000, "١٢",
            "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-W10-1", "20260308",
        )
    ),
)  # fmt: skip
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
properties = st.dictionaries(st.one_of(st.sampled_from(PATHS), texts), values, max_size=6)
names = st.sampled_from(("Go", "Product Added", "Product Removed", "Order Completed", "Other"))
calls = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("track"), "event": names, "properties": properties},
        optional={"context": properties, "timestamp": texts},
    ),
    st.fixed_dictionaries({"type": st.just("identify"), "traits": properties}),
    st.fixed_dictionaries(
        {"type": st.sampled_from(("page", "screen")), "name": texts, "properties": properties}
    ),
    st.fixed_dictionaries({"type": st.just("group"), "groupId": texts, "traits": properties}),
)

paths = st.sampled_from(PATHS)
tests = st.one_of(
    st.fixed_dictionaries({"equals": scalars}),
    st.fixed_dictionaries({"not_equals": scalars}),
    st.fixed_dictionaries({"in": st.lists(scalars, max_size=3)}),
    st.fixed_dictionaries({"not_in": st.lists(scalars, max_size=3)}),
    st.fixed_dictionaries({"contains": scalars}),
    st.fixed_dictionaries({"gt": numbers, "lte": numbers}),
    st.fixed_dictionaries({"between": st.lists(numbers, max_size=3)}),
    st.fixed_dictionaries({"regex": texts}),
    st.fixed_dictionaries({"before": texts, "after": texts}),
    st.fixed_dictionaries({"exists": st.booleans()}),
)
durations = st.sampled_from(("0s", "1s", "30m", "3650d", "1.5h"))
leaves = st.one_of(
    st.builds(lambda path, test: {"attribute": path, **test}, paths, tests),
    st.builds(lambda path, test: {"event_property": path, **test}, paths, tests),
    st.builds(
        lambda name, where, more: {"did": name, "where": where, **more},
        names,
        st.dictionaries(paths, tests, max_size=2),
        st.fixed_dictionaries(
            {},
            optional={
                "at_least": st.integers(-1, 3), "at_most": st.integers(-1, 3),
                "exactly": st.integers(-1, 3), "within": durations,
            },
        ),
    ),
)  # fmt: skip
rules = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"all": parts}, st.lists(inner, max_size=3)),
        st.builds(lambda parts: {"any": parts}, st.lists(inner, max_size=3)),
        st.builds(lambda part: {"not": part}, inner),
    ),
    max_leaves=5,
)
waits = st.one_of(
    durations,
    st.fixed_dictionaries({"time": st.sampled_from(("00:00", "02:30", "24:00"))}),
    st.fixed_dictionaries(
        {"event_property": paths},
        optional={"before": durations, "at": st.sampled_from(("00:00", "24:00"))},
    ),
)
messages = st.fixed_dictionaries(
    {
        "message": st.just("nudge"), "channel": st.just("email"),
        "default": st.just({"subject": "Hi", "html": "Hi"}),
    },
    optional={
        "variants": st.lists(
            st.builds(lambda r: {"when": r, "subject": "V", "html": "V"}, rules), max_size=2
        ),
        "expires_after": durations,
        "sending_hours": st.sampled_from(
            ({"from": "09:00", "to": "09:00"}, {"from": "24:00", "to": "00:00", "on": ["sun"]})
        ),
        "priority": st.sampled_from(("normal", "high")),
        "when_capped": st.sampled_from(("drop", "hold")),
    },
)  # fmt: skip
steps = st.one_of(
    st.builds(lambda w: {"wait": w}, waits), st.builds(lambda r: {"exit": r}, rules), messages
)
journeys = st.fixed_dictionaries(
    {
        "journey": st.just("cart"),
        "entry": st.fixed_dictionaries(
            {"event": st.one_of(names, st.sampled_from(("$session_ended", "Page Viewed")))},
            optional={
                "where": st.dictionaries(paths, tests, max_size=2), "audience": rules,
                "reentry": st.sampled_from(("always", "never", {"after": "0s"})), "key": paths,
            },
        ),
        "steps": st.lists(steps, min_size=1, max_size=3),
    },
    optional={
        "exit_when": rules,
        "exceptions": st.lists(
            st.builds(lambda e, w: {"event": e, "where": w}, names,
                      st.dictionaries(paths, tests, max_size=1)), max_size=1,
        ),
        "control_percent": st.sampled_from((0, 50, 100)),
    },
)  # fmt: skip


def records(items: list[dict[str, Any]]) -> list[Record]:
    """As the collector would log them; what it refuses is left out."""
    found = []
    for number, item in enumerate(items):
        body = _json({"userId": "mina", "messageId": f"m{number}", **item})
        accepted, _ = Reader(NOW).read([body])
        found += [
            Record(profile_id("user", "mina"), NOW, one.timestamp, Kind.EVENT, one.body)
            for one in accepted
        ]
    return found


def _json(value: Any) -> bytes:

    return json.dumps(value).encode()


def sound(definitions: Definitions) -> InForce | None:
    """The definitions compiled, if the check lets them pass; then they must compile."""
    try:
        encode(definitions)
    except (OverflowError, UnicodeEncodeError):
        # Neither YAML nor JSON lets these through, and the log could not hold them.
        return None
    if any(not fault.warning for _, _, fault in check(definitions)):
        return None
    return InForce(definitions, lambda name, revision: None)


def play(force: InForce, items: list[dict[str, Any]]) -> Profile:
    """Handle it all, then every wake-up in order, each document and row written and read again."""
    profile = Profile(id=profile_id("user", "mina"))
    inputs: list[Record | WakeUp] = list(records(items))
    now, parked = NOW, dict[tuple[int, str], WakeUp]()
    for _ in range(60):
        if not inputs:
            if not parked:
                break
            first = parked.pop(min(parked))
            now = max(now, first.due)
            inputs = [first]
        effects = handle(profile, inputs.pop(0), now, force)
        rows = Collector()
        rows.add(effects)
        pack(rows.gathered())
        for message in effects.messages:
            encode(message.context)
        for gone in effects.cancel:
            parked.pop((gone.due, gone.key), None)
        parked |= {(one.due, one.key): one for one in effects.wake}
        assert all(-(2**63) <= due < 2**63 for due, _ in parked)
        profile = documents.decode(documents.encode(effects.profile))
    return profile


@BOUNDED
@given(journeys, st.lists(calls, min_size=1, max_size=4))
def test_no_well_formed_input_makes_handle_raise(journey: dict, items: list[dict]) -> None:
    force = sound(Definitions(1, 0, "", {}, {"cart": JourneySource(1, journey)}))
    if force is not None:
        play(force, items)


@pytest.mark.parametrize(
    "value",
    [
        10**400, -(10**400), 2**64, 2**63, float("nan"), float("inf"), "\x00", "x" * 20_000,
        [[[[[[1]]]]]], {"a": {"b": {"c": {"d": 1}}}}, [None], {"": None}, True, "9999-12-31",
    ],
)  # fmt: skip
def test_odd_values_pass_through_the_whole_of_it(open_shop: Open, value: object) -> None:
    steps = wait('{event_property: v, at: "09:00"}') + say()
    cart = journey(entry_key="key", entry_where="{v: {exists: true}}", steps=steps)
    shop = open_shop(cart=cart)
    shop.request(
        [_raw(type="identify", userId="mina", traits={"email": "m@x.example", "v": value})]
    )
    shop.request(
        [_raw(type="track", userId="mina", event="Product Added", properties={"price": value})]
    )
    shop.request(
        [_raw(type="track", userId="mina", event="Go", properties={"v": value, "key": "k"})]
    )
    shop.advance("2d")
    assert shop.failures() == []
    assert shop.said("mina")[:1] in ([], ["entered event"])
    assert shop.happened("mina")["$session_ended"] == 1
    shop.track("joon", "Go", v="2026-03-05", key="k")
    shop.identify("joon", email="joon@shop.example")
    shop.advance("3d")
    assert len(shop.mails("joon@shop.example")) == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, 1),
        ("many", 1),
        (True, 1),
        (2, 3),
        (2.5, 3.5),
        (2**64 - 1, 2.0**64),
        (1e20, 1e20),
        (-1e300, -1e300),
    ],
)
def test_what_is_added_to_may_be_anything(open_shop: Open, before: object, after: object) -> None:
    shop = open_shop(cart=journey(steps="\n  - update: {points: {add: 1}}\n" + say()))
    shop.identify("mina", email="mina@shop.example", points=before)
    shop.track("mina", "Go")
    found = shop.profile("mina").attributes["points"]
    assert (found, type(found)) == (after, type(after))
    assert shop.subjects() == ["nudge"]


@pytest.mark.parametrize("name", ["", " ", "\u200b", "\u3164 \u3164", "\ufeff", "\u00ad"])
def test_a_name_that_nobody_can_see_is_none(open_shop: Open, name: str) -> None:
    cart = journey(steps=say().replace('"nudge"', "\"{{ profile.first_name | default: 'you' }}\""))
    shop = open_shop(cart=cart)
    shop.identify("mina", email="mina@shop.example", first_name=name)
    shop.track("mina", "Go")
    assert shop.subjects() == ["you"]


def test_a_sum_is_never_infinite(open_shop: Open) -> None:
    shop = open_shop(cart=journey(steps="\n  - update: {points: {add: 1.0e+308}}\n" + say()))
    shop.identify("mina", email="mina@shop.example", points=1e308)
    shop.track("mina", "Go")
    assert shop.profile("mina").attributes["points"] == sys.float_info.max
    assert shop.subjects() == ["nudge"]


def _raw(**fields: Any) -> dict[str, Any]:
    """As a client would write it, mended by the collector's reader."""
    _raw.count += 1  # type: ignore[attr-defined]
    return {"messageId": f"raw{_raw.count}", **fields}  # type: ignore[attr-defined]


_raw.count = 0  # type: ignore[attr-defined]


def test_of_imported_events_that_are_handled_at_once_only_a_broken_one_is_left_out(
    open_shop: Open,
) -> None:
    shop = open_shop(cart=journey())
    good = [msgspec.json.encode(shop.item("track", userId="mina", event="Go")) for _ in range(2)]
    me = profile_id("user", "mina")
    shop.harken.services.collector._log.append(
        [Record(me, NOW, NOW, Kind.EVENT, body, True) for body in (good[0], b"{", good[1])]
    )
    shop.work()
    assert len(shop.failures()) == 1
    assert shop.harken.store.profiles([me])[me].events["Go"].count == 2


def test_a_record_that_is_no_event_is_left_out_and_told(open_shop: Open) -> None:
    """Only a broken disk or a bug writes one; its neighbours must not suffer."""
    shop = open_shop(cart=journey())
    shop.identify("mina", email="mina@shop.example")
    good = shop.item("track", userId="mina", event="Go")
    log = shop.harken.services.collector._log
    me = shop.id("mina")
    log.append(
        [
            Record(me, shop.now, shop.now, Kind.EVENT, b"{"),
            Record(me, shop.now, shop.now, Kind.COMMAND, b"\xc1"),
            Record(me, shop.now, shop.now, Kind.EVENT, msgspec.json.encode(good)),
        ]
    )
    shop.work()
    assert len(shop.mails()) == 1
    assert len(shop.failures()) == 2


def test_definitions_that_do_not_compile_leave_the_old_ones_in_force(open_shop: Open) -> None:
    shop = open_shop(cart=journey())
    current = shop.harken.store.definitions()
    broken = msgspec.structs.replace(
        current, revision=9, journeys={"cart": JourneySource(2, {"journey": "cart"})}
    )
    shop.harken.services.collector.append_definitions(broken).result()
    shop.work()
    shop.identify("mina", email="mina@shop.example")
    shop.track("mina", "Go")
    assert len(shop.mails()) == 1
