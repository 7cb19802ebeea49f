"""The worker that holds nodes to the rules for whoever asked: two at a time, through the door, in the host's turn."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from federation import examining, hosts
from federation.database import Database, clock
from federation.examining import Claim
from federation.hosts import Kept
from federation.outages import is_outage
from federation.robots import AskRobots, Obeying
from federation.seam import Answer, Get
from schema.errors import Cause, Later, LeaseLost, NotFound, ReaderFault
from schema.identifiers import place_of

if TYPE_CHECKING:  # what judges a node is imported when there is one to judge
    from federation.checks import Report
    from federation.nodes import Known

log = structlog.get_logger("folkmoot.checks")
SECONDS = 60.0
"""How long one look may take, however slowly the node answers."""
PATIENCE, LOOK = 10.0, 0.2
AT_ONCE = 2
"""How many are looked at at a time, so that a node which drips does not hold up all the others."""


@dataclass(slots=True)
class Examiner:
    """Does what was asked for in the table. `gap` is how many seconds a host is left alone after a look.

    `robots` fetches a robots.txt, whose wishes are kept to (None: none is asked for).
    """

    database: Database
    get: Get
    now: Callable[[], datetime]
    robots: AskRobots | None = None
    gap: float = 0.0
    every: float = 1.0
    seconds: float = SECONDS

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, and end the looks in hand."""
        async with asyncio.TaskGroup() as group:
            for _worker in range(AT_ONCE):
                group.create_task(self._work(stop))

    async def _work(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if await self.turn():
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self.every)

    async def turn(self) -> bool:
        """Look at one node, if one waits. Gives whether there was."""
        held = await asyncio.to_thread(self._claim)
        if held is None:
            return False
        report = await self._report(held)
        report.for_anybody()
        with suppress(LeaseLost):
            await asyncio.to_thread(self._finish, held, report)
        ended = report.unseen or report.ended
        log.info("check", url=held.url, passed=report.passed, troubles=len(report.troubles), ended=ended)
        return True

    async def _report(self, held: Claim) -> Report:
        from federation.checks import Report, examine  # noqa: PLC0415 - see above
        from federation.examined import overrun, unseen  # noqa: PLC0415

        report = Report(held.url)
        if held.tries > examining.TRIES:
            overrun(report)
            return report
        try:
            known, others = await asyncio.to_thread(self._known, held)
            relays = held.aggregator or (known is not None and known.relays)
            if known is not None and relays != known.relays:
                known = None  # it is looked at as what it is not here
            async with asyncio.timeout(self.seconds), self._turn(place_of(held.url)) as get:
                return await examine(get, held.url, now=self.now(), aggregator=relays, known=known, others=others)
        except TimeoutError:
            overrun(report)
        except Later:  # what the node itself answers is in the report already
            unseen(report)
        except Exception as error:
            if is_outage(error):
                raise
            # A fault of ours in one look must neither stop the others nor be met again by the next who takes it.
            log.exception("a check broke off by a fault of ours", url=held.url)
            report.broke_off(
                ReaderFault(f"A fault of this aggregator's own broke the look off ({type(error).__name__}).")
            )
        return report

    def _known(self, held: Claim) -> tuple[Known | None, Sequence[str]]:
        """The node as it is pinned here, if it is, and the prefixes that are others'."""
        from federation import nodes, origins  # noqa: PLC0415 - all that knows nodes: a server starts without it

        with self.database.present() as session:
            known = None
            with suppress(NotFound):
                known = nodes.find(session, held.url)
            return known, origins.taken(session, but=held.url if known is None else known.url)

    def _claim(self) -> Claim | None:
        with self.database.present() as session:
            if not examining.waiting(session):
                return None
        with self.database.write() as writing:
            return examining.claim(writing)

    def _finish(self, held: Claim, report: Report) -> None:
        from federation.examined import finish  # noqa: PLC0415

        with self.database.write() as session:
            if report.unseen and held.tries < examining.TRIES:
                examining.put_back(session, held)
            else:
                finish(session, held, report, self.now())

    @asynccontextmanager
    async def _turn(self, place: str) -> AsyncIterator[Get]:
        """The host's turn, which a crawl asks for too, and how it may be asked within: no two ask it at a time.

        Raises `Later` where another has it all the while.
        """
        owner = f"check.{secrets.token_hex(8)}"
        until = asyncio.get_running_loop().time() + PATIENCE
        while (kept := await asyncio.to_thread(self._take, place, owner)) is None:
            if asyncio.get_running_loop().time() > until:
                raise Later(f"{place} is being visited.", cause=Cause.BUSY)
            await asyncio.sleep(LOOK)
        turns = {place: kept}
        get = self.get if self.robots is None else Obeying(self.get, self._asking(self.robots, turns))
        try:
            yield self._beside(get, owner, turns)
        finally:
            await asyncio.to_thread(self._leave, place, owner, self._pause(get))

    def _beside(self, get: Get, owner: str, turns: dict[str, Kept]) -> Get:
        """`get`, which asks another host than that in turn only where nobody has its turn, and takes it meanwhile.

        It is a host that the node names: nobody asked for it to be looked at, and nobody waits for it.
        """

        async def ask(url: str, headers: Mapping[str, str] | None = None) -> Answer:
            place = place_of(url)
            if place in turns:
                return await get(url, headers)
            kept = await asyncio.to_thread(self._take, place, owner)
            if kept is None:
                raise Later(f"{place} is being visited.", cause=Cause.BUSY)
            turns[place] = kept
            try:
                return await get(url, headers)
            finally:
                del turns[place]
                await asyncio.to_thread(self._leave, place, owner, self._pause(get))

        return ask

    def _pause(self, get: Get) -> float:
        """How long a host is left alone after it was asked, by our own wish and that of its robots.txt."""
        return max(self.gap, get.pause if isinstance(get, Obeying) else 0.0)

    def _asking(self, robots: AskRobots, turns: Mapping[str, Kept]) -> AskRobots:
        """Ask for a robots.txt, but for that of a host in turn where it was read within the day."""

        async def ask(place: str) -> Answer:
            kept = turns.get(place_of(place), Kept())
            if kept.robots is not None and kept.fresh(self.now()):
                return Answer(200, kept.robots, {}, place)
            return await robots(place)

        return ask

    def _take(self, place: str, owner: str) -> Kept | None:
        with self.database.write() as session:
            at = clock(session)
            return hosts.take(session, place, owner, at=at, until=at + timedelta(seconds=self.seconds * 2))

    def _leave(self, place: str, owner: str, gap: float) -> None:
        with self.database.write() as session:
            hosts.leave(session, place, owner, free_at=clock(session) + timedelta(seconds=gap))
