"""How many connections there may be, and who holds how many: the largest crowd of one address is known at once."""

from __future__ import annotations

import resource
from collections import defaultdict
from collections.abc import Sequence
from functools import cache, lru_cache
from ipaddress import ip_network
from itertools import islice
from typing import Generic, TypeVar

from api.limits import Network, grouped, read

Networks = tuple[Network, ...]
Connection = TypeVar("Connection")
FEW = 6
"""So many connections one browser has: that is no crowd."""
_OTHER_FILES = 300
"""Open files that are left for all else: the database, the index, downloads."""
_MOST_FILES = 65_536


def make_room() -> None:
    """Let this process have as many files open as the system lets it: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


@cache
def room() -> int:
    """How many connections there may be at a time."""
    return max(100, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _OTHER_FILES)


def networks(said: str) -> Networks:
    """Addresses and networks as FOLKMOOT_TRUSTED_PROXIES names them, joined by commas."""
    return tuple(ip_network(one) for one in said.split(",") if one)


@lru_cache(8192)
def whose(host: str, proxies: Networks) -> str | None:
    """What counts as one client: an IPv4 address, or a /64 of IPv6. None for a proxy, behind which are many."""
    address = read(host)
    return None if address is None or any(address in one for one in proxies) else grouped(host)


class Crowds(Generic[Connection]):
    """The connections of each client, oldest first. To join, to leave and to ask takes no longer where they are many.

    Clients stand by the number of their connections too, for the largest crowd to be found without counting.
    """

    def __init__(self) -> None:
        self._of: dict[str, dict[Connection, None]] = {}
        self._sized: defaultdict[int, dict[str, None]] = defaultdict(dict)
        self._most = 0

    def join(self, client: str, one: Connection) -> None:
        """Count a connection."""
        crowd = self._of.setdefault(client, {})
        crowd[one] = None
        self._resized(client, len(crowd) - 1, len(crowd))

    def leave(self, client: str, one: Connection) -> None:
        """Count a connection no more, if it was counted."""
        crowd = self._of.get(client, {})
        if one in crowd:
            del crowd[one]
            self._resized(client, len(crowd) + 1, len(crowd))
            if not crowd:
                del self._of[client]

    def largest(self, limit: int) -> Sequence[Connection]:
        """The oldest connections of the client that has the most; none where nobody has more than a few."""
        if self._most <= FEW:
            return ()
        client = next(iter(self._sized[self._most]))
        return list(islice(self._of[client], limit))

    def _resized(self, client: str, before: int, now: int) -> None:
        self._sized[before].pop(client, None)
        if not self._sized[before]:
            del self._sized[before]
        if now:
            self._sized[now][client] = None
        if now > self._most or self._most not in self._sized:
            self._most = now
