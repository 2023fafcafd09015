"""One connection against a real server, and against servers at their worst."""

import time
from pathlib import Path

import pytest
from servers import Conversation, Mailbox, Peer, Scripted, certificate, real_server

from harken.channels.base import Outcome
from harken.channels.smtp import Connection, Letter, NoConnection, Server, parse_url

PIPELINING = ("PIPELINING", "SIZE 100000", "ENHANCEDSTATUSCODES")
TIMEOUT = 0.4
MAIL = b"Subject: Hi\r\n\r\n.dots\r\n..\r\n.\r\nend\r\n"


def letter(recipient: str = "mina@example.com", data: bytes = MAIL, **values: bool) -> Letter:
    return Letter(sender="bounce@shop.example", recipient=recipient, data=data, **values)


def letters(count: int) -> list[Letter]:
    return [letter(f"c{i}@example.com", b"Subject: %d\r\n\r\nHi\r\n" % i) for i in range(count)]


def connect(port: int, timeout: float = TIMEOUT) -> Connection:
    return Connection(Server(host="127.0.0.1", port=port), timeout)


def send(port: int, some: list[Letter], timeout: float = TIMEOUT) -> list[Outcome]:
    connection = connect(port, timeout)
    try:
        return connection.send(some, time.monotonic() + 30)
    finally:
        connection.close()


def states(outcomes: list[Outcome]) -> list[str]:
    return [outcome.state for outcome in outcomes]


# -- a real server


def test_mails_arrive_as_they_were_with_their_envelopes() -> None:
    box = Mailbox()
    with real_server(box) as port:
        outcomes = send(port, [letter(), *letters(3)], 5)
    assert states(outcomes) == ["sent"] * 4
    assert [o.provider_id for o in outcomes] == [f"2.0.0 queued as {i}" for i in (1, 2, 3, 4)]
    assert box.envelopes[0].mail_from == "bounce@shop.example"
    assert [e.rcpt_tos for e in box.envelopes[1:]] == [[f"c{i}@example.com"] for i in range(3)]
    assert box.envelopes[0].original_content == MAIL


def test_a_refused_recipient_does_not_hold_up_the_next() -> None:
    box = Mailbox()
    box.refuse = {"c1@example.com": "550 5.1.1 no such user", "c2@example.com": "451 4.2.1 later"}
    with real_server(box) as port:
        outcomes = send(port, letters(4), 5)
    assert states(outcomes) == ["sent", "permanent", "temporary", "sent"]
    assert [outcome.dead for outcome in outcomes] == [False, True, False, False]
    assert outcomes[1].reason == "550 5.1.1 no such user (to RCPT)"
    assert len(box.envelopes) == 2


def test_starttls_with_a_checked_certificate_and_a_password(tmp_path: Path) -> None:
    ca, context = certificate(tmp_path)
    box = Mailbox()
    with real_server(box, tls=context, password="s/cret") as port:
        url = f"smtp://harken:s%2Fcret@localhost:{port}?starttls=require&ca={ca}"
        connection = Connection(parse_url(url), 5)
        assert states(connection.send(letters(3), time.monotonic() + 5)) == ["sent"] * 3
        assert not connection.stale()
        connection.close()
    assert len(box.envelopes) == 3


def test_tls_from_the_first_byte(tmp_path: Path) -> None:
    ca, context = certificate(tmp_path)
    box = Mailbox()
    with real_server(box, implicit=context) as port:
        connection = Connection(parse_url(f"smtps://localhost:{port}?ca={ca}"), 5)
        assert states(connection.send(letters(3), time.monotonic() + 5)) == ["sent"] * 3
        connection.close()
        with pytest.raises(NoConnection, match="certificate verify failed"):
            Connection(parse_url(f"smtps://localhost:{port}"), 5)
    assert len(box.envelopes) == 3


def test_what_is_said_in_the_clear_before_tls_is_forgotten(tmp_path: Path) -> None:
    ca, context = certificate(tmp_path)
    heard: list[str] = []

    def injects(peer: Peer) -> None:
        peer.greet("STARTTLS")
        heard.append(peer.hear())
        peer.sock.sendall(b"220 go\r\n250-injected\r\n250 AUTH PLAIN\r\n")
        secure = Peer(context.wrap_socket(peer.sock, server_side=True))
        heard.append(secure.hear())
        secure.say("250 honest")
        secure.hang()

    with Scripted(injects) as server:
        url = f"smtp://harken:secret@localhost:{server.port}?starttls=require&ca={ca}"
        with pytest.raises(NoConnection, match="AUTH"):
            Connection(parse_url(url), 5)
    assert [line.split(" ")[0].upper() for line in heard] == ["STARTTLS", "EHLO"]


@pytest.mark.parametrize(
    ("query", "user", "problem"),
    [
        ("?starttls=require", "harken:right", "certificate verify failed"),
        ("?verify=no", "harken:wrong", "535"),
        ("?starttls=no", "harken:right", "AUTH"),
    ],
)
def test_what_cannot_be_trusted_or_logged_in_to_is_no_connection(
    tmp_path: Path, query: str, user: str, problem: str
) -> None:
    _, context = certificate(tmp_path)
    with (
        real_server(Mailbox(), tls=context, password="right") as port,
        pytest.raises(NoConnection, match=problem),
    ):
        Connection(parse_url(f"smtp://{user}@localhost:{port}{query}"), 5)


def test_no_starttls_where_it_is_required() -> None:
    with real_server(Mailbox()) as port, pytest.raises(NoConnection, match="no STARTTLS"):
        Connection(parse_url(f"smtp://127.0.0.1:{port}?starttls=require"), 5)


def test_a_mail_over_the_servers_size_is_not_even_tried() -> None:
    box = Mailbox()
    with real_server(box, size=1000) as port:
        outcomes = send(port, [letter(), letter(data=b"x" * 1001), letter()], 5)
    assert states(outcomes) == ["sent", "permanent", "sent"]
    assert "1001 bytes" in outcomes[1].reason


def test_an_address_beyond_ascii_needs_smtputf8() -> None:
    box = Mailbox()
    with real_server(box) as port:
        assert states(send(port, [letter("미나@example.com", utf8=True)], 5)) == ["sent"]
    assert box.envelopes[0].rcpt_tos == ["미나@example.com"]

    def plain(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.accept()

    with Scripted(plain) as server:
        outcomes = send(server.port, [letter("미나@example.com", utf8=True), letter()])
    assert states(outcomes) == ["permanent", "sent"]
    assert "SMTPUTF8" in outcomes[0].reason


# -- pipelining


def test_the_end_of_one_mail_and_the_envelope_of_the_next_leave_together() -> None:
    heard: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.greet(*PIPELINING)
        heard.append(peer.sock.recv(65536))
        peer.say("250 ok", "250 ok", "354 go")
        heard.append(peer.sock.recv(65536))
        peer.say("250 one", "250 ok", "250 ok", "354 go")
        heard.append(peer.sock.recv(65536))
        peer.say("250 two")
        peer.hang()

    with Scripted(script) as server:
        outcomes = send(server.port, letters(2))
    assert states(outcomes) == ["sent", "sent"]
    envelope = b"MAIL FROM:<bounce@shop.example> SIZE=18\r\nRCPT TO:<c%d@example.com>\r\nDATA\r\n"
    assert heard == [
        envelope % 0,
        b"Subject: 0\r\n\r\nHi\r\n.\r\n" + envelope % 1,
        b"Subject: 1\r\n\r\nHi\r\n.\r\n",
    ]


def test_without_pipelining_each_command_waits_for_its_answer() -> None:
    def script(peer: Peer) -> None:
        peer.greet("SIZE 0")
        for answer in ("250 ok", "250 ok", "354 go"):
            command = peer.sock.recv(65536)
            assert command.count(b"\r\n") == 1
            peer.say(answer)
        assert peer.sock.recv(65536).endswith(b"\r\n.\r\n")
        peer.say("250 done")
        peer.hang()

    with Scripted(script) as server:
        assert states(send(server.port, [letter()])) == ["sent"]


@pytest.mark.parametrize("extensions", [("PIPELINING",), ("HELP",)])
def test_after_a_refusal_the_transaction_is_reset(extensions: tuple[str, ...]) -> None:
    pipelined = extensions == ("PIPELINING",)
    heard: list[str] = []

    def script(peer: Peer) -> None:
        peer.greet(*extensions)
        heard.append(peer.hear())
        peer.say("250 ok")
        heard.append(peer.hear())
        peer.say("550 5.7.1 not here")
        if pipelined:
            heard.append(peer.hear())
            peer.say("503 5.5.1 no recipients")
        heard.append(peer.hear())
        peer.say("250 reset")
        peer.accept()

    with Scripted(script) as server:
        outcomes = send(server.port, letters(2))
    assert states(outcomes) == ["permanent", "sent"]
    assert not outcomes[0].dead
    assert heard[-1] == "RSET"


def test_a_server_that_wants_data_for_nobody_gets_an_empty_mail() -> None:
    mails: list[str] = []

    def script(peer: Peer) -> None:
        peer.greet("PIPELINING")
        for answer in ("250 ok", "550 5.1.1 unknown", "354 go on"):
            peer.hear()
            peer.say(answer)
        mails.append(peer.mail())
        peer.say("554 no valid recipients")
        mails.append(peer.accept()[1])

    with Scripted(script) as server:
        outcomes = send(server.port, letters(2))
    assert states(outcomes) == ["permanent", "sent"]
    assert outcomes[0].dead
    assert mails == ["", "Subject: 1\r\n\r\nHi\r\n"]


def test_answers_may_come_in_any_pieces() -> None:
    def script(peer: Peer) -> None:
        peer.greet("PIPELINING")
        for byte in b"250-first\r\n250 2.1.0 ok\r\n250 ok\r\n354":
            peer.sock.sendall(bytes([byte]))
        for text in (" go\r", "\n"):
            time.sleep(0.01)
            peer.sock.sendall(text.encode())
        for _ in range(3):
            peer.hear()
        peer.mail()
        peer.sock.sendall(b"250 on")
        time.sleep(0.01)
        peer.sock.sendall(b"e\r\n")
        peer.hang()

    with Scripted(script) as server:
        outcomes = send(server.port, [letter()])
    assert outcomes == [Outcome(state="sent", provider_id="one")]


# -- what each answer means


def at_verb(verb: str, answer: str, *extensions: str) -> Conversation:
    """A server that answers well until `verb`, then so."""

    def script(peer: Peer) -> None:
        peer.greet(*extensions)
        for name, good in (("MAIL", "250 ok"), ("RCPT", "250 ok"), ("DATA", "354 go")):
            peer.hear()
            peer.say(answer if name == verb else good)
            if name == verb and not answer.startswith(good[:1]):
                peer.hang()
                return
        peer.mail()
        peer.say(answer)
        peer.hang()

    return script


@pytest.mark.parametrize("extensions", [("PIPELINING",), ("HELP",)])
@pytest.mark.parametrize(
    ("verb", "answer", "state", "dead"),
    [
        ("MAIL", "421 4.3.2 closing", "temporary", False),
        ("MAIL", "530 5.7.0 log in first", "temporary", False),
        ("RCPT", "421 4.3.2 closing", "temporary", False),
        ("DOT", "250 2.0.0 ok", "sent", False),
        ("DOT", "421 4.3.2 closing", "temporary", False),
        ("DOT", "451 4.3.0 try later", "temporary", False),
        ("DOT", "552 5.3.4 too big", "permanent", False),
        ("DOT", "550 5.1.1 no such user", "permanent", True),
        ("DOT", "554 5.7.1 looks like spam", "permanent", False),
        ("DOT", "354 go on", "unsure", False),
        ("DOT", "2x0 what", "unsure", False),
        ("DOT", "\x00\xff", "unsure", False),
    ],
)
def test_answers(
    extensions: tuple[str, ...], verb: str, answer: str, state: str, dead: bool
) -> None:
    with Scripted(at_verb(verb, answer, *extensions)) as server:
        (outcome,) = send(server.port, [letter()])
    assert (outcome.state, outcome.dead) == (state, dead), outcome


@pytest.mark.parametrize(
    ("answers", "state", "dead"),
    [
        (("450 busy", "503 no mail", "503 no mail"), "temporary", False),
        (("550 5.1.8 bad sender", "503 no mail", "503 no mail"), "permanent", False),
        (("250 ok", "452 4.2.2 full", "503 nobody"), "temporary", False),
        (("250 ok", "550 5.1.1 unknown", "503 nobody"), "permanent", True),
        (("250 ok", "550 5.7.1 relaying denied", "554 nobody"), "permanent", False),
        (("250 ok", "550 5.1.8 Sender address rejected", "554 nobody"), "permanent", False),
        (("250 ok", "550 5.1.1 Blocked, see spamhaus.org: spam", "554 x"), "permanent", False),
        (("250 ok", "550 5.2.1 mailbox disabled", "554 nobody"), "permanent", True),
        (
            ("250 ok", "550-5.1.1 The account\r\n550 5.1.1 does not exist", "503 x"),
            "permanent",
            True,
        ),
        (("250 ok", "251 will forward", "451 4.3.0 no room"), "temporary", False),
        (("250 ok", "250 ok", "554 5.7.1 no"), "permanent", False),
        (("250 ok", "250 ok", "503 confused"), "temporary", False),
    ],
)
def test_answers_to_a_pipelined_envelope(answers: tuple[str, ...], state: str, dead: bool) -> None:
    def script(peer: Peer) -> None:
        peer.greet("PIPELINING")
        for answer in answers:
            peer.hear()
            peer.say(answer)
        assert peer.hear() == "RSET"
        peer.say("250 ok")
        peer.accept()

    with Scripted(script) as server:
        outcomes = send(server.port, letters(2))
    assert (outcomes[0].state, outcomes[0].dead) == (state, dead), outcomes
    assert outcomes[1].state == "sent"


# -- servers that break


def breaking(where: str, how: str) -> Conversation:
    def do(peer: Peer) -> None:
        if how == "hangs":
            peer.hang()
        elif how == "garbage":
            peer.sock.sendall(b"\xff\xfe<html>\r\n\r\n")
            peer.hang()
        elif how == "half a line":
            peer.sock.sendall(b"250 o")
            peer.hang()
        elif how == "huge":
            for _ in range(100):
                peer.sock.sendall(b"250-" + b"x" * 4000 + b"\r\n")
            peer.hang()
        elif how == "endless line":
            peer.sock.sendall(b"2" * 200_000)
            peer.hang()
        elif how == "resets":
            peer.reset()

    def script(peer: Peer) -> None:
        peer.greet("PIPELINING")
        if where == "at the envelope":
            for _ in range(3):
                peer.hear()
            return do(peer)
        peer.say("250 ok", "250 ok", "354 go")
        for _ in range(3):
            peer.hear()
        peer.mail()
        return do(peer)

    return script


@pytest.mark.parametrize(
    "how", ["hangs", "garbage", "half a line", "huge", "endless line", "resets", "hangs up"]
)
@pytest.mark.parametrize(
    ("where", "state"), [("at the envelope", "temporary"), ("after the dot", "unsure")]
)
def test_a_server_that_breaks_before_the_dot_is_safe_to_retry_after_it_not(
    where: str, state: str, how: str
) -> None:
    with Scripted(breaking(where, how)) as server:
        outcomes = send(server.port, letters(3))
    assert states(outcomes) == [state]
    assert outcomes[0].reason


def test_a_drip_of_bytes_gets_no_more_time_than_silence() -> None:
    def drip(peer: Peer) -> None:
        peer.greet("PIPELINING")
        for _ in range(200):
            peer.sock.sendall(b"2")
            time.sleep(0.02)

    started = time.monotonic()
    with Scripted(drip) as server:
        assert states(send(server.port, [letter()])) == ["temporary"]
    assert time.monotonic() - started < 3.5


def test_a_server_that_gives_up_in_the_middle_of_a_big_mail_has_not_taken_it() -> None:
    def script(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.say("250 ok", "250 ok", "354 go")
        for _ in range(3):
            peer.hear()
        peer.read.read(10_000)
        peer.reset()

    with Scripted(script) as server:
        outcomes = send(server.port, [letter(data=b"line\r\n" * 2_000_000)], 2)
    assert states(outcomes) == ["temporary"]


def test_a_server_that_hangs_up_with_its_354_has_not_taken_the_mail() -> None:
    def script(peer: Peer) -> None:
        peer.greet("PIPELINING")
        for _ in range(3):
            peer.hear()
        peer.say("250 ok", "250 ok", "354 go", "421 4.3.2 shutting down")

    with Scripted(script) as server:
        assert states(send(server.port, [letter()])) == ["temporary"]


def test_421_after_a_mail_leaves_the_next_untouched() -> None:
    def script(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.accept()
        peer.say("421 4.7.0 enough")

    with Scripted(script) as server:
        outcomes = send(server.port, letters(3))
    assert states(outcomes) == ["sent", "temporary"]


def test_past_the_deadline_nothing_more_is_begun() -> None:
    with Scripted(lambda peer: peer.greet("PIPELINING") or peer.hang()) as server:
        connection = connect(server.port)
        assert connection.send(letters(2), time.monotonic() - 1) == []
        assert connection.open
        connection.close()


@pytest.mark.parametrize(
    "script",
    [
        lambda peer: peer.hang(),
        lambda peer: peer.reset(),
        lambda peer: peer.say("554 5.7.1 go away"),
        lambda peer: peer.say("421 too busy"),
        lambda peer: peer.say("HTTP/1.1 400 Bad Request"),
        lambda peer: [peer.sock.sendall(b"220-hello there\r\n") for _ in range(10_000)],
        lambda peer: peer.say("220 ok") or peer.hang(),
    ],
)
def test_a_bad_greeting_is_no_connection(script: Conversation) -> None:
    with Scripted(script) as server, pytest.raises(NoConnection):
        connect(server.port)


def test_a_server_that_speaks_while_idle_is_stale() -> None:
    def script(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.accept()
        peer.hear()
        peer.say("421 idle too long")
        peer.hang()

    with Scripted(script) as server:
        connection = connect(server.port)
        assert states(connection.send([letter()], time.monotonic() + 5)) == ["sent"]
        assert not connection.stale()
        connection._sock.sendall(b"NOOP\r\n")
        end = time.monotonic() + 5
        while not connection.stale() and time.monotonic() < end:
            time.sleep(0.01)
        assert connection.stale()
        connection.close()
