"""One visit to one feed: manifest, pages, and how it ended. SQL runs in a thread, the network through `get`."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from federation import judge, leases, nodes, origins, papers, reconcile, told
from federation.apply import Applied, apply, standing
from federation.crawl import Step, walk
from federation.database import Database, WriteSession, table
from federation.gather import Desk, Gather, Load
from federation.identity import feed_of
from federation.judge import Judged, Prefixes
from federation.leases import Lease
from federation.papers import Papers, plain_etag
from federation.seam import Get
from schema.change import Page
from schema.errors import Crawling, Later, LeaseLost, Refused
from schema.tables import Feed

T = TypeVar("T")
_feed = table(Feed)
ORIGINS_A_VISIT = 100
_NO_CACHE = {"Cache-Control": "no-cache"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader stands in a feed."""

    url: str
    cursor: str
    position: int
    epoch: str | None
    reconciling: bool

    def again(self, url: str, epoch: str | None) -> Place:
        """The start of a full reconcile."""
        return Place(url, url, 0, epoch, reconciling=True)


class Restart(Exception):
    """The feed must be read again from its beginning: it is not the one that was read before."""

    def __init__(self, epoch: str | None) -> None:
        self.epoch = epoch
        super().__init__()


class Visit:
    """One visit under one lease. `go` reads; `pages`, `applied` and `due` tell afterwards what came of it."""

    def __init__(
        self,
        database: Database,
        get: Get,
        me: str,
        lease: Lease,
        *,
        every: int,
        budget: int,
        jitter: random.Random,
        desk: Desk,
    ) -> None:
        self.lease, self.pages, self.applied = lease, 0, Applied()
        self.due: datetime | None = None
        self.key = ""
        self.jitter = jitter
        self._papers: Papers
        self._database, self._get, self._me = database, get, me
        self._every, self._budget, self._desk = every, budget, desk
        self._started = time.monotonic()
        self._place = Place(lease.url, lease.cursor, lease.position, lease.epoch, lease.reconciling)
        self._origins: dict[str, Prefixes] = {}
        self._asked: set[str] = set()
        self._restarted = False
        self._gather = Gather[Place](desk, self._save)

    @property
    def now(self) -> datetime:
        """The database's time at the claim, and what has passed since by a clock that nobody sets."""
        return self.lease.at + timedelta(seconds=time.monotonic() - self._started)

    def session(self) -> AbstractContextManager[WriteSession]:
        """A transaction on the database that is crawled into."""
        return self._database.write()

    async def write(self, work: Callable[[WriteSession], T]) -> T:
        """Run SQL in a thread, in one transaction, when it is this process's next to write."""

        def run() -> T:
            with self.session() as session:
                return work(session)

        async with self._desk.writing:
            return await asyncio.to_thread(run)

    async def go(self, stop: asyncio.Event) -> bool:
        """Read the feed to its end. False where the budget was spent, or `stop` set, before that."""
        self._papers = await asyncio.to_thread(self._load)
        self.key = self._papers.known.key
        if self._papers.due(self.lease, self.now):
            await self._ask(afresh=self._place.reconciling)
        await self._check_place()
        with self._desk.reader():
            while True:
                try:
                    return await self._read(stop)
                except Restart as again:
                    if self._restarted:
                        raise Refused("epoch", "The feed began anew twice within one visit.") from again
                    await self._ask_once()
                    await self._start_over(feed_of(self._papers.manifest).url, again.epoch)

    def _load(self) -> Papers:
        with self._database.present() as session:
            found = papers.load(session, self.lease)
            if found.known.relays:
                self._origins = origins.every(session, now=self.now)
            return found

    async def _ask(self, *, afresh: bool) -> None:
        await self._papers.ask(self._get, self.write, now=self.now, afresh=afresh)

    async def _ask_once(self) -> None:
        """Ask for the manifest where the feed does not agree with it, unless that was just done."""
        if not self._papers.asked:
            await self._ask(afresh=True)

    async def _check_place(self) -> None:
        """Start over where the manifest names another feed or another epoch than the one that was read."""
        if not self._agrees():
            await self._ask_once()
        manifest, place = self._papers.manifest, self._place
        if not self._agrees():
            await self._start_over(feed_of(manifest).url, manifest.epoch or place.epoch)
        elif place.epoch is None:
            self._place = replace(place, epoch=manifest.epoch)

    def _agrees(self) -> bool:
        manifest, place = self._papers.manifest, self._place
        begun_anew = place.epoch is not None and manifest.epoch not in (None, place.epoch)
        return feed_of(manifest).url == place.url and not begun_anew

    async def _start_over(self, url: str, epoch: str | None) -> None:
        self._restarted = True
        place = self._place = self._place.again(url, epoch)

        def work(session: WriteSession) -> None:
            leases.change(session, self.lease, etag=None, latest=None, **_columns(place))
            reconcile.begin(session, self.lease.node_id)

        await self.write(work)

    async def _read(self, stop: asyncio.Event) -> bool:
        place = self._place
        fresh = place.reconciling
        steps = walk(
            self._get,
            place.cursor,
            after=place.position or -1,
            budget=self._budget - self.pages,
            etag=None if fresh or place.cursor != self.lease.cursor else self.lease.etag,
            headers=_NO_CACHE if fresh else None,
        )
        try:
            async for step in steps:
                self.pages += 1
                await self._check_epoch(step.page)
                if step.page.ended:
                    await self._end(step)
                    return True
                if not await self._take(step) or stop.is_set():
                    break
            self.due = self.now
            await self._finish(self._rest)
        except LeaseLost:
            raise
        except (Crawling, Restart):
            await self._gather.flush()  # the pages before the one at fault stay
            raise
        finally:
            await steps.aclose()
            await self._gather.close()
        return False

    async def _check_epoch(self, page: Page) -> None:
        """Tell a feed that began anew (read it from 0) from an old page out of some cache (come back later)."""
        if page.epoch is None or page.epoch == self._place.epoch:
            return
        if self._place.epoch is None:
            self._place = replace(self._place, epoch=page.epoch)
            return
        await self._ask_once()
        if self._papers.manifest.epoch not in (None, page.epoch):
            raise Later("The page is of another epoch than the manifest: one of them is an old copy.")
        raise Restart(page.epoch)

    async def _take(self, step: Step) -> bool:
        """Judge one page and hand it on. False where too many new origins must be asked: it is for the next visit."""
        page = step.page
        found = await asyncio.to_thread(self._look, page.items)
        if isinstance(found, list):
            if not await self._learn(found):
                return False
            found = await asyncio.to_thread(self._judge, judge.read(page.items))
        self._place = replace(self._place, cursor=page.next, position=max(self._place.position, page.last_modified))
        await self._gather.add(found, self._place, step.ms, sum(map(len, page.items)))
        return True

    def _look(self, items: Sequence[bytes]) -> Judged | list[str]:
        """What a page says, or the nodes that must be asked before that can be told."""
        readings = judge.read(items)
        return judge.strays(readings, self._source(), self._origins) or self._judge(readings)

    def _judge(self, readings: Sequence[judge.Reading]) -> Judged:
        found = judge.place(readings, self._source(), me=self._me, origins=self._origins, now=self.now)
        if self.lease.last_good is None and not self._place.reconciling:
            return judge.look(found)  # it is read for the first time: nothing of it is held
        waiting = self._gather.waiting()
        with self._database.present() as session:
            held = standing(session, [s for s, ends in found.heard if not ends and s.id not in waiting])
        return judge.look(found, held)

    def _source(self) -> judge.Source:
        return self._papers.known.source()

    async def _learn(self, wanted: Sequence[str]) -> bool:
        """Ask for the manifests of origins that are not known well enough, each once a visit. False past its limit."""
        heard = []
        asked = [node for node in wanted if node not in self._asked]
        for node in asked[: ORIGINS_A_VISIT - len(self._asked)]:
            self._asked.add(node)
            if node == self._papers.known.url:
                await self._ask(afresh=False)
            else:
                found = await origins.learn(self._get, node, relay=self._papers.manifest)
                heard.append(found or origins.Heard(node, self._origins.get(node, {})))
        if heard:
            self._origins |= await self.write(lambda session: origins.remember(session, heard, now=self.now))
        return self._asked.issuperset(wanted)

    async def _save(self, load: Load[Place]) -> None:
        def work(session: WriteSession) -> Applied:
            leases.hold(session, self.lease)
            return self._put(session, load)

        self.applied.add(await self.write(work))

    def _put(self, session: WriteSession, load: Load[Place]) -> Applied:
        reconciling = load.place.reconciling
        done = apply(session, self.lease.node_id, load.judged, now=self.now, reconciling=reconciling)
        leases.change(session, self.lease, latency_ms=load.ms, **_columns(load.place), **_counted(done))
        return done

    async def _finish(self, last: Callable[[WriteSession], Applied]) -> None:
        """Give the feed back, in one transaction with what is not written yet."""
        load = await self._gather.rest()

        def work(session: WriteSession) -> Applied:
            leases.hold(session, self.lease)
            done = Applied() if load is None else self._put(session, load)
            done.add(last(session))
            return done

        self.applied.add(await self.write(work))

    async def _end(self, step: Step) -> None:
        page = step.page
        if page.latest is not None and page.latest < self._place.position:
            if self._restarted:
                raise Refused("latest", f"latest is {page.latest}, yet {self._place.position} was read.", "/latest")
            raise Restart(page.epoch or self._place.epoch)
        wish = feed_of(self._papers.manifest).min_poll_seconds or self._every
        self.due = self.now + timedelta(seconds=wish * self.jitter.uniform(1.0, 1.1))

        def last(session: WriteSession) -> Applied:
            node_id, known = self.lease.node_id, self._papers.known
            done = reconcile.finish(session, node_id, now=self.now) if self._place.reconciling else Applied()
            if known.state != "active" or known.stale_since is not None:
                nodes.went_well(session, known)
            told.visit_mended(session, node_id)
            self._give_back(session, page, step, wish)
            return done

        await self._finish(last)

    def _give_back(self, session: WriteSession, page: Page, step: Step, wish: int) -> None:
        assert self.due is not None
        values: dict[str, Any] = _columns(replace(self._place, cursor=page.url, reconciling=False))
        values |= {"latency_ms": step.ms, "last_visit": self.now, "last_good": self.now, "fails": 0, "last_error": None}
        if not step.same:
            values |= {"etag": plain_etag(step.etag), "latest": page.latest}
        leases.give_back(session, self.lease, due=self.due, every=wish, **values, **self._papers.columns())

    def _rest(self, session: WriteSession) -> Applied:
        assert self.due is not None
        values = {"fails": 0, "last_error": None, "last_visit": self.now} | self._papers.columns()
        leases.give_back(session, self.lease, due=self.due, **values)
        return Applied()


def _columns(place: Place) -> dict[str, Any]:
    return {
        "url": place.url,
        "cursor": place.cursor,
        "position": place.position,
        "epoch": place.epoch,
        "reconciling": place.reconciling,
    }


def _counted(done: Applied) -> dict[str, Any]:
    return {name: _feed.c[name] + getattr(done, name) for name in ("accepted", "refused", "dropped")}
