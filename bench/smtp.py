"""Mails a second to a local sink, beside a floor: the same bytes written raw, answers counted.

    python -m bench.smtp [mails]

The floor of sending: one connection, whole transactions written ahead in groups of 50, nothing
composed, answers only counted. The floor of signing: RSA signatures alone, on as many threads.
`send` is `channels.smtp` with letters made before; `channel` composes (and signs) too; `ledger` is
the sender's loop over a SQLite ledger.
"""

import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.sink import Sink
from harken.channels.base import Prepared
from harken.channels.delivery import Delivery, Rendering
from harken.channels.dkim import Signer
from harken.channels.email import EmailChannel, Returns, Sending
from harken.channels.smtp import Connection, Letter, Server
from harken.channels.transports import SmtpTransport
from harken.clock import SystemClock
from harken.effects import Outgoing
from harken.ids import derived_id
from harken.inputs import encode
from harken.messages.render import Rendered
from harken.store.base import Batch, LedgerRow
from harken.store.sqlite import SqliteStore
from harken.values import Name
from harken.workspace import Transport

CLOCK = SystemClock()
GROUP = 50
LANES = 3
HTML = (
    "<html><body>\r\n"
    + "<p>Your order of {{ product }} is waiting, and so are we.</p>\r\n" * 40
    + "</body></html>"
)
TEXT = "Your order is waiting, and so are we.\r\n" * 20


def said(subject: str) -> Rendered:
    return Rendered(
        subject=subject,
        html=HTML,
        text=TEXT,
        channel="email",
        variant="default",
        why_variant="",
        language="en",
        unsubscribe="https://shop.example/u/t0ken",
    )


def rows(count: int) -> list[LedgerRow]:
    return [
        LedgerRow(id=derived_id("bench", i), profile_id=i, journey="cart", revision=1, step="nudge",
                  run="r", channel="email", purpose="marketing",
                  address=f"c{i}@example.com", state="handed")
        for i in range(count)
    ]  # fmt: skip


def channel(port: int, signer: Signer | None) -> EmailChannel:
    definition = Transport(name=Name("sink"), connections=LANES)
    transport = SmtpTransport(Server(host="127.0.0.1", port=port), definition, signer)
    return EmailChannel(
        [transport],
        sending=lambda row: Sending(from_="Shop <hello@shop.example>"),
        returns=lambda row, domain: Returns("", ""),
        workspace="default",
        clock=CLOCK,
    )


def floor(port: int, letters: list[Letter]) -> None:
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.recv(100)
        sock.sendall(b"EHLO bench\r\n")
        sock.recv(1000)
        for start in range(0, len(letters), GROUP):
            some = letters[start : start + GROUP]
            sock.sendall(b"".join(
                b"MAIL FROM:<%b>\r\nRCPT TO:<%b>\r\nDATA\r\n%b.\r\n"
                % (one.sender.encode(), one.recipient.encode(), one.data)
                for one in some
            ))  # fmt: skip
            answers = 0
            while answers < 4 * len(some):
                answers += sock.recv(65536).count(b"\n")


def by_connection(port: int, letters: list[Letter]) -> None:
    connection = Connection(Server(host="127.0.0.1", port=port), 30)
    for start in range(0, len(letters), GROUP):
        outcomes = connection.send(letters[start : start + GROUP], time.monotonic() + 60)
        assert all(outcome.state == "sent" for outcome in outcomes)
    connection.close()


def by_signature(signs: Signer, count: int) -> None:
    on_lanes(lambda lane: [signs._signature(b"x" * 500) for _ in range(count // LANES)])


def on_lanes(work: Callable[[int], object]) -> None:
    lanes = [threading.Thread(target=work, args=(i,)) for i in range(LANES)]
    for one in lanes:
        one.start()
    for one in lanes:
        one.join()


def by_channel(made: EmailChannel, prepared: list[Prepared]) -> None:
    def lane(number: int) -> None:
        mine = prepared[number::LANES]
        for start in range(0, len(mine), GROUP):
            made.send(mine[start : start + GROUP], time.monotonic() + 60)

    on_lanes(lane)
    made.close()


def by_ledger(made: EmailChannel, store: SqliteStore) -> None:
    def render(step: str, variant: str, context: dict[str, Any], links: str) -> Rendered:
        return said(f"Hi {context['profile']['first_name']}")

    rendering: Rendering[str, str] = Rendering(
        compiled=lambda journey, revision, step: step, links=lambda row: "", render=render
    )
    delivery = Delivery(store, {"email": made}, rendering, CLOCK, "bench")
    while delivery.turn(CLOCK.now()):
        pass
    delivery.close()


def queue(store: SqliteStore, some: list[LedgerRow]) -> None:
    now = CLOCK.now()
    messages = [
        Outgoing(id=r.id, profile_id=r.profile_id, journey=r.journey, revision=1, step=r.step,
                 run=r.run, channel="email", purpose="marketing", address=r.address,
                 queued_at=now, not_before=now, context=encode({"profile": {"first_name": "Mina"}}))
        for r in some
    ]  # fmt: skip
    store.commit(
        Batch(offset=0, profiles=[], forgotten=[], woken=[], wake=[], cancel=[],
              messages=messages, feedback=[], history=b"", notes={})
    )  # fmt: skip


def rate(count: int, run: Callable[[], None]) -> float:
    with_start = time.perf_counter()
    run()
    return count / (time.perf_counter() - with_start)


def main(count: int) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    signers = {"unsigned": None, "RSA-2048": Signer("shop.example", "s", pem)}
    some = rows(count)
    prepared = [Prepared(row, said("Your order is waiting")) for row in some]
    results: list[tuple[str, float]] = []
    with Sink() as sink:
        plain = channel(sink.port, None)
        (transport,) = plain._choice.transports
        letters = [plain._letter(transport, one) for one in prepared]
        results.append(("floor: raw writes", rate(count, lambda: floor(sink.port, letters))))
        results.append(
            ("send, one connection", rate(count, lambda: by_connection(sink.port, letters)))
        )
        signs = Signer("shop.example", "s", pem)
        results.append(("floor: signatures alone", rate(count, lambda: by_signature(signs, count))))
        for name, signer in signers.items():
            made = channel(sink.port, signer)
            results.append((f"channel, {name}", rate(count, partial(by_channel, made, prepared))))
            with tempfile.TemporaryDirectory() as folder:
                store = SqliteStore(Path(folder) / "state.db", durable=True)
                queue(store, some)
                made = channel(sink.port, signer)
                done = rate(count, partial(by_ledger, made, store))
                assert store.message_states() == {}
                store.close()
            results.append((f"ledger, {name}", done))
        assert sink.count() == 6 * count
    floors = {"RSA-2048": dict(results)["floor: signatures alone"]}
    print(f"{count} mails of {len(letters[0].data)} bytes, {LANES} lanes, sink in its own process")
    for name, per_second in results:
        base = floors.get(name.rpartition(", ")[2], results[0][1])
        print(f"{name:24} {per_second:9,.0f}/s {per_second / base:7.1%} of its floor")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
