"""One worker a feed: claims by the database's clock, fences, and what a lost lease does to a page."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update

from federation import leases, moving, nodes, papers, told
from federation.crawl import number_of
from federation.database import WriteSession, clock, table
from federation.hosts import Kept
from federation.identity import read_manifest
from federation.leases import Lease
from federation.robots import PATIENT_DELAY
from federation.verdicts import Trouble
from schema.errors import LeaseLost
from schema.tables import Feed, Host, Node
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


async def _held_past(moot: Aggregator, end: datetime | None) -> datetime:
    """Until when the one feed is held, once that is later than `end` (None: once it is held at all)."""
    async with asyncio.timeout(20):
        while True:
            until: datetime | None = feed(moot.database).leased_until
            if until is not None and (end is None or until > end):
                return until
            await asyncio.sleep(0.05)


def test_heartbeat_keeps_a_slow_visit(moot: Aggregator, world: World) -> None:
    """While a visit waits for a slow page its lease is renewed, by a task beside it."""
    node = world.node()
    moot.add(node)
    with moot.database.write() as session:
        nodes.make_due(session, now=clock(session) - timedelta(days=1))
    get = world.get

    async def go() -> object:
        renewed = asyncio.Event()

        async def slow(url: str, headers: object = None) -> object:
            await renewed.wait()
            return await get(url, headers)  # type: ignore[arg-type]

        crawler = moot.crawler(lease_seconds=4.5)
        crawler.clock, crawler.get = clock, slow  # type: ignore[assignment]
        turn = asyncio.create_task(crawler.turn())
        first = await _held_past(moot, None)
        await _held_past(moot, first)
        renewed.set()
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


def _feeds(moot: Aggregator) -> dict[int, Any]:
    """Every feed's row by its number."""
    with moot.database.read() as session:
        return {row.id: row for row in session.connection().execute(select(table(Feed)))}


def _hosts(moot: Aggregator) -> dict[str, Any]:
    """Every host's row by its place."""
    with moot.database.read() as session:
        return {row.place: row for row in session.connection().execute(select(table(Host)))}


def _set(moot: Aggregator, feed_id: int, **values: Any) -> None:
    with moot.database.write() as session:
        session.connection().execute(update(table(Feed)).where(table(Feed).c.id == feed_id).values(values))


def _two(moot: Aggregator) -> list[Lease]:
    """Two feeds of two hosts, each under a lease of its own with the same fence and owner."""
    for code in ("ONE", "TWO"):
        moot.add(moot.world.node(f"{code.lower()}.example", code))
    found = [_claim(moot), _claim(moot)]
    assert found[0] is not None
    assert found[1] is not None
    return [found[0], found[1]]


def test_a_lease_tells_its_feed_as_it_stands(moot: Aggregator, world: World) -> None:
    """All that a visit goes on with comes from its feed's row; feed and host are the worker's until the same time."""
    moot.add(world.node())
    standing = {"cursor": "https://exa.example/v1/changes?afterChangeNumber=7", "position": 7, "epoch": "first"}
    told: dict[str, Any] = standing | {"reconciling": True, "etag": '"e"', "every": 900, "fails": 2, "last_good": NOW}
    _set(moot, 1, **told)
    with moot.database.write() as session:
        lease = leases.claim(session, "one", 60, gap=2.5, clock=world.clock)
    assert lease is not None
    assert {name: getattr(lease, name) for name in told} == told
    assert (lease.feed_id, lease.node_id, lease.url) == (1, 1, "https://exa.example/v1/changes")
    assert (lease.owner, lease.fence, lease.turn, lease.host) == ("one", 1, "one#1.1", Kept())
    assert (lease.gap, lease.at, lease.until) == (2.5, world.now, world.now + timedelta(seconds=60))
    row, host = feed(moot.database), _hosts(moot)[lease.place]
    assert (row.owner, row.fence, row.leased_until) == ("one", 1, lease.until)
    assert (lease.place, host.owner, host.free_at) == ("exa.example:443", lease.turn, lease.until)


def test_a_host_is_left_alone_for_no_time_where_nobody_asks(moot: Aggregator, world: World) -> None:
    """A claim without a gap has none: its host is free as soon as the turn is over."""
    moot.add(world.node())
    lease = _claim(moot)
    assert lease is not None
    assert lease.gap == 0.0
    with moot.database.write() as session:
        leases.give_back(session, lease, due=world.now, last_visit=world.now)
    assert _claim(moot, "two") is not None


def test_a_feed_is_due_at_its_time_and_free_after_its_lease(moot: Aggregator) -> None:
    """At the moment at which it is due a feed is claimed; at the last moment of a lease it is not yet another's."""
    moot.add(moot.world.node())

    def at(seconds: float, **options: Any) -> bool:
        with moot.database.write() as session:
            moment = NOW + timedelta(seconds=seconds)
            return leases.claim(session, "one", 60, clock=lambda _session: moment, **options) is not None

    _set(moot, 1, due=NOW)
    assert not at(-1)
    assert not at(5, due_by=NOW - timedelta(seconds=1))
    assert not at(-1, due_by=NOW + timedelta(hours=1))
    assert at(0)
    assert not at(60)
    assert at(60.001, due_by=NOW)


def test_of_feeds_that_fell_due_together_the_first_comes_first(moot: Aggregator, world: World) -> None:
    """What was due longest is claimed first, and of two that fell due together the one that was added first."""
    for code in ("ONE", "TWO", "TRE"):
        moot.add(world.node(f"{code.lower()}.example", code))
    for feed_id, days in ((1, 1), (2, 1), (3, 2)):
        _set(moot, feed_id, due=NOW - timedelta(days=days))
    found = [_claim(moot) for _claim_of_one in range(4)]
    assert [lease.feed_id if lease else None for lease in found] == [3, 1, 2, None]


@pytest.mark.parametrize(("state", "good"), [(one, True) for one in leases.CRAWLED] + [("paused", False)])
def test_only_a_feed_whose_node_is_crawled_is_claimed(
    moot: Aggregator, world: World, state: str, *, good: bool
) -> None:
    """A node's own state says whether its feed is anybody's turn, whatever the state of another node is."""
    moot.add(world.node())
    moot.add(world.node("other.example", "OTH"))
    with moot.database.write() as session:
        other = {"state": "paused" if good else "active"}
        session.connection().execute(update(table(Node)).where(table(Node).c.id == 2).values(other))
        session.connection().execute(update(table(Node)).where(table(Node).c.id == 1).values(state=state))
    found = [_claim(moot), _claim(moot)]
    assert [lease.node_id if lease else None for lease in found] == [1 if good else 2, None]


def test_a_feed_is_waited_for_where_only_its_host_is_busy(moot: Aggregator, world: World) -> None:
    """`crawl --once` waits for what is due and nobody's; not for what falls due later, nor for what is being read."""
    moot.add(world.node())

    def waiting(due_by: timedelta) -> bool:
        with moot.database.present() as session:
            return leases.waiting(session, NOW + due_by, clock=lambda _session: NOW)

    _set(moot, 1, due=NOW)
    assert waiting(timedelta(0))
    assert waiting(timedelta(hours=1))
    assert not waiting(timedelta(seconds=-1))
    _set(moot, 1, due=NOW + timedelta(seconds=1))
    assert not waiting(timedelta(hours=1))
    _set(moot, 1, due=NOW, leased_until=NOW + timedelta(seconds=1))
    assert not waiting(timedelta(hours=1))


@pytest.mark.parametrize(
    ("gap", "delay", "told"),
    [(0.5, 3, 3.0), (5.0, 3, 5.0), (0.5, 60, PATIENT_DELAY), (15.0, 60, 15.0)],
    ids=["the host's", "ours", "a patient one", "ours above that"],
)
def test_the_gap_is_what_the_host_asks_for(moot: Aggregator, world: World, gap: float, delay: int, told: float) -> None:
    """The longer of our gap and the host's Crawl-delay holds, but no more of it than is waited out in a visit."""
    moot.add(world.node())
    with moot.database.write() as session:
        plain = leases.claim(session, "one", 60, gap=gap, clock=world.clock)
    assert plain is not None
    assert leases.considerate(plain) is plain, "of a host that was never asked nothing is known"
    with moot.database.write() as session:
        rules = f"User-agent: *\nDisallow: /private\nCrawl-delay: {delay}".encode()
        session.connection().execute(update(table(Host)).values(robots=rules, robots_at=NOW))
    world.pass_time(seconds=61)
    with moot.database.write() as session:
        lease = leases.claim(session, "two", 60, gap=gap, clock=world.clock)
    assert lease is not None
    polite = leases.considerate(lease)
    assert (polite.gap, polite.fence, polite.host.robots_at) == (told, lease.fence, NOW)
    assert polite.host.permits is not None
    assert polite.host.permits.delay == delay


def test_a_renewal_holds_one_feed_and_its_host(moot: Aggregator, world: World) -> None:
    """A heartbeat moves the end of its own lease, and of its host's turn, and of nothing else."""
    ours, others = _two(moot)
    before = _feeds(moot)[others.feed_id], _hosts(moot)[others.place]
    world.pass_time(seconds=30)
    with moot.database.write() as session:
        leases.renew(session, ours, 60, clock=world.clock)
    until = world.now + timedelta(seconds=60)
    row, host = _feeds(moot)[ours.feed_id], _hosts(moot)[ours.place]
    assert (row.leased_until, row.owner, row.fence) == (until, "one", 1)
    assert (host.free_at, host.owner) == (until, ours.turn)
    assert (_feeds(moot)[others.feed_id], _hosts(moot)[others.place]) == before


@pytest.mark.parametrize("way", ["let go", "give back"])
def test_a_turn_ends_for_one_feed_and_its_host(moot: Aggregator, world: World, way: str) -> None:
    """What is given back is free, its host after the gap; a broken off turn stays due. Other feeds are untouched."""
    for code in ("ONE", "TWO"):
        moot.add(world.node(f"{code.lower()}.example", code))
    with moot.database.write() as session:
        ours = leases.claim(session, "one", 60, gap=5.0, clock=world.clock)
        others = leases.claim(session, "one", 60, gap=5.0, clock=world.clock)
    assert ours is not None
    assert others is not None
    before = _feeds(moot)[others.feed_id], _hosts(moot)[others.place]
    due = _feeds(moot)[ours.feed_id].due
    with moot.database.write() as session:
        if way == "let go":
            leases.let_go(session, ours, clock=world.clock)
        else:
            due, visit = world.now + timedelta(hours=1), world.now
            leases.give_back(session, ours, due=due, last_visit=visit, etag='"new"', fails=3)
    row, host = _feeds(moot)[ours.feed_id], _hosts(moot)[ours.place]
    assert (row.owner, row.leased_until, row.due, row.fence) == (None, None, due, 1)
    assert (host.owner, host.free_at) == (None, world.now + timedelta(seconds=5))
    if way == "give back":
        assert (row.last_visit, row.etag, row.fails) == (world.now, '"new"', 3)
    assert (_feeds(moot)[others.feed_id], _hosts(moot)[others.place]) == before


def test_what_is_let_go_late_is_anothers(moot: Aggregator, world: World) -> None:
    """A turn whose feed was claimed again by the same worker neither frees nor holds it any more, nor its host."""
    moot.add(world.node())
    old = _claim(moot)
    world.pass_time(seconds=61)
    new = _claim(moot)
    assert old is not None
    assert new is not None
    before = feed(moot.database), _hosts(moot)[new.place]
    with pytest.raises(LeaseLost), moot.database.write() as session:
        leases.renew(session, old, 60, clock=world.clock)
    with moot.database.write() as session:
        leases.let_go(session, old, clock=world.clock)
    assert (feed(moot.database), _hosts(moot)[new.place]) == before


def test_a_change_is_made_to_one_feed(moot: Aggregator) -> None:
    """What is written or held under a lease is its own feed's row, though another has the same fence and owner."""
    ours, others = _two(moot)
    before = _feeds(moot)[others.feed_id]
    with moot.database.write() as session:
        leases.hold(session, others)
        leases.change(session, ours, cursor="elsewhere", position=9)
    row = _feeds(moot)[ours.feed_id]
    assert (row.cursor, row.position, row.owner, row.fence) == ("elsewhere", 9, "one", 1)
    assert _feeds(moot)[others.feed_id] == before


def _impatient(session: WriteSession) -> None:
    session.connection().execute(text("SET LOCAL lock_timeout = '2s'"))


def test_a_row_that_somebody_changes_is_passed_over(moot: Aggregator, world: World) -> None:
    """A claim waits for nobody: not for a feed that is being claimed, nor for whoever changes a node.

    A feed that is held until commit is nobody else's meanwhile, though its lease has run out.
    """
    if moot.database.dialect != "postgresql":
        pytest.skip("SQLite has one writer")
    for code in ("ONE", "TWO"):
        moot.add(world.node(f"{code.lower()}.example", code))
    with moot.database.write() as one, moot.database.write() as operator, moot.database.write() as two:
        _impatient(two)
        operator.connection().execute(select(table(Node).c.id).where(table(Node).c.id == 2).with_for_update())
        first = leases.claim(one, "one", 60, clock=world.clock)
        second = leases.claim(two, "two", 60, clock=world.clock)
    assert [lease.feed_id if lease else None for lease in (first, second)] == [1, 2]
    assert first is not None
    world.pass_time(seconds=61)
    with moot.database.write() as one, moot.database.write() as two:
        _impatient(two)
        leases.hold(one, first)
        found = leases.claim(two, "two", 60, clock=world.clock)
        assert found is not None
        assert found.feed_id == 2
        assert leases.claim(two, "two", 60, clock=world.clock) is None
