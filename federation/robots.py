"""What a host's robots.txt permits us (RFC 9309), under the name `folkmoot`; and its Crawl-delay.

The file is asked for once a day (`KEPT`). 4xx, or a redirect off the host: there is none, and nothing is forbidden.
5xx, 429 or no answer: what was known before stands; where nothing was, the host is left for later.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol
from urllib.parse import urlsplit

from federation.seam import Answer, Get
from schema.errors import Later, Refused

AGENT = "folkmoot"
KEPT = timedelta(days=1)
PATIENT_DELAY = 10.0
"""Seconds of a Crawl-delay that are waited out within a visit; a longer one parts the visits, a page each."""
LONGEST_DELAY = 24 * 3600.0


class AskRobots(Protocol):
    """Fetch the robots.txt of a scheme, host and port: `fetch.Door.robots`."""

    async def __call__(self, place: str) -> Answer:
        """Give the answer, whatever its status. Raises as `Get` does."""
        ...


class Permits:
    """One robots.txt, read for us. Text that is none permits everything."""

    def __init__(self, text: bytes) -> None:
        from protego import Protego  # noqa: PLC0415 - a server that does not crawl reads none

        self._read = Protego.parse(text.decode("utf-8", "replace").lstrip("\ufeff")) if text.strip() else None

    @property
    def delay(self) -> float:
        """The Crawl-delay in seconds; 0 where there is none, a day at most."""
        found = self._read.crawl_delay(AGENT) if self._read is not None else None
        return min(found or 0.0, LONGEST_DELAY)

    def check(self, url: str) -> None:
        """Raise `Refused` where the URL is forbidden to us."""
        if self._read is not None and not self._read.can_fetch(url, AGENT):
            parts = urlsplit(url)
            raise Refused("robots", f"The robots.txt of {parts.netloc} forbids {parts.path[:200]} to {AGENT}.")


async def ask(robots: AskRobots, url: str) -> bytes:
    """The robots.txt of a URL's host; empty where there is none. Raises `Later` where nobody can say, and `Refused`."""
    parts = urlsplit(url)
    place = f"{parts.scheme}://{parts.netloc}"
    try:
        answer = await robots(place)
    except Refused as error:
        if error.rule == "redirects":
            return b""
        raise
    if answer.status == 429 or answer.status >= 500:
        raise Later(f"{place}/robots.txt answers {answer.status}; until it can be read, nothing is asked.")
    return await answer.small() if answer.status == 200 else b""


class Obeying:
    """`Get` that keeps to robots.txt, for a few requests at a time: nothing is remembered past its own life."""

    def __init__(self, get: Get, robots: AskRobots) -> None:
        self._get, self._robots = get, robots
        self._known: dict[str, Permits] = {}
        self._free_at: dict[str, float] = {}

    async def __call__(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Fetch one URL, once its host's robots.txt permits it. Raises as `Get` does."""
        host = urlsplit(url).netloc
        if host not in self._known:
            self._known[host] = Permits(await ask(self._robots, url))
        permits = self._known[host]
        permits.check(url)
        await asyncio.sleep(max(0.0, self._free_at.get(host, 0.0) - time.monotonic()))
        try:
            return await self._get(url, headers)
        finally:
            self._free_at[host] = time.monotonic() + min(permits.delay, PATIENT_DELAY)
