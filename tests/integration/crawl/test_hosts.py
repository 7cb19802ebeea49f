"""One reader a host at a time, over all workers, with a gap between two: leases by host, and the visit's own clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from protego import Protego
from sqlalchemy import delete, select, update

import migrations
from federation import hosts, leases, nodes
from federation import robots as robots_txt
from federation.database import Database, WriteSession, clock, table
from federation.leases import Lease
from federation.polite import Polite
from federation.seam import Answer
from schema.errors import Later, LeaseLost, Refused
from schema.tables import Feed, Host, Node, Publisher, Record
from tests.integration.crawl.world import Aggregator, World, rows

SECONDS, GAP = 60.0, 5.0


def _share(moot: Aggregator, places: Mapping[int, str]) -> None:
    """Let feeds be read from the hosts that are named, as two addresses of one host would be."""
    with moot.database.write() as session:
        for feed_id, place in places.items():
            session.connection().execute(update(table(Feed)).where(table(Feed).c.id == feed_id).values(place=place))


def _claim(moot: Aggregator, owner: str = "one") -> Lease | None:
    with moot.database.write() as session:
        return leases.claim(session, owner, SECONDS, gap=GAP, clock=moot.world.clock)


def _councils(moot: Aggregator, count: int) -> None:
    for n in range(count):
        moot.add(moot.world.node(f"n{n}.example", f"N{chr(65 + n)}X"))


def test_feeds_of_one_host_take_turns(moot: Aggregator, world: World) -> None:
    """While one feed of a host is leased no other is, and after it the host is left alone for the gap."""
    _councils(moot, 2)
    _share(moot, {1: "n0.example:443", 2: "n0.example:443"})
    first = _claim(moot)
    assert first is not None
    assert _claim(moot, "two") is None
    with moot.database.write() as session:
        leases.give_back(session, first, due=world.now + timedelta(days=1), last_visit=world.now)
    assert _claim(moot, "two") is None
    world.pass_time(seconds=GAP)
    second = _claim(moot, "two")
    assert second is not None
    assert (second.place, second.feed_id) == (first.place, 2)


def test_a_heartbeat_after_the_end_holds_nothing(moot: Aggregator, world: World) -> None:
    """A renewal that comes after its visit has ended is lost: the feed stays free, and so does its host."""
    _councils(moot, 1)
    lease = _claim(moot)
    assert lease is not None
    with moot.database.write() as session:
        leases.give_back(session, lease, due=world.now, last_visit=world.now - timedelta(seconds=GAP))
    with pytest.raises(LeaseLost), moot.database.write() as session:
        leases.renew(session, lease, SECONDS, clock=world.clock)
    assert _claim(moot, "two") is not None


def test_a_visit_that_was_too_slow_for_its_lease_is_made_again(moot: Aggregator, world: World) -> None:
    """A worker that stops asking because its lease ran out frees the feed, unless another has it; `--once` goes on."""
    _councils(moot, 1)
    lost = _claim(moot)
    assert lost is not None
    with moot.database.write() as session:
        leases.let_go(session, lost, clock=world.clock)
    world.pass_time(seconds=GAP)
    again = _claim(moot, "two")
    assert again is not None
    assert again.fence == lost.fence + 1
    with moot.database.write() as session:
        leases.let_go(session, lost, clock=world.clock)
        leases.hold(session, again)
    assert _owner(moot.database, again.place) == again.turn


def test_a_killed_worker_leaves_its_host_to_others_in_time(moot: Aggregator, world: World) -> None:
    """A host whose worker died is free when the lease has run out, and not before: a request may be under way."""
    _councils(moot, 2)
    _share(moot, {1: "n0.example:443", 2: "n0.example:443"})
    assert _claim(moot) is not None
    world.pass_time(seconds=SECONDS - 5)
    assert _claim(moot, "two") is None
    world.pass_time(seconds=5)
    assert _claim(moot, "two") is not None


def test_a_resumed_node_waits_for_the_visit_that_was_cut_off(moot: Aggregator, world: World) -> None:
    """Pausing and resuming a node gives nobody a second connection to it while the old worker may still ask."""
    _councils(moot, 1)
    assert _claim(moot) is not None
    with moot.database.write() as session:
        nodes.pause(session, nodes.find(session, "n0.example"), now=world.now)
        nodes.resume(session, nodes.find(session, "n0.example"), now=world.now)
    assert _claim(moot, "two") is None
    world.pass_time(seconds=SECONDS + 1)
    assert _claim(moot, "two") is not None


class _Hosts:
    """What workers may do, and until when each host is somebody's."""

    def __init__(self, moot: Aggregator) -> None:
        self.moot, self.live = moot, list[Lease]()
        self.until: dict[str, datetime] = {}

    def wait(self, seconds: int) -> None:
        self.moot.world.pass_time(seconds=seconds)

    def claim(self, n: int) -> None:
        lease = _claim(self.moot, "abc"[n % 3])
        if lease is not None:
            self._taken(lease.place, lease.at, lease.until)
            self.live.append(lease)

    def ask(self, n: int) -> None:
        place, at = f"h{n % 2}:443", self.moot.world.clock(None)  # type: ignore[arg-type]
        until = at + timedelta(seconds=10)
        with self.moot.database.write() as session:
            if hosts.take(session, place, "asker", at=at, until=until):
                self._taken(place, at, until)

    def renew(self, n: int) -> None:
        self._do(n, lambda session, lease: leases.renew(session, lease, SECONDS, clock=self.moot.world.clock), SECONDS)

    def give_back(self, n: int) -> None:
        now = self.moot.world.now
        lease = self._do(n, lambda session, lease: leases.give_back(session, lease, due=now, last_visit=now), GAP)
        if lease is not None:
            self.live.remove(lease)

    def _do(self, n: int, work: Callable[[WriteSession, Lease], None], seconds: float) -> Lease | None:
        if not self.live:
            return None
        lease = self.live[n % len(self.live)]
        ours = _owner(self.moot.database, lease.place) == lease.turn
        with suppress(LeaseLost), self.moot.database.write() as session:
            work(session, lease)
            if ours:
                self.until[lease.place] = self.moot.world.now + timedelta(seconds=seconds)
        return lease

    def _taken(self, place: str, at: datetime, until: datetime) -> None:
        assert at >= self.until.get(place, at)
        self.until[place] = until


_STEPS = st.tuples(st.sampled_from(["claim", "claim", "give_back", "renew", "ask", "wait"]), st.integers(0, 61))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(_STEPS, max_size=30))
def test_never_two_live_leases_on_one_host(database: Database, steps: list[tuple[str, int]]) -> None:
    """Whatever workers claim, renew, give back, let lapse or ask of origins, a host has one holder at a time."""
    with database.write() as session:
        for name in (Host, Node, Record, Publisher):
            session.connection().execute(delete(table(name)))
    world = World()
    moot = Aggregator(database, world)
    _councils(moot, 5)
    with database.read() as session:
        feeds = session.connection().execute(select(table(Feed).c.id)).scalars().all()
    _share(moot, {feed_id: f"h{n % 2}:443" for n, feed_id in enumerate(feeds)})
    held = _Hosts(moot)
    for step, n in steps:
        getattr(held, step)(n)


def _owner(database: Database, place: str) -> str | None:
    with database.read() as session:
        chosen = select(table(Host).c.owner).where(table(Host).c.place == place)
        return session.connection().execute(chosen).scalar_one_or_none()


def test_claims_at_once_never_share_a_host(moot: Aggregator, world: World) -> None:
    """Eight threads that claim twelve feeds of three hosts at once get three, one a host."""
    _councils(moot, 12)
    _share(moot, {n + 1: f"h{n % 3}:443" for n in range(12)})
    with moot.database.write() as session:
        nodes.make_due(session, now=clock(session) - timedelta(days=1))

    def claim(owner: str) -> list[str]:
        found = []
        for _ in range(6):
            with moot.database.write() as session:
                lease = leases.claim(session, owner, SECONDS)
            if lease is not None:
                found.append(lease.place)
        return found

    with ThreadPoolExecutor(8) as pool:
        claimed = [place for found in pool.map(claim, map(str, range(8))) for place in found]
    assert sorted(claimed) == ["h0:443", "h1:443", "h2:443"]


def test_once_waits_for_the_gap_of_a_host(moot: Aggregator, world: World) -> None:
    """`crawl --once` reads both feeds of a host, one after the other, and does not end in the gap between."""
    _councils(moot, 2)
    _share(moot, {1: "n0.example:443", 2: "n0.example:443"})
    with moot.database.write() as session:
        nodes.make_due(session, now=clock(session) - timedelta(days=1))
    crawler = moot.crawler(gap=0.3, workers=2)
    crawler.clock = clock
    asyncio.run(asyncio.wait_for(crawler.once(), 30))
    assert {row.node_id for row in rows(moot.database).values()} == {None, 1, 2}


def _polite(moot: Aggregator, lease: Lease, get: object, seconds: float = SECONDS) -> Polite:
    began = time.monotonic()
    return Polite(get, moot.database, lease, began=began, seconds=seconds, clock=clock)  # type: ignore[arg-type]


def test_another_host_is_asked_in_its_turn_only(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An origin that another worker is reading is waited for, and then given up for now; a free one is asked."""
    monkeypatch.setattr("federation.polite.PATIENCE", 0.3)
    _councils(moot, 1)
    lease = _claim(moot)
    assert lease is not None
    get = _polite(moot, lease, world.get)
    origin = world.node("origin.example", "ORG").id
    with moot.database.write() as session:
        at = clock(session)
        assert hosts.take(session, "origin.example:443", "two", at=at, until=at + timedelta(seconds=60))
    with pytest.raises(Later):
        asyncio.run(get(origin))
    with moot.database.write() as session:
        hosts.leave(session, "origin.example:443", "two", free_at=at)
    assert asyncio.run(get(origin)).status == 200
    assert _owner(moot.database, "origin.example:443") is None
    assert [url for url, _headers in world.asked].count(origin) == 1


def test_nothing_is_asked_after_the_lease(moot: Aggregator, world: World) -> None:
    """When the lease has run out by the worker's own clock it asks no more, and a request under way is cut off."""
    _councils(moot, 1)
    lease = _claim(moot)
    assert lease is not None

    async def slow(_url: str, _headers: object = None) -> Answer:
        await asyncio.sleep(5)
        return Answer(200, b"")

    began = time.monotonic()
    get = _polite(moot, lease, slow, seconds=0.2)
    url = "https://n0.example/v1/changes"
    for _ in range(2):
        with pytest.raises(LeaseLost):
            asyncio.run(get(url))
    assert time.monotonic() - began < 2


def test_a_renewed_lease_lets_a_request_end(moot: Aggregator, world: World) -> None:
    """A slow request goes on when the lease is renewed while it waits."""
    _councils(moot, 1)
    lease = _claim(moot)
    assert lease is not None

    async def go() -> Answer:
        asked = asyncio.Event()

        async def slow(_url: str, _headers: object = None) -> Answer:
            asked.set()
            await asyncio.sleep(1.7)
            return Answer(200, b"done")

        get = _polite(moot, lease, slow, seconds=1.5)
        asking = asyncio.create_task(get("https://n0.example/v1/changes"))
        await asked.wait()
        get.renewed(time.monotonic() + 60)
        return await asking

    assert asyncio.run(go()).body == b"done"


def test_a_renewal_does_not_mend_a_request_that_was_cut_off(moot: Aggregator, world: World) -> None:
    """A renewal that comes just after a request was cut off is too late for it: that visit ends, and says why."""
    _councils(moot, 1)
    lease = _claim(moot)
    assert lease is not None

    async def go() -> None:
        async def slow(_url: str, _headers: object = None) -> Answer:
            try:
                await asyncio.sleep(5)
            except asyncio.CancelledError:
                get.renewed(time.monotonic())
                raise
            return Answer(200, b"")

        get = _polite(moot, lease, slow, seconds=0.2)
        with pytest.raises(LeaseLost, match=r"^The lease ran out during a request\.$"):
            await get("https://n0.example/v1/changes")

    asyncio.run(go())


def test_a_time_limit_that_is_not_the_leases_is_no_lost_lease(moot: Aggregator, world: World) -> None:
    """A time-out within a request, while the lease lasts, comes through as what it is."""
    _councils(moot, 1)
    lease = _claim(moot)
    assert lease is not None

    async def late(_url: str, _headers: object = None) -> Answer:
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        asyncio.run(_polite(moot, lease, late)("https://n0.example/v1/changes"))


RULES = b"User-agent: *\nDisallow: /private\nCrawl-delay: 3"


class _Robots:
    """Answers for the robots.txt of every host, and notes whose was asked for."""

    def __init__(self, answer: Answer | Exception) -> None:
        self.answer, self.asked = answer, list[str]()

    async def __call__(self, place: str) -> Answer:
        self.asked.append(place)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def _visited(moot: Aggregator, robots: _Robots, path: str) -> Answer | Exception:
    """Ask one page of the one council's host in a visit of its own; gives its answer, or why there is none."""
    lease = _claim(moot)
    assert lease is not None
    world, began = moot.world, time.monotonic()
    get = Polite(world.get, moot.database, lease, began=began, seconds=SECONDS, clock=world.clock, robots=robots)
    try:
        return asyncio.run(get(f"https://n0.example{path}"))
    except (Later, Refused) as error:
        return error
    finally:
        with moot.database.write() as session:
            leases.give_back(session, lease, due=world.now, last_visit=world.now)
        world.pass_time(seconds=GAP)


@pytest.mark.parametrize("down", [Later("It hangs."), Answer(503, b""), Answer(429, b"")], ids=["hangs", "503", "429"])
def test_a_robots_txt_that_cannot_be_had_leaves_the_kept_one_standing(
    moot: Aggregator, world: World, down: Answer | Later
) -> None:
    """Where a host's robots.txt cannot be had a day later, what it forbade stays forbidden and the rest is asked."""
    _councils(moot, 1)
    robots = _Robots(Answer(200, RULES))
    assert isinstance(_visited(moot, robots, "/v1/changes"), Answer)
    assert isinstance(_visited(moot, robots, "/private"), Refused)
    assert robots.asked == ["https://n0.example"], "it is kept for a day"
    robots.answer = down
    world.pass_time(hours=25)
    forbidden = _visited(moot, robots, "/private")
    assert isinstance(forbidden, Refused)
    assert forbidden.rule == "robots"
    assert isinstance(_visited(moot, robots, "/v1/changes"), Answer)
    assert len(robots.asked) == 3, "it is asked for again on each visit until it can be had"


def test_a_host_whose_robots_txt_was_never_had_is_left_for_later(moot: Aggregator, world: World) -> None:
    """Where nothing is known of a host's robots.txt and it cannot be had, no page of it is asked for."""
    _councils(moot, 1)
    told = _visited(moot, _Robots(Answer(503, b"")), "/v1/changes")
    assert isinstance(told, Later)
    assert told.detail == "https://n0.example/robots.txt answers 503; until it can be read, nothing is asked."
    assert world.asked == []
    with moot.database.read() as session:
        kept = session.connection().execute(select(table(Host).c.robots, table(Host).c.robots_at)).one()
    assert tuple(kept) == (None, None)


def test_feeds_of_before_learn_their_host(empty_url: str) -> None:
    """The migration gives each feed that stands already the host and port of its address."""
    migrations.upgrade(empty_url, "0001")
    base = Database(empty_url)
    with base.write() as session:
        run = session.connection().exec_driver_sql
        run(
            "INSERT INTO node (id, key, url, name, role, relays, state, manifest, prefixes, added) VALUES "
            "(1, 'k', 'u', 'n', 'node', false, 'active', '', '{}', '2026-11-02 09:00:00')"
        )
        run(
            "INSERT INTO feed (node_id, url, due, fence, cursor, position, reconciling, every, fails, accepted, "
            "refused, dropped) VALUES (1, 'https://moot.example/v1/changes', "
            "'2026-11-02 09:00:00', 0, 'c', 0, false, 300, 0, 0, 0, 0)"
        )
    migrations.upgrade(empty_url)
    with base.read() as session:
        assert session.connection().execute(select(table(Feed).c.place)).scalar_one() == "moot.example:443"
    base.dispose()


def test_a_claim_reads_no_robots_txt(moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction of a claim keeps others out, so what a host's file wishes is read after it."""
    robots = _Robots(Answer(200, RULES))
    _councils(moot, 1)
    assert isinstance(_visited(moot, robots, "/v1/changes"), Answer)
    reading: list[bool] = []
    permits = robots_txt.Permits

    def read(text: bytes) -> object:
        with moot.database.write():  # would wait for ever for a claim of its own thread
            reading.append(True)
        return permits(text)

    monkeypatch.setattr(leases, "Permits", read)
    world.pass_time(seconds=SECONDS + GAP)
    lease = moot.crawler(gap=0.5)._claim(None)
    assert lease is not None
    assert (lease.gap, reading) == (3.0, [True])


def test_a_robots_txt_that_is_kept_is_parsed_once_a_visit(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read for the gap of a claim is what the visit's own requests are held to."""
    robots = _Robots(Answer(200, RULES))
    _councils(moot, 1)
    assert isinstance(_visited(moot, robots, "/v1/changes"), Answer)
    parse, parsed = Protego.parse, list[str]()

    def noted(text: str) -> Protego:
        parsed.append(text)
        return parse(text)

    monkeypatch.setattr(Protego, "parse", noted)
    world.pass_time(seconds=SECONDS + GAP)
    result = asyncio.run(moot.crawler(gap=0.5, robots=robots).turn())
    assert result is not None
    assert (result.outcome, len(parsed), robots.asked) == ("ended", 1, ["https://n0.example"])


def test_of_a_robots_txt_only_what_is_said_to_us_is_kept(moot: Aggregator, world: World) -> None:
    """A row keeps no half megabyte of what others may not do: it would be read at every claim."""
    said = b"".join(b"User-agent: bot%d\nDisallow: /%d\n" % (n, n) for n in range(5_000)) + RULES
    _councils(moot, 1)
    assert isinstance(_visited(moot, _Robots(Answer(200, said)), "/private"), Refused)
    with moot.database.read() as session:
        kept = session.connection().execute(select(table(Host).c.robots)).scalar_one()
    assert kept == b"User-agent: folkmoot\nDisallow: /private\nCrawl-delay: 3"
