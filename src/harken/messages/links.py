"""Signed links: what a recipient's click, open or unsubscribe tells us, and that it was ours.

A token is base64url (RFC 4648 section 5, no padding) of

    version (1 byte) | length of the claims (2) | claims (MessagePack) | URL (clicks) | MAC (16)

where the MAC is HMAC-SHA256 (RFC 2104) cut to 16 bytes, under a key of its own for each purpose,
so that a token for one is never valid for another. The tokens of `bounce+TOKEN@` and
`unsubscribe+TOKEN@` are part of an e-mail address, whose local part holds 64 characters of
uncertain case: they are base32, name only the profile and the message, and their MAC is cut to
what the 64 characters leave.
"""

import base64
import hashlib
import hmac
import html
import re
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec
from msgspec import Struct

Purpose = Literal[
    "open", "click", "unsubscribe", "preferences", "view", "survey", "bounce", "leave"
]

PATHS: dict[str, str] = {
    "open": "/l/o/",
    "click": "/l/c/",
    "unsubscribe": "/l/u/",
    "preferences": "/l/p/",
    "view": "/l/v/",
    "survey": "/l/s/",
}
"""Where the web server answers each purpose; the token follows."""

VERSION = 1
LONGEST_URL = 2_000
"""Longer URLs are not tracked: mail programs cut links at about this length."""

_MAC = 16

MAILBOXES = {"bounce": "bounce", "leave": "unsubscribe"}
"""What stands before the token in an address that takes mail for the purpose."""
_MAILBOX_MACS = {"bounce": 8, "leave": 7}
_ID_SIZES = (13, 16)
"""Bytes of a message's id: 13 in hexadecimal, or 16 in base32 as ids were at first."""


class Link(Struct, frozen=True, array_like=True):
    """What a token says."""

    profile_id: int
    message: str
    journey: str = ""
    revision: int = 0
    step: str = ""
    variant: str = ""
    channel: str = "email"
    url: str = ""
    """Of a click: where it leads. Of a survey: its name."""


_decoder = msgspec.msgpack.Decoder(Link)
_encode = msgspec.msgpack.Encoder().encode


class _Mac:
    """HMAC-SHA256 (RFC 2104) with the key's two blocks hashed once: a mail has many links."""

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def digest(self, body: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(body)
        outer.update(inner.digest())
        return outer.digest()


class Links:
    """Makes and checks tokens for one installation."""

    def __init__(self, base_url: str, secret: bytes) -> None:
        """`base_url` is the public address of the web server; `secret` has 32 bytes."""
        if len(secret) < 32:
            raise ValueError("the secret of links needs 32 bytes")
        self.base_url = base_url.rstrip("/")
        self._macs = {
            purpose: _Mac(hmac.digest(secret, b"harken link 1 " + purpose.encode(), "sha256"))
            for purpose in (*PATHS, *MAILBOXES)
        }

    def of(self, link: Link) -> "MessageLinks":
        """The links of one message."""
        return MessageLinks(self, link)

    def token(self, purpose: Purpose, claims: bytes, url: str) -> str:
        """A signed token of encoded `claims` (see `MessageLinks.claims`)."""
        body = b"%c%b%b%b" % (VERSION, len(claims).to_bytes(2, "big"), claims, url.encode())
        mac = self._macs[purpose].digest(body)[:_MAC]
        return base64.urlsafe_b64encode(body + mac).rstrip(b"=").decode()

    def verify(self, token: str, purpose: Purpose) -> Link | None:
        """What a token of this purpose says, or None when it is not one that we signed."""
        if purpose in MAILBOXES:
            return self._verify_mailbox(token, purpose)
        if len(token) > 8_192 or not re.fullmatch(r"[A-Za-z0-9_-]+", token, re.ASCII):
            return None
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            return None
        body, mac = raw[:-_MAC], raw[-_MAC:]
        if len(body) < 3 or body[0] != VERSION:
            return None
        expected = self._macs[purpose].digest(body)[:_MAC]
        if not hmac.compare_digest(mac, expected):
            return None
        size = int.from_bytes(body[1:3], "big")
        try:
            link = _decoder.decode(body[3 : 3 + size])
            url = body[3 + size :].decode()
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        return msgspec.structs.replace(link, url=url) if url else link

    def mailbox(self, purpose: Literal["bounce", "leave"], profile_id: int, message: str) -> str:
        """The local part of the address that takes a message's bounces, or wishes to leave.

        `message` is a derived id; raises ValueError for what is none.
        """
        body = b"%c%b%b" % (VERSION, profile_id.to_bytes(8, "big"), _id_bytes(message))
        mac = self._macs[purpose].digest(body)[: _MAILBOX_MACS[purpose]]
        return f"{MAILBOXES[purpose]}+{_in_base32(body + mac)}"

    def _verify_mailbox(self, token: str, purpose: Purpose) -> Link | None:
        try:
            raw = _from_base32(token)
        except ValueError:
            return None
        size = _MAILBOX_MACS[purpose]
        body, mac = raw[:-size], raw[-size:]
        if len(body) - 9 not in _ID_SIZES or body[0] != VERSION:
            return None
        expected = self._macs[purpose].digest(body)[:size]
        if not hmac.compare_digest(mac, expected):
            return None
        return Link(int.from_bytes(body[1:9], "big"), _id_of(body[9:]))


class MessageLinks:
    """The links of one message; its claims are encoded once."""

    def __init__(self, links: Links, link: Link) -> None:
        self.links = links
        self.link = link
        self.claims = _encode(link)

    def of_variant(self, variant: str) -> "MessageLinks":
        """The same message, sent as `variant`."""
        if variant == self.link.variant:
            return self
        return MessageLinks(self.links, msgspec.structs.replace(self.link, variant=variant))

    def url(self, purpose: Purpose, target: str = "") -> str:
        """The address of a purpose; `target` is where a click leads."""
        token = self.links.token(purpose, self.claims, target)
        return f"{self.links.base_url}{PATHS[purpose]}{token}"

    def values(self) -> dict[str, str]:
        """What templates use as `links.unsubscribe`, `links.preferences`, `links.view`.

        `links.survey.NAME` is `SurveyLinks`: signed when it is said.
        """
        return {
            "unsubscribe": self.url("unsubscribe"),
            "preferences": self.url("preferences"),
            "view": self.url("view"),
        }


class SurveyLinks(Mapping[str, str]):
    """What templates use as `links.survey.NAME`; in a preview they lead nowhere."""

    def __init__(self, links: MessageLinks | None) -> None:
        self._links = links

    def __getitem__(self, name: str) -> str:
        return f"#survey-{name}" if self._links is None else self._links.url("survey", name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


_ANCHOR = re.compile(r"<a\s[^>]*>", re.IGNORECASE)
_HREF = re.compile(r"""(\shref\s*=\s*)("[^"]*"|'[^']*')""", re.IGNORECASE)
_UNTRACKED = re.compile(r"""\sdata-track\s*=\s*["']?false\b""", re.IGNORECASE)
_HARMFUL = re.compile(r"[\s\x00-\x1f]*(javascript|vbscript|data)\s*:", re.IGNORECASE)


def track_links(
    html_text: str, links: MessageLinks | None, *, clicks: bool = True, opens: bool = True
) -> str:
    """`html_text` with its http(s) links leading through us, and a pixel that tells of opens.

    Left alone: links of other schemes, our own (unsubscribe, preferences, view), and those
    marked `data-track="false"`. A link that a value turned into a script is made harmless
    whether or not clicks are tracked.
    """

    def anchor(found: re.Match[str]) -> str:
        tag = found.group()
        href = _HREF.search(tag)
        if href is None:
            return tag
        target = html.unescape(href.group(2)[1:-1]).strip()
        if _HARMFUL.match(target):
            replacement = "#"
        elif links is None or not clicks or not _trackable(target, links, tag):
            return tag
        else:
            replacement = links.url("click", target)
        return f'{tag[: href.start(2)]}"{replacement}"{tag[href.end(2) :]}'

    rewritten = _ANCHOR.sub(anchor, html_text)
    if links is None or not opens:
        return rewritten
    pixel = (
        f'<img src="{links.url("open")}.gif" width="1" height="1" alt="" '
        'style="display:block;width:1px;height:1px;border:0">'
    )
    return before_body_end(rewritten, pixel)


def before_body_end(html_text: str, addition: str) -> str:
    """`html_text` with `addition` as the last thing in its body."""
    at = html_text.rfind("</body>")
    if at < 0:
        at = html_text.lower().rfind("</body")
    return f"{html_text}{addition}" if at < 0 else f"{html_text[:at]}{addition}{html_text[at:]}"


def _trackable(target: str, links: MessageLinks, tag: str) -> bool:
    return (
        target[:8].lower().startswith(("http://", "https://"))
        and len(target) <= LONGEST_URL
        and not target.startswith(links.links.base_url + "/l/")
        and not _UNTRACKED.search(tag)
    )


def _id_bytes(message: str) -> bytes:
    for read in (bytes.fromhex, _from_base32):
        try:
            raw = read(message)
        except ValueError:
            continue
        if len(raw) in _ID_SIZES and _id_of(raw) == message:
            return raw
    raise ValueError(f"{message!r} is no message id")


def _id_of(raw: bytes) -> str:
    return raw.hex() if len(raw) == _ID_SIZES[0] else _in_base32(raw)


def _in_base32(raw: bytes) -> str:
    return base64.b32encode(raw).rstrip(b"=").decode().lower()


def _from_base32(text: str) -> bytes:
    return base64.b32decode(text.upper() + "=" * (-len(text) % 8))
