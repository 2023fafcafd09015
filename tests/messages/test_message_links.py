"""Signed links: only what we signed is believed, only where we linked is led to."""

import base64
import hmac
from typing import Literal, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messages_kit import SECRET

from harken.ids import derived_id
from harken.messages.links import LONGEST_URL, MAILBOXES, Link, Links, Purpose, track_links

LINKS = Links("https://mail.example/", SECRET)
ID = derived_id("a message")
AT_FIRST = "mfrggzdfmztwq2lknnwg23tpoa"
LINK = Link(7, ID, "cart", 3, "nudge", "variant-1")
MINE = LINKS.of(LINK)
PURPOSES = [purpose for purpose in get_args(Purpose) if purpose not in MAILBOXES]


def token_of(url: str) -> str:
    return url.rsplit("/", 1)[1]


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("other", PURPOSES)
def test_a_token_is_good_for_its_purpose_alone(purpose: Purpose, other: Purpose) -> None:
    token = token_of(MINE.url(purpose))
    assert LINKS.verify(token, other) == (LINK if other == purpose else None)


def test_a_click_carries_its_address() -> None:
    target = "https://shop.example/ä?x=1&y=2#z"
    found = LINKS.verify(token_of(MINE.url("click", target)), "click")
    assert found is not None
    assert found.url == target
    assert (found.profile_id, found.message, found.variant) == (7, ID, "variant-1")


def test_the_mac_is_hmac_sha256() -> None:
    token = token_of(MINE.url("open"))
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    key = hmac.digest(SECRET, b"harken link 1 open", "sha256")
    assert hmac.digest(key, raw[:-16], "sha256")[:16] == raw[-16:]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 5_000), st.integers(1, 255))
def test_a_changed_token_is_not_ours(place: int, change: int) -> None:
    token = token_of(MINE.url("click", "https://shop.example/"))
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[place % len(raw)] ^= change
    forged = base64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode()
    assert LINKS.verify(forged, "click") is None


@settings(max_examples=200, deadline=None)
@given(st.text() | st.text(alphabet="ABCDEFabcdef0123456789-_=", max_size=200))
def test_garbage_is_not_ours(token: str) -> None:
    for purpose in get_args(Purpose):
        assert LINKS.verify(token, purpose) is None


def test_another_secret_is_another_installation() -> None:
    other = Links("https://mail.example", b"another secret of thirty-two byte")
    assert other.verify(token_of(MINE.url("unsubscribe")), "unsubscribe") is None
    with pytest.raises(ValueError, match="32 bytes"):
        Links("https://mail.example", b"short")


@pytest.mark.parametrize("id", [ID, AT_FIRST])
@pytest.mark.parametrize(
    ("purpose", "other", "name"),
    [("bounce", "leave", "bounce"), ("leave", "bounce", "unsubscribe")],
)
def test_the_token_of_a_mailbox_fits_an_address_of_any_case(
    purpose: Literal["bounce", "leave"], other: Literal["bounce", "leave"], name: str, id: str
) -> None:
    mailbox = LINKS.mailbox(purpose, 2**63 - 1, id)
    assert len(mailbox) <= 64  # RFC 5321, section 4.5.3.1.1
    before, _, token = mailbox.partition("+")
    assert before == name
    for written in (token, token.upper()):
        assert LINKS.verify(written, purpose) == Link(2**63 - 1, id)
    assert LINKS.verify(token, other) is None
    assert LINKS.verify(token[:-3] + ("aaa" if token[-3:] != "aaa" else "qqq"), purpose) is None
    with pytest.raises(ValueError, match="no message id"):
        LINKS.mailbox(purpose, 7, "preview")


@pytest.mark.parametrize(
    ("html", "target"),
    [
        ('<a href="https://shop.example/?a=1&amp;b=2">x</a>', "https://shop.example/?a=1&b=2"),
        ("<a class='x' href='http://shop.example/'>x</a>", "http://shop.example/"),
        ('<A HREF="HTTPS://shop.example/">x</A>', "HTTPS://shop.example/"),
        ('<a\n  href="https://shop.example/"\n>x</a>', "https://shop.example/"),
    ],
)
def test_links_lead_through_us(html: str, target: str) -> None:
    tracked = track_links(html, MINE, opens=False)
    token = tracked.split("/l/c/")[1].split('"')[0]
    found = LINKS.verify(token, "click")
    assert found is not None
    assert found.url == target


@pytest.mark.parametrize(
    "html",
    [
        '<a href="mailto:a@b.example">x</a>',
        '<a href="tel:123">x</a>',
        '<a href="#top">x</a>',
        '<a href="/relative">x</a>',
        '<a name="x">x</a>',
        '<a data-track="false" href="https://shop.example/">x</a>',
        f'<a href="{MINE.url("unsubscribe")}">x</a>',
        f'<a href="{MINE.url("preferences")}">x</a>',
        f'<a href="https://shop.example/{"x" * LONGEST_URL}">x</a>',
        '<img src="https://shop.example/x.png"><link href="https://shop.example/x.css">',
        "<abbr href='https://shop.example/'>x</abbr>",
        "https://shop.example/",
    ],
)
def test_other_links_are_left_alone(html: str) -> None:
    assert track_links(html, MINE, opens=False) == html


@pytest.mark.parametrize(
    "scheme",
    ["javascript:alert(1)", " JavaScript:x", "data:text/html,x", "vbscript:x", "java&#115;cript:x"],
)
@pytest.mark.parametrize("links", [MINE, None])
def test_a_link_never_becomes_a_script(scheme: str, links: object) -> None:
    html = track_links(f'<a href="{scheme}">x</a>', links, clicks=False, opens=False)  # type: ignore[arg-type]
    assert html == '<a href="#">x</a>'


def test_the_pixel_is_the_last_of_the_body_and_can_be_switched_off() -> None:
    html = "<body><p>a</p></BODY></html>"
    tracked = track_links(html, MINE)
    token = tracked.split("/l/o/")[1].split(".gif")[0]
    assert LINKS.verify(token, "open") == LINK
    assert tracked.endswith('"></BODY></html>')
    assert track_links(html, MINE, opens=False) == html
    link = '<a href="https://shop.example/">x</a>'
    assert track_links(link, MINE, clicks=False, opens=False) == link
