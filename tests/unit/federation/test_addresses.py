"""Where the door lets a request go: an allow-list of addresses, and the rules of a URL."""

from __future__ import annotations

import pytest

from federation.addresses import check_addresses, check_target, is_number, is_public
from schema.errors import Refused

INWARD = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.255", "169.254.169.254", "172.16.0.1", "192.0.0.8",  # noqa: S104
    "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1",
    "::ffff:0:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::1",
    "3fff::1", "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "localhost", "",
]  # fmt: skip
OUTWARD = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "::ffff:8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4009::1"]


@pytest.mark.parametrize("address", INWARD)
def test_inward_addresses_are_not_public(address: str) -> None:
    """Private, loopback, link-local, reserved, translated and multicast addresses are all refused."""
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTWARD)
def test_open_addresses_are_public(address: str) -> None:
    """What both families give out to anybody is public."""
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "2130706433", "0x7f000001", "017700000001", "[::1]", "1.2.3.4"])
def test_numbers_are_no_names(host: str) -> None:
    """Every spelling that a resolver takes for an address is seen as one."""
    assert is_number(host)


@pytest.mark.parametrize("host", ["exa.example", "1password.example", "x127", "moot.exampleshire.example"])
def test_names_are_no_numbers(host: str) -> None:
    """An ordinary name is none."""
    assert not is_number(host)


@pytest.mark.parametrize(
    ("target", "rule"),
    [
        ({"scheme": "ftp"}, "url"),
        ({"scheme": "file"}, "url"),
        ({"host": ""}, "url"),
        ({"userinfo": True}, "url"),
        ({"scheme": "http"}, "url-scheme"),
        ({"port": 22}, "url-port"),
        ({"port": 8443}, "url-port"),
        ({"host": "127.0.0.1"}, "url-host"),
        ({"host": "0x7f.1"}, "url-host"),
    ],
)
def test_targets_are_refused(target: dict[str, object], rule: str) -> None:
    """Only https on its own port, by name, without a user is fetched from the open internet."""
    parts = {"scheme": "https", "host": "exa.example", "port": None, "userinfo": False} | target
    with pytest.raises(Refused) as refused:
        check_target(**parts, allow_private=False)  # type: ignore[arg-type]
    assert refused.value.rule == rule


def test_private_networks_may_use_http_and_any_port() -> None:
    """With private addresses allowed http, any port and bare addresses are too; a user name never is."""
    assert check_target(scheme="http", host="127.0.0.1", port=81, userinfo=False, allow_private=True) == 81
    assert check_target(scheme="https", host="exa.example", port=None, userinfo=False, allow_private=True) == 443
    with pytest.raises(Refused):
        check_target(scheme="http", host="127.0.0.1", port=81, userinfo=True, allow_private=True)


def test_every_answer_must_be_public() -> None:
    """One inward address among public ones refuses the name."""
    check_addresses("exa.example", ["8.8.8.8", "2606:4700:4700::1111"], allow_private=False)
    for answers in (["8.8.8.8", "127.0.0.1"], ["::1"], []):
        with pytest.raises(Refused) as refused:
            check_addresses("exa.example", answers, allow_private=False)
        assert refused.value.rule == "address"
        assert not [one for one in answers if one in refused.value.public], "only the operator is told"
    assert "::1" in Refused("address", "It is ::1.").public, "what has no public word of its own is told as it is"
