"""Files become events: every line is sent once, refused with a reason, or left for the next run."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from harken import clock
from harken.errors import BadInput
from harken.files import reader, yaml
from harken.ingest import fileimport, protocol
from harken.ingest.fileimport import Column, Mapping, Progress
from harken.values import ZoneName

ROOT = Path(__file__).parents[2]
CDNOW = ROOT.parent / "shared" / "data" / "cdnow.txt"


class Server:
    """Takes requests as /v1/import would, and fails when told to."""

    def __init__(self) -> None:
        self.events: list[protocol.Event] = []
        self.requests = 0
        self.fail_at = -1

    def send(self, body: bytes) -> list[tuple[int, str]]:
        self.requests += 1
        if self.requests == self.fail_at:
            raise ConnectionError("gone")
        assert len(body) <= protocol.BATCH_BYTES
        items = protocol.decode_envelope(body).batch
        accepted, rejected = protocol.Reader(clock.LATEST).read(items)
        self.events += [protocol.decode_event(event.body) for event in accepted]
        return [(one.index, f"{one.path}: {one.reason}") for one in rejected]


def last(
    path: Path, mapping: Mapping | None, state: Path, send: Callable[[bytes], list]
) -> Progress:
    *_, progress = fileimport.run(path, mapping, state, send)
    return progress


def test_cdnow_is_read_as_69_659_orders(tmp_path: Path) -> None:
    assert CDNOW.exists(), f"the test needs the CDNOW purchases at {CDNOW}"
    text = (ROOT / "examples" / "cdnow.mapping.yaml").read_text()
    mapping = reader.read(yaml.parse(text).value, Mapping)
    server = Server()
    progress = last(CDNOW, mapping, tmp_path, server.send)
    assert (progress.sent, progress.refused) == (69_659, [])
    assert (progress.stage, progress.done) == ("done", progress.total)
    assert len({event.message_id for event in server.events}) == 69_659, "equal rows are two orders"
    assert len({event.user_id for event in server.events}) == 23_570
    properties = [event.properties or {} for event in server.events]
    assert sum(p["quantity"] for p in properties) == 167_881
    assert sum(p["revenue"] for p in properties) == pytest.approx(2_500_315.63)
    (first,) = [event for event in server.events if event.user_id == "00001"]
    assert first.event == "Order Completed"
    assert first.timestamp == "1997-01-01T00:00:00.000Z"


def test_a_run_that_broke_off_goes_on_and_makes_the_same_message_ids(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    lines = [{"type": "track", "userId": "u", "event": "Same"} for _ in range(9000)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    server = Server()
    server.fail_at = 3
    with pytest.raises(ConnectionError):
        last(path, None, tmp_path / "state", server.send)
    assert fileimport.finished(path, tmp_path / "state") is None
    progress = last(path, None, tmp_path / "state", server.send)
    assert (progress.sent, progress.line) == (9000, 9000)
    assert len(server.events) == 9000
    again = Server()
    last(path, None, tmp_path / "other state", again.send)
    assert [e.message_id for e in again.events] == [e.message_id for e in server.events]
    requests = server.requests
    assert fileimport.finished(path, tmp_path / "never") is None
    assert fileimport.finished(path, tmp_path / "state") == progress
    assert last(path, None, tmp_path / "state", server.send).sent == 9000
    assert server.requests == requests, "a finished import sends nothing again"


def test_refused_lines_are_listed_with_their_reason(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    good = '{"type":"track","userId":"u","event":"Good","messageId":"mine"}'
    path.write_bytes(
        b"\n".join(
            [
                good.encode(),
                b"",
                b"not json",
                b'{"type":"track","event":"No one"}',
                b'{"type":"track","userId":"u","event":"$reserved"}',
                b'{"a":"' + b"x" * 3_000_000 + b'"}',
                good.encode(),
            ]
        )
    )
    server = Server()
    progress = last(path, None, tmp_path / "state", server.send)
    assert [line.line for line in progress.refused] == [3, 4, 5, 6]
    assert progress.refused_count == 4
    assert [event.message_id for event in server.events] == ["mine", "mine"]
    assert (progress.stage, progress.line) == ("done", 7)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("u,x,2026-01-01", "column amount: 'x' is no number"),
        ("u,1,yesterday", "column at: 'yesterday' is no time of the form ISO 8601"),
        ("u,1,0001-01-01", "column at: '0001-01-01' is no time of the form ISO 8601"),
        ("u,1,9999-12-31", "column at: '9999-12-31' is no time of the form ISO 8601"),
        (",1,2026-01-01", "$.userId: neither `userId` nor `anonymousId` identifies anyone"),
    ],
)
def test_csv_rows_refused(tmp_path: Path, row: str, reason: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f'id,amount,at\n"a\nb",1,2026-01-01\n{row}\nv,2.5,2026-07-01\n')
    mapping = Mapping(
        event="Paid",
        timezone=ZoneName("Europe/Berlin"),
        user_id=Column(column="id"),
        timestamp=Column(column="at"),
        properties={"amount": Column(column="amount", type="number")},
    )
    server = Server()
    progress = last(path, mapping, tmp_path / "state", server.send)
    assert [(r.line, r.reason) for r in progress.refused][1:] == [(4, reason)]
    assert "control characters" in progress.refused[0].reason, "a quoted field may hold a newline"
    assert [(e.user_id, e.timestamp) for e in server.events] == [("v", "2026-06-30T22:00:00.000Z")]


def test_csv_resumes_in_the_middle_and_takes_its_header_from_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id;name\n" + "".join(f"u{n};N{n}\n" for n in range(4000)))
    mapping = Mapping(
        type="identify",
        delimiter=";",
        user_id=Column(column="id"),
        traits={"name": Column(column="name")},
    )
    server = Server()
    server.fail_at = 2
    with pytest.raises(ConnectionError):
        last(path, mapping, tmp_path / "state", server.send)
    assert last(path, mapping, tmp_path / "state", server.send).sent == 4000
    assert [event.user_id for event in server.events] == [f"u{n}" for n in range(4000)]
    assert server.events[3700].traits == {"name": "N3700"}


def test_a_mapping_that_names_no_column_of_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,name\n1,2\n")
    mapping = Mapping(event="X", user_id=Column(column="user"))
    with pytest.raises(BadInput, match="no column 'user'; there are id, name"):
        last(path, mapping, tmp_path, Server().send)


def test_the_state_file_holds_the_progress(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text('{"type":"track","userId":"u","event":"E"}\n')
    last(path, None, tmp_path / "state", Server().send)
    (state,) = (tmp_path / "state").glob("*.json")
    assert msgspec.json.decode(state.read_bytes())["sent"] == 1
