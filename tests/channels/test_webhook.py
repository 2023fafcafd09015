"""The channel `webhook`: what is posted, how it is signed, and what each answer makes of it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from receivers import Answer, receiving
from servers import free_port

from harken.channels.base import Outcome, Prepared
from harken.channels.hooks import Hook, build, webhook_faults
from harken.channels.posting import Answer as Answered
from harken.channels.posting import signature, signed_by
from harken.channels.sandbox import Sandbox
from harken.channels.webhook import WebhookChannel, message_body
from harken.clock import SystemClock
from harken.messages.render import Rendered
from harken.store.base import LedgerRow
from harken.values import Duration
from harken.workspace import Webhook, Workspace

OURS = b"o" * 32
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ENVIRONMENT = {"SECRET": SECRET, "SHORT": "whsec_abcd"}
LATER = 60.0


def row(id: str = "m1", **fields: Any) -> LedgerRow:
    known: dict[str, Any] = {
        "id": id, "profile_id": 1, "journey": "cart", "revision": 1, "step": "nudge", "run": "r",
        "channel": "webhook", "purpose": "marketing", "address": "mina", "state": "handed",
    }  # fmt: skip
    return LedgerRow(**{**known, **fields})


def prepared(id: str = "m1", **fields: Any) -> Prepared:
    said = Rendered(
        payload={"title": "Hi"}, channel="webhook", variant="default", why_variant="",
        language="en", unsubscribe="https://shop.example/l/u/x", footer="Bye",
    )  # fmt: skip
    return Prepared(row(id, **fields), said)


class Crm:
    """A channel with one webhook, `crm`."""

    def __init__(self, folder: Path, url: str | None, **settings: Any) -> None:
        self.sandbox = Sandbox(folder / "sandbox.db")
        given = {"url": url, "private": True, "timeout": Duration.parse("1s"), **settings}
        workspace = Workspace(webhooks={"crm": Webhook(**given)})  # type: ignore[dict-item]
        self.hooks = build(workspace, ENVIRONMENT, OURS, self.sandbox, SystemClock())
        self.channel = WebhookChannel(self.hooks, lambda row: ("crm", "POST"), message_body)

    @property
    def hook(self) -> Hook:
        return self.hooks["crm"]

    def send(self, *ids: str) -> list[Outcome]:
        batch = [prepared(id) for id in ids or ("m1",)]
        return self.channel.send(batch, time.monotonic() + LATER)

    def close(self) -> None:
        self.channel.close()
        self.sandbox.close()


@pytest.fixture
def crms(tmp_path: Path) -> Iterator[list[Crm]]:
    made: list[Crm] = []
    yield made
    for one in made:
        one.close()


def test_a_message_is_signed_json_and_keeps_its_id(tmp_path: Path, crms: list[Crm]) -> None:
    with receiving(500, 200, secret=SECRET) as receiver:
        crms.append(Crm(tmp_path, receiver.url, secret_env="SECRET"))
        first, second = crms[0].send()[0], crms[0].send()[0]
        assert (first.state, first.reason) == ("temporary", "127.0.0.1 answered 500")
        assert (second.state, second.transport) == ("sent", "crm")
        assert receiver.once == {"m1": 2}
        assert receiver.posted[0].body == receiver.posted[1].body
        assert receiver.bodies()[0] == {
            "type": "message.send",
            "timestamp": "1970-01-01T00:00:00.000Z",
            "data": {
                "message": "m1", "to": "mina", "journey": "cart", "step": "nudge",
                "variant": "default", "language": "en", "purpose": "marketing",
                "payload": {"title": "Hi"}, "footer": "Bye",
                "unsubscribe": "https://shop.example/l/u/x",
            },
        }  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "state", "reason", "tried"),
    [
        (200, "sent", "", True),
        (204, "sent", "", True),
        ((200, {}, b"<p>no JSON</p>"), "sent", "", True),
        (302, "permanent", "answered 302", True),
        (400, "permanent", "answered 400", True),
        (404, "permanent", "answered 404", True),
        (410, "temporary", "answered 410, it wants nothing any more", False),
        (408, "temporary", "answered 408", True),
        (429, "temporary", "answered 429", True),
        (503, "temporary", "answered 503", True),
        ("slow", "temporary", "does not answer", True),
        ("drip", "temporary", "does not answer: its answer drips", True),
        ("garbage", "temporary", "does not answer", True),
        ("hang up", "temporary", "does not answer", True),
    ],
)
def test_what_an_answer_makes_of_a_message(
    tmp_path: Path, crms: list[Crm], answer: Answer, state: str, reason: str, tried: bool
) -> None:
    with receiving(answer) as receiver:
        crms.append(Crm(tmp_path, receiver.url))
        outcome = crms[0].send()[0]
        assert (outcome.state, bool(outcome.transport)) == (state, tried)
        assert reason in outcome.reason


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [("7", 7_000), ("100000", 300_000), ("soon", None), ("Thu, 01 Jan 1970 00:00:00 GMT", None)],
)
def test_retry_after_is_kept_to(
    tmp_path: Path, crms: list[Crm], retry_after: str, expected: int | None
) -> None:
    with receiving((429, {"Retry-After": retry_after}, b""), 200) as receiver:
        crms.append(Crm(tmp_path, receiver.url))
        first, second = crms[0].send("m1", "m2")
        assert first.retry_after == expected
        # Who is asked to wait leaves the others alone as well.
        assert second.state == ("sent" if expected is None else "temporary")
        assert len(receiver.posted) == (2 if expected is None else 1)


def test_one_that_cannot_be_reached_is_set_aside_and_uses_up_no_tries(
    tmp_path: Path, crms: list[Crm]
) -> None:
    crms.append(Crm(tmp_path, f"http://127.0.0.1:{free_port()}/"))
    outcomes = crms[0].send("m1", "m2", "m3")
    assert [(one.state, one.transport) for one in outcomes] == [("temporary", "")] * 3
    assert crms[0].channel.room() == 0
    assert 0 < crms[0].channel.rest() <= 1


def test_one_that_is_gone_is_left_alone_until_somebody_sees_to_it(
    tmp_path: Path, crms: list[Crm]
) -> None:
    with receiving(200, 410, 200) as receiver:
        crms.append(Crm(tmp_path, receiver.url))
        outcomes = crms[0].send("m1", "m2", "m3")
        assert [(one.state, one.transport) for one in outcomes] == [
            ("sent", "crm"), ("temporary", ""), ("temporary", ""),
        ]  # fmt: skip
        assert outcomes[2].reason.startswith("webhook crm: 127.0.0.1 answered 410")
        assert receiver.once == {"m1": 1, "m2": 1}
        assert crms[0].channel.room() == 0
        assert crms[0].channel.rest() > 0
        crms.append(Crm(tmp_path, receiver.url))
        assert [one.state for one in crms[1].send("m2", "m3")] == ["sent", "sent"]


def test_networks_of_ours_are_closed_unless_the_workspace_opens_them(
    tmp_path: Path, crms: list[Crm]
) -> None:
    with receiving() as receiver:
        crms.append(Crm(tmp_path, receiver.url, private=False))
        outcome = crms[0].send()[0]
        assert (outcome.state, outcome.transport) == ("temporary", "")
        assert "no public address" in outcome.reason
        assert "`private: true`" in outcome.reason
        assert receiver.posted == []


def test_per_second_is_kept_to_and_what_has_no_turn_in_time_waits(
    tmp_path: Path, crms: list[Crm]
) -> None:
    with receiving() as receiver:
        crms.append(Crm(tmp_path, receiver.url, per_second=0.01))
        batch = [prepared("m1"), prepared("m2")]
        first, second = crms[0].channel.send(batch, time.monotonic() + 1)
        assert (first.state, second.state) == ("sent", "temporary")
        assert second.transport == ""
        assert len(receiver.posted) == 1


@pytest.mark.parametrize(
    ("settings", "trouble"),
    [
        ({"secret_env": "UNSET"}, "UNSET is not set"),
        ({"secret_env": "SHORT"}, "SHORT is no signing key"),
        ({"url_env": "UNSET"}, "UNSET is not set"),
    ],
)
def test_wrong_settings_lose_nothing(
    tmp_path: Path, crms: list[Crm], settings: dict[str, Any], trouble: str
) -> None:
    url = None if "url_env" in settings else "https://crm.example/"
    crms.append(Crm(tmp_path, url, **settings))
    outcome = crms[0].send()[0]
    assert (outcome.state, outcome.transport) == ("temporary", "")
    assert trouble in outcome.reason
    assert crms[0].channel.room() == 0


def test_the_sandbox_keeps_what_would_be_posted(tmp_path: Path, crms: list[Crm]) -> None:
    crms.append(Crm(tmp_path, "sandbox:"))
    assert crms[0].send()[0].state == "sent"
    kept = crms[0].sandbox.get("m1")
    assert kept is not None
    assert (kept.channel, kept.address, kept.subject) == ("webhook", "mina", "POST crm")
    assert b'"title":"Hi"' in kept.raw


def test_an_older_sandbox_learns_of_channels(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "old.db") as db:
        db.execute(
            "CREATE TABLE sandbox_mail (id TEXT PRIMARY KEY, profile_id INTEGER NOT NULL, address"
            " TEXT NOT NULL, subject TEXT NOT NULL, raw BLOB NOT NULL, at INTEGER NOT NULL) STRICT"
        )
        db.execute("INSERT INTO sandbox_mail VALUES ('a', 1, 'm@shop.example', 'Hi', x'00', 5)")
    sandbox = Sandbox(tmp_path / "old.db")
    found = sandbox.list()
    sandbox.close()
    assert [(one.id, one.channel) for one in found] == [("a", "email")]


@pytest.mark.parametrize(
    ("settings", "faults"),
    [
        ({"url": "https://crm.example/x"}, []),
        ({"url": "sandbox:"}, []),
        ({"url_env": "CRM_URL", "secret_env": "CRM_KEY"}, []),
        ({}, ["$.w: needs `url`"]),
        ({"url": "https://x.example", "url_env": "X"}, ["$.w: needs `url`"]),
        ({"url": "ftp://x.example"}, ["$.w.url: 'ftp://x.example' is no address of a webhook"]),
        ({"url": "https://u:p@x.example"}, ["$.w.url: leave user and password out"]),
        ({"url": "sandbox:", "connections": 0}, ["$.w.connections: must be 1 to 100"]),
        ({"url": "sandbox:", "per_second": 0.0}, ["$.w.per_second: must be more than 0"]),
        ({"url": "sandbox:", "timeout": Duration(0)}, ["$.w.timeout: must be more than nothing"]),
        ({"url": "sandbox:", "secret_env": "whsec_x!"}, ["$.w.secret_env: is the name of a"]),
    ],
)
def test_faults_of_a_webhook(settings: dict[str, Any], faults: list[str]) -> None:
    found = [str(fault) for fault in webhook_faults(Webhook(**settings), "$.w")]
    assert len(found) == len(faults)
    for fault, start in zip(found, faults, strict=True):
        assert fault.startswith(start)


def test_a_signature_is_believed_for_five_minutes_and_of_its_own_body_alone() -> None:
    at = 1_772_000_000
    signed = signature(SECRET, "id", at, b"{}")
    headers = {"webhook-id": "id", "webhook-timestamp": str(at), "webhook-signature": signed}
    assert signed_by(SECRET, headers, b"{}", at * 1000 + 299_000)
    assert signed_by(
        SECRET, headers | {"webhook-signature": f"v1,x v2,y {signed}"}, b"{}", at * 1000
    )
    for changed, body, now in (
        ({}, b"{}", at * 1000 + 301_000),
        ({}, b"{}", at * 1000 - 301_000),
        ({}, b"[]", at * 1000),
        ({"webhook-id": "other"}, b"{}", at * 1000),
        ({"webhook-timestamp": "soon"}, b"{}", at * 1000),
        ({"webhook-signature": ""}, b"{}", at * 1000),
    ):
        assert not signed_by(SECRET, headers | changed, body, now)


def test_answers_are_read_up_to_their_bound(tmp_path: Path, crms: list[Crm]) -> None:
    with receiving((200, {}, b"x" * 100_000)) as receiver:
        crms.append(Crm(tmp_path, receiver.url))
        outcome, answer = crms[0].hook.post(row(), b"{}", "PUT", time.monotonic() + LATER)
        assert outcome.state == "sent"
        assert isinstance(answer, Answered)
        assert len(answer.body) == (32 << 10) + 1
        assert receiver.posted[0].method == "PUT"
