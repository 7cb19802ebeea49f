"""The network as one visit may use it: its own host while the lease lasts, any other host only in its turn.

What a host's robots.txt forbids is not asked, and its Crawl-delay is kept to; it is asked for itself once a day.

The lease in the database keeps other workers off the host. It runs out by the database's clock; this stops asking no
later than that by its own, so that a worker that was paused or cut off does not ask beside the one that took over.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import timedelta
from typing import Any, TypeVar

from federation import hosts
from federation.database import Database
from federation.hosts import Kept
from federation.leases import Clock, Lease
from federation.robots import PATIENT_DELAY, AskRobots, Permits, ask, concerning
from federation.seam import Answer, Get
from schema.errors import Cause, Invalid, Later, LeaseLost
from schema.identifiers import place_of

T = TypeVar("T")
PATIENCE = 10.0
LOOK = 0.2
TURN_SECONDS = 120.0
"""Longer than the door gives any request with its redirects."""


class Polite:
    """`Get` for one visit under one lease, which was asked for at `began` (`time.monotonic`) and lasts `seconds`.

    Without `robots` nothing is forbidden. `waits` is entered around every wait for a host.
    """

    def __init__(
        self,
        get: Get,
        database: Database,
        lease: Lease,
        *,
        began: float,
        seconds: float,
        clock: Clock,
        robots: AskRobots | None = None,
        waits: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
    ) -> None:
        self._get, self._database, self._lease, self._clock = get, database, lease, clock
        self._robots, self._waits = robots, waits
        self._permits: dict[str, Permits] = {}
        self._free_at: dict[str, float] = {}
        self._seconds = seconds
        self._until = began + seconds
        self._cuts: set[asyncio.Timeout] = set()

    @property
    def delay(self) -> float:
        """The Crawl-delay of the visit's own host in seconds, once it is known (`prepare`)."""
        known = self._permits.get(self._lease.place)
        return known.delay if known is not None else 0.0

    async def prepare(self) -> None:
        """Learn what the visit's own host permits. Raises what asking it raises."""
        async with self._waits():
            await self._learn(self._lease.place, self._lease.url, self._lease.host)

    def renewed(self, began: float) -> None:
        """Go on asking: the lease was renewed by what began at this time."""
        self._until = began + self._seconds
        for cut in self._cuts:
            if not cut.expired():
                cut.reschedule(self._until)

    async def __call__(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Fetch one URL. Raises what the door does, and `LeaseLost` when our time is over."""
        try:
            place = place_of(url)
        except Invalid:
            return await self._get(url, headers)  # the door says what is wrong with it, and asks nobody
        async with self._waits():
            if place == self._lease.place:
                return await self._obeying(place, url, headers, self._lease.host)
            async with self._turn(place) as kept:
                return await self._obeying(place, url, headers, kept)

    async def _obeying(self, place: str, url: str, headers: Mapping[str, str] | None, kept: Kept) -> Answer:
        permits = await self._learn(place, url, kept)
        with permits.asking(url):
            await asyncio.sleep(max(0.0, self._free_at.get(place, 0.0) - time.monotonic()))
            try:
                return await self._within(self._get(url, headers))
            finally:
                self._free_at[place] = time.monotonic() + min(permits.delay, PATIENT_DELAY)

    async def _learn(self, place: str, url: str, kept: Kept) -> Permits:
        if place not in self._permits:
            self._permits[place] = await self._permitted(place, url, kept)
        return self._permits[place]

    async def _permitted(self, place: str, url: str, kept: Kept) -> Permits:
        if self._robots is None:
            return Permits(b"")
        if kept.fresh(self._lease.at):
            return kept.permits or Permits(kept.robots or b"")
        return Permits(await self._ask(self._robots, place, url, kept))

    async def _ask(self, robots: AskRobots, place: str, url: str, kept: Kept) -> bytes:
        try:
            text = await self._within(ask(robots, url))
        except Later:
            if kept.robots is None:
                raise
            return kept.robots
        return await asyncio.to_thread(self._remember, place, text)

    def _remember(self, place: str, text: bytes) -> bytes:
        ours = concerning(text)
        with self._database.write() as session:
            hosts.remember(session, place, Kept(ours, self._clock(session)))
        return ours

    async def _within(self, work: Coroutine[Any, Any, T]) -> T:
        if time.monotonic() >= self._until:
            work.close()
            raise LeaseLost("The lease ran out before the next request.")
        cut = asyncio.timeout_at(self._until)
        try:
            async with cut:
                self._cuts.add(cut)
                return await work
        except TimeoutError as error:
            if not cut.expired():
                raise
            raise LeaseLost("The lease ran out during a request.") from error
        finally:
            self._cuts.discard(cut)

    @asynccontextmanager
    async def _turn(self, place: str) -> AsyncIterator[Kept]:
        owner = f"{self._lease.owner}.{secrets.token_hex(4)}"
        patient_until = time.monotonic() + PATIENCE
        while (kept := await asyncio.to_thread(self._take, place, owner)) is None:
            if time.monotonic() > patient_until:
                raise Later(f"{place} is being asked by another worker.", cause=Cause.BUSY)
            await asyncio.sleep(LOOK)
        try:
            yield kept
        finally:
            await asyncio.to_thread(self._leave, place, owner)

    def _take(self, place: str, owner: str) -> Kept | None:
        with self._database.write() as session:
            at = self._clock(session)
            return hosts.take(session, place, owner, at=at, until=at + timedelta(seconds=TURN_SECONDS))

    def _leave(self, place: str, owner: str) -> None:
        with self._database.write() as session:
            free_at = self._clock(session) + timedelta(seconds=self._pause(place))
            hosts.leave(session, place, owner, free_at=free_at)

    def _pause(self, place: str) -> float:
        permits = self._permits.get(place)
        return max(self._lease.gap, min(permits.delay, PATIENT_DELAY) if permits is not None else 0.0)
