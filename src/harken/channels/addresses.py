"""Mailboxes as they go over the wire: RFC 5321 paths, RFC 5322 mailboxes, IDNA domains."""

import re
from email.utils import parseaddr
from functools import lru_cache

import idna
from msgspec import Struct

from harken.errors import BadInput

LOCAL_LIMIT = 64
DOMAIN_LIMIT = 255
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOTTED = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")
_QUOTED = re.compile(r'"([ !#-\[\]-~]|\\[ -~])*"')
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
# RFC 6531 lets a local part hold any non-ASCII text; what separates or hides is kept out.
_UNPRINTABLE = re.compile(
    r'[\x00-\x20"(),:;<>@\[\\\]\x7f-\xa0\u2000-\u200f\u2028-\u202f\ud800-\udfff]'
)


class Address(Struct, frozen=True):
    """An address that may stand in a MAIL or RCPT command as it is."""

    local: str
    domain: str
    """In ASCII: punycode for an international one."""

    @property
    def utf8(self) -> bool:
        """It can only be written to through a server with SMTPUTF8 (RFC 6531)."""
        return not self.local.isascii()

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


class Mailbox(Struct, frozen=True):
    """A name and an address, as in `Shop <hello@shop.example>`."""

    name: str
    address: Address


@lru_cache(maxsize=4096)
def ascii_domain(domain: str) -> str:
    """The domain in ASCII (IDNA 2008 with the UTS 46 mapping). Raises BadInput."""
    try:
        ascii = domain if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise BadInput(f"the domain {domain!r} does not exist: {error}") from None
    if len(ascii) > DOMAIN_LIMIT or not all(_LABEL.fullmatch(x) for x in ascii.split(".")):
        raise BadInput(f"{domain!r} is no domain name")
    return ascii.lower()


def parse_address(text: str) -> Address:
    """`name@domain` for the wire. Raises BadInput with what is wrong with it."""
    local, at, domain = text.strip().rpartition("@")
    if not at or not local:
        raise BadInput(f"{text!r} is no e-mail address")
    return Address(_local_part(local, text), ascii_domain(domain))


def _local_part(local: str, text: str) -> str:
    if len(local.encode("utf-8", "replace")) > LOCAL_LIMIT:
        raise BadInput(f"{text!r} is longer before the @ than the {LOCAL_LIMIT} bytes allowed")
    if _ATOMS.fullmatch(local) or _QUOTED.fullmatch(local):
        return local
    if _DOTTED.fullmatch(local):
        # Old Japanese mobile addresses have dots in a row or at the end; quoted they are valid.
        return f'"{local}"'
    if local.isascii() or _UNPRINTABLE.search(local):
        raise BadInput(f"{text!r} holds characters that an e-mail address cannot")
    return local


@lru_cache(maxsize=1024)
def parse_mailbox(text: str) -> Mailbox:
    """`Shop <hello@shop.example>` or a bare address. Raises BadInput."""
    name, address = parseaddr(text)
    if not address:
        raise BadInput(f"{text!r} is no sender; write one as Shop <hello@shop.example>")
    return Mailbox(name, parse_address(address))
