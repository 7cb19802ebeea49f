"""How often one address, and one token, may ask: so many requests a minute, counted in memory.

The fields are those of the IETF's draft "RateLimit header fields for HTTP" (httpapi, -11): `RateLimit-Policy` says the
quota and its window in seconds, `RateLimit` what is left of it and for how long. A window begins with the first
request in it. The processes of one server count together (`api/counts.py`); servers each for themselves.

Whose address it is: that of the connection, or what a proxy that the operator trusts by name says it was. Where no
proxy is named, private and loopback addresses are not limited: there stands a proxy of ours, and all the world behind
it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from math import ceil
from typing import Any, NamedTuple

from api.counts import Counts
from schema.errors import Hurried

WINDOW = 60
STANDINGS = "folkmoot.standings"
"""The key of the scope under which the standings of a request are gathered for its answer."""
TOKENS = "folkmoot.tokens"
"""The key under which the number of the token that was shown is kept, for the request's line in the log."""

_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?")
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Scope = MutableMapping[str, Any]


class Standing(NamedTuple):
    """What a request leaves of a quota: `left` requests for `seconds` more; `refused` where it was one too many."""

    policy: str
    left: int
    seconds: int
    refused: bool

    def check(self) -> Standing:
        """Give it back. Raises `Hurried` where it is refused."""
        if self.refused:
            raise Hurried(self.policy, self.seconds)
        return self


class Limits:
    """How often who may ask, counted in `counts`, which others may have too. `most` 0 is no limit.

    `proxies` are networks whose `X-Forwarded-For` is believed; `window` is for how many seconds a count goes on.
    """

    def __init__(
        self,
        most: int,
        proxies: Sequence[str] = (),
        *,
        window: int = WINDOW,
        counts: Counts | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most = most
        self._window = window
        self._counts = counts or Counts()
        self._clock = clock
        self._proxies = tuple(ip_network(one) for one in proxies)
        self._trusted = lru_cache(1024)(self._is_proxy)

    def address(self, scope: Scope) -> Standing | None:
        """Count a request of an address; None where it is not limited."""
        if not self.most:
            return None
        key = self.who(scope)
        return None if key is None else self._count("address", key)

    def who(self, scope: Scope) -> str | None:
        """Whose request it is, by address; None where it may be anybody's."""
        client = scope.get("client")
        return self._key(client[0] if client else "", scope["headers"])

    def token(self, token_id: int) -> Standing | None:
        """Count a request of a token; None where there is no limit."""
        return self._count("token", token_id) if self.most else None

    def _count(self, policy: str, key: str | int) -> Standing:
        now = self._clock()
        ends, counted = self._counts.count(f"{self._window} {policy} {key}", now, self._window)
        left = self.most - counted
        return Standing(policy, max(left, 0), max(1, ceil(ends - now)), left < 0)

    def _key(self, peer: str, headers: Sequence[tuple[bytes, bytes]]) -> str | None:
        if not self._proxies:
            return _public(peer)
        if not self._trusted(peer):
            return grouped(peer)
        for said in _forwarded(headers):
            if not self._trusted(said):
                return grouped(said)
        return None

    def _is_proxy(self, host: str) -> bool:
        address = read(host)
        return address is not None and any(address in network for network in self._proxies)


def fields(standings: Sequence[Standing], most: int) -> list[tuple[bytes, bytes]]:
    """The two header fields that tell of these standings."""
    told = ", ".join([f'"{one.policy}";r={one.left};t={one.seconds}' for one in standings])
    policies = ", ".join([f'"{one.policy}";q={most};w={WINDOW}' for one in standings])
    return [(b"ratelimit-policy", policies.encode()), (b"ratelimit", told.encode())]


def _forwarded(headers: Sequence[tuple[bytes, bytes]]) -> Iterator[str]:
    """The addresses of `X-Forwarded-For`, nearest first: each proxy adds at the end whom it was asked by.

    Some add the port too, as RFC 7239 section 6 writes it: `192.0.2.1:4711`, `[2001:db8::1]:4711`.
    """
    said = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
    for one in reversed(",".join(said).split(",")):
        found = _WITH_PORT.fullmatch(one.strip())
        yield (found[1] or found[2]) if found else one.strip()


@lru_cache(8192)
def _public(host: str) -> str | None:
    address = read(host)
    return grouped(host) if address is not None and address.is_global else None


@lru_cache(8192)
def grouped(host: str) -> str | None:
    """What counts as one: an IPv4 address, or the /64 that one subscriber of IPv6 has. None for what is no address."""
    address = read(host)
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address) >> 64 << 64, 64)))
    return None if address is None else str(address)


def read(host: str) -> Address | None:
    """An address, IPv4 where it came in the dress of IPv6; None for what is none."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
