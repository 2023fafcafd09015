"""A mail, built and read back by the standard library."""

import email
import re
from email.message import EmailMessage
from email.policy import default as policy
from email.utils import parsedate_to_datetime

import pytest
from channels_kit import AT, SHOP, any_text, mail
from hypothesis import given, settings

from harken.channels.addresses import Mailbox, parse_address, parse_mailbox
from harken.channels.mime import clean, compose, feedback_id
from harken.clock import to_datetime
from harken.errors import BadInput


def read(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=policy)  # type: ignore[return-value]


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def test_a_mail_has_what_providers_ask_for() -> None:
    raw = compose(
        mail(
            html="<p>Hi</p>",
            reply_to=parse_mailbox("help@shop.example"),
            unsubscribe_url="https://shop.example/u/t0ken",
            unsubscribe_mailto="leave@shop.example?subject=t0ken",
            feedback_id=feedback_id("cart", "nudge", "default", "harken"),
        )
    ).to_bytes()
    message = read(raw)
    assert message["From"] == "Shop <hello@shop.example>"
    assert message["To"] == "mina@example.com"
    assert message["Reply-To"] == "help@shop.example"
    assert message["Subject"] == "Hi"
    assert message["Message-ID"] == "<abc234@shop.example>"
    assert parsedate_to_datetime(message["Date"]) == to_datetime(AT)
    assert message["List-Unsubscribe"] == (
        "<https://shop.example/u/t0ken>, <mailto:leave@shop.example?subject=t0ken>"
    )
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Feedback-ID"] == "cart:nudge:default:harken"
    assert message["Auto-Submitted"] is None
    assert message.get_content_type() == "multipart/alternative"
    assert [p.get_content_type() for p in message.iter_parts()] == ["text/plain", "text/html"]


def test_without_html_it_is_plain_text_alone() -> None:
    message = read(compose(mail(text="Hi\nthere")).to_bytes())
    assert message.get_content_type() == "text/plain"
    assert message.get_content() == "Hi\r\nthere\r\n"
    assert message["List-Unsubscribe"] is None
    assert message["List-Unsubscribe-Post"] is None


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plain words", "7bit"),
        ("x" * 1200, "quoted-printable"),
        ("Café, croissants and more of the same for everyone", "quoted-printable"),
        ("장바구니에 담아 둔 상품이 기다리고 있어요", "base64"),
        ("--=_abc234--", "quoted-printable"),
        ("nul \x00 and bell \x07", "quoted-printable"),
    ],
)
def test_each_body_gets_the_encoding_that_fits(text: str, encoding: str) -> None:
    message = read(compose(mail(text=text, html="<p>x</p>")).to_bytes())
    plain = message.get_body(("plain",))
    assert plain is not None
    assert plain["Content-Transfer-Encoding"] == encoding
    assert part(message, "plain") == text


@settings(max_examples=150, deadline=None)
@given(subject=any_text, name=any_text, text=any_text, html=any_text.filter(bool))
def test_any_values_round_trip_and_none_reaches_another_line(
    subject: str, name: str, text: str, html: str
) -> None:
    sender = Mailbox(name, SHOP.address)
    raw = compose(mail(subject=subject, from_=sender, text=text, html=html)).to_bytes()
    assert raw.isascii()
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw)
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    head = raw.partition(b"\r\n\r\n")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 78
    fields = [line.partition(b":")[0] for line in head.split(b"\r\n") if line[:1] != b" "]
    assert fields == [
        b"From", b"To", b"Subject", b"Date", b"Message-ID", b"MIME-Version", b"Content-Type",
    ]  # fmt: skip
    message = read(raw)
    assert str(message["Subject"]) == clean(subject)
    (box,) = message["From"].addresses
    assert box.addr_spec == "hello@shop.example"
    assert words(box.display_name) == words(clean(name))
    assert lines(part(message, "plain")) == lines(text)
    assert lines(part(message, "html")) == lines(html)


def words(name: str) -> str:
    """What a name is compared by: the standard library adds spaces between encoded words."""
    return "".join(name.split())


def lines(text: str) -> str:
    """What a body is compared by: one kind of line end, and what UTF-8 cannot say replaced."""
    return re.sub(r"\r\n|\r", "\n", text).encode("utf-8", "replace").decode()


@pytest.mark.parametrize(
    "hostile",
    ["Mina\r\nBcc: all@example.com", "Mina\nBcc: x@y.example", "a\rb", "x\x00y", "\u2028Bcc: a"],
)
def test_a_name_or_subject_cannot_add_a_header(hostile: str) -> None:
    sender = Mailbox(hostile, SHOP.address)
    message = read(compose(mail(subject=hostile, from_=sender)).to_bytes())
    assert message["Bcc"] is None
    assert not message.defects


@pytest.mark.parametrize(
    ("written", "wire", "utf8"),
    [
        ("mina@example.com", "mina@example.com", False),
        (" Mina+cart@Example.COM ", "Mina+cart@example.com", False),
        ("mina@bücher.example", "mina@xn--bcher-kva.example", False),
        ("info@쇼핑.example", "info@xn--hp4bo76a.example", False),
        ("미나@example.com", "미나@example.com", True),
        ("a..b.@docomo.example", '"a..b."@docomo.example', False),
        ('"a b"@example.com', '"a b"@example.com', False),
        ("mina@localhost", "mina@localhost", False),
    ],
)
def test_addresses_for_the_wire(written: str, wire: str, utf8: bool) -> None:
    address = parse_address(written)
    assert (str(address), address.utf8) == (wire, utf8)


@pytest.mark.parametrize(
    "bad",
    [
        "", "mina", "@example.com", "mina@", "mi na@example.com", "mina@exa mple.com",
        "mina@example..com", "mina@-example.com", "a@b@example.com", "mina>@example.com",
        "mina@example.com>\r\nRCPT TO:<x@y.example", "m\x00@example.com", "미 나@example.com",
        "x" * 65 + "@example.com", "mina@" + "x" * 64 + ".com", "mina@[127.0.0.1]",
        '"a\nb"@example.com', "mina@xn--\ud800.example", "mi\u2028na@example.com",
    ],
)  # fmt: skip
def test_what_is_no_address_says_so(bad: str) -> None:
    with pytest.raises(BadInput):
        parse_address(bad)


def test_an_unsubscribe_link_cannot_break_out_and_has_a_limit() -> None:
    message = read(compose(mail(unsubscribe_url="https://x.example/>\r\nBcc: é")).to_bytes())
    assert message["Bcc"] is None
    assert message["List-Unsubscribe"] == "<https://x.example/%3E%0D%0ABcc:%20%C3%A9>"
    with pytest.raises(BadInput, match="900"):
        compose(mail(unsubscribe_url="https://x.example/" + "a" * 900))


def test_feedback_id_has_four_fields_whatever_they_hold() -> None:
    made = feedback_id("a:b", "한", "w s", "harken")
    assert made == "a-b:-:w-s:harken"
