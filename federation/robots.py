"""What a host's robots.txt permits us (RFC 9309), under the name `folkmoot`; and its Crawl-delay.

The file is asked for once a day (`KEPT`). 4xx, or a redirect off the host: there is none, and nothing is forbidden.
5xx, 429 or no answer: what was known before stands; where nothing was, the host is left for later.

What it says to others is left out before it is read (`concerning`), and so is what comes after 1,000 rules.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol
from urllib.parse import urlsplit

from federation.answers import retry_after
from federation.seam import Answer, Get, permit
from schema.errors import Later, Refused

AGENT = "folkmoot"
KEPT = timedelta(days=1)
PATIENT_DELAY = 10.0
"""Seconds of a Crawl-delay that are waited out within a visit; a longer one parts the visits, a page each."""
LONGEST_DELAY = 24 * 3600.0
MOST_RULES = 1_000
"""Each is held against the address of every page that is asked for."""
_NAME = re.compile(r"user[- ]?agent(?:\s*:|\s|$)\s*(.*)", re.IGNORECASE)
_RULE = re.compile(
    r"(?:allow|disallow|dissallow|dissalow|disalow|diasllow|disallaw|crawl[- ]delay)(?:\s*:|\s|$)", re.IGNORECASE
)
_OF_THE_SITE = re.compile(r"(?:sitemaps?|site-map|host)(?:\s*:|\s|$)", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z_-]+")


class AskRobots(Protocol):
    """Fetch the robots.txt of a scheme, host and port: `fetch.Door.robots`."""

    async def __call__(self, place: str) -> Answer:
        """Give the answer, whatever its status. Raises as `Get` does."""
        ...


def concerning(text: bytes) -> bytes:
    """A robots.txt less what is said to others: the rules of all our groups, else of those for `*`, under one name.

    protego notes each rule once for every name over it: of a file that is half names, half rules, that is their
    product. Past `MOST_RULES` rules no more are read. A file without a group for us is empty.
    """
    rules: dict[str, list[str]] = {}
    for names, rule in _ruled(text.decode("utf-8", "replace").lstrip("\ufeff")):
        for name in names:
            ours = rules.setdefault(name, [])
            if rule and len(ours) < MOST_RULES:
                ours.append(rule)
    found = rules.get(AGENT, rules.get("*"))
    return "\n".join([f"User-agent: {AGENT}", *found]).encode() if found else b""


def _ruled(text: str) -> Iterator[tuple[set[str], str]]:
    """Each rule with those of the names over it that concern us; and a group's names without a rule, as they come."""
    names: set[str] = set()
    ended = False
    for line in text.splitlines():
        said = line.partition("#")[0].strip()
        named = _NAME.match(said)
        if named:
            names = set() if ended else names
            names |= _ours(named[1])
            ended = False
            yield names, ""
        elif said and not _OF_THE_SITE.match(said):
            rule = _RULE.match(said)
            ended = ended or rule is not None or ":" in said
            if rule is not None:
                yield names, said


def _ours(named: str) -> set[str]:
    """The name over a group, where that is ours, by its product token (RFC 9309, section 2.2.1), or `*`."""
    if named and not named.strip("*"):
        return {"*"}
    token = _TOKEN.match(named.lstrip("*"))
    return {AGENT} if token is not None and token[0].lower() == AGENT else set()


class Permits:
    """One robots.txt, read for us. Text that is none permits everything."""

    def __init__(self, text: bytes) -> None:
        from protego import Protego  # noqa: PLC0415 - a server that does not crawl reads none

        ours = concerning(text)
        self._read = Protego.parse(ours.decode()) if ours else None

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

    @contextmanager
    def asking(self, url: str) -> Iterator[None]:
        """Check a URL, and while the block asks for it all that it redirects to."""
        self.check(url)
        before = permit.set(self.check)
        try:
            yield
        finally:
            permit.reset(before)


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
        wish = retry_after(answer.headers.get("retry-after"), datetime.now(UTC))
        raise Later(f"{place}/robots.txt answers {answer.status}; until it can be read, nothing is asked.", wish)
    return await answer.small() if answer.status == 200 else b""


class Obeying:
    """`Get` that keeps to robots.txt, for a few requests at a time: nothing is remembered past its own life."""

    def __init__(self, get: Get, robots: AskRobots) -> None:
        self._get, self._robots = get, robots
        self._known: dict[str, Permits] = {}
        self._free_at: dict[str, float] = {}

    @property
    def pause(self) -> float:
        """The longest wish of the hosts that were asked, in seconds, as far as it is waited out within a visit."""
        return min(max((permits.delay for permits in self._known.values()), default=0.0), PATIENT_DELAY)

    async def __call__(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Fetch one URL, once its host's robots.txt permits it. Raises as `Get` does."""
        host = urlsplit(url).netloc
        if host not in self._known:
            self._known[host] = Permits(await ask(self._robots, url))
        permits = self._known[host]
        with permits.asking(url):
            await asyncio.sleep(max(0.0, self._free_at.get(host, 0.0) - time.monotonic()))
            try:
                return await self._get(url, headers)
            finally:
                self._free_at[host] = time.monotonic() + min(permits.delay, PATIENT_DELAY)
