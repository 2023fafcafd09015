"""Whom we may be led to: public machines, however an address is written, and networks allowed."""

import pytest

from harken.errors import BadInput
from harken.outside.network import EVERYWHERE, Closed, Unresolved, address_of, is_open, networks

CLOSED = [
    # as names and numbers are resolved
    "localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1",
    "017700000001", "0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "100.100.100.200", "198.18.0.1", "192.0.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1",
    "192.88.99.1", "168.63.129.16",
    # IPv6, and IPv4 inside of it
    "::1", "::", "fe80::1", "fc00::1", "fd00::1", "fec0::1", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:7f00:1", "::ffff:10.0.0.1", "::127.0.0.1", "::ffff:0:127.0.0.1", "2002:7f00:1::",
    "2002:a00:1::", "64:ff9b::7f00:1", "64:ff9b::169.254.169.254", "64:ff9b:1::a00:1",
    "2001:0:7f00:1::", "2001:db8::1", "3fff::1", "100::1",
]  # fmt: skip


@pytest.mark.parametrize("host", CLOSED)
def test_what_is_not_public_is_closed(host: str) -> None:
    with pytest.raises(Closed, match="no public address"):
        address_of(host, 80)


def test_a_name_is_told_with_its_address() -> None:
    for host, told in (
        ("127.0.0.1", "127.0.0.1 is no"),
        ("0x7f000001", "is 127.0.0.1, which is no"),
    ):
        with pytest.raises(Closed, match=told):
            address_of(host, 80)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("93.184.215.14", "93.184.215.14"),
        ("1572395790", "93.184.219.14"),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"),
        ("::ffff:93.184.215.14", "::ffff:93.184.215.14"),
    ],
)
def test_what_is_public_is_open(host: str, address: str) -> None:
    assert address_of(host, 443) == address


def test_networks_that_are_allowed_are_open_and_no_others() -> None:
    allowed = networks(" 10.1.0.0/16, ::1 ")
    assert [is_open(one, allowed) for one in ("10.1.9.9", "::1", "10.2.0.1", "127.0.0.1")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert is_open("::ffff:10.1.0.1", allowed)
    assert address_of("127.1", 80, EVERYWHERE) == "127.0.0.1"
    assert networks("") == ()


@pytest.mark.parametrize("text", ["here", "10.1.0.1/16", "10.0.0.0/40"])
def test_settings_that_are_no_networks_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match="write networks such as"):
        networks(text)


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("nobody.invalid", r"^the name nobody\.invalid is not found(: [a-z ]+)?$"),
        ("two..dots", r"^two\.\.dots is no name of a machine$"),
    ],
)
def test_a_name_that_is_nobodys_is_told_in_words(host: str, said: str) -> None:
    with pytest.raises(Unresolved, match=said):
        address_of(host, 80)
