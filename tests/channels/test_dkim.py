"""Our signatures, verified by dkimpy."""

import base64
from pathlib import Path

import dkim as dkimpy
import pytest
from channels_kit import AT, any_text, mail
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from harken.channels.addresses import parse_mailbox
from harken.channels.dkim import Signer, signer
from harken.channels.mime import Mime, compose
from harken.errors import BadInput
from harken.workspace import Dkim

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED = ed25519.Ed25519PrivateKey.generate()


def pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def record(name: bytes, timeout: int = 5) -> bytes:
    """The DNS answers of shop.example."""
    if name.startswith(b"ed."):
        raw = ED.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(raw)
    der = RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)


SIGNERS = {
    "rsa": Signer("shop.example", "r", pem(RSA)),
    "ed": Signer("shop.example", "ed", pem(ED)),
}


def verified(raw: bytes) -> bool:
    return bool(dkimpy.verify(raw, dnsfunc=record))


ODD_BODIES = [
    "",
    "\n\n\n",
    "Hi\n\n\n\n",
    ".\n..\n.hidden\n\n.",
    "tabs\t \tand spaces   \n at  ends \t\n",
    "x" * 3000,
    "장바구니\n" * 200,
    "é" * 500,
    "From here\n=_=\n--\n",
]


@pytest.mark.parametrize("kind", ["rsa", "ed"])
@pytest.mark.parametrize("body", ODD_BODIES)
@pytest.mark.parametrize("html", ["", "<p>  x\t\n</p>\n\n"])
def test_signatures_verify(kind: str, body: str, html: str) -> None:
    sent = compose(mail(text=body, html=html, unsubscribe_url="https://shop.example/u/1"))
    assert verified(SIGNERS[kind].sign(sent, AT).to_bytes())


@settings(max_examples=60, deadline=None)
@given(subject=any_text, name=st.text(max_size=80), text=any_text, html=any_text)
def test_any_mail_verifies(subject: str, name: str, text: str, html: str) -> None:
    sender = parse_mailbox("hello@shop.example")
    sent = compose(mail(subject=subject, from_=type(sender)(name, sender.address), text=text,
                        html=html))  # fmt: skip
    assert verified(SIGNERS["rsa"].sign(sent, AT).to_bytes())


@pytest.mark.parametrize("body", [b"", b"no end", b"a\r\n \r\n\t\r\n", b"\r\n\r\n", b"a \r\n"])
def test_bodies_that_we_do_not_make_verify_too(body: bytes) -> None:
    sent = compose(mail())
    assert verified(SIGNERS["rsa"].sign(Mime(sent.headers, body), AT).to_bytes())


@pytest.mark.parametrize(
    "added",
    [
        b"From: other@evil.example",
        b"Subject: other",
        b"Reply-To: x@evil.example",
        b"To: x@y.example",
    ],
)
def test_a_header_added_on_the_way_breaks_it(added: bytes) -> None:
    raw = SIGNERS["rsa"].sign(compose(mail()), AT).to_bytes()
    assert verified(raw)
    assert not verified(added + b"\r\n" + raw)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b"hello@shop", b"hallo@shop"),
        (b"One-Click", b"Two-Click"),
        (b"/u/1", b"/u/2"),
        (b"some words", b"any words"),
    ],
)
def test_what_it_covers_cannot_change(was: bytes, becomes: bytes) -> None:
    sent = compose(mail(text="some words", unsubscribe_url="https://shop.example/u/1"))
    raw = SIGNERS["rsa"].sign(sent, AT).to_bytes()
    assert was in raw
    assert not verified(raw.replace(was, becomes))


def test_lines_are_short() -> None:
    raw = SIGNERS["rsa"].sign(compose(mail(unsubscribe_url="https://s.example/u")), AT).to_bytes()
    assert max(map(len, raw.split(b"\r\n"))) <= 78


def test_keys_from_the_environment_and_files(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(pem(RSA))
    in_env = {"KEY": pem(RSA).decode().replace("\n", "\\n")}
    sent = compose(mail())
    by_env = signer(Dkim(domain="shop.example", selector="r", key_env="KEY"), in_env)
    by_file = signer(Dkim(domain="shop.example", selector="r", key_file=str(file)), {})
    assert by_env.sign(sent, AT).to_bytes() == by_file.sign(sent, AT).to_bytes()


@pytest.mark.parametrize(
    ("dkim", "problem"),
    [
        (Dkim(domain="s.example", selector="r"), "neither key_env nor key_file"),
        (Dkim(domain="s.example", selector="r", key_env="NONE"), "NONE"),
        (Dkim(domain="s.example", selector="r", key_file="/no/such/key"), "cannot be read"),
        (Dkim(domain="s.example", selector="r", key_env="BAD"), "PEM"),
        (Dkim(domain="s.example", selector="r", key_env="EC"), "RSA or Ed25519"),
        (Dkim(domain="s x", selector="r", key_env="GOOD"), "domain"),
    ],
)
def test_a_key_that_cannot_sign_is_refused(dkim: Dkim, problem: str) -> None:
    environment = {
        "BAD": "-----BEGIN nothing",
        "EC": pem(ec.generate_private_key(ec.SECP256R1())).decode(),
        "GOOD": pem(RSA).decode(),
    }
    with pytest.raises(BadInput, match=problem):
        signer(dkim, environment)
