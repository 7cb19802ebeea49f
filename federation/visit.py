"""One visit to one feed: manifest, pages, and how it ended. SQL runs in a thread, the network through `get`."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from federation import endless, gate, leases, looks, moving, nodes, papers, reconcile, relations, removals, tally, told
from federation.apply import Applied, apply
from federation.crawl import Step, walk
from federation.database import Database, WriteSession, table
from federation.endless import Pass
from federation.gather import Desk, Gather, Load
from federation.identity import feed_of, poll_of
from federation.leases import Lease
from federation.papers import Papers, plain_etag
from federation.parcels import Waits
from federation.place import Place, Restart
from federation.reader import ORIGINS_A_VISIT, Reader, Unasked
from federation.robots import PATIENT_DELAY
from federation.seam import Get
from federation.verdicts import Trouble
from schema.change import LARGE_PAGE, MAX_ITEMS, Page
from schema.errors import Crawling, Later, LeaseLost, Refused
from schema.tables import Feed

T = TypeVar("T")
_feed = table(Feed)
VISIT_SECONDS = 300.0
"""After so long a visit ends between two pages, as it does for its budget: a slow host is not to hold a worker."""
BUSY_WAIT = timedelta(seconds=30)
"""How long a page is left that waits for hosts which others ask: until they are done it would be fetched in vain."""
_NO_CACHE = {"Cache-Control": "no-cache"}
_WELL: dict[str, Any] = {"fails": 0, "last_error": None, "gone_since": None}


class Visit:
    """One visit under one lease. `go` reads; `pages`, `applied` and `due` tell afterwards what came of it.

    `waits` is entered around the wait for the turn of a large page. `delay` is the seconds that the host wishes between
    two requests (Crawl-delay); a long one parts the visits.
    """

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
        waits: Waits = nullcontext,
    ) -> None:
        self.lease, self.pages, self.applied = lease, 0, Applied()
        self.due: datetime | None = None
        self.delay = 0.0
        self.key = ""
        self.jitter = jitter
        self._papers: Papers
        self._reader: Reader
        self._database, self._get, self._me = database, get, me
        self._every, self._budget, self._desk, self._waits = every, budget, desk, waits
        self._started = time.monotonic()
        self._place = Place(lease.url, lease.cursor, lease.position, lease.epoch, lease.reconciling)
        self._restarted = False
        self._endless: Trouble | None = None
        self._gather = Gather[Place](desk, self._save)

    @property
    def now(self) -> datetime:
        """The database's time at the claim, and what has passed since by a clock that nobody sets."""
        return self.lease.at + timedelta(seconds=time.monotonic() - self._started)

    @property
    def pause(self) -> timedelta:
        """How long the feed is left alone at least: nothing, where the host's wish was kept to within the visit."""
        return timedelta(seconds=self.delay if self.delay > PATIENT_DELAY else 0.0)

    @property
    def _pass(self) -> Pass:
        """What this process knows of the pass over the feed that the visit goes on with."""
        return self._desk.passes.setdefault(self.lease.feed_id, Pass())

    @property
    def _spent(self) -> bool:
        """Whether no page more may be asked for in this visit."""
        return self.delay > PATIENT_DELAY or self.pages >= self._budget

    @property
    def _late(self) -> bool:
        return time.monotonic() - self._started > VISIT_SECONDS

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
        self._papers = known = await asyncio.to_thread(self._load)
        self.key = known.known.key
        if known.known.state == gate.PREVIEW:
            await gate.passing(self._get, self.write, known.known, now=self.now)
            self._papers = known = await asyncio.to_thread(self._load)
        self._reader = self._reading(known)
        if self._papers.due(self.lease, self.now):
            await self._ask(afresh=self._place.reconciling)
        await self._check_place()
        with self._desk.reader():
            while True:
                wanted: Sequence[str] = ()
                try:
                    return await self._read(stop)
                except Unasked as large:
                    wanted = large.nodes  # the page itself goes with the error
                except Restart as again:
                    if self._restarted:
                        raise Refused("epoch", "The feed began anew twice within one visit.") from again
                    await self._ask_once()
                    await self._start_over(feed_of(self._papers.manifest).url, again.epoch)
                if wanted and (not await self._reader.learn(wanted, self.now) or self._spent):
                    await self._break_off(left=True)
                    return False

    def _reading(self, known: Papers) -> Reader:
        cursor, asked = self._desk.asked.pop(self.lease.feed_id, ("", frozenset[str]()))
        return Reader(
            self._database,
            self._get,
            self.write,
            self._me,
            known,
            weigh=self._desk.verifier.states,
            first=self.lease.last_good is None and not self.lease.reconciling,
            late=lambda: self._late,
            asked=asked if cursor == self._place.cursor else (),
        )

    async def _break_off(self, *, left: bool) -> None:
        """End the visit between two pages: the feed is due again at once. `left`: the next page waits for origins."""
        self.due = self.now + self.pause
        if left:
            asked = self._reader.asked
            if len(asked) > MAX_ITEMS + ORIGINS_A_VISIT:  # no page names so many: it is another each time
                asked = frozenset()
            self._desk.asked[self.lease.feed_id] = (self._place.cursor, asked)
        if left and self._reader.busy:
            self.due = self.now + max(self.pause, BUSY_WAIT)
        await self._count()
        await self._finish(self._rest)

    async def _count(self) -> None:
        """Count the visit to those of its pass; a feed that seems to have no end is not due again at once."""
        self._pass.visit(self._reader.newly)
        self._endless = await asyncio.to_thread(self._no_end)
        if self._endless is not None:
            self.due = self._after(poll_of(self._papers.manifest, self._every))

    def _no_end(self) -> Trouble | None:
        with self._database.present() as session:
            return endless.trouble(session, self.lease.node_id, self._pass)

    def _after(self, wish: int) -> datetime:
        """When the feed is due where nothing more is to be read now."""
        return self.now + max(timedelta(seconds=wish * self.jitter.uniform(1.0, 1.1)), self.pause)

    def _load(self) -> Papers:
        with self._database.present() as session:
            return papers.load(session, self.lease)

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
        self._forget()

        def work(session: WriteSession) -> None:
            leases.change(session, self.lease, etag=None, latest=None, **place.columns())
            reconcile.begin(session, self.lease.node_id)

        await self.write(work)

    def _forget(self) -> None:
        """Forget what this process keeps of the pass so far: the pages that come are of another."""
        self._desk.passes[self.lease.feed_id] = self._pass.again()
        self._reader.begin_anew()

    async def _read(self, stop: asyncio.Event) -> bool:
        place = self._place
        fresh = place.reconciling
        # After the manifest the last page is read too: whether rules of both are kept is not told by a 304.
        whole = fresh or self._papers.asked or place.cursor != self.lease.cursor
        steps = walk(
            self._get,
            place.cursor,
            after=place.position or -1,
            budget=1 if self.delay > PATIENT_DELAY else self._budget - self.pages,
            etag=None if whole else self.lease.etag,
            headers=_NO_CACHE if fresh else None,
            waits=self._waits,
            empty=self._pass.empty,
        )
        left = False
        try:
            async for step in steps:
                self.pages += 1
                await self._check_epoch(step.page)
                if step.page.ended:
                    await self._end(step)
                    return True
                left = not await self._take(step)
                if left or stop.is_set() or self._late:
                    break
                del step  # it holds its page while the next one is fetched
            await self._break_off(left=left)
        except LeaseLost:
            raise
        except (Crawling, Restart, Unasked):
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
        if step.page.size <= LARGE_PAGE:
            return await self._judge(step)
        taken = await self._judge(step)  # the walk holds the turn of large pages until this is written
        await self._gather.flush()
        return taken

    async def _judge(self, step: Step) -> bool:
        page = step.page
        found = await self._reader.read(page.items, self._gather.waiting(), self.now, large=page.size > LARGE_PAGE)
        if found is None:
            return False
        self._pass.page(len(page.items))
        if page.size > LARGE_PAGE:
            page.items.clear()  # what they say stands in `found`, and is large too
        self._place = replace(self._place, cursor=page.next, position=max(self._place.position, page.last_modified))
        await self._gather.add(found, self._place, step.ms, page.size)
        return True

    async def _save(self, load: Load[Place]) -> None:
        def work(session: WriteSession) -> Applied:
            leases.hold(session, self.lease)
            return self._put(session, load)

        self.applied.add(await self.write(work))

    def _put(self, session: WriteSession, load: Load[Place]) -> Applied:
        reconciling = load.place.reconciling
        done = apply(session, self.lease.node_id, load.judged, now=self.now, reconciling=reconciling)
        leases.change(session, self.lease, latency_ms=load.ms, **load.place.columns(), **_counted(done))
        return done

    async def _finish(self, last: Callable[[WriteSession, Applied], None]) -> None:
        """Give the feed back, in one transaction with what is not written yet and is counted so far."""
        load = await self._gather.rest()

        def work(session: WriteSession) -> Applied:
            leases.hold(session, self.lease)
            done = Applied() if load is None else self._put(session, load)
            last(session, done)
            return done

        self.applied.add(await self.write(work))

    async def _end(self, step: Step) -> None:
        page = step.page
        if page.latest is not None and page.latest < self._place.position:
            if self._restarted:
                raise Refused("latest", f"latest is {page.latest}, yet {self._place.position} was read.", "/latest")
            raise Restart(page.epoch or self._place.epoch)
        wish = poll_of(self._papers.manifest, self._every)
        self.due = self._after(wish)
        self._desk.passes.pop(self.lease.feed_id, None)

        def last(session: WriteSession, done: Applied) -> None:
            node_id, known = self.lease.node_id, self._papers.known
            close = self._reconciled if self._place.reconciling else removals.close_pass
            done.add(close(session, node_id, now=self.now))
            back = known.state != "active" or known.stale_since is not None
            if back:
                nodes.went_well(session, known, now=self.now)
            if self._papers.asked:
                relations.note(session, node_id, self._papers.manifest)
            self._look(session, step)
            self._give_back(session, step, wish, done)
            if back:
                nodes.hear_again(session, known, due=self.now + self.pause)

        await self._finish(last)

    @staticmethod
    def _reconciled(session: WriteSession, node_id: int, *, now: datetime) -> Applied:
        return reconcile.finish(session, node_id, now=now, over=moving.arrived(session, node_id))

    def _look(self, session: WriteSession, step: Step) -> None:
        """Hold the whole to the rules of a check, where there is anything new to look at."""
        node_id, began, page = self.lease.node_id, self.lease.at, step.page
        if step.same:
            told.visit_mended(session, node_id, before=began)
            return
        seen = looks.Seen(
            self._papers.manifest,
            relays=self._papers.known.relays,
            page=page,
            epochs=frozenset({page.epoch}),
        )
        found = looks.look(seen)
        told.visit_mended(session, node_id, found=found, before=began)
        told.tell(session, node_id, found, self.now)

    def _give_back(self, session: WriteSession, step: Step, wish: int, done: Applied) -> None:
        assert self.due is not None
        page = step.page
        values: dict[str, Any] = replace(self._place, cursor=page.url, reconciling=False).columns()
        values |= {"latency_ms": step.ms, "last_visit": self.now, "last_good": self.now}
        values |= _WELL
        if not step.same:
            values |= {"etag": plain_etag(step.etag), "latest": page.latest}
        if self.lease.last_good is None or done.created + done.updated + self.applied.created + self.applied.updated:
            values["completeness"] = tally.sampled(session, self.lease.node_id)
        values |= self._counted("ended", done, step.ms)
        leases.give_back(session, self.lease, due=self.due, every=wish, **values, **self._papers.columns())

    def _rest(self, session: WriteSession, done: Applied) -> None:
        assert self.due is not None
        if self._endless is not None:
            told.tell(session, self.lease.node_id, [self._endless], self.now, severity="warning")
        values = {**_WELL, "last_visit": self.now, **self._papers.columns()}
        leases.give_back(session, self.lease, due=self.due, **values, **self._counted("budget", done))

    def _counted(self, outcome: tally.Outcome, done: Applied, ms: int | None = None) -> dict[str, Any]:
        """What the visit came to: what was written before, and `done` in this last transaction."""
        whole = replace(self.applied)
        whole.add(done)
        counted = tally.columns(outcome, at=self.now, pages=self.pages, done=whole, ms=ms)
        return counted | {"not_before": self.now + self.pause if self.pause else None}


def _counted(done: Applied) -> dict[str, Any]:
    return {name: _feed.c[name] + getattr(done, name) for name in ("accepted", "refused", "dropped")}
