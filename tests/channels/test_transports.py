"""Which transport takes a mail, how fast, and what happens when one is down."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import Mailbox, Peer, Scripted, free_port, real_server

from harken.channels.sandbox import Sandbox, SandboxTransport
from harken.channels.smtp import Letter, Server
from harken.channels.transports import Choice, SmtpTransport, TokenBucket, build
from harken.clock import SettableClock
from harken.errors import BadInput
from harken.values import Duration, Name
from harken.workspace import Dkim, Transport, Workspace

CLOCK = SettableClock(1_767_225_600_000)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path / "state.db")
    yield made
    made.close()


class Hand:
    """A monotonic clock that is turned by hand, from the real time on."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


def smtp(port: int, monotonic: Hand | None = None, **values: object) -> SmtpTransport:
    given = {"name": Name("main"), "timeout": Duration.parse("1s"), **values}
    definition = Transport(**given)  # type: ignore[arg-type]
    return SmtpTransport(
        Server(host="127.0.0.1", port=port), definition, monotonic=monotonic or time.monotonic
    )


def letters(count: int) -> list[Letter]:
    return [
        Letter(sender="b@shop.example", recipient=f"c{i}@example.com", data=b"Subject: x\r\n\r\n")
        for i in range(count)
    ]


def soon(seconds: float = 10) -> float:
    return time.monotonic() + seconds


def test_a_connection_is_kept_from_batch_to_batch() -> None:
    def many(peer: Peer) -> None:
        peer.greet("HELP")
        while True:
            peer.accept()

    with Scripted(many) as server:
        transport = smtp(server.port)
        for _ in range(3):
            assert [o.state for o in transport.send(letters(2), soon())] == ["sent", "sent"]
        assert server.connections == 1
        transport.close()


def test_a_server_that_closes_now_and_then_costs_no_mail() -> None:
    def two(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.accept()
        peer.accept()

    with Scripted(two) as server:
        transport = smtp(server.port)
        outcomes = transport.send(letters(2), soon()) + transport.send(letters(2), soon())
        assert [o.state for o in outcomes] == ["sent"] * 4
        assert {o.transport for o in outcomes} == {"main"}
        assert server.connections == 2
        transport.close()


def test_an_idle_connection_is_not_trusted_for_long() -> None:
    with real_server(Mailbox()) as port:
        hand = Hand()
        transport = smtp(port, hand)
        transport.send(letters(1), soon())
        assert transport._kept() is not None
        transport.send(letters(1), soon())
        hand.ahead = 120
        assert transport._kept() is None
        transport.close()


def test_a_server_that_is_down_rests_longer_each_time_and_comes_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hand, port = Hand(), free_port()
    transport = smtp(port, hand)
    rests = []
    for _ in range(9):
        assert transport.send(letters(2), hand() + 10) == []
        rests.append(round(transport.rest()))
        assert transport.room() == 0
        hand.ahead += transport.rest()
    assert rests == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert "refused" in transport.trouble

    def server(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.accept()
        peer.hang()

    with socket.create_server(("127.0.0.1", port)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            server(Peer(sock))

        threading.Thread(target=serve, daemon=True).start()
        assert [o.state for o in transport.send(letters(1), hand() + 10)] == ["sent"]
        assert transport.rest() == 0
        transport.close()
    logged = capsys.readouterr().out
    assert logged.count("transport rests") == 9
    assert "refused" in logged
    assert logged.count("transport works again") == 1


def test_a_server_that_accepts_connections_but_no_mail_is_set_aside(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def hopeless(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.hear()
        peer.say("421 later, u0@mail.example")
        peer.reset()

    with Scripted(hopeless) as server:
        transport = smtp(server.port)
        outcomes = transport.send(letters(5), soon())
    assert [o.state for o in outcomes] == ["temporary"]
    assert transport.rest() > 0
    logged = capsys.readouterr().out
    assert "transport rests" in logged
    assert "mail.example" not in logged


def test_past_the_deadline_nothing_is_sent() -> None:
    with real_server(Mailbox()) as port:
        transport = smtp(port)
        assert transport.send(letters(2), time.monotonic() - 1) == []
        assert transport.rest() == 0


@pytest.mark.parametrize(
    ("rate", "burst", "after", "then"),
    [(1, 1, 1.0, 1), (10, 1, 0.25, 1), (100, 10, 0.05, 5), (1000, 100, 5.0, 100), (0.5, 1, 1.0, 0)],
)
def test_throttle(rate: float, burst: int, after: float, then: int) -> None:
    bucket = TokenBucket(rate, now=50.0)
    assert bucket.take(1000, 50.0) == burst
    assert bucket.take(1, 50.0) == 0
    assert bucket.wait(50.0) == pytest.approx(1 / rate)
    assert bucket.room(50.0 + after) == then
    assert bucket.take(1000, 50.0 + after) == then


def test_a_throttled_transport_lets_go_as_many_as_it_may() -> None:
    box = Mailbox()
    with real_server(box) as port:
        transport = smtp(port, per_second=50.0)
        outcomes = transport.send(letters(12), soon())
        assert [o.state for o in outcomes] == ["sent"] * 12
        assert len(transport.send(letters(100), time.monotonic() + 0.05)) < 100
        transport.close()


def choice(*weights: tuple[str, int]) -> tuple[Choice, dict[str, SmtpTransport], Hand]:
    hand = Hand()
    made = [smtp(free_port(), hand, name=Name(name), weight=w) for name, w in weights]
    return Choice(made), {t.name: t for t in made}, hand


def picked(choice: Choice, count: int = 4000) -> Counter[str]:
    picks = (choice.pick(f"m{i}") for i in range(count))
    return Counter(t.name for t in picks if t)


def test_weights_share_the_mail_and_the_same_message_gets_the_same_transport() -> None:
    some, _, _ = choice(("a", 3), ("b", 1), ("reserve", 0))
    shares = picked(some)
    assert set(shares) == {"a", "b"}
    assert shares["a"] / 4000 == pytest.approx(0.75, abs=0.03)
    assert picked(some) == shares


def test_when_one_is_down_the_others_take_over_and_the_reserve_comes_last() -> None:
    some, by_name, hand = choice(("a", 1), ("b", 1), ("reserve", 0))
    by_name["a"].send(letters(1), hand() + 5)
    assert set(picked(some)) == {"b"}
    by_name["b"].send(letters(1), hand() + 5)
    assert set(picked(some)) == {"reserve"}
    by_name["reserve"].send(letters(1), hand() + 5)
    assert not picked(some)
    hand.ahead += 2
    assert set(picked(some)) == {"a", "b"}


def test_a_transport_whose_throttle_is_used_up_is_passed_over() -> None:
    slow = smtp(free_port(), name=Name("slow"), per_second=0.001)
    fast = smtp(free_port(), name=Name("fast"))
    some = Choice([slow, fast])
    assert set(picked(some)) == {"slow", "fast"}
    assert slow._throttle is not None
    slow._throttle.take(1, time.monotonic())
    assert set(picked(some)) == {"fast"}


# -- from a workspace


def test_nobody_mails_by_accident(sandbox: Sandbox) -> None:
    (only,) = build(Workspace(), {}, sandbox, CLOCK)
    assert isinstance(only, SandboxTransport)


def test_the_environment_presets_a_transport_unless_the_workspace_lists_some(
    sandbox: Sandbox,
) -> None:
    environment = {"HARKEN_SMTP_URL": "smtp://mail.example:25", "OTHER": "smtps://o.example"}
    (preset,) = build(Workspace(), environment, sandbox, CLOCK)
    assert (preset.name, preset.lanes, preset.repeatable) == ("smtp", 4, False)
    listed = Workspace(
        transports=[
            Transport(name=Name("one"), url_env="OTHER", connections=2),
            Transport(name=Name("kept"), url="sandbox:", weight=0),
        ]
    )
    assert [t.name for t in build(listed, environment, sandbox, CLOCK)] == ["one", "kept"]


@pytest.mark.parametrize(
    ("transport", "problem"),
    [
        (Transport(name=Name("x")), "transport x: needs `url_env`"),
        (Transport(name=Name("x"), url_env="GONE"), "GONE is not set"),
        (Transport(name=Name("x"), url="ftp://x"), "smtp://user"),
        (Transport(name=Name("x"), url="smtp://x", per_second=0.0), "per_second: must be more"),
        (Transport(name=Name("x"), url="smtp://x", connections=0), "connections: must be at"),
        (
            Transport(name=Name("x"), url="smtp://x", dkim=Dkim(domain="d.example", selector="s")),
            "key_env",
        ),
    ],
)
def test_a_transport_that_cannot_work_is_refused(
    sandbox: Sandbox, transport: Transport, problem: str
) -> None:
    with pytest.raises(BadInput, match=problem):
        build(Workspace(transports=[transport]), {}, sandbox, CLOCK)
