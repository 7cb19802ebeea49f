"""The turns of the crawl: claim a feed that is due, read it to its end, give it back; and the daemon that does so.

The queue is the table. A turn can be killed anywhere: its pages are committed with their cursor, and another worker
takes the feed over when the lease has run out.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import structlog

from federation import leases
from federation.apply import Applied
from federation.backoff import failed
from federation.crawl import BUDGET
from federation.crew import Crew
from federation.database import Database, clock
from federation.gather import Desk
from federation.leases import Clock, Lease
from federation.outages import Outage, is_fault, is_outage
from federation.polite import Polite
from federation.robots import AskRobots
from federation.seam import Get
from federation.visit import Visit
from schema.errors import Crawling, LeaseLost, ReaderFault

log = structlog.get_logger("folkmoot.crawl")
IDLE_SECONDS = 1.0
FAULT_SECONDS = 5.0
HOST_SECONDS = 0.1
Outcome = Literal["ended", "budget", "failed", "lost"]


@dataclass(frozen=True, slots=True)
class TurnResult:
    """How one visit went. `ended`: read to the end; `budget`: stopped between two pages, due again at once."""

    key: str
    outcome: Outcome
    pages: int
    applied: Applied
    due: datetime | None = None
    error: str | None = None


@dataclass(slots=True)
class Crawler:
    """What turns work with. `me` is this aggregator's own id, `owner` names the worker in the lease.

    `every` is how many seconds pass between visits to a feed that does not say; `workers` how many feeds are read at a
    time, `most` with those that only wait for a slow host; `gap` how many seconds a host is left alone between two
    visits; `robots` fetches a robots.txt (None: none is asked for); a daemon begins within `spread` seconds of its
    start, so that many started together do not begin together; `clock` is the database's own, but for tests.
    """

    database: Database
    get: Get
    me: str
    owner: str
    lease_seconds: float = 60.0
    gap: float = 0.0
    every: int = 300
    budget: int = BUDGET
    workers: int = 8
    most: int = 64
    robots: AskRobots | None = None
    spread: float = 0.0
    clock: Clock = clock
    jitter: random.Random = field(default_factory=random.Random)
    told: Callable[[TurnResult], None] = lambda _result: None
    desk: Desk = field(default_factory=Desk)
    outage: Outage = field(default_factory=Outage)

    async def run(self, stop: asyncio.Event) -> None:
        """Crawl until `stop` is set; visits that are under way then end after their page."""
        if self.spread:
            await _pause(stop, self.jitter.uniform(0.0, self.spread))
        await self._work(stop, once=False)

    async def once(self) -> None:
        """Crawl until nothing is due that was due when this began."""
        await self._work(asyncio.Event(), once=True)

    async def turn(self, *, due_by: datetime | None = None, stop: asyncio.Event | None = None) -> TurnResult | None:
        """One visit to the feed that has been due longest. None where nothing is due."""
        began = time.monotonic()
        lease = await asyncio.to_thread(self._claim, due_by)
        return None if lease is None else await self._visit(lease, began, stop or asyncio.Event())

    def _claim(self, due_by: datetime | None) -> Lease | None:
        with self.database.write() as session:
            seconds = self.lease_seconds
            lease = leases.claim(session, self.owner, seconds, gap=self.gap, due_by=due_by, clock=self.clock)
        return None if lease is None else leases.considerate(lease)

    async def _visit(self, lease: Lease, began: float, stop: asyncio.Event, crew: Crew | None = None) -> TurnResult:
        get = Polite(
            self.get,
            self.database,
            lease,
            began=began,
            seconds=self.lease_seconds,
            clock=self.clock,
            robots=self.robots,
            waits=crew.waits if crew is not None else nullcontext,
        )
        visit = Visit(
            self.database,
            get,
            self.me,
            lease,
            every=self.every,
            budget=self.budget,
            jitter=self.jitter,
            desk=self.desk,
            waits=crew.waits if crew is not None else nullcontext,
        )
        result = await self._outcome(visit, get, stop)
        self.told(result)
        return result

    async def _outcome(self, visit: Visit, get: Polite, stop: asyncio.Event) -> TurnResult:
        try:
            async with self._heartbeat(visit.lease, get):
                await get.prepare()
                visit.delay = get.delay
                ended = await visit.go(stop)
            return TurnResult(visit.key, "ended" if ended else "budget", visit.pages, visit.applied, visit.due)
        except LeaseLost as lost:
            return await self._lost(visit, lost)
        except Crawling as error:
            return await self._failed(visit, error)
        except Exception as error:
            if is_outage(error):
                raise
            # A fault of ours in one feed must neither stop the others nor be tried again at once.
            log.exception("a visit broke off by a fault of ours", node=visit.key)
            told = f"A fault of this aggregator's own broke the visit off ({type(error).__name__})."
            return await self._failed(visit, ReaderFault(told))

    async def _failed(self, visit: Visit, error: Crawling) -> TurnResult:
        try:
            due = await asyncio.to_thread(failed, visit, error)
        except LeaseLost as lost:
            return await self._lost(visit, lost)
        return TurnResult(visit.key, "failed", visit.pages, visit.applied, due, error.detail)

    async def _lost(self, visit: Visit, lost: LeaseLost) -> TurnResult:
        await asyncio.to_thread(self._let_go, visit.lease)
        return TurnResult(visit.key, "lost", visit.pages, visit.applied, error=lost.detail)

    @asynccontextmanager
    async def _heartbeat(self, lease: Lease, get: Polite) -> AsyncIterator[None]:
        task = asyncio.create_task(self._beat(lease, get))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _beat(self, lease: Lease, get: Polite) -> None:
        while True:
            await asyncio.sleep(self.lease_seconds / 3)
            began = time.monotonic()
            try:
                await asyncio.to_thread(self._renew, lease)
            except LeaseLost:
                return  # the next commit of the visit finds out, and throws its page away
            except Exception as error:
                if not is_fault(error):
                    raise
                self.outage.met(error)  # the visit meets it too, if it lasts; until then the lease runs on
            else:
                get.renewed(began)

    def _renew(self, lease: Lease) -> None:
        with self.database.write() as session:
            leases.renew(session, lease, self.lease_seconds, clock=self.clock)

    def _let_go(self, lease: Lease) -> None:
        with self.database.write() as session:
            leases.let_go(session, lease, clock=self.clock)

    async def _free(self, lease: Lease, stop: asyncio.Event) -> None:
        """Free a feed whose visit an outage broke off, once the database serves again, or leave it to run out."""
        until = time.monotonic() + self.lease_seconds
        while time.monotonic() < until:
            await _pause(stop, FAULT_SECONDS)
            try:
                await asyncio.to_thread(self._let_go, lease)
            except Exception as error:
                if not is_fault(error):
                    raise
                self.outage.met(error)
                if stop.is_set():
                    return
            else:
                return

    async def _work(self, stop: asyncio.Event, *, once: bool) -> None:
        due = _Cutoff(await asyncio.to_thread(self._time) if once else None)
        claiming = asyncio.Lock()
        with closing(self.desk.verifier):
            async with asyncio.TaskGroup() as group:
                crew = Crew(
                    self.workers, self.most, lambda: group.create_task(self._keep_on(stop, claiming, due, crew))
                )
                crew.start()

    def _waiting(self, due_by: datetime) -> bool:
        with self.database.read() as session:
            return leases.waiting(session, due_by, clock=self.clock)

    def _time(self) -> datetime:
        with self.database.read() as session:
            return self.clock(session)

    async def _keep_on(self, stop: asyncio.Event, claiming: asyncio.Lock, due: _Cutoff, crew: Crew) -> None:
        try:
            await self._look(stop, claiming, due, crew)
        finally:
            crew.left()

    async def _look(self, stop: asyncio.Event, claiming: asyncio.Lock, due: _Cutoff, crew: Crew) -> None:
        while not (stop.is_set() or crew.crowded):
            lease = None
            try:
                async with claiming:  # the others wait here: an idle daemon asks once a second, not once a worker
                    began = time.monotonic()
                    lease = await asyncio.to_thread(self._claim, due.by)
                    if lease is None and due.by is None:
                        await _pause(stop, IDLE_SECONDS)
                self.outage.over()
                if lease is not None:
                    due.add(await self._visit(lease, began, stop, crew))
                elif due.by is not None:
                    if not await asyncio.to_thread(self._waiting, due.by):
                        return
                    await _pause(stop, HOST_SECONDS)
            except Exception as error:
                if due.by is not None or not is_fault(error):
                    raise
                self.outage.met(error)
                await (_pause(stop, FAULT_SECONDS) if lease is None else self._free(lease, stop))


class _Cutoff:
    """For `--once`: what fell due after it began is left, unless a visit only stopped for its budget."""

    def __init__(self, by: datetime | None) -> None:
        self.by = by

    def add(self, result: TurnResult) -> None:
        if self.by is not None and result.outcome == "budget" and result.due is not None:
            self.by = max(self.by, result.due)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
