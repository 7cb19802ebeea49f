"""One worker a feed: claims by the database's clock, fences, and what a lost lease does to a page."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text, update

from federation import leases, moving, nodes, papers, told
from federation.crawl import number_of
from federation.database import WriteSession, clock, table
from federation.identity import read_manifest
from federation.leases import Lease
from federation.verdicts import Trouble
from schema.errors import LeaseLost
from schema.tables import Feed
from tests.integration.crawl.world import NOW, Aggregator, FakeNode, World, feed, node_row, rows


def _claim(moot: Aggregator, owner: str = "one", seconds: float = 60) -> Lease | None:
    with moot.database.write() as session:
        return leases.claim(session, owner, seconds, clock=moot.world.clock)


def test_claim_takes_what_is_due(moot: Aggregator, world: World) -> None:
    """A feed that is due is claimed once, with a higher fence, and is nobody else's until the lease runs out."""
    moot.add(world.node())
    first = _claim(moot)
    assert first is not None
    assert (first.fence, first.until - first.at) == (1, timedelta(seconds=60))
    assert _claim(moot, "two") is None
    world.pass_time(seconds=61)
    second = _claim(moot, "two")
    assert second is not None
    assert second.fence == 2


def test_longest_due_comes_first(moot: Aggregator, world: World) -> None:
    """Feeds are visited in the order in which they fell due, and none before that."""
    for code in ("ONE", "TWO"):
        moot.add(world.node(f"{code.lower()}.example", code))
        world.pass_time(minutes=1)
    with moot.database.write() as session:
        later = update(table(Feed)).where(table(Feed).c.node_id == 1).values(due=world.now + timedelta(hours=1))
        session.connection().execute(later)
    found = [_claim(moot), _claim(moot)]
    assert [lease.node_id if lease else None for lease in found] == [2, None]


def test_old_fence_commits_nothing(moot: Aggregator, world: World) -> None:
    """A worker whose lease was taken over while it slept changes neither cursor nor record: its page is thrown away."""
    node = world.node(size=2)
    for n in range(4):
        node.put("contract", f"C-{n}")
    moot.add(node)

    def take_over(url: str) -> None:
        if url.endswith("=4") and feed(moot.database).fence == 1:
            world.pass_time(seconds=61)
            assert _claim(moot, "two") is not None

    world.before = take_over
    result = asyncio.run(moot.crawler().turn())
    assert result is not None
    row = feed(moot.database)
    assert (result.outcome, row.fence, row.owner) == ("lost", 2, "two")
    held = len(rows(moot.database)) - 1
    assert (number_of(row.cursor) or 0, row.accepted) == (held, held)
    assert held < 5


WORK: dict[str, Callable[[WriteSession, Lease], None]] = {
    "hold": leases.hold,
    "change": lambda session, lease: leases.change(session, lease, cursor="elsewhere"),
    "renew": lambda session, lease: leases.renew(session, lease, 60),
    "give back": lambda session, lease: leases.give_back(session, lease, due=NOW, last_visit=NOW),
}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK.keys())
def test_every_commit_names_its_fence(
    moot: Aggregator, world: World, work: Callable[[WriteSession, Lease], None]
) -> None:
    """Nothing that is done under a lease passes once another has it."""
    moot.add(world.node())
    old = _claim(moot)
    assert old is not None
    world.pass_time(seconds=61)
    assert _claim(moot, "two") is not None
    before = feed(moot.database)
    with pytest.raises(LeaseLost), moot.database.write() as session:
        work(session, old)
    assert feed(moot.database) == before


def test_pause_and_remove_fence_out(moot: Aggregator, world: World) -> None:
    """A visit that is under way when its node is paused or removed loses its lease."""
    moot.add(world.node())
    lease = _claim(moot)
    assert lease is not None
    with moot.database.write() as session:
        nodes.pause(session, nodes.find(session, "exa.example"), now=world.now)
    with pytest.raises(LeaseLost), moot.database.write() as session:
        leases.hold(session, lease)
    with moot.database.write() as session:
        nodes.remove(session, nodes.find(session, "exa.example"), now=NOW)
    with pytest.raises(LeaseLost), moot.database.write() as session:
        leases.hold(session, lease)


def test_renewed_lease_is_kept(moot: Aggregator, world: World) -> None:
    """A worker that renews in time keeps its feed."""
    moot.add(world.node())
    lease = _claim(moot)
    assert lease is not None
    world.pass_time(seconds=50)
    with moot.database.write() as session:
        leases.renew(session, lease, 60, clock=world.clock)
    world.pass_time(seconds=50)
    assert _claim(moot, "two") is None


def test_concurrent_claims_share_nothing(moot: Aggregator, world: World) -> None:
    """Eight workers that claim at once, by the database's own clock, never get the same feed."""
    for n in range(12):
        moot.add(world.node(f"n{n}.example", f"N{chr(65 + n)}X"))

    def claim_all(owner: str) -> list[int]:
        found: list[int] = []
        while True:
            with moot.database.write() as session:
                lease = leases.claim(session, owner, 60)
            if lease is None:
                return found
            found.append(lease.feed_id)

    with moot.database.write() as session:
        nodes.make_due(session, now=clock(session) - timedelta(days=1))
    with ThreadPoolExecutor(8) as pool:
        claimed = [feed_id for found in pool.map(claim_all, map(str, range(8))) for feed_id in found]
    assert sorted(claimed) == list(range(1, 13))


def test_heartbeat_keeps_a_slow_visit(moot: Aggregator, world: World) -> None:
    """While a visit waits for a slow page its lease is renewed, by a task beside it."""
    node = world.node()
    moot.add(node)
    with moot.database.write() as session:
        nodes.make_due(session, now=clock(session) - timedelta(days=1))
    get = world.get

    async def slow(url: str, headers: object = None) -> object:
        await asyncio.sleep(0.4)
        return await get(url, headers)  # type: ignore[arg-type]

    async def go() -> object:
        crawler = moot.crawler(lease_seconds=0.3)
        crawler.clock, crawler.get = clock, slow  # type: ignore[assignment]
        turn = asyncio.create_task(crawler.turn())
        await asyncio.sleep(0.6)
        with moot.database.write() as session:
            assert leases.claim(session, "two", 60) is None
        return await turn

    result = asyncio.run(go())
    assert getattr(result, "outcome", None) == "ended"


def test_daemon_visits_all_and_stops(moot: Aggregator, world: World) -> None:
    """`run` visits every feed that is due with several workers and returns when it is told to stop."""
    for n in range(5):
        moot.add(world.node(f"n{n}.example", f"N{chr(65 + n)}X"))
    told: list[str] = []

    async def go() -> None:
        stop = asyncio.Event()
        crawler = moot.crawler(workers=3)

        def tell(result: object) -> None:
            told.append(result.key)  # type: ignore[attr-defined]
            if len(told) == 5:
                stop.set()

        crawler.told = tell
        await asyncio.wait_for(crawler.run(stop), 20)

    asyncio.run(go())
    assert sorted(told) == [f"n{n}.example" for n in range(5)]


def test_once_ends_when_nothing_is_due(moot: Aggregator, world: World) -> None:
    """`once` visits what was due when it began, budget after budget, and then returns."""
    node = world.node(size=1)
    for n in range(6):
        node.put("contract", f"C-{n}")
    moot.add(node)
    moot.add(world.node("b.example", "BBB"))
    asyncio.run(asyncio.wait_for(moot.crawler(budget=2, every=1).once(), 20))
    assert len(rows(moot.database)) == 1 + 7 + 1


def test_a_node_that_was_removed_is_a_lease_lost(moot: Aggregator, world: World) -> None:
    """What a visit needs to know of its node is not there any more: the visit is given up, and nothing is at fault."""
    moot.add(world.node())
    lease = _claim(moot)
    assert lease is not None
    with moot.database.write() as session:
        nodes.remove(session, nodes.find(session, "exa.example"), now=NOW)
    with pytest.raises(LeaseLost), moot.database.present() as session:
        papers.load(session, lease)


def test_a_manifest_that_comes_after_the_lease_was_lost_changes_nothing(moot: Aggregator, world: World) -> None:
    """A node that was paused while it was asked for its manifest stays as it was pinned."""
    node = world.node()
    moot.add(node)
    moot.crawl()
    before = node_row(moot.database).manifest

    def pause(url: str) -> None:
        if url == node.id:
            with moot.database.write() as session:
                nodes.pause(session, nodes.find(session, node.url), now=world.now)

    world.before = pause
    node.more["contact"] = {"name": "Another team", "email": "other@exa.example"}
    world.pass_time(hours=2)
    (result,) = moot.crawl()
    assert result.outcome == "lost"
    assert (node_row(moot.database).manifest, node_row(moot.database).state) == (before, "paused")


def _release(session: WriteSession, node: FakeNode, **when: Any) -> None:
    body = node.answer(node.id)
    nodes.release(session, nodes.find(session, node.url), read_manifest(body, node.id), body, **when)


def _follow(session: WriteSession, node: FakeNode, **when: Any) -> None:
    there = FakeNode("new.example", "EXA")
    body = there.answer(there.id)
    moving.there(
        session, nodes.find(session, node.url), read_manifest(body, there.id), body, me="https://me.example/", **when
    )


OPERATIONS: dict[str, Callable[..., object]] = {
    "release": _release,
    "follow": _follow,
    "grant": lambda session, node, **when: nodes.grant(session, nodes.find(session, node.url), node.prefix, **when),
    "pause": lambda session, node, **when: nodes.pause(session, nodes.find(session, node.url), **when),
    "resume": lambda session, node, **when: nodes.resume(session, nodes.find(session, node.url), **when),
    "remove": lambda session, node, **when: nodes.remove(session, nodes.find(session, node.url), **when),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operator_and_a_visit_do_not_wait_for_each_other(moot: Aggregator, world: World, operation: str) -> None:
    """Feed, log, node: whoever changes them takes them in this order, so neither is broken off."""
    if moot.database.dialect != "postgresql":
        pytest.skip("SQLite has one writer")
    node = world.node()
    moot.add(node)
    moot.crawl()
    world.pass_time(hours=1)
    lease, holding = _claim(moot), threading.Event()
    assert lease is not None

    def visit() -> None:
        with moot.database.write() as session:
            leases.hold(session, lease)
            holding.set()
            _until_one_waits(moot)
            told.tell(session, lease.node_id, [Trouble("schema", "/data", "It is bent.", "one")], world.now)
            nodes.went_wrong(session, nodes.load(session, lease.node_id), since=NOW, retired=True, now=world.now)

    def operate() -> None:
        holding.wait(10)
        with moot.database.write() as session:
            OPERATIONS[operation](session, node, now=world.now - timedelta(days=1))

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(visit), pool.submit(operate)]:
            done.result(30)


def _until_one_waits(moot: Aggregator) -> None:
    """Wait until another transaction waits for a lock of ours."""
    ungranted = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype <> 'advisory'")
    for _look in range(200):
        with moot.database.present() as session:
            if session.connection().execute(ungranted).scalar_one():
                return
        time.sleep(0.02)
    raise AssertionError("nobody waits")
