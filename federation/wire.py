"""The connections of the door: to addresses that were checked and to nothing else, and TLS that ends where it says.

TLS is about the name that was asked for: only the connection under it is pinned to an address.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from weakref import WeakValueDictionary

import httpcore2

from federation.certificates import Shown, curious, is_legible, untrusted
from schema.errors import Cause, Later, Refused

PER_ADDRESS = 4
DIALLED = 2
"""How many addresses of a host are tried."""
MANY_HOSTS = 10_000
Place = tuple[str, int]
Stream = httpcore2.AsyncNetworkStream


class Share:
    """One request's part in what an address is asked at a time; it moves with the request to whichever is dialled.

    `busy` are the addresses that are asked now.
    """

    def __init__(self, busy: WeakValueDictionary[str, asyncio.Semaphore]) -> None:
        self._busy = busy
        self._held: asyncio.Semaphore | None = None

    async def move(self, address: str) -> None:
        """Wait for a part in this address, instead of the one that was held."""
        wanted = self._busy.setdefault(address, asyncio.Semaphore(PER_ADDRESS))
        if wanted is not self._held:
            self.leave()
            await wanted.acquire()
            self._held = wanted

    def leave(self) -> None:
        """Let others ask there."""
        held, self._held = self._held, None
        if held is not None:
            held.release()


@dataclass(frozen=True, slots=True)
class Checked:
    """The addresses of a host that may be dialled, and the share of the request that does."""

    addresses: Sequence[str]
    share: Share


class Pinned(httpcore2.AsyncNetworkBackend):
    """Connect to the addresses that were checked for this host and port, and to nothing else."""

    def __init__(self, checked: Mapping[Place, Checked], ca: Path | None = None) -> None:
        self._checked = checked
        self._reached: dict[Place, str] = {}
        self._ca = ca
        self._curious: ssl.SSLContext | None = None
        self._inner = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class names it
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Stream:
        """Connect to a checked address of the host. Raises `Refused` where none was checked."""
        checked = self._checked.get((host, port))
        if checked is None:
            raise Refused("address", f"{host} was not checked before connecting.")

        async def dial(address: str) -> Stream:
            await checked.share.move(address)
            self._reach((host, port), address)
            return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)

        async def opened(address: str) -> Stream:
            return _Open(host, await dial(address), lambda name: self._look(dial(address), name, timeout))

        for address in checked.addresses[:-1]:
            try:
                return await opened(address)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await opened(checked.addresses[-1])

    def _reach(self, place: Place, address: str) -> None:
        if len(self._reached) >= MANY_HOSTS:
            self._reached.clear()
        self._reached[place] = address

    def reached(self, place: Place) -> str | None:
        """The address at which a connection to a host that was kept open would be: the last that was dialled."""
        return self._reached.get(place)

    async def _look(self, dialled: Awaitable[Stream], name: str | None, timeout: float | None) -> Shown:  # noqa: ASYNC109
        """The certificate of a server with which TLS failed, read over a connection on which nothing is asked."""
        try:
            self._curious = self._curious or curious(self._ca)
            stream = await (await dialled).start_tls(self._curious, name, timeout)
            try:
                return cast("Shown", stream.get_extra_info("ssl_object").getpeercert() or {})
            finally:
                await stream.aclose()
        except (httpcore2.ConnectError, httpcore2.ConnectTimeout, ValueError):
            return {}

    async def sleep(self, seconds: float) -> None:
        """Wait, as the pool asks for it."""
        await asyncio.sleep(seconds)


class _Wrapped(httpcore2.AsyncNetworkStream):
    """A stream that passes all on to an inner one."""

    def __init__(self, host: str, inner: Stream) -> None:
        self._host, self._inner = host, inner

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Open(_Wrapped):
    """A connection without TLS as yet. `look` reads the certificate where that is refused."""

    def __init__(self, host: str, inner: Stream, look: Callable[[str | None], Awaitable[Shown]]) -> None:
        super().__init__(host, inner)
        self._look = look

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class names it
    ) -> Stream:
        try:
            return _Secured(self._host, await self._inner.start_tls(ssl_context, server_hostname, timeout))
        except httpcore2.ConnectTimeout as error:
            raise Later(f"{self._host} was reached, but did not agree on TLS in time.", cause=Cause.TIME) from error
        except httpcore2.ConnectError as error:
            cause = error.__cause__
            if not isinstance(cause, ssl.SSLError):
                told = f"{self._host} was reached, but cut the connection before TLS was agreed on."
                raise Later(told, cause=Cause.CONNECTION) from error
            shown = await self._look(server_hostname) if is_legible(cause) else {}
            raise untrusted(cause, self._host, shown, datetime.now(UTC)) from error


class _Secured(_Wrapped):
    """A connection with TLS: one that is cut off is told from one that was closed (RFC 8446, 6.1)."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        try:
            data = await self._inner.read(max_bytes, timeout)
            if data or self.get_extra_info("ssl_object").read(1) == b"":
                return data
        except ssl.SSLError as error:
            raise self._broken(error) from error
        raise httpcore2.ReadError

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        try:
            await self._inner.write(buffer, timeout)
        except ssl.SSLError as error:
            raise self._broken(error) from error

    def _broken(self, error: ssl.SSLError) -> Later:
        if isinstance(error, ssl.SSLEOFError) or "EOF" in (error.reason or ""):
            return Later(f"{self._host} cut the connection off without saying that this is all.", cause=Cause.CUT)
        return untrusted(error, self._host, {}, datetime.now(UTC))
