"""The one door to the outside, and the sole user of httpx2 (docs/decisions, httpx2).

A name is resolved once; every answer must be public; the connection goes to the address that was checked, so a
second look-up cannot turn it inward. Nothing is taken from the environment, no cookies are kept, redirects are
followed by hand within the same scheme, host and port, and every page has a deadline, a size and a ratio.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self, cast

import httpcore2
import httpx2

from federation import answers
from federation.addresses import MAX_URL, check_addresses, check_target
from federation.seam import Answer
from schema.errors import Later, Refused

MAX_REDIRECTS = 3
PER_ADDRESS = 4
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
Place = tuple[str, int]
Resolve = Callable[[str, int], Awaitable[list[str]]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that a page may take: to connect, between two reads, and from the first byte asked to the last read."""

    connect: float = 5.0
    read: float = 10.0
    page: float = 30.0


async def look_up(host: str, port: int) -> list[str]:
    """All addresses of a name, in the resolver's order."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class _Pinned(httpcore2.AsyncNetworkBackend):
    """Connect to the addresses that were checked for this host and port, and to nothing else."""

    def __init__(self, checked: Mapping[Place, list[str]]) -> None:
        self._checked = checked
        self._inner = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class names it
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        addresses = self._checked.get((host, port), [])[:2]
        if not addresses:
            raise Refused("address", f"{host} was not checked before connecting.")
        for address in addresses[:-1]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Door:
    """Fetch JSON from other people's servers, or send them some. Built once a process; close it after (`async with`).

    `gap` is the pause in seconds between two requests to one host and port; `connections` how many are open at a time,
    idle ones too; `allow_private` permits private addresses, http and any port, for tests and intranets.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        allow_private: bool = False,
        gap: float = 0.2,
        connections: int = 64,
        limits: Limits | None = None,
        resolve: Resolve = look_up,
    ) -> None:
        self._allow_private = allow_private
        self._gap = gap
        self._limits = limits or Limits()
        self._resolve = resolve
        self._user_agent = user_agent
        self._checked: dict[Place, list[str]] = {}
        self._turns: defaultdict[Place, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._free_at: dict[Place, float] = {}
        self._addresses: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(PER_ADDRESS))
        # The pool closes an idle connection where it needs room; who waits for room waits here, not at its time limit.
        self._open = asyncio.Semaphore(connections)
        self._transport = httpx2.AsyncHTTPTransport(
            trust_env=False, limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        )
        # The transport has no public way to be given a network; tests/unit/federation/test_fetch.py watches the name.
        self._transport._pool._network_backend = _Pinned(self._checked)  # noqa: SLF001

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections that were kept open."""
        await self._transport.aclose()

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Fetch one page. Raises `Later`, `Refused` or `Vanished` (schema/errors.py)."""
        target = _parse(url)
        for _hop in range(MAX_REDIRECTS + 1):
            answer = await self._once(target, headers or {})
            if answer.status not in _REDIRECTS:
                return answer
            target = _redirected(target, answer.headers.get("location", ""))
        raise Refused("redirects", f"{url} redirects more than {MAX_REDIRECTS} times.")

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send JSON to one address, by the rules of a fetch, and give the status; no redirect is followed.

        What is answered is not read. Raises `Later` or `Refused` where nothing was answered.
        """
        return await self._once(_parse(url), headers, body)

    async def _once(self, url: httpx2.URL, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        host = url.raw_host.decode()
        port = check_target(
            scheme=url.scheme,
            host=host,
            port=url.port,
            userinfo=bool(url.userinfo),
            allow_private=self._allow_private,
        )
        async with self._turns[host, port], self._paced((host, port)):
            address = await self._check(host, port)
            async with self._addresses[address], self._open:
                return await self._within(url, headers, body)

    @asynccontextmanager
    async def _paced(self, place: Place) -> AsyncIterator[None]:
        await asyncio.sleep(max(0.0, self._free_at.get(place, 0.0) - time.monotonic()))
        try:
            yield
        finally:
            self._free_at[place] = time.monotonic() + self._gap

    async def _check(self, host: str, port: int) -> str:
        try:
            async with asyncio.timeout(self._limits.connect):
                found = await self._resolve(host.strip("[]"), port)
        except (OSError, TimeoutError) as error:
            raise Later(f"{host} does not resolve: {error or 'no answer in time'}.", cause="name") from error
        check_addresses(host, found, allow_private=self._allow_private)
        self._checked[host, port] = found
        return found[0]

    async def _within(self, url: httpx2.URL, headers: Mapping[str, str], body: bytes | None) -> Answer:
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._limits.page):
                if body is not None:
                    return await self._tell(url, headers, body)
                return await self._exchange(url, headers, started)
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise Later(f"{url} did not answer in time.", cause="time") from error
        except (httpx2.TransportError, httpx2.StreamError) as error:
            raise Later(f"{url} could not be read: {error or type(error).__name__}.", cause="connection") from error

    async def _exchange(self, url: httpx2.URL, headers: Mapping[str, str], started: float) -> Answer:
        request = httpx2.Request(
            "GET",
            url,
            headers={
                "accept": "application/json",
                "accept-encoding": "gzip",
                "user-agent": self._user_agent,
                **{name.lower(): value for name, value in headers.items()},
            },
            extensions={"timeout": self._timeouts()},
        )
        response = await self._transport.handle_async_request(request)
        response.request = request
        try:
            named = {name.lower(): value for name, value in response.headers.items()}
            if response.status_code in _REDIRECTS:
                return Answer(response.status_code, b"", named, str(url))
            answers.check_status(str(url), response.status_code, named)
            body = b""
            if response.status_code == 200:
                answers.check_head(str(url), named)
                raw = await answers.read_raw(str(url), response.aiter_raw())
                body = await answers.decoded(str(url), raw, named)
            return Answer(response.status_code, body, named, str(url), round((time.monotonic() - started) * 1000))
        finally:
            await response.aclose()

    async def _tell(self, url: httpx2.URL, headers: Mapping[str, str], body: bytes) -> Answer:
        own = {"content-type": "application/json", "user-agent": self._user_agent}
        request = httpx2.Request(
            "POST", url, headers=own | dict(headers), content=body, extensions={"timeout": self._timeouts()}
        )
        response = await self._transport.handle_async_request(request)
        try:
            named = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, b"", named, str(url))
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
