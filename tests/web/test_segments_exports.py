"""Segments sent to webhooks: signed, in batches, tried again, and never into a private network."""

import base64
import hashlib
import hmac
import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from web_kit import NOW

from harken.channels import posting
from harken.clock import SettableClock
from harken.errors import BadInput, Conflict, NotFound
from harken.people.profile import Profile
from harken.web.exports import AT_ONCE, Export, Exports

QUICK = (0.01, 0.01, 0.01)
SECONDS = 10.0


class Receiver:
    """A webhook of someone else's: keeps what comes, answers as it is told to."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.bodies: list[bytes] = []
        self.answers: list[int] = []
        """Statuses to answer with, one after another; 204 when there are none."""
        self.held = 0
        """Requests that came, answered or not."""
        self.hold = threading.Event()
        self.hold.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.held += 1
                outer.hold.wait(SECONDS)
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.got.append((headers, json.loads(body)))
                outer.bodies.append(body)
                self.send_response(outer.answers.pop(0) if outer.answers else 204)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/in?a=1"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def members(self) -> list[list[str]]:
        return [[one["user_id"] for one in body["data"]["members"]] for _, body in self.got]

    def close(self) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()


PEOPLE = {
    id: Profile(id=id, user_id=f"u{id}", attributes={"email": f" U{id}@Mail.example", "age": id})
    for id in range(1, 6)
}


RULES = defaultdict(lambda: "one rule")
"""What each segment asks."""


def members(segment: str, after: int, limit: int) -> Sequence[tuple[int, str | None]]:
    if segment == "gone":
        raise NotFound("there is no segment 'gone'")
    if segment == "shrinking" and after >= 4:
        return []
    people = () if segment == "empty" else PEOPLE.values()
    return [(one.id, one.user_id) for one in people if one.id > after][:limit]


def opened(data: Path, *, private: bool = True, delays: Sequence[float] = QUICK) -> Exports:
    return Exports(
        data / "exports.json",
        SettableClock(NOW),
        b"ours",
        members,
        RULES.__getitem__,
        lambda ids: {id: PEOPLE[id] for id in ids},
        private=private,
        delays=delays,
    )


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def exports(tmp_path: Path) -> Iterator[Exports]:
    made = opened(tmp_path)
    made.start()
    yield made
    made.close()


def wish(url: str, segment: str = "all", batch: int = 2, **more: Any) -> Export:
    return Export(id="", segment=segment, url=url, batch=batch, asked_at=NOW, by="key k", **more)


def ended(exports: Exports, made: Export) -> Export:
    """The export once it has ended."""
    waiting = threading.Event()
    for _ in range(int(SECONDS / 0.01)):
        found = exports.get(made.id)
        if found.state not in ("waiting", "running"):
            return found
        waiting.wait(0.01)
    raise AssertionError(found)


def test_members_arrive_in_batches_that_say_which_is_the_last(
    exports: Exports, receiver: Receiver
) -> None:
    done = ended(exports, exports.add(wish(receiver.url)))
    assert (done.state, done.batches, done.members, done.trouble) == ("done", 3, 5, "")
    assert receiver.members() == [["u1", "u2"], ["u3", "u4"], ["u5"]]
    told = [body["data"] for _, body in receiver.got]
    assert [(one["batch"], one["last"]) for one in told] == [(1, False), (2, False), (3, True)]
    assert {one["export"] for one in told} == {done.id}
    assert receiver.got[0][1]["type"] == "segment.members"


def test_a_segment_without_members_is_told_once(exports: Exports, receiver: Receiver) -> None:
    assert ended(exports, exports.add(wish(receiver.url, "empty"))).members == 0
    assert receiver.members() == [[]]


def test_a_last_batch_comes_also_when_those_to_come_have_left(
    exports: Exports, receiver: Receiver
) -> None:
    assert ended(exports, exports.add(wish(receiver.url, "shrinking"))).members == 4
    assert receiver.members() == [["u1", "u2"], ["u3", "u4"], []]
    assert [body["data"]["last"] for _, body in receiver.got] == [False, False, True]


def interrupted(folder: Path, receiver: Receiver) -> tuple[Exports, Export]:
    """An export whose first batch was taken, and whose second waits to be tried again."""
    receiver.answers = [204, *[503] * 20]
    exports = opened(folder, delays=(SECONDS,))
    exports.start()
    made = exports.add(wish(receiver.url))
    while not exports.get(made.id).trouble:
        threading.Event().wait(0.01)
    return exports, made


def test_no_members_by_two_rules_go_by_the_name_of_one_segment(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the rule was changed while Harken was down."""
    first, made = interrupted(tmp_path, receiver)
    first.close()
    receiver.answers = []
    monkeypatch.setitem(RULES, "all", "another")
    second = opened(tmp_path)
    second.start()
    failed = ended(second, made)
    assert (failed.state, failed.members) == ("failed", 2)
    assert "was changed while its members were sent" in failed.trouble
    assert ended(second, second.add(wish(receiver.url))).state == "done"
    second.close()


def test_a_batch_is_signed_as_standard_webhooks_has_it(
    exports: Exports, receiver: Receiver
) -> None:
    ended(exports, exports.add(wish(receiver.url, batch=10)))
    headers, _ = receiver.got[0]
    secret = exports.secret_of(receiver.url)
    assert secret.startswith("whsec_")
    signed = b".".join(
        (headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), receiver.bodies[0])
    )
    digest = hmac.digest(base64.b64decode(secret[6:]), signed, hashlib.sha256)
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert headers["webhook-timestamp"] == str(NOW // 1000)
    assert exports.secret_of(receiver.url) == secret
    assert exports.secret_of(receiver.url + "2") != secret


def test_the_signature_is_that_of_the_standards_example() -> None:
    """The test vector of the reference libraries."""
    found = posting.signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_attributes_go_along_as_they_are_or_hashed(exports: Exports, receiver: Receiver) -> None:
    ended(
        exports,
        exports.add(wish(receiver.url, batch=1, attributes=["age", "none"], hashed=["email"])),
    )
    digest = hashlib.sha256(b"u1@mail.example").hexdigest()
    assert receiver.got[0][1]["data"]["members"] == [
        {"user_id": "u1", "profile": "1", "attributes": {"age": 1, "email": digest}}
    ]


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_batch_is_tried_again_after_what_may_pass(
    exports: Exports, receiver: Receiver, status: int
) -> None:
    receiver.answers = [204, status, status]
    assert ended(exports, exports.add(wish(receiver.url))).state == "done"
    assert receiver.members() == [["u1", "u2"], *[["u3", "u4"]] * 3, ["u5"]]
    ids = [headers["webhook-id"] for headers, _ in receiver.got]
    assert ids[1] == ids[2] == ids[3]
    assert len(set(ids)) == 3


@pytest.mark.parametrize(
    ("answers", "tries", "says"),
    [([404], 1, "answered 404"), ([302], 1, "answered 302"), ([500] * 9, 4, "answered 500")],
    ids=["refused", "led elsewhere", "broken for good"],
)
def test_an_export_that_fails_says_why(
    exports: Exports, receiver: Receiver, answers: list[int], tries: int, says: str
) -> None:
    receiver.answers = answers
    failed = ended(exports, exports.add(wish(receiver.url)))
    assert (failed.state, failed.members, failed.finished_at) == ("failed", 0, NOW)
    assert says in failed.trouble
    assert len(receiver.got) == tries


def test_a_receiver_that_is_not_there_and_a_segment_that_is_no_more(
    exports: Exports, receiver: Receiver
) -> None:
    gone = ended(exports, exports.add(wish(receiver.url, "gone")))
    assert (gone.state, gone.trouble) == ("failed", "there is no segment 'gone'")
    receiver.close()
    away = ended(exports, exports.add(wish(receiver.url)))
    assert (away.state, "does not answer" in away.trouble) == ("failed", True)


def test_an_export_goes_on_after_a_restart_where_it_was(tmp_path: Path, receiver: Receiver) -> None:
    first, made = interrupted(tmp_path, receiver)
    assert "503; try 2 in" in first.get(made.id).trouble
    first.close()
    receiver.answers = []
    second = opened(tmp_path)
    second.start()
    assert ended(second, made).members == 5
    second.close()
    assert receiver.members() == [["u1", "u2"], *[["u3", "u4"]] * 2, ["u5"]]


def test_a_receiver_that_is_down_holds_up_no_other_export(tmp_path: Path) -> None:
    down, well = Receiver(), Receiver()
    down.answers = [503] * 20
    exports = opened(tmp_path, delays=(SECONDS,))
    exports.start()
    try:
        tried = [exports.add(wish(down.url)) for _ in range(3)]
        for made in tried:
            while not exports.get(made.id).trouble:
                threading.Event().wait(0.01)
        assert ended(exports, exports.add(wish(well.url))).members == 5
        assert {exports.get(made.id).state for made in tried} == {"running"}
    finally:
        exports.close()
        down.close()
        well.close()


def test_so_many_exports_at_a_time_and_each_by_one_thread(
    exports: Exports, receiver: Receiver
) -> None:
    receiver.hold.clear()
    made = [exports.add(wish(receiver.url, batch=10)) for _ in range(AT_ONCE + 3)]
    while receiver.held < AT_ONCE:
        threading.Event().wait(0.01)
    threading.Event().wait(0.05)
    assert receiver.held == AT_ONCE
    receiver.hold.set()
    assert {ended(exports, one).state for one in made} == {"done"}
    assert len(receiver.got) == len(made)


def test_all_that_were_broken_off_go_on_after_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answers = [503] * 3
    first = opened(tmp_path, delays=(SECONDS,))
    first.start()
    made = [first.add(wish(receiver.url)) for _ in range(3)]
    for one in made:
        while not first.get(one.id).trouble:
            threading.Event().wait(0.01)
    first.close()
    second = opened(tmp_path)
    second.start()
    assert [ended(second, one).members for one in made] == [5, 5, 5]
    second.close()


def test_an_export_can_be_stopped(exports: Exports, receiver: Receiver) -> None:
    receiver.hold.clear()
    made = exports.add(wish(receiver.url))
    assert exports.stop(made.id).state == "stopped"
    receiver.hold.set()
    with pytest.raises(Conflict):
        exports.stop(made.id)
    later = ended(exports, exports.add(wish(receiver.url, "empty")))
    assert (later.state, exports.get(made.id).members) == ("done", 0)
    assert [one.id for one in exports.all()] == [later.id, made.id]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]",
     "[fd00::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "0.0.0.0", "224.0.0.1", "2130706433"],
)  # fmt: skip
def test_nothing_is_posted_into_a_private_network(tmp_path: Path, host: str) -> None:
    strict = opened(tmp_path, private=False)
    with pytest.raises(BadInput, match="no public address"):
        strict.add(wish(f"http://{host}/"))
    assert strict.all() == []


def test_a_public_address_may_be_posted_to() -> None:
    assert posting.public_address(httpx.URL("https://93.184.215.14/")) == "93.184.215.14"


@pytest.mark.parametrize(
    "url",
    ["ftp://x.example/", "x.example", "http://", "https://me:secret@x.example/", "http://[::",
     "file:///etc/passwd", "https://x.example/" + "a" * 2000, "https://x.example:65979/",
     "https://x.example:0/"],
)  # fmt: skip
def test_what_is_no_address_of_a_webhook_is_refused(exports: Exports, url: str) -> None:
    with pytest.raises(BadInput):
        exports.add(wish(url))
