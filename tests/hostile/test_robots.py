"""robots.txt, Crawl-delay and Retry-After of nodes, through the real door and a real crawl (T38), and herds (T39)."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest

from federation.crew import Crew
from federation.database import Database
from federation.fetch import Door
from federation.robots import Obeying, Permits
from federation.robots import ask as ask_robots
from federation.seam import Answer
from federation.wire import PER_ADDRESS
from folkmoot import wiring
from folkmoot.settings import Settings
from schema.errors import Later, Refused
from tests.hostile.moot import FAIR, Moot
from tests.hostile.node import FEED, WELL_KNOWN
from tests.hostile.talk import Servers, Talk, good, reply

PAGE = f"https://exa.example{FEED}?afterChangeNumber=7"
on_sqlite = pytest.mark.parametrize("engine_name", ["sqlite"])

PERMITTED = {
    "nothing is said": "",
    "all are welcome": "User-agent: *\nAllow: /",
    "an empty rule forbids nothing": "User-agent: *\nDisallow:",
    "others are forbidden": "User-agent: otherbot\nDisallow: /",
    "we are named, and rules for all are not ours": "User-agent: *\nDisallow: /\n\nUser-agent: folkmoot\nDisallow: /x",
    "the longest rule counts": "User-agent: *\nDisallow: /v1\nAllow: /v1/changes",
    "a web page is no rule": "<!doctype html><title>Disallow: /</title>",
    "rules before any name are nobody's": "Disallow: /\nUser-agent: x\nDisallow: /",
}
FORBIDDEN = {
    "all are forbidden": "User-agent: *\nDisallow: /",
    "we are named": "User-agent: otherbot\nUser-agent: FolkMoot\nDisallow: /v1/",
    "a star stands for anything": "User-agent: *\nDisallow: /*/changes",
    "a dollar ends it": "User-agent: *\nDisallow: /v1/changes?afterChangeNumber=7$",
    "a byte order mark and CR": "\ufeffuser-AGENT : *\r\ndisallow : /v1\r\n",
}


@pytest.mark.parametrize("text", PERMITTED.values(), ids=PERMITTED.keys())
def test_t38_what_is_not_forbidden_is_permitted(text: str) -> None:
    """Only a rule that is meant for us, and is the longest that fits, forbids (RFC 9309 section 2.2)."""
    Permits(text.encode()).check(PAGE)


@pytest.mark.parametrize("text", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_t38_what_is_forbidden_is_refused(text: str) -> None:
    """A path that is forbidden to us is refused, by the rule `robots`."""
    with pytest.raises(Refused) as refused:
        Permits(text.encode()).check(PAGE)
    assert refused.value.rule == "robots"


def test_t38_a_hostile_file_costs_little() -> None:
    """Half a megabyte of stars and rules is read and asked within seconds, and delays that are none are none."""
    stars = "User-agent: *\n" + ("Disallow: /" + "*a" * 1_000 + "*b\n") * 250
    Permits(stars.encode()).check("https://exa.example/" + "a" * 1_900)
    delays = {"5": 5.0, "0.5": 0.5, "-3": 0.0, "NaN": 0.0, "1e300": 86_400.0, "soon": 0.0, "inf": 0.0}
    assert {text: Permits(f"User-agent: *\nCrawl-delay: {text}".encode()).delay for text in delays} == delays


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (reply(b"User-agent: x", kind="text/plain"), b"User-agent: x"),
        (reply(b"<html>", kind="text/html"), b"<html>"),
        (reply(b"{}", status="404 Not Found"), b""),
        (reply(b"{}", status="403 Forbidden"), b""),
        (reply(b"", status="302 Found", Location="http://169.254.169.254/"), b""),
        (reply(b"x" * 600_000), b"x" * 512 * 1024),
        (reply(b"", status="500 Oops"), None),
        (reply(b"", status="429 Slow"), None),
    ],
)
def test_t38_a_file_that_cannot_be_had(raw: bytes, text: bytes | None) -> None:
    """4xx and a redirect off the host: there is none; 5xx and 429: nobody can say yet; long ones are cut."""

    async def there(talk: Talk) -> None:
        await talk.send(raw)

    async def go() -> bytes:
        async with Servers() as servers, Door(user_agent="t", allow_private=True, gap=0.0, limits=FAIR) as door:
            node = await servers.listen(0, there)
            return await ask_robots(door.robots, node.url)

    if text is None:
        with pytest.raises(Later):
            asyncio.run(go())
    else:
        assert asyncio.run(go()) == text


def _saying(robots: bytes | None, **headers: str) -> object:
    async def answer(talk: Talk) -> None:
        if talk.path != "/robots.txt":
            await good(talk)
        elif robots is None:
            await talk.send(reply(b"", status="503 Busy", **headers))
        else:
            await talk.send(reply(robots, kind="text/plain"))

    return answer


def test_t38_asked_once_a_day_and_an_idle_visit_is_one_request(database: Database) -> None:
    """robots.txt is asked at the first visit and a day later; between those an idle visit is one request."""
    moot = Moot(database)

    async def go() -> None:
        async with Servers() as servers, moot.door() as door:
            node = await servers.listen(0)
            moot.pin(node)
            crawler = moot.crawler(door)
            asked = []
            for days in (0, 0, 2):
                crawler.clock = lambda session, days=days: moot_clock(session) + timedelta(days=days)  # type: ignore[misc]
                moot.due_feed(node)
                await crawler.once()
                asked.append([path for _, path in servers.asked])
                servers.asked.clear()
            last = f"{FEED}?afterChangeNumber=4"
            assert asked == [["/robots.txt", WELL_KNOWN, FEED, last], [last], ["/robots.txt", WELL_KNOWN, last]]

    from federation.database import clock as moot_clock

    asyncio.run(go())


@on_sqlite
def test_t38_a_file_that_fails_later_stands_as_it_was(database: Database) -> None:
    """Where robots.txt was read before, 503 leaves it standing; where it never was, nothing else is asked."""
    moot = Moot(database)

    async def go() -> None:
        async with Servers() as servers, moot.door() as door:
            known, new = await servers.listen(0), await servers.listen(1, _saying(None))  # type: ignore[arg-type]
            moot.pin(known, new)
            results = {r.key: r.outcome for r in await moot.visit(door, known, new)}
            assert results == {known.key: "ended", "": "failed"}
            assert [path for address, path in servers.asked if address == new.address] == ["/robots.txt"]
            servers.answers[known.address] = _saying(None)  # type: ignore[assignment]
            assert [r.outcome for r in await moot.visit(door, known)] == ["ended"]
            assert [row.rule for row in moot.problems(new)] == ["reachable"]

    asyncio.run(go())


@on_sqlite
def test_t38_crawl_delay_is_waited_out_between_requests(database: Database) -> None:
    """A Crawl-delay of a few seconds parts the requests of a visit, one at a time."""
    moot, times = Moot(database), []

    async def go() -> None:
        delayed = _saying(b"User-agent: *\nCrawl-delay: 0.2")

        async def timed(talk: Talk) -> None:
            times.append((talk.path, time.monotonic()))
            await delayed(talk)  # type: ignore[operator]

        async with Servers() as servers, moot.door() as door:
            node = await servers.listen(0, timed)
            moot.pin(node)
            assert [r.outcome for r in await moot.visit(door, node)] == ["ended"]

    asyncio.run(go())
    asked = [at for path, at in times if path != "/robots.txt"]
    assert len(asked) == 3
    assert all(after - before >= 0.19 for before, after in pairwise(asked))


@on_sqlite
def test_t38_a_long_crawl_delay_parts_the_visits(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Crawl-delay of an hour is kept to between visits of one page, and holds nobody's worker meanwhile."""
    monkeypatch.setattr("federation.polite.PATIENT_DELAY", 0.01)
    moot = Moot(database)

    async def go() -> None:
        async with Servers() as servers, moot.door() as door:
            node = await servers.listen(0, _saying(b"User-agent: *\nCrawl-delay: 3600"))  # type: ignore[arg-type]
            moot.pin(node)
            crawler = moot.crawler(door)
            first = await crawler.turn()
            assert first is not None
            assert (first.outcome, first.pages) == ("budget", 1)
            assert moot.live(node) == {"GB-LAE-AAA", "C-1", "C-2", "C-3"}
            row = moot.feed(node)
            assert timedelta(minutes=59) < row.due - row.last_visit < timedelta(minutes=61)
            assert await crawler.turn() is None

    asyncio.run(go())


@on_sqlite
@pytest.mark.parametrize(
    ("status", "wish", "least", "most"),
    [
        ("503 Busy", "7200", 7_200, 7_200),
        ("429 Slow", "7200", 7_200, 7_200),
        ("429 Slow", "date", 7_100, 7_300),
        ("503 Busy", "99999999", 86_400, 86_400),
        ("503 Busy", "-5", 60, 75),
        ("429 Slow", "soon", 60, 75),
    ],
)
def test_t38_retry_after_is_kept_to(database: Database, status: str, wish: str, least: int, most: int) -> None:
    """`Retry-After` of 429 and 503 is kept to, in seconds or as a date, up to a day; nonsense is nothing."""
    moot = Moot(database)

    async def go() -> None:
        async with Servers() as servers, moot.door() as door:
            node = await servers.listen(0)
            moot.pin(node)
            await moot.visit(door, node)
            until = format_datetime(moot.now() + timedelta(hours=2), usegmt=True)

            async def busy(talk: Talk) -> None:
                told = until if wish == "date" else wish
                await talk.send(reply(b"", status=status, Retry_After=told))

            servers.answers[node.address] = busy
            await moot.visit(door, node)
            row = moot.feed(node)
            assert least - 1 <= (row.due - row.last_visit).total_seconds() <= most + 1

    asyncio.run(go())


def test_t38_a_node_that_joins_is_looked_at_politely() -> None:
    """Looking at a node keeps to its robots.txt as a crawl does, and asks for it once."""

    async def go() -> list[str]:
        async with Servers() as servers, Door(user_agent="t", allow_private=True, gap=0.0, limits=FAIR) as door:
            node = await servers.listen(0, _saying(b"User-agent: *\nDisallow: /v1/"))  # type: ignore[arg-type]
            get = Obeying(door.get, door.robots)
            await get(node.id)
            with pytest.raises(Refused) as refused:
                await get(node.url + FEED)
            assert refused.value.rule == "robots"
            return [path for _, path in servers.asked]

    assert asyncio.run(go()) == ["/robots.txt", WELL_KNOWN]


def test_t39_a_thousand_nodes_on_three_addresses() -> None:
    """1,000 hosts behind 3 addresses are all asked: four at a time an address, never more than are allowed at all."""
    addresses = [f"127.51.1.{n}" for n in (1, 2, 3)]
    busy, most = Counter[str](), Counter[str]()

    async def counted(talk: Talk) -> None:
        here = talk.node.address
        for name in (here, "all"):
            busy[name] += 1
            most[name] = max(most[name], busy[name])
        await asyncio.sleep(0)
        await talk.send(reply(b"{}"))
        for name in (here, "all"):
            busy[name] -= 1

    async def resolve(host: str, _port: int) -> list[str]:
        return [addresses[int(host.partition(".")[0][1:]) % 3]]

    async def go() -> int:
        async with Servers() as servers:
            port = (await servers.listen(0, counted, net="127.51")).port
            for n in (1, 2):
                await servers.listen(n, counted, net="127.51", port=port)
            options = {"connections": 10, "resolve": resolve, "limits": FAIR}
            async with Door(user_agent="t", allow_private=True, gap=0.0, **options) as door:  # type: ignore[arg-type]
                found = await asyncio.gather(*(door.get(f"http://n{n}.localhost:{port}/") for n in range(1_000)))
            return len(found)

    assert asyncio.run(go()) == 1_000
    assert set(most) == {*addresses, "all"}
    assert max(most[address] for address in addresses) <= PER_ADDRESS
    assert most["all"] <= 10


@on_sqlite
def test_t39_crawlers_that_start_together_do_not_begin_together(database: Database) -> None:
    """A daemon begins at a moment of its own within the spread: stopped before that, it has asked nobody."""
    moot = Moot(database)

    async def go() -> None:
        async with Servers() as servers, moot.door() as door:
            node = await servers.listen(0)
            moot.pin(node)
            crawler, stop = moot.crawler(door, spread=3600.0), asyncio.Event()
            running = asyncio.create_task(crawler.run(stop))
            await asyncio.sleep(0.1)
            assert servers.asked == []
            stop.set()
            await running

    asyncio.run(go())


async def _nobody(url: str, headers: Mapping[str, str] | None = None) -> Answer:
    raise AssertionError(url)


@on_sqlite
def test_t39_a_crawler_as_it_is_run_has_a_spread(database: Database) -> None:
    """The command and the crawl inside a server begin at a moment of their own; a demo on one machine at once."""
    for allow_private, spread in ((False, wiring.START_SECONDS), (True, 0.0)):
        settings = Settings.model_validate({"public_url": "https://moot.example", "allow_private": allow_private})
        assert wiring.crawler(settings, database, _nobody).spread == spread
    assert wiring.START_SECONDS >= 5


def test_t39_those_who_wait_lend_their_place() -> None:
    """Visits that wait for slow hosts make room for others, up to all that may go on at a time, and then step back."""

    async def go() -> tuple[int, int, bool]:
        hired: list[int] = []
        crew = Crew(2, 5, lambda: hired.append(1))
        crew.start()
        first = len(hired)
        async with asyncio.TaskGroup() as group:
            for _ in range(6):
                group.create_task(_wait(crew))
        return first, len(hired), crew.crowded

    assert asyncio.run(go()) == (2, 5, True)


async def _wait(crew: Crew) -> None:
    async with crew.waits():
        await asyncio.sleep(1.2)
