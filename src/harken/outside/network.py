"""Which machines we may be told to connect to: those of the public Internet, and those allowed.

Addresses are looked at after the name was resolved, whatever way they were written (decimal, octal
and hexadecimal forms are resolved too), and the caller connects to the address that was looked at:
the name might lead elsewhere by then.
"""

import ipaddress
import re
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from harken.errors import BadInput, HarkenError

Networks = tuple[IPv4Network | IPv6Network, ...]

EVERYWHERE: Networks = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))

_NUMBERED = re.compile(r"^\[Errno -?\d+\] ")
_GLOBAL = IPv6Network("2000::/3")
"""All IPv6 that is given out (RFC 4291): translations such as NAT64's 64:ff9b::/96 lie outside."""
_CLOSED: Networks = (
    IPv4Network("168.63.129.16/32"),  # a cloud's own service to its machines, for all its look
    IPv4Network("192.88.99.0/24"),  # relays of 6to4 (RFC 7526)
    IPv6Network("2001::/23"),  # Teredo and others (RFC 2928)
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),  # 6to4: leads on to the IPv4 address in it (RFC 3056)
    IPv6Network("3fff::/20"),
)


class Closed(BadInput):
    """The machine is on a network that we must not be led to."""


class Unresolved(HarkenError):
    """The name cannot be resolved now."""


def address_of(host: str, port: int, allowed: Networks = ()) -> str:
    """The address to connect to for a host's name or address.

    Every address of the name must be public or on one of the `allowed` networks. Raises Closed,
    or Unresolved.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise Unresolved(f"{host[:100]} is no name of a machine") from None
    except OSError as fault:
        # That there is none needs no more words; that nobody could be asked does.
        why = "" if fault.errno == socket.EAI_NONAME else f": {said(fault)}"
        raise Unresolved(f"the name {host} is not found{why}") from None
    addresses = [str(one[4][0]) for one in found]
    for text in addresses:
        if not is_open(text, allowed):
            is_ = f"{host} is {text}, which is" if host != text else f"{host} is"
            raise Closed(f"{is_} no public address")
    return addresses[0]


def is_open(text: str, allowed: Networks) -> bool:
    """Whether an address is public or allowed."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if any(address in net for net in allowed if net.version == address.version):
        return True
    return _is_public(address)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if any(address in net for net in _CLOSED if net.version == address.version):
        return False
    if isinstance(address, IPv6Address) and address not in _GLOBAL:
        return False
    return address.is_global and not address.is_multicast


def said(fault: Exception) -> str:
    """A failed connection in words: `connection refused`, without the system's number of it."""
    text = _NUMBERED.sub("", str(fault)) or type(fault).__name__
    return text[0].lower() + text[1:] if text[1:2].islower() else text


def networks(text: str) -> Networks:
    """Networks as settings list them: `10.1.0.0/16, 127.0.0.1`. Raises BadInput."""
    try:
        return tuple(ipaddress.ip_network(one.strip()) for one in text.split(",") if one.strip())
    except ValueError as wrong:
        raise BadInput(f"{wrong}; write networks such as 10.1.0.0/16,127.0.0.1") from None
