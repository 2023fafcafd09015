"""An e-mail as bytes (RFC 5322, RFC 2045-2047), built by hand for speed.

Every value may be hostile. Controls never reach a header, lines end in CRLF alone, and no line is
longer than 998 bytes, so nothing a customer calls themselves can end a header or the mail.
"""

import binascii
import re
from functools import lru_cache
from urllib.parse import quote

from msgspec import Struct

from harken import clock
from harken.channels.addresses import Address, Mailbox
from harken.errors import BadInput

CRLF = b"\r\n"
LINE_LIMIT = 998
FOLD_AT = 76
ENCODED_WORD_LIMIT = 75
AROUND = 12
"""Characters of an encoded word around its text: `=?utf-8?q?` and `?=`."""
URL_LIMIT = 900
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_SURROGATES = re.compile("[\ud800-\udfff]")
_ATOM_WORDS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+( [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_PLAIN = b"\t\r\n" + bytes(range(0x20, 0x7F))
_ASCII = bytes(range(0x80))
# What RFC 2047 5(3) lets stand unencoded in a phrase; the strictest of its rules fits everywhere.
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_Q = [chr(byte) if byte in _Q_SAFE else f"={byte:02X}" for byte in range(256)]
_Q[0x20] = "_"


class Mail(Struct, frozen=True, kw_only=True):
    """What an e-mail is made of."""

    id: str
    """The message's id; the Message-ID is this at the sender's domain."""
    at: int
    """For the Date header, ms."""
    from_: Mailbox
    to: Address
    subject: str
    text: str
    html: str = ""
    reply_to: Mailbox | None = None
    unsubscribe_url: str = ""
    """Takes the one-click POST of RFC 8058; empty for mail that nobody can unsubscribe from."""
    unsubscribe_mailto: str = ""
    feedback_id: str = ""


class Mime(Struct, frozen=True):
    """An e-mail, headers apart from the body so that DKIM need not parse it."""

    headers: list[tuple[bytes, bytes]]
    """(name, value); the value folded, without the CRLF that ends it."""
    body: bytes

    def to_bytes(self) -> bytes:
        """The whole mail, without dot-stuffing."""
        head = b"".join([b"%b: %b\r\n" % header for header in self.headers])
        return b"%b\r\n%b" % (head, self.body)


def compose(mail: Mail) -> Mime:
    """Build it. Raises BadInput when an address or link cannot stand in a header."""
    headers = [
        (b"From", _mailbox(mail.from_, len("From: "))),
        (b"To", str(mail.to).encode()),
        (b"Subject", _unstructured(mail.subject, len("Subject: "))),
        (b"Date", date_header(mail.at // 1000)),
        (b"Message-ID", f"<{mail.id}@{mail.from_.address.domain}>".encode("ascii")),
    ]
    if mail.reply_to:
        headers.append((b"Reply-To", _mailbox(mail.reply_to, len("Reply-To: "))))
    if mail.unsubscribe_url:
        headers.append((b"List-Unsubscribe", _unsubscribe(mail)))
        headers.append((b"List-Unsubscribe-Post", b"List-Unsubscribe=One-Click"))
    if mail.feedback_id:
        headers.append((b"Feedback-ID", mail.feedback_id.encode("ascii")))
    headers.append((b"MIME-Version", b"1.0"))
    if not mail.html:
        part_headers, content = _part(b"plain", mail.text)
        return Mime(headers + part_headers, content if content.endswith(CRLF) else content + CRLF)
    # "=_" can stand in neither quoted-printable nor base64; `_part` keeps it out of 7bit.
    boundary = b"=_" + mail.id.encode("ascii")
    headers.append((b"Content-Type", b'multipart/alternative;\r\n boundary="%b"' % boundary))
    parts = (_part(b"plain", mail.text), _part(b"html", mail.html))
    body = b"".join(
        b"--%b\r\n%b\r\n%b\r\n" % (boundary, b"".join(b"%b: %b\r\n" % h for h in head), content)
        for head, content in parts
    )
    return Mime(headers, b"%b--%b--\r\n" % (body, boundary))


def feedback_id(*fields: str) -> str:
    """Gmail's Feedback-ID: four fields between colons, the last naming the sending system."""
    return ":".join(re.sub(r"[^A-Za-z0-9_.-]+", "-", field)[:64] for field in fields)


@lru_cache(maxsize=64)
def date_header(seconds: int) -> bytes:
    """RFC 5322 3.3, in UTC."""
    at = clock.to_datetime(seconds * 1000)
    day = f"{_WEEKDAYS[at.weekday()]}, {at.day:02d} {_MONTHS[at.month - 1]} {at.year:04d}"
    return f"{day} {at:%H:%M:%S} +0000".encode("ascii")


def clean(text: str) -> str:
    """`text` on one line: each run of control characters becomes a space."""
    if text.isprintable():
        return text
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub(" ", text))


def _part(subtype: bytes, text: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers and content of a text part, in the encoding that fits it."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    raw = text.replace("\n", "\r\n").encode("utf-8", "replace")
    # Every byte that is not ASCII takes three in quoted-printable, four thirds in base64.
    foreign = 0 if raw.isascii() else len(raw.translate(None, _ASCII))
    if foreign * 6 > len(raw):
        encoding, content = b"base64", _base64(raw)
    elif foreign or raw.translate(None, _PLAIN) or b"--=_" in raw or _longest(raw) > LINE_LIMIT:
        encoding, content = b"quoted-printable", _quoted_printable(raw)
    else:
        encoding, content = b"7bit", raw
    return [
        (b"Content-Type", b'text/%b; charset="utf-8"' % subtype),
        (b"Content-Transfer-Encoding", encoding),
    ], content


def _longest(raw: bytes) -> int:
    return len(raw) if len(raw) <= LINE_LIMIT else max(map(len, raw.split(CRLF)))


def _base64(raw: bytes) -> bytes:
    encoded = binascii.b2a_base64(raw, newline=False)
    return CRLF.join(encoded[i : i + FOLD_AT] for i in range(0, len(encoded), FOLD_AT))


def _quoted_printable(raw: bytes) -> bytes:
    # b2a_qp breaks lines as the first line ends, so there must be one; it is taken off again.
    return binascii.b2a_qp(raw + CRLF, istext=True)[:-2]


def _unstructured(text: str, used: int) -> bytes:
    """A header of free text; `used` columns of its first line are taken."""
    text = clean(text)
    words = text.split(" ")
    # Folding swallows nothing when words stand one space apart; all else goes as encoded words,
    # and so does what would be read as one.
    plain = text.isascii() and all(words) and "=?" not in text and max(map(len, words)) <= 60
    if text and not plain:
        words = encoded_words(text, ENCODED_WORD_LIMIT - used)
    return _fold(words, used)


@lru_cache(maxsize=256)
def _mailbox(mailbox: Mailbox, used: int) -> bytes:
    name, address = " ".join(filter(None, clean(mailbox.name).split(" "))), mailbox.address
    path = f"<{address}>" if name else str(address)
    words = name.split(" ") if name else []
    if name.isascii() and "=?" not in name and max(map(len, words), default=0) <= 60:
        if name and not _ATOM_WORDS.fullmatch(name):
            words = ('"' + re.sub(r'(["\\])', r"\\\1", name) + '"').split(" ")
    else:
        words = encoded_words(name, ENCODED_WORD_LIMIT - used)
    return _fold([*words, path], used)


def _unsubscribe(mail: Mail) -> bytes:
    """RFC 2369 and RFC 8058: the HTTPS link first."""
    links = [mail.unsubscribe_url]
    if mail.unsubscribe_mailto:
        links.append(f"mailto:{mail.unsubscribe_mailto}")
    quoted = [quote(link, safe="%!#$&'()*+,/:;=?@[]~", errors="replace") for link in links]
    if max(map(len, quoted)) > URL_LIMIT:
        raise BadInput(f"the unsubscribe link is longer than {URL_LIMIT} characters")
    return ",\r\n ".join(f"<{link}>" for link in quoted).encode("ascii")


def _fold(words: list[str], used: int) -> bytes:
    """Words joined by spaces, on lines of at most `FOLD_AT` columns where a word fits."""
    lines, line = [], ""
    for word in words:
        if line and used + len(line) + 1 + len(word) > FOLD_AT:
            lines.append(line)
            line, used = word, 1
        else:
            line = f"{line} {word}" if line else word
    lines.append(line)
    return "\r\n ".join(lines).encode("utf-8", "replace")


def encoded_words(text: str, first: int) -> list[str]:
    """`text` as RFC 2047 encoded words of whole characters; `first` limits the first one's length.

    A reader drops the white space between two of them, so they join to exactly `text`.
    """
    raw = text.encode("utf-8", "replace")
    q = sum(len(_Q[byte]) for byte in raw) <= len(raw) * 4 // 3
    kind = "q" if q else "b"
    words, chunk, size = [], bytearray(), 0
    room = max(first, 30) - AROUND
    for character in text:
        data = character.encode("utf-8", "replace")
        cost = sum(len(_Q[byte]) for byte in data) if q else 0
        grown = size + cost if q else -(-(len(chunk) + len(data)) // 3) * 4
        if chunk and grown > room:
            words.append(_encoded_word(kind, bytes(chunk)))
            chunk, size, room = bytearray(), 0, ENCODED_WORD_LIMIT - AROUND
        chunk += data
        size += cost
    words.append(_encoded_word(kind, bytes(chunk)))
    return words


def _encoded_word(kind: str, data: bytes) -> str:
    if kind == "q":
        return "=?utf-8?q?" + "".join(_Q[byte] for byte in data) + "?="
    return "=?utf-8?b?" + binascii.b2a_base64(data, newline=False).decode("ascii") + "?="
