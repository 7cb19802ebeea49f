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

from federation import judge, leases, nodes, origins, reconcile, told
from federation.apply import Applied, apply
from federation.crawl import Step, walk
from federation.database import Database, WriteSession, table
from federation.identity import feed_of, read_manifest
from federation.judge import Prefixes, Reading
from federation.leases import Lease
from federation.nodes import Known
from federation.seam import Get
from schema.change import Page
from schema.errors import Later, Refused
from schema.manifest import Manifest
from schema.tables import Feed

T = TypeVar("T")
_feed = table(Feed)
ORIGINS_A_VISIT = 100
_PLAIN_ETAG = 300
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
        self, database: Database, get: Get, me: str, lease: Lease, *, every: int, budget: int, jitter: random.Random
    ) -> None:
        self.lease, self.pages, self.applied = lease, 0, Applied()
        self.due: datetime | None = None
        self.key = ""
        self.known: Known | None = None
        self.jitter = jitter
        self._database, self._get, self._me = database, get, me
        self._every, self._budget = every, budget
        self._started = time.monotonic()
        self._place = Place(lease.url, lease.cursor, lease.position, lease.epoch, lease.reconciling)
        self._origins: dict[str, Prefixes] = {}
        self._asked: set[str] = set()
        self._restarted = False

    @property
    def now(self) -> datetime:
        """The database's time at the claim, and what has passed since by a clock that nobody sets."""
        return self.lease.at + timedelta(seconds=time.monotonic() - self._started)

    def session(self) -> AbstractContextManager[WriteSession]:
        """A transaction on the database that is crawled into."""
        return self._database.write()

    async def write(self, work: Callable[[WriteSession], T]) -> T:
        """Run SQL in a thread, in one transaction."""

        def run() -> T:
            with self.session() as session:
                return work(session)

        return await asyncio.to_thread(run)

    async def go(self, stop: asyncio.Event) -> bool:
        """Read the feed to its end. False where the budget was spent, or `stop` set, before that."""
        self.known = await asyncio.to_thread(self._load)
        self.key = self.known.key
        manifest = await self._manifest()
        await self._check_place(manifest)
        while True:
            try:
                return await self._read(manifest, stop)
            except Restart as again:
                if self._restarted:
                    raise Refused("epoch", "The feed began anew twice within one visit.") from again
                await self._start_over(self._place.url, again.epoch)

    def _load(self) -> Known:
        with self._database.read() as session:
            known = nodes.load(session, self.lease.node_id)
            if known.relays:
                self._origins = origins.every(session, now=self.now)
            return known

    async def _manifest(self) -> Manifest:
        known = self._node
        answer = await self._get(known.url, _NO_CACHE if self._place.reconciling else None)
        try:
            manifest = read_manifest(answer.body, known.url)
        except Refused as error:
            rule = "identity-changed" if error.rule == "manifest-id" else error.rule
            raise Refused(rule, error.detail, error.pointer) from error
        if answer.body != known.manifest:
            self.known = await self.write(lambda session: nodes.refresh(session, known, manifest, answer.body))
        return manifest

    @property
    def _node(self) -> Known:
        assert self.known is not None
        return self.known

    async def _check_place(self, manifest: Manifest) -> None:
        """Start over where the manifest names another feed or another epoch than the one that was read."""
        url, place = feed_of(manifest).url, self._place
        if place.epoch is None and url == place.url:
            self._place = replace(place, epoch=manifest.epoch)
        elif url != place.url or (manifest.epoch is not None and manifest.epoch != place.epoch):
            await self._start_over(url, manifest.epoch or place.epoch)

    async def _start_over(self, url: str, epoch: str | None) -> None:
        self._restarted = True
        place = self._place = self._place.again(url, epoch)

        def work(session: WriteSession) -> None:
            leases.change(session, self.lease, etag=None, latest=None, **_columns(place))
            reconcile.begin(session, self.lease.node_id)

        await self.write(work)

    async def _read(self, manifest: Manifest, stop: asyncio.Event) -> bool:
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
                self._check_epoch(step.page, manifest)
                if step.page.ended:
                    await self._end(step, manifest)
                    return True
                if not await self._take(step, manifest) or stop.is_set():
                    break
        finally:
            await steps.aclose()
        self.due = self.now
        await self.write(self._rest)
        return False

    def _check_epoch(self, page: Page, manifest: Manifest) -> None:
        """Tell a feed that began anew (read it from 0) from an old page out of some cache (come back later)."""
        if page.epoch is None or page.epoch == self._place.epoch:
            return
        if self._place.epoch is None:
            self._place = replace(self._place, epoch=page.epoch)
        elif manifest.epoch is None or page.epoch == manifest.epoch:
            raise Restart(page.epoch)
        else:
            raise Later("The page is of another epoch than the manifest: one of them is an old copy.")

    async def _take(self, step: Step, manifest: Manifest) -> bool:
        """Apply one page. False where too many new origins must be asked first: the page is for the next visit."""
        page = step.page
        readings, wanted = await asyncio.to_thread(self._look, page.items)
        if wanted and not await self._learn(wanted, manifest):
            return False
        moved = replace(self._place, cursor=page.next, position=max(self._place.position, page.last_modified))
        self.applied.add(await self.write(lambda session: self._put(session, readings, moved, step)))
        self._place = moved
        return True

    def _look(self, items: Sequence[bytes]) -> tuple[list[Reading], list[str]]:
        readings = judge.read(items)
        return readings, judge.strays(readings, self._node.source(), self._origins)

    async def _learn(self, wanted: Sequence[str], manifest: Manifest) -> bool:
        """Ask for the manifests of origins that are not known well enough, each once a visit. False past its limit."""
        heard = []
        asked = [node for node in wanted if node not in self._asked]
        for node in asked[: ORIGINS_A_VISIT - len(self._asked)]:
            self._asked.add(node)
            if node == self._node.url:
                await self._manifest()
            else:
                found = await origins.learn(self._get, node, relay=manifest)
                heard.append(found or origins.Heard(node, self._origins.get(node, {})))
        if heard:
            self._origins |= await self.write(lambda session: origins.remember(session, heard, now=self.now))
        return self._asked.issuperset(wanted)

    def _put(self, session: WriteSession, readings: Sequence[Reading], moved: Place, step: Step) -> Applied:
        leases.hold(session, self.lease)
        judged = judge.judge(readings, self._node.source(), me=self._me, origins=self._origins, now=self.now)
        done = apply(session, self.lease.node_id, judged, now=self.now, reconciling=moved.reconciling)
        leases.change(session, self.lease, latency_ms=step.ms, **_columns(moved), **_counted(done))
        return done

    async def _end(self, step: Step, manifest: Manifest) -> None:
        page = step.page
        if page.latest is not None and page.latest < self._place.position:
            if self._restarted:
                raise Refused("latest", f"latest is {page.latest}, yet {self._place.position} was read.", "/latest")
            raise Restart(page.epoch or self._place.epoch)
        wish = feed_of(manifest).min_poll_seconds or self._every
        self.due = self.now + timedelta(seconds=wish * self.jitter.uniform(1.0, 1.1))

        def work(session: WriteSession) -> Applied:
            leases.hold(session, self.lease)
            done = reconcile.finish(session, self.lease.node_id, now=self.now) if self._place.reconciling else Applied()
            nodes.went_well(session, self._node)
            told.visit_mended(session, self.lease.node_id)
            self._give_back(session, page, step, wish)
            return done

        self.applied.add(await self.write(work))

    def _give_back(self, session: WriteSession, page: Page, step: Step, wish: int) -> None:
        assert self.due is not None
        values: dict[str, Any] = _columns(replace(self._place, cursor=page.url, reconciling=False))
        values |= {"latency_ms": step.ms, "last_visit": self.now, "last_good": self.now, "fails": 0, "last_error": None}
        if not step.same:
            etag = step.etag if step.etag and len(step.etag) <= _PLAIN_ETAG and step.etag.isprintable() else None
            values |= {"etag": etag, "latest": page.latest}
        leases.give_back(session, self.lease, due=self.due, every=wish, **values)

    def _rest(self, session: WriteSession) -> None:
        assert self.due is not None
        leases.give_back(session, self.lease, due=self.due, fails=0, last_error=None, last_visit=self.now)


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
