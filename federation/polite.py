"""The network as one visit may use it: its own host while the lease lasts, any other host only in its turn.

The lease in the database keeps other workers off the host. It runs out by the database's clock; this stops asking no
later than that by its own, so that a worker that was paused or cut off does not ask beside the one that took over.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from federation import hosts
from federation.database import Database
from federation.leases import Clock, Lease
from federation.seam import Answer, Get
from schema.errors import Invalid, Later, LeaseLost
from schema.identifiers import place_of

PATIENCE = 10.0
LOOK = 0.2
TURN_SECONDS = 120.0
"""Longer than the door gives any request with its redirects."""


class Polite:
    """`Get` for one visit under one lease, which was asked for at `began` (`time.monotonic`) and lasts `seconds`."""

    def __init__(
        self, get: Get, database: Database, lease: Lease, *, began: float, seconds: float, clock: Clock
    ) -> None:
        self._get, self._database, self._lease, self._clock = get, database, lease, clock
        self._seconds = seconds
        self._until = began + seconds
        self._cuts: set[asyncio.Timeout] = set()

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
        if place == self._lease.place:
            return await self._within(url, headers)
        async with self._turn(place):
            return await self._within(url, headers)

    async def _within(self, url: str, headers: Mapping[str, str] | None) -> Answer:
        if time.monotonic() >= self._until:
            raise LeaseLost("The lease ran out before the next request.")
        cut = asyncio.timeout_at(self._until)
        try:
            async with cut:
                self._cuts.add(cut)
                return await self._get(url, headers)
        except TimeoutError as error:
            if not cut.expired():
                raise
            raise LeaseLost("The lease ran out during a request.") from error
        finally:
            self._cuts.discard(cut)

    @asynccontextmanager
    async def _turn(self, place: str) -> AsyncIterator[None]:
        owner = f"{self._lease.owner}.{secrets.token_hex(4)}"
        patient_until = time.monotonic() + PATIENCE
        while not await asyncio.to_thread(self._take, place, owner):
            if time.monotonic() > patient_until:
                raise Later(f"{place} is being asked by another worker.")
            await asyncio.sleep(LOOK)
        try:
            yield
        finally:
            await asyncio.to_thread(self._leave, place, owner)

    def _take(self, place: str, owner: str) -> bool:
        with self._database.write() as session:
            at = self._clock(session)
            return hosts.take(session, place, owner, at=at, until=at + timedelta(seconds=TURN_SECONDS))

    def _leave(self, place: str, owner: str) -> None:
        with self._database.write() as session:
            free_at = self._clock(session) + timedelta(seconds=self._lease.gap)
            hosts.leave(session, place, owner, free_at=free_at)
