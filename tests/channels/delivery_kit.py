"""A store, a clock and a delivery loop over some transports: what tests of sending begin with."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from harken.channels.base import Channel, Outcome, Prepared
from harken.channels.begun import Begun
from harken.channels.delivery import Delivery, Rendering
from harken.channels.email import EmailChannel, Returns, Sending
from harken.channels.sandbox import Sandbox, SandboxTransport
from harken.channels.smtp import Server
from harken.channels.transports import SmtpTransport, Transport
from harken.clock import SettableClock
from harken.effects import Outgoing
from harken.errors import BadInput
from harken.inputs import decode_command, encode
from harken.messages.evaluate import Aborted
from harken.store.base import Batch, LedgerRow
from harken.store.sqlite import SqliteStore
from harken.values import Duration, Name
from harken.workspace import Transport as Definition

START = 1_767_225_600_000


class Said(Struct):
    """A rendered message."""

    subject: str
    html: str
    text: str
    variant: str = "default"
    why_variant: str = "no rule held"
    notes: list[str] = []
    unsubscribe: str = ""


def render(message: str, variant: str, context: dict[str, Any], links: str) -> Said:
    """What stands in for templates: the context says how it goes."""
    name = context["profile"]["first_name"]
    if name == "abort":
        raise Aborted("out of stock")
    return Said(
        f"{message} for {name}", f"<p>Hi {name} {links}</p>", f"Hi {name}", unsubscribe=f"{links}/u"
    )


RENDERING: Rendering[str, str] = Rendering(
    compiled=lambda journey, revision, step: step if revision == 1 else None,
    links=lambda row: f"https://shop.example/c/{row.id}",
    render=render,
)


def sending(row: LedgerRow) -> Sending:
    if row.step == "nobody":
        raise BadInput("no sender")
    return Sending(from_="Shop <hello@shop.example>")


class Shop:
    """A store, a clock and a delivery loop over some transports."""

    def __init__(self, folder: Path, sender: str = "sender-1") -> None:
        self.sender = sender
        self.store = SqliteStore(folder / "state.db", durable=True)
        self.sandbox = Sandbox(folder / "state.db")
        self.clock = SettableClock(START)
        self.counted: Counter[tuple[str, str]] = Counter()
        self.deliveries: list[Delivery[str, str]] = []
        self.begun = Begun(folder / f"{sender}.begun")

    def queue(self, *messages: Outgoing) -> None:
        self.store.commit(
            Batch(offset=0, profiles=[], forgotten=[], woken=[], wake=[], cancel=[],
                  messages=list(messages), feedback=[], history=b"", notes={})
        )  # fmt: skip

    def delivery(
        self,
        *transports: Transport,
        channels: dict[str, Channel] | None = None,
        rendering: Rendering[str, str] = RENDERING,
        **more: Any,
    ) -> Delivery[str, str]:
        by = transports or (SandboxTransport(self.sandbox, self.clock),)
        self.deliveries.append(
            Delivery(
                self.store,
                channels if channels is not None else {"email": self.email(*by)},
                rendering,
                self.clock,
                self.sender,
                count=lambda state, transport: self.counted.update([(state, transport)]),
                begun=self.begun,
                **more,
            )
        )
        return self.deliveries[-1]

    def email(self, *transports: Transport) -> EmailChannel:
        return EmailChannel(
            transports,
            sending=sending,
            returns=lambda row, domain: Returns(
                bounces=f"bounce+{row.id}@{domain}", leave=f"unsubscribe+{row.id}@{domain}"
            ),
            workspace="default",
            clock=self.clock,
            mark=self.begun.mark,
        )

    def drain(self, delivery: Delivery[str, str]) -> None:
        end = time.monotonic() + 20
        while delivery.turn(self.clock.now()):
            assert time.monotonic() < end

    def row(self, id: str) -> LedgerRow:
        found = self.store.message(id)
        assert found is not None
        return found

    def states(self) -> dict[str, str]:
        return {row.id: row.state for row in self.store.messages(limit=1000)}

    def feedback(self) -> list[Any]:
        return [decode_command(w.body) for w in self.store.due(2**60, 1000)]

    def close(self) -> None:
        for delivery in self.deliveries:
            delivery.close(1)
        self.begun.close()
        self.sandbox.close()
        self.store.close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    yield made
    made.close()


def message(id: str, name: str = "Mina", **values: Any) -> Outgoing:
    given = {
        "id": id, "profile_id": 7, "journey": "cart", "revision": 1, "step": "nudge", "run": "r1",
        "channel": "email", "purpose": "marketing", "address": "mina@example.com",
        "queued_at": START, "not_before": START, "variant": "gold", "why_variant": "when 1",
        "context": encode({"profile": {"first_name": name}}),
    }  # fmt: skip
    return Outgoing(**{**given, **values})


def transport(port: int, **values: Any) -> SmtpTransport:
    given = {"name": Name("main"), "timeout": Duration.parse("1s"), "connections": 1, **values}
    return SmtpTransport(Server(host="127.0.0.1", port=port), Definition(**given))


class Provider:
    """A channel as SMS or push will be: idempotent by key or not, and told what to answer."""

    lanes = 1
    marks = False

    def __init__(self, answer: Callable[[Prepared], Outcome], repeatable: bool = False) -> None:
        self.answer = answer
        self.repeatable = repeatable
        self.got: list[str] = []

    def room(self) -> int | None:
        return None

    def rest(self) -> float:
        return 0.0

    def send(self, batch: Any, deadline: float) -> list[Outcome]:
        self.got += [one.row.id for one in batch]
        return [self.answer(one) for one in batch]

    def close(self) -> None:
        """Nothing is held."""
