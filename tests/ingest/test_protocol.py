"""What is taken, what is mended, and what is refused with which reason."""

import json
import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harken import clock
from harken.ids import profile_id
from harken.ingest.protocol import (
    Accepted,
    Context,
    Envelope,
    Event,
    Reader,
    Rejected,
    Type,
    decode_envelope,
    decode_event,
)

NOW = 1_780_000_000_000
ZERO = "00000000-0000-0000-0000-000000000000"


def read(body: bytes | dict, call: str | None = None) -> tuple[list[Accepted], list[Rejected]]:
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Reader(NOW, call).read([data])  # type: ignore[arg-type]


def one(body: bytes | dict, call: str | None = None) -> tuple[Accepted, Event]:
    accepted, rejected = read(body, call)
    assert rejected == []
    return accepted[0], decode_event(accepted[0].body)


def refusal(body: bytes | dict, call: str | None = None) -> Rejected:
    accepted, rejected = read(body, call)
    assert accepted == []
    return rejected[0]


def track(**fields: object) -> dict:
    return {"type": "track", "userId": "u1", "event": "Seen", "messageId": "m1"} | fields


def test_the_clients_own_bytes_are_kept() -> None:
    body = b'{ "type":"track", "userId":"u1","event":"Seen","messageId":"m1","unknown":[1] }'
    assert one(body)[0].body == body


@pytest.mark.parametrize("levels", [0, 1, 2, 3, 4, 5, 30])
@pytest.mark.parametrize("where", ["properties", "traits", "integrations"])
def test_numbers_beyond_64_bits_are_found_at_every_level(levels: int, where: str) -> None:
    def nested(value: object) -> dict[str, object]:
        for level in range(levels):
            value = {"a": value} if level % 2 else [value, "a"]
        return {"value": value, "small": 1}

    largest = (1 << 63) - 1
    for value in (largest, -largest - 1, largest + 1, -largest - 2, 10**30):
        _, event = one(json.dumps(track(**{where: nested(value)})).encode())
        kept = value if -largest - 1 <= value <= largest else float(value)
        [found] = re.findall(r"-?[0-9][0-9.e+]{4,}", json.dumps(getattr(event, where)))
        assert found == json.dumps(kept)


@pytest.mark.parametrize("blocked", ["", "0", "-1", "null", "NULL", "undefined", " ", ZERO, 0, -1])
def test_blocked_ids_are_taken_out(blocked: object) -> None:
    accepted, event = one(track(userId=blocked, anonymousId="a1"))
    assert (accepted.user_id, accepted.anonymous_id) == (None, "a1")
    assert (event.user_id, event.anonymous_id) == (None, "a1")
    assert refusal(track(userId=blocked)).path == "$.userId"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(17, "17"), (17.0, "17"), (1.5, "1.5"), (2**60, str(2**60)), (2**63 + 1, str(2**63 + 1))],
)
def test_a_number_as_id_becomes_its_text(given: float, wanted: str) -> None:
    accepted, event = one(track(userId=given, anonymousId=5, messageId=given))
    assert (accepted.user_id, event.user_id) == (wanted, wanted)
    assert (event.anonymous_id, event.message_id) == ("5", wanted)


@pytest.mark.parametrize(
    ("fields", "path", "reason"),
    [
        ({"userId": True}, "$.userId", "must be text or nothing, not `true` or `false`"),
        ({"userId": None}, "$.userId", "identifies anyone"),
        ({"userId": "a\nb"}, "$.userId", "control"),
        ({"userId": "x" * 257}, "$.userId", "at most 256"),
        ({"event": None}, "$.event", "needs `event`"),
        ({"event": " "}, "$.event", "needs `event`"),
        ({"event": "x" * 201}, "$.event", "at most 200"),
        ({"event": "a\x07b"}, "$.event", "control"),
        ({"event": "$message_sent"}, "$.event", "reserved"),
        ({"event": 5}, "$.event", "must be text or nothing, not a whole number"),
        ({"properties": [1]}, "$.properties", "must be an object or nothing, not a list"),
        ({"traits": "x"}, "$.traits", "must be an object or nothing, not text"),
        ({"timestamp": "yesterday"}, "$.timestamp", "no ISO 8601 time"),
        ({"originalTimestamp": "x"}, "$.originalTimestamp", "no ISO 8601 time"),
        ({"timestamp": 5}, "$.timestamp", "must be text or nothing"),
        ({"sentAt": "x", "timestamp": "2026-01-01"}, "$.sentAt", "no ISO 8601 time"),
        ({"type": "trakc"}, "$.type", "'trakc' is no call; there are identify, track, page"),
        ({"type": None}, "$", "`type` is missing"),
        ({"type": "alias"}, "$.previousId", "needs `previousId`"),
        ({"type": "alias", "previousId": "null"}, "$.previousId", "needs `previousId`"),
        ({"type": "group"}, "$.groupId", "needs `groupId`"),
        ({"messageId": "x" * 257}, "$.messageId", "at most 256"),
        ({"properties": {"x": "y" * 33_000}}, "$", "32768 is the most"),
    ],
)
def test_refused(fields: dict, path: str, reason: str) -> None:
    found = refusal(track(**fields))
    assert found.path == path
    assert reason in found.reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "bad JSON"),
        (b"nonsense", "bad JSON"),
        (b"5", "an event is an object, not a number"),
        (b"[]", "an event is an object, not an array"),
        (b'{"type":"track","userId":"\xff","event":"E"}', "not UTF-8 at byte 26"),
        (b'{"type":"track","userId":"u","event":"E","properties":' + b"[" * 9000, "deep"),
        (
            b'{"type":"track","userId":"u","event":"E","properties":{"a":'
            + b"[" * 40 + b"]" * 40 + b"}}",
            "nested deeper than 32 levels",
        ),
    ],
)  # fmt: skip
def test_refused_bytes(body: bytes, reason: str) -> None:
    assert reason in refusal(body).reason


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"NaN", None),
        (b"-Infinity", None),
        (b"1e999", None),
        (b'"a\\u0000b"', "ab"),
        (b'"\\ud83d"', "\ufffd"),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b"9223372036854775807", 2**63 - 1),
        (b"9223372036854775808", float(2**63)),
        (b"-99999999999999999999999", -1e23),
        (b'"12345678901234567890"', "12345678901234567890"),
        (b"[[[[1]]]]", [[[[1]]]]),
    ],
)
def test_mended(text: bytes, value: object) -> None:
    body = b'{"type":"track","userId":"u","event":"E","messageId":"m","properties":{"a":%s}}' % text
    _, event = one(body)
    assert event.properties == {"a": value}


@pytest.mark.parametrize("part", [field.encode_name for field in msgspec.structs.fields(Context)])
def test_any_part_of_context_may_be_wrong(part: str) -> None:
    _, event = one(track(context={part: 5}))
    assert event.context == Context()


def test_a_wrong_part_of_context_costs_only_that_part() -> None:
    context = {"locale": 5, "timezone": "Asia/Seoul", "page": "x", "ip": "1.2.3.4", "more": [1]}
    _, event = one(track(context=context))
    assert event.context is not None
    assert (event.context.locale, event.context.page) == (None, None)
    assert (event.context.timezone, event.context.ip) == ("Asia/Seoul", "1.2.3.4")


@pytest.mark.parametrize("call", ["identify", "track", "page", "screen", "group", "alias"])
def test_the_route_says_the_type(call: str) -> None:
    body = {"userId": "u", "event": "E", "groupId": 5, "previousId": "p"}
    accepted, event = one(body, call)
    assert (accepted.type, event.type) == (call, call)
    assert one(body | {"type": "track"}, call)[1].type == call


MINUTE = clock.MINUTE


@pytest.mark.parametrize(
    ("timestamp", "original", "sent", "wanted"),
    [
        (None, None, None, NOW),
        (None, None, NOW - 5 * MINUTE, NOW),
        (NOW - MINUTE, None, None, NOW - MINUTE),
        (NOW - MINUTE, None, NOW, NOW - MINUTE),
        (NOW - 60 * MINUTE, None, NOW - 59 * MINUTE, NOW - MINUTE),
        (NOW + 60 * MINUTE, None, NOW + 61 * MINUTE, NOW - MINUTE),
        (NOW + 60 * MINUTE, None, None, NOW),
        (NOW, NOW - 3 * MINUTE, NOW - MINUTE, NOW - 2 * MINUTE),
        (NOW - MINUTE, None, NOW - 2 * MINUTE, NOW),
        (-clock.DAY * 20_000, None, None, -clock.DAY * 20_000),
    ],
)
@pytest.mark.parametrize("batch", [False, True])
def test_clock_skew(
    timestamp: int | None, original: int | None, sent: int | None, wanted: int, batch: bool
) -> None:
    times = {"timestamp": timestamp, "originalTimestamp": original}
    body = track(**{key: clock.iso(at) for key, at in times.items() if at is not None})
    envelope = Envelope([], sent_at=clock.iso(sent)) if sent is not None else None
    if not batch and sent is not None:
        body["sentAt"], envelope = clock.iso(sent), None
    accepted, _ = Reader(NOW, None, envelope).read([msgspec.json.encode(body)])
    assert accepted[0].timestamp == wanted


@pytest.mark.parametrize("text", ["0476-09-04T05:00:00.007Z", "2026-01-31T09:00:00.000Z"])
def test_times_are_written_as_they_are_read(text: str) -> None:
    at = clock.parse_time(text)
    assert at is not None
    assert clock.iso(at) == text


def test_a_missing_message_id_is_derived_from_the_content() -> None:
    said = {"type": "track", "userId": "u", "event": "E", "timestamp": "2026-01-01T00:00:00Z"}
    silent = {"type": "track", "userId": "u", "event": "E"}

    def id_of(body: dict, now: int = NOW, index: int = 0) -> str | None:
        data = [msgspec.json.encode(body)] * (index + 1)
        return decode_event(Reader(now).read(data)[0][index].body).message_id

    assert id_of(said) == id_of(said, now=NOW + 5), "a retry is known as one"
    assert id_of(said) != id_of(said | {"event": "F"})
    assert id_of(said) != id_of(said, index=1), "two equal ones in a request are two"
    assert id_of(silent) != id_of(silent, now=NOW + 5), "without any time it happened now"
    assert id_of(track(messageId="")) not in ("", None)


def test_what_a_batch_has_in_common_goes_into_its_items() -> None:
    envelope = decode_envelope(
        msgspec.json.encode(
            {
                "context": {"locale": "ko-KR", "ip": "1.1.1.1"},
                "integrations": {"All": True},
                "batch": [
                    track(),
                    track(context={"locale": "de"}),
                    track(integrations={"All": False}),
                ],
            }
        )
    )
    accepted, _ = Reader(NOW, None, envelope).read(envelope.batch)
    events = [decode_event(item.body) for item in accepted]
    contexts = [event.context for event in events]
    assert [c.locale for c in contexts if c] == ["ko-KR", "de", "ko-KR"]
    assert [c.ip for c in contexts if c] == ["1.1.1.1"] * 3
    assert [event.integrations for event in events] == [
        {"All": True},
        {"All": True},
        {"All": False},
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)
fields = st.sampled_from(
    [
        "type", "userId", "anonymousId", "previousId", "groupId", "messageId", "event", "name",
        "properties", "traits", "context", "timestamp", "sentAt", "integrations", "writeKey",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(changed=st.dictionaries(fields, json_values, max_size=4))
def test_whatever_is_accepted_can_be_read_and_stored(changed: dict) -> None:
    accepted, rejected = read(json.dumps(track() | changed).encode())
    assert len(accepted) + len(rejected) == 1
    for item in accepted:
        event = decode_event(item.body)
        assert (event.type, event.user_id) == (item.type, item.user_id)
        assert event.message_id
        again = msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=Event)
        assert again == event
        assert "\0" not in str(event.properties)


IDS = (
    "u1", "u2", " u1 ", "", " ", "0", "NULL", ZERO, "한국", "a\nb", "a\x7f", "a\u00a0b",
    "\u2028", "x" * 256, "x" * 257, "y\\u", None, 5, True,
)  # fmt: skip
TIMES = (
    "2026-01-01T00:00:00.123+09:00", "2026-01-01 00:00", "2026-01-01", "20260101T000000Z",
    "2026-01-01T00:00:00.1239999Z", "9998-12-31T00:00:00Z", "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00Z", "2026-02-30", "yesterday", "", None, 5,
)  # fmt: skip
ODD = {
    "type": ("identify", "track", "page", "group", "alias", "x", None),
    "event": ("Seen", "", " ", "$seen", "a\x07", "x" * 201, None, 5),
    **dict.fromkeys(("userId", "anonymousId", "previousId", "groupId", "messageId"), IDS),
    **dict.fromkeys(("timestamp", "originalTimestamp", "sentAt"), TIMES),
}


def told(
    changed: list[dict], call: Type | None = None, sent_at: str | None = None, **more: object
) -> list[tuple]:
    """What is told of a batch of events that differ so from one with nothing odd."""
    items = [track(timestamp="2026-01-02") | change | more for change in changed]
    body = json.dumps({"batch": items, "sentAt": sent_at}).encode()
    envelope = decode_envelope(body)
    accepted, rejected = Reader(NOW, call, envelope).read(envelope.batch, body)
    for one in accepted:
        assert decode_event(one.body).type == one.type
        if one.profile_id:
            assert one.profile_id == profile_id("user", one.user_id or "")
    return [
        *[(e.type, e.user_id, e.anonymous_id, e.previous_id, e.timestamp) for e in accepted],
        *[(one.index, one.reason, one.path) for one in rejected],
    ]


# A NUL anywhere has an event mended, and so looked at closely: what is taken as it is must be the
# same then.


@pytest.mark.parametrize("call", [None, "track", "page"])
@pytest.mark.parametrize("field", ODD)
def test_what_is_odd_about_one_field_is_never_overlooked(field: str, call: Type | None) -> None:
    for value in ODD[field]:
        for other in ({}, {"userId": None}, {"userId": None, "anonymousId": "a"}):
            changed = [other | {field: value}]
            assert told(changed, call) == told(changed, call, nul="\0")


@settings(max_examples=300, deadline=None)
@given(
    changed=st.lists(
        st.fixed_dictionaries(
            {}, optional={name: st.sampled_from(values) for name, values in ODD.items()}
        ),
        min_size=1,
        max_size=4,
    ),
    sent_at=st.sampled_from([None, "2026-05-28T00:00:00Z"]),
)
def test_nor_about_several(changed: list[dict], sent_at: str | None) -> None:
    assert told(changed, None, sent_at) == told(changed, None, sent_at, nul="\0")


def test_nothing_is_copied_of_what_is_taken_as_it_is() -> None:
    body = json.dumps({"batch": [track(timestamp="2026-01-01")] * 2}).encode()
    one(track())  # the name of the event is known from here on
    envelope = decode_envelope(body)
    accepted, _ = Reader(NOW, None, envelope).read(envelope.batch, body)
    pairs = zip(accepted, envelope.batch, strict=True)
    assert [event.body is item for event, item in pairs] == [True, True]
