"""The one door to the outside (docs/decisions, httpx2); its connections are those of `wire.py`.

A name is resolved once; every answer must be public; the connection goes to the address that was checked, so a
second look-up cannot turn it inward. Nothing is taken from the environment, no cookies are kept, redirects are
followed by hand within the same scheme, host and port, and every page has a deadline, a size and a ratio.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from weakref import WeakValueDictionary

import httpx2

from federation import answers
from federation.addresses import MAX_URL, check_addresses, check_target
from federation.certificates import trust
from federation.names import Resolver
from federation.parcels import Parcel, Parcels
from federation.seam import Answer, permit
from federation.wire import DIALLED, MANY_HOSTS, Checked, Pinned, Place, Share
from schema.errors import Cause, Later, Refused

MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
Resolve = Callable[[str, int], Awaitable[list[str]]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that a page may take: to connect, between two reads, and from the first byte asked to the last read."""

    connect: float = 5.0
    read: float = 10.0
    page: float = 30.0


@dataclass(slots=True)
class _Errand:
    """What is fetched now (a redirect changes `url`), how it must be, and how many seconds are left for all of it.

    `body` is what is sent instead, and then nothing is read.
    """

    url: httpx2.URL
    wanted: answers.Wanted
    headers: Mapping[str, str]
    left: float
    body: bytes | None = None


class Door:
    """Fetch JSON from other people's servers, or send them some. Built once a process; close it after (`async with`).

    `gap` is the pause in seconds between two requests to one host and port; `connections` how many are open at a time,
    idle ones too; `allow_private` permits private addresses, http and any port, for tests and intranets; `ports` are
    those permitted beside 443; `ca` is a file of certificates that are trusted beside the system's;
    `folder` is where large bodies wait (None: the system's own); `resolve` looks names up (None: as the system does).
    """

    def __init__(
        self,
        *,
        user_agent: str,
        allow_private: bool = False,
        gap: float = 0.2,
        connections: int = 64,
        ports: Collection[int] = (),
        ca: Path | None = None,
        folder: Path | None = None,
        limits: Limits | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._gap, self._ports = gap, frozenset(ports)
        self._limits = limits or Limits()
        self._resolve: Resolve = resolve or Resolver()
        self._user_agent = user_agent
        self._parcels = Parcels(folder)
        self._checked: dict[Place, Checked] = {}
        # Nothing is kept of a host that nobody asks or waits for: the names that others give us have no end.
        self._turns: WeakValueDictionary[Place, asyncio.Lock] = WeakValueDictionary()
        self._free_at: dict[Place, float] = {}
        self._addresses: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        # The pool closes an idle connection where it needs room; who waits for room waits here, not at its time limit.
        self._open = asyncio.Semaphore(connections)
        self._transport = httpx2.AsyncHTTPTransport(
            verify=trust(ca),
            trust_env=False,
            limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
        )
        # The transport has no public way to be given a network; tests/unit/federation/test_fetch.py watches the name.
        self._network = Pinned(self._checked, ca)
        self._transport._pool._network_backend = self._network  # noqa: SLF001

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections that were kept open."""
        await self._transport.aclose()
        if isinstance(self._resolve, Resolver):
            self._resolve.close()

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Fetch one page. Raises `Later`, `Refused` or `Vanished` (schema/errors.py)."""
        return await self._follow(_Errand(_parse(url), answers.JSON, headers or {}, self._limits.page))

    async def robots(self, place: str) -> Answer:
        """Fetch `place` + `/robots.txt`, whatever its status and type; what is too long is cut. Raises as `get` does.

        `place` is a scheme, host and port.
        """
        return await self._follow(_Errand(_parse(f"{place}/robots.txt"), answers.ROBOTS, {}, self._limits.page))

    async def _follow(self, errand: _Errand) -> Answer:
        url = errand.url
        for _hop in range(MAX_REDIRECTS + 1):
            answer = await self._once(errand)
            if answer.status not in _REDIRECTS:
                return answer
            errand.url = _redirected(errand.url, answer.headers.get("location", ""))
            permit.get()(str(errand.url))
        raise Refused("redirects", f"{url} redirects more than {MAX_REDIRECTS} times.")

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send JSON to one address, by the rules of a fetch, and give the status; no redirect is followed.

        What is answered is not read. Raises `Later` or `Refused` where nothing was answered.
        """
        return await self._once(_Errand(_parse(url), answers.JSON, headers, self._limits.page, body))

    async def _once(self, errand: _Errand) -> Answer:
        url = errand.url
        host = url.raw_host.decode()
        port = check_target(
            scheme=url.scheme,
            host=host,
            port=url.port,
            userinfo=bool(url.userinfo),
            allow_private=self._allow_private,
            ports=self._ports,
        )
        async with self._turns.setdefault((host, port), asyncio.Lock()), self._paced((host, port)):
            found = await self._check(host, port)
            async with self._shared((host, port), found), self._open:
                return await self._within(errand)

    @asynccontextmanager
    async def _shared(self, place: Place, found: Sequence[str]) -> AsyncIterator[None]:
        """A share in the address that is asked: by a connection that was kept open, else by dialling."""
        share = Share(self._addresses)
        self._checked[place] = Checked(found[:DIALLED], share)
        try:
            await share.move(self._network.reached(place) or found[0])
            yield
        finally:
            share.leave()
            del self._checked[place]

    @asynccontextmanager
    async def _paced(self, place: Place) -> AsyncIterator[None]:
        await asyncio.sleep(max(0.0, self._free_at.get(place, 0.0) - time.monotonic()))
        try:
            yield
        finally:
            now = time.monotonic()
            if len(self._free_at) >= MANY_HOSTS:
                self._free_at = {known: at for known, at in self._free_at.items() if at > now}
            self._free_at[place] = now + self._gap

    async def _check(self, host: str, port: int) -> list[str]:
        """The addresses of a host, once all are known to be permitted."""
        try:
            async with asyncio.timeout(self._limits.connect):
                found = await self._resolve(host.strip("[]"), port)
        except (OSError, TimeoutError) as error:
            why = getattr(error, "strerror", None) or str(error) or "no answer in time"
            raise Later(f"{host} does not resolve: {why}.", cause=Cause.NAME) from error
        except ValueError as error:
            told = f"{host[:300]} can be no name in the DNS: a part of it is empty or has more than 63 characters."
            raise Refused("url-host", told) from error
        check_addresses(host, found, allow_private=self._allow_private)
        return found

    async def _within(self, errand: _Errand) -> Answer:
        """One exchange, in what is left of the page's time: its redirects share one deadline."""
        url, started = errand.url, time.monotonic()
        try:
            async with asyncio.timeout(errand.left):
                if errand.body is not None:
                    return await self._tell(errand, errand.body)
                return await self._exchange(errand, started)
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise Later(f"{url} did not answer in time.", cause=Cause.TIME) from error
        except (httpx2.TransportError, httpx2.StreamError) as error:
            cause = Cause.CONNECTION if isinstance(error, httpx2.ConnectError) else Cause.CUT
            raise Later(f"{url} could not be read: {str(error) or 'the connection broke off'}.", cause=cause) from error
        finally:
            errand.left -= time.monotonic() - started

    async def _exchange(self, errand: _Errand, started: float) -> Answer:
        request = self._request(errand)
        url = str(errand.url)
        response = await self._transport.handle_async_request(request)
        response.request = request
        try:
            named = {name.lower(): value for name, value in response.headers.items()}
            status = response.status_code
            if status in _REDIRECTS:
                return Answer(status, b"", named, url)
            if errand.wanted is answers.JSON:
                answers.check_status(url, status, named, asked="if-none-match" in request.headers)
            body: bytes | Parcel = b""
            if status == 200:
                packed = answers.check_head(url, named, errand.wanted)
                body = await self._parcels.receive(url, response.aiter_raw(), errand.wanted, packed=packed)
            return Answer(status, body, named, url, round((time.monotonic() - started) * 1000))
        finally:
            await response.aclose()

    def _request(self, errand: _Errand) -> httpx2.Request:
        named = {
            "accept": errand.wanted.accept,
            "accept-encoding": errand.wanted.encoding,
            "user-agent": self._user_agent,
            **{name.lower(): value for name, value in errand.headers.items()},
        }
        return httpx2.Request("GET", errand.url, headers=named, extensions={"timeout": self._timeouts()})

    async def _tell(self, errand: _Errand, body: bytes) -> Answer:
        own = {"content-type": "application/json", "user-agent": self._user_agent}
        request = httpx2.Request(
            "POST",
            errand.url,
            headers=own | dict(errand.headers),
            content=body,
            extensions={"timeout": self._timeouts()},
        )
        response = await self._transport.handle_async_request(request)
        try:
            named = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, b"", named, str(errand.url))
        finally:
            await response.aclose()

    def _timeouts(self) -> dict[str, float]:
        limits = self._limits
        return {"connect": limits.connect, "read": limits.read, "write": limits.read, "pool": limits.page}


def _parse(url: str) -> httpx2.URL:
    if len(url) > MAX_URL:
        raise Refused("url", f"The URL has {len(url)} characters; at most {MAX_URL} are taken.")
    try:
        return httpx2.URL(url)
    except (httpx2.InvalidURL, UnicodeError, ValueError) as error:
        raise Refused("url", f"{url[:200]!r} is no URL: {error}.") from error


def _redirected(url: httpx2.URL, location: str) -> httpx2.URL:
    try:
        target = url.join(location)
    except (httpx2.InvalidURL, UnicodeError, ValueError) as error:
        raise Refused("redirects", f"{url} redirects to what is no URL.") from error
    if not location or (target.scheme, target.raw_host, target.port) != (url.scheme, url.raw_host, url.port):
        raise Refused("redirects", f"{url} redirects to {str(target)[:200]}; only its own host is followed.")
    return target
