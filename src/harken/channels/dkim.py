"""DKIM signatures (RFC 6376): relaxed/relaxed, RSA-SHA256 or Ed25519-SHA256 (RFC 8463)."""

import base64
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from harken.channels.addresses import ascii_domain
from harken.channels.mime import Mime
from harken.errors import BadInput
from harken.workspace import Dkim

# RFC 8301 3.2: verifiers refuse shorter ones.
SHORTEST_RSA = 1024
SIGNED = (
    b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Reply-To", b"MIME-Version",
    b"Content-Type", b"Content-Transfer-Encoding", b"List-Unsubscribe", b"List-Unsubscribe-Post",
    b"Feedback-ID",
)  # fmt: skip
"""RFC 8058 section 4 requires both List-Unsubscribe headers to be covered."""
OVERSIGNED = (b"From", b"To", b"Subject", b"Date", b"Reply-To")
"""Named once more than they occur, so that a second one added on the way breaks the signature."""
_FOLDING = re.compile(rb"[ \t\r\n]+")
_BLANKS = re.compile(rb"[ \t]+")
_BLANKS_AT_END = re.compile(rb"[ \t]+\r\n")


class Signer:
    """Signs the mail of one domain. Safe to share among threads; OpenSSL runs without the GIL."""

    def __init__(self, domain: str, selector: str, pem: bytes) -> None:
        """Raises BadInput when `pem` is no private key that can sign."""
        self._key = _load(pem)
        self.domain = ascii_domain(domain)
        algorithm = "rsa" if isinstance(self._key, RSAPrivateKey) else "ed25519"
        self._start = (
            f"v=1; a={algorithm}-sha256; c=relaxed/relaxed;\r\n"
            f" d={self.domain}; s={ascii_domain(selector)};"
        ).encode("ascii")

    def sign(self, mime: Mime, at: int) -> Mime:
        """The mail with its DKIM-Signature in front; `at` is ms."""
        names = [name for name in SIGNED if any(name == have for have, _ in mime.headers)]
        listed = [name.lower() for name in (*names, *OVERSIGNED)]
        body_hash = base64.b64encode(sha256(relaxed_body(mime.body)).digest())
        unsigned = b"%b t=%d;\r\n h=%b;\r\n bh=%b;\r\n b=" % (
            self._start, at // 1000, b":\r\n  ".join(_rows(listed)), body_hash
        )  # fmt: skip
        values = dict(mime.headers)
        signed = [relaxed_header(name, values[name]) for name in names]
        data = b"\r\n".join([*signed, relaxed_header(b"DKIM-Signature", unsigned)])
        signature = base64.b64encode(self._signature(data))
        folded = b"\r\n  ".join(signature[i : i + 72] for i in range(0, len(signature), 72))
        return Mime([(b"DKIM-Signature", unsigned + folded), *mime.headers], mime.body)

    def _signature(self, data: bytes) -> bytes:
        if isinstance(self._key, RSAPrivateKey):
            return self._key.sign(data, PKCS1v15(), SHA256())
        return self._key.sign(sha256(data).digest())


def signer(dkim: Dkim, environment: Mapping[str, str]) -> Signer:
    """The signer that a workspace describes. Raises BadInput, naming what is missing."""
    if dkim.key_env:
        pem = environment.get(dkim.key_env, "").encode()
        if not pem:
            raise BadInput(f"{dkim.key_env}, the DKIM key of {dkim.domain}, is not set")
    elif dkim.key_file:
        try:
            pem = Path(dkim.key_file).read_bytes()
        except OSError as error:
            raise BadInput(f"the DKIM key of {dkim.domain} cannot be read: {error}") from None
    else:
        raise BadInput(f"dkim for {dkim.domain} names neither key_env nor key_file")
    return Signer(dkim.domain, dkim.selector, pem)


def relaxed_header(name: bytes, value: bytes) -> bytes:
    """RFC 6376 3.4.2, without the CRLF that ends it."""
    return name.lower() + b":" + _FOLDING.sub(b" ", value).strip(b" ")


def relaxed_body(body: bytes) -> bytes:
    """RFC 6376 3.4.4. `body` has CRLF line ends only, one at its end."""
    if b"\t" in body or b"  " in body:
        body = _BLANKS.sub(b" ", body)
    if b" \r\n" in body:
        body = _BLANKS_AT_END.sub(b"\r\n", body)
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return body[:end] + b"\r\n" if end else b""


def _rows(names: list[bytes]) -> list[bytes]:
    """Header names joined by colons, a few a line."""
    return [b":".join(names[i : i + 3]) for i in range(0, len(names), 3)]


def _load(pem: bytes) -> RSAPrivateKey | Ed25519PrivateKey:
    try:
        # An environment variable often carries the line breaks as backslash-n.
        key = load_pem_private_key(pem.replace(b"\\n", b"\n"), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadInput("the DKIM key is no unencrypted private key in PEM form") from None
    if isinstance(key, RSAPrivateKey):
        if key.key_size < SHORTEST_RSA:
            raise BadInput(f"an RSA key for DKIM needs {SHORTEST_RSA} bits, better 2048")
        return key
    if isinstance(key, Ed25519PrivateKey):
        return key
    raise BadInput("a DKIM key is RSA or Ed25519")
