"""The return path, spoken to by real LMTP clients over loopback."""

import asyncio
import smtplib
from collections.abc import Callable
from pathlib import Path

import pytest

from harken.channels import returnpath
from harken.channels.bounces import parse
from harken.channels.returnpath import Server, serve

SAMPLES = Path(__file__).parent / "samples"
BOUNCE = "bounce+GOOD.token-1_x@return.shop.example"
MAIL = b"Subject: hi\r\n\r\n.dot\r\nhello\r\n"

pytestmark = pytest.mark.timeout(60)


class Box:
    """Keeps what was accepted; fails or waits when told to."""

    def __init__(self) -> None:
        self.mails: list[tuple[bytes, list[str]]] = []
        self.error: Exception | None = None
        self.wait: asyncio.Event | None = None
        self.entered = asyncio.Event()

    async def accept(self, raw: bytes, recipients: list[str]) -> None:
        self.entered.set()
        if self.wait:
            await self.wait.wait()
        if self.error:
            raise self.error
        self.mails.append((raw, recipients))


def run(talk: Callable[[int], None], box: Box | None = None, **settings: object) -> Box:
    """Starts a server, lets a blocking client talk to its port in a thread, closes the server."""

    async def main() -> Box:
        kept = box or Box()
        server = await serve("127.0.0.1", 0, kept.accept, **settings)  # type: ignore[arg-type]
        try:
            await asyncio.to_thread(talk, server.port)
        finally:
            await server.close()
        return kept

    return asyncio.run(main())


def client(port: int) -> smtplib.LMTP:
    return smtplib.LMTP("127.0.0.1", port, timeout=20)


def test_a_bounce_arrives_whole() -> None:
    raw = (SAMPLES / "postfix_unknown_user.eml").read_bytes().replace(b"\n", b"\r\n")

    def talk(port: int) -> None:
        with client(port) as to:
            assert to.sendmail("", [BOUNCE], raw, ["BODY=8BITMIME"]) == {}

    box = run(talk)
    assert box.mails == [(raw, [BOUNCE])]
    (report,) = parse(box.mails[0][0], lambda token: (7, "m"), box.mails[0][1])
    assert (report.kind, report.profile_id) == ("bounced", 7)


def test_dots_are_kept() -> None:
    def talk(port: int) -> None:
        with client(port) as to:
            to.sendmail("", [BOUNCE], MAIL)

    assert run(talk).mails[0][0] == MAIL


@pytest.mark.parametrize(
    ("recipient", "code"),
    [
        (BOUNCE, 250),
        ("BOUNCE+x@return.shop.example", 250),
        ("unsubscribe+abc.def-_~=@return.shop.example", 250),
        ("fbl@return.shop.example", 250),
        ("bounce@return.shop.example", 550),
        ("bounce+@return.shop.example", 550),
        ("fbl+x@return.shop.example", 550),
        ("hello@shop.example", 550),
        ("postmaster", 550),
        ("bounce+" + "x" * 300 + "@return.shop.example", 550),
    ],
)
def test_only_the_addresses_of_reports_are_taken(recipient: str, code: int) -> None:
    def talk(port: int) -> None:
        with client(port) as to:
            to.ehlo()
            to.mail("")
            assert to.rcpt(recipient)[0] == code

    run(talk)


@pytest.mark.parametrize("error", [OSError("full disk"), ValueError("x")])
def test_what_cannot_be_stored_is_to_be_sent_again(error: Exception) -> None:
    box = Box()
    box.error = error

    def talk(port: int) -> None:
        with client(port) as to:
            with pytest.raises(smtplib.SMTPDataError) as caught:
                to.sendmail("", [BOUNCE], MAIL)
            assert caught.value.smtp_code == 451
            assert b"x" not in caught.value.smtp_error.split()
            box.error = None
            to.sendmail("", [BOUNCE], MAIL)

    assert len(run(talk, box).mails) == 1


def test_a_mail_over_the_limit_is_refused_and_the_next_taken() -> None:
    def talk(port: int) -> None:
        with client(port) as to:
            to.ehlo()
            assert to.esmtp_features["size"] == "1000"
            to.mail("")
            to.rcpt(BOUNCE)
            assert to.data(b"x: y\r\n" * 300)[0] == 552
            to.sendmail("", [BOUNCE], MAIL)

    assert [raw for raw, _ in run(talk, most_bytes=1000).mails] == [MAIL]


def test_a_line_without_end_is_cut_off() -> None:
    def talk(port: int) -> None:
        to = client(port)
        to.ehlo()
        to.mail("")
        to.rcpt(BOUNCE)
        to.docmd("DATA")
        with pytest.raises(OSError):
            to.sock.sendall(b"x" * 100_000_000)
        to.close()

    assert run(talk, most_bytes=1000).mails == []


def test_long_lines_in_quoted_html_are_taken() -> None:
    raw = b"Subject: hi\r\n\r\n" + b"x" * 50_000 + b"\r\n"

    def talk(port: int) -> None:
        with client(port) as to:
            to.sendmail("", [BOUNCE], raw)

    assert run(talk).mails[0][0] == raw


@pytest.mark.parametrize("broken", [False, True])
def test_each_recipient_has_an_answer(broken: bool) -> None:
    box = Box()
    box.error = OSError() if broken else None

    def talk(port: int) -> None:
        with client(port) as to:
            to.ehlo()
            to.mail("")
            for n in range(3):
                assert to.rcpt(f"bounce+t{n}@return.shop.example")[0] == 250
            codes = [to.data(MAIL)[0], to.getreply()[0], to.getreply()[0]]
            assert codes == [451 if broken else 250] * 3
            assert to.noop()[0] == 250
            assert to.docmd("DATA")[0] == 503
            assert to.noop()[0] == 250

    assert len(run(talk, box).mails) == (0 if broken else 1)


def test_too_many_recipients_are_for_the_next_mail() -> None:
    def talk(port: int) -> None:
        with client(port) as to:
            to.ehlo()
            to.mail("")
            codes = [to.rcpt(f"bounce+t{n}@return.example")[0] for n in range(21)]
            assert codes == [250] * 20 + [452]

    run(talk)


def test_too_many_connections_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(returnpath, "MOST_CONNECTIONS", 2)

    def talk(port: int) -> None:
        first, second = client(port), client(port)
        with pytest.raises(smtplib.SMTPConnectError) as caught:
            client(port)
        assert caught.value.smtp_code == 421
        first.quit()
        assert second.noop()[0] == 250
        second.quit()

    run(talk)


def send_in_background(port: int) -> dict[str, tuple[int, bytes]]:
    with client(port) as to:
        return to.sendmail("", [BOUNCE], MAIL)


def test_closing_waits_for_a_mail_on_its_way() -> None:
    async def main() -> None:
        box = Box()
        box.wait = asyncio.Event()
        server: Server = await serve("127.0.0.1", 0, box.accept)
        sending = asyncio.create_task(asyncio.to_thread(send_in_background, server.port))
        await box.entered.wait()
        closing = asyncio.create_task(server.close())
        await asyncio.sleep(0)
        assert not closing.done()
        box.wait.set()
        await closing
        assert await sending == {}
        assert len(box.mails) == 1
        with pytest.raises(OSError):
            await asyncio.to_thread(client, server.port)

    asyncio.run(main())


def test_closing_gives_up_on_a_mail_that_does_not_end() -> None:
    async def main() -> None:
        box = Box()
        box.wait = asyncio.Event()
        server = await serve("127.0.0.1", 0, box.accept)
        sending = asyncio.create_task(asyncio.to_thread(send_in_background, server.port))
        await box.entered.wait()
        await server.close(grace=0.05)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            await sending
        assert box.mails == []

    asyncio.run(main())


def test_nonsense_gets_an_answer_and_harms_nobody() -> None:
    def talk(port: int) -> None:
        with client(port) as to:
            for line in ("NONSENSE", "MAIL FROM:", "RCPT TO:<x@y>", "DATA", "\xff".encode().hex()):
                assert to.docmd(line)[0] >= 500
            to.sendmail("", [BOUNCE], MAIL)

    assert len(run(talk).mails) == 1
