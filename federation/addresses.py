"""Where a request may go: the rules of a URL, and an allow-list of addresses. Pure.

Addresses are judged after resolving, never as strings: `127.1`, `0x7f.1` and `2130706433` all resolve to loopback.
The list says what is public; everything else is not, so that a range that nobody thought of stays shut.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from schema.errors import Refused

_V4_CLOSED = [ipaddress.IPv4Network(net) for net in ("192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/3")]
_V6_OPEN = ipaddress.IPv6Network("2000::/3")
_V6_CLOSED = [ipaddress.IPv6Network(net) for net in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
_DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_URL = 2_000


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet's, by what both families give out to anybody."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        return found in _V6_OPEN and not any(found in net for net in _V6_CLOSED)
    return found.is_global and not any(found in net for net in _V4_CLOSED)


def is_number(host: str) -> bool:
    """Whether a host is an address, or what a resolver would take for one (`127.1`, `0x7f000001`)."""
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        last = host.rstrip(".").rpartition(".")[2]
        return last.isdigit() or last.lower().startswith("0x")
    return True


def check_target(
    *, scheme: str, host: str, port: int | None, userinfo: bool, allow_private: bool, ports: Collection[int] = ()
) -> int:
    """Hold a URL's parts to the rules of the door and give its port. Raises `Refused`.

    `ports` are those that the operator permits beside that of https.
    """
    if scheme not in _DEFAULT_PORTS or not host:
        raise Refused("url", "The URL is not one of http or https with a host.")
    if userinfo:
        raise Refused("url", "The URL carries a user name or password.")
    wanted = port if port is not None else _DEFAULT_PORTS[scheme]
    if allow_private:
        return wanted
    if scheme != "https":
        raise Refused("url-scheme", "Nodes are read over https; http is for private networks only.")
    if wanted != _DEFAULT_PORTS[scheme] and wanted not in ports:
        raise Refused("url-port", f"Port {wanted} is not the port of https, nor one that the operator permits.")
    if is_number(host):
        raise Refused("url-host", f"{host} is an address; a node has a name.")
    return wanted


def check_addresses(host: str, addresses: list[str], *, allow_private: bool) -> None:
    """Every answer of the resolver must be public: one that is not is how a name is made to point inward.

    Which it is, only the operator is told: anybody may have a name looked up here, by a resolver that may know inward
    names. Raises `Refused`.
    """
    if not addresses:
        raise Refused("address", f"{host} has no address.")
    if allow_private:
        return
    inward = [address for address in addresses if not is_public(address)]
    if inward:
        detail = f"{host} resolves to {inward[0]}, which is not a public address."
        raise Refused("address", detail, public=f"{host} does not resolve to public addresses alone.")
