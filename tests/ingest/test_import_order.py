"""A large file is sent in order by customer; what comes of it is as if it had not been."""

import itertools
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harken import engine, ids
from harken.app import Embedded
from harken.clock import SettableClock, iso, parse_time
from harken.ingest import fileimport, protocol
from harken.ingest.fileimport import Limits, Progress
from harken.ingest.grouping import Stretch, part_of
from harken.ingest.links import Links

NOW = parse_time("2026-06-01T12:00:00Z") or 0
AS_IT_STANDS, SORTED = Limits(sort_from=1 << 40), Limits(sort_from=0)


def write(path: Path, calls: Sequence[dict[str, Any]]) -> Path:
    path.write_bytes(b"".join(msgspec.json.encode(call) + b"\n" for call in calls))
    return path


def last(path: Path, state: Path, send: Callable[[bytes], Any], limits: Limits) -> Progress:
    *_, progress = fileimport.run(path, None, state, send, limits)
    return progress


# ---- the same customers and the same history


def outcome(calls: Sequence[dict[str, Any]], limits: Limits, folder: Path) -> Any:
    """Every document, and all of history but the order in which it came."""
    clock = SettableClock(NOW)
    harken = Embedded(folder / "data", clock)

    def send(body: bytes) -> list[tuple[int, str]]:
        items = protocol.decode_envelope(body).batch
        accepted, rejected = protocol.Reader(NOW).read(items)
        collected = harken.services.collector.submit(accepted, received_at=NOW, imported=True)
        collected.result()
        return [(one.index, one.reason) for one in rejected]

    try:
        last(write(folder / "calls.ndjson", calls), folder / "state", send, limits)
        while harken.engine.turn():
            pass
        harken.feeder.flush()
        events = harken.history.query(
            "SELECT profile_id, name, ts, message_id, props::JSON FROM events ORDER BY ALL", []
        )
        found = {row[0] for row in harken.history.query("SELECT profile_id FROM events", [])} | {
            row[0] for row in harken.history.query("SELECT absorbed FROM merges", [])
        }
        return events, [
            msgspec.to_builtins(one)
            for _, one in sorted(harken.store.profiles(sorted(found)).items())
        ]
    finally:
        harken.close()


NAMES = st.sampled_from("abcd")
CALLS = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("track"), "event": st.sampled_from(["Viewed", "Paid"]), "userId": NAMES},
        optional={"anonymousId": NAMES, "messageId": NAMES},
    ),
    st.fixed_dictionaries(
        {"type": st.just("track"), "event": st.just("Viewed"), "anonymousId": NAMES},
        optional={"context": st.fixed_dictionaries({"locale": st.sampled_from(["ko-KR", "id"])})},
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("identify"),
            "userId": NAMES,
            "traits": st.fixed_dictionaries({"city": st.sampled_from(["Seoul", "Oslo", "Bern"])}),
        },
        optional={"anonymousId": NAMES},
    ),
    st.fixed_dictionaries({"type": st.just("alias"), "userId": NAMES, "previousId": NAMES}),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(CALLS, max_size=25))
def test_what_comes_of_a_file_does_not_depend_on_the_sorting(calls: list[dict[str, Any]]) -> None:
    timed = [call | {"timestamp": iso(NOW - 60_000 * at)} for at, call in enumerate(calls)]
    with (
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as other,
        pytest.MonkeyPatch.context() as patch,
    ):
        # Documents are let go of within a batch, too.
        patch.setattr(engine, "TOGETHER", 2)
        assert outcome(timed, SORTED, Path(one)) == outcome(timed, AS_IT_STANDS, Path(other))


# ---- the order itself


class Server:
    """Takes requests, and fails when told to."""

    def __init__(self, fail_at: int = 0) -> None:
        self.bodies: list[list[protocol.Event]] = []
        self.fail_at = fail_at

    def send(self, body: bytes) -> list[tuple[int, str]]:
        if self.fail_at and len(self.bodies) == self.fail_at:
            self.fail_at = 0
            raise ConnectionError("gone")
        items = protocol.decode_envelope(body).batch
        assert len(body) <= protocol.BATCH_BYTES
        assert len(items) <= protocol.BATCH_EVENTS
        self.bodies.append([protocol.decode_event(item) for item in items])
        return []

    @property
    def events(self) -> list[protocol.Event]:
        return [event for body in self.bodies for event in body]


def track(user: str, number: int, **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": f"E{number}", "userId": user, **more}


def many(count: int, customers: int) -> list[dict[str, Any]]:
    return [track(f"u{number % customers}", number) for number in range(count)]


def test_each_customer_stands_together_in_the_order_of_the_file(tmp_path: Path) -> None:
    server = Server()
    path = write(tmp_path / "events.ndjson", many(20_000, 300))
    progress = last(path, tmp_path / "state", server.send, SORTED)
    assert (progress.sent, progress.line, progress.stage) == (20_000, 20_000, "done")
    users = [event.user_id for event in server.events]
    changes = sum(one != other for one, other in itertools.pairwise(users))
    assert changes == 299
    numbers = [int((event.event or "")[1:]) for event in server.events if event.user_id == "u7"]
    assert numbers == sorted(numbers)
    assert not list((tmp_path / "state").glob("*.sorted")), "the sorted events are gone at the end"


def test_customers_of_many_parts_come_in_the_order_of_their_documents(tmp_path: Path) -> None:
    server = Server()
    small = Limits(sort_from=0, memory=1 << 20)
    last(write(tmp_path / "events.ndjson", many(20_000, 300)), tmp_path / "s", server.send, small)
    profiles = [ids.profile_id("user", event.user_id or "") for event in server.events]
    assert len(profiles) == 20_000
    assert profiles == sorted(profiles)


def test_no_customer_is_in_two_requests_at_a_time_unless_one_is_too_small(tmp_path: Path) -> None:
    server = Server()
    calls = [*many(9_000, 300), *[track("busy", number) for number in range(6_000)]]
    last(write(tmp_path / "events.ndjson", calls), tmp_path / "state", server.send, SORTED)
    seen: dict[str | None, set[int]] = {}
    for index, body in enumerate(server.bodies):
        for event in body:
            seen.setdefault(event.user_id, set()).add(index)
    assert {user for user, bodies in seen.items() if len(bodies) > 1} == {"busy"}


def test_a_sorted_import_that_broke_off_goes_on_and_sends_nothing_twice(tmp_path: Path) -> None:
    path, state = write(tmp_path / "events.ndjson", many(20_000, 300)), tmp_path / "state"
    server, whole = Server(fail_at=4), Server()
    with pytest.raises(ConnectionError):
        last(path, state, server.send, SORTED)
    assert last(path, state, server.send, SORTED).sent == 20_000
    last(path, tmp_path / "other", whole.send, SORTED)
    assert [e.message_id for e in server.events] == [e.message_id for e in whole.events]


def test_a_file_in_stretches_dealt_by_several_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fileimport, "_STRETCH", 1 << 20)
    calls = [
        track(f"u{number % 50}", number, properties={"text": "x" * 200}) for number in range(16_000)
    ]
    path = write(tmp_path / "events.ndjson", calls)
    with path.open("ab") as file:
        file.write(b"not json\n")
    server = Server()
    progress = last(path, tmp_path / "state", server.send, SORTED)
    assert (progress.sent, progress.line) == (16_000, 16_001)
    assert [line.line for line in progress.refused] == [16_001]
    for user in ("u0", "u49"):
        numbers = [int((e.event or "")[1:]) for e in server.events if e.user_id == user]
        assert numbers == sorted(numbers)


def test_a_customer_larger_than_the_memory_is_sorted_on_the_disk(tmp_path: Path) -> None:
    calls = [track(f"u{number % 3}", number) for number in range(9_000)]
    server = Server()
    small = Limits(sort_from=0, memory=100_000)
    last(write(tmp_path / "events.ndjson", calls), tmp_path / "state", server.send, small)
    assert len(server.events) == 9_000
    for user in ("u0", "u1", "u2"):
        numbers = [int((e.event or "")[1:]) for e in server.events if e.user_id == user]
        assert numbers == sorted(numbers)


def test_requests_in_flight_wait_for_those_of_the_same_customer(tmp_path: Path) -> None:
    calls = [track("busy", number) for number in range(12_000)]
    server = Server()
    flying = Limits(sort_from=0, in_flight=4)
    last(write(tmp_path / "events.ndjson", calls), tmp_path / "state", server.send, flying)
    assert [event.event for event in server.events] == [f"E{number}" for number in range(12_000)]


# ---- its parts


def test_a_long_chain_of_links_has_one_root(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    hashed = [hash(("id", number)) & (1 << 64) - 1 for number in range(400)]
    pairs.write_text("".join(f"{a},{b}\n" for a, b in itertools.pairwise(hashed)))
    links = Links(pairs)
    moved = links.moved(0, 1)
    links.close()
    assert moved == {id: min(hashed) for id in hashed if id != min(hashed)}


def test_what_moves_is_told_to_the_part_where_it_lies(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    hashed = [ids.profile_id("user", str(number)) for number in range(400)]
    hashed += [key | 1 << 63 for key in hashed]
    pairs.write_text("".join(f"1,{key}\n" for key in hashed))
    links = Links(pairs)
    told = [links.moved(part, 7) for part in range(7)]
    links.close()
    assert all(told)
    assert sum(map(len, told)) == 800
    assert {(part_of(key, 7), key) for key in hashed} == {
        (part, key) for part, moved in enumerate(told) for key in moved
    }


def test_stretches_end_where_lines_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fileimport, "_STRETCH", 1 << 20)
    path = tmp_path / "lines"
    text = b"".join(os.urandom(500).replace(b"\n", b"-") + b"\n" for _ in range(8_000))
    path.write_bytes(text)
    _, stretches = fileimport._surveyed(path)
    assert len(stretches) > 2
    assert stretches[0].start == 0
    assert stretches[-1].end == len(text)
    for one, following in itertools.pairwise(stretches):
        assert following == Stretch(one.end, following.end, text[: one.end].count(b"\n"))
        assert text[one.end - 1 : one.end] == b"\n"
