"""What a visit that fails leaves behind: back-off, Retry-After, stale, retired, and the way back."""

from __future__ import annotations

import asyncio
import random
import time

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from federation import nodes
from federation.backoff import wait
from federation.database import table
from federation.rounds import TurnResult
from schema.errors import Crawling, Later, Refused, Vanished
from schema.tables import Host
from tests.integration.crawl.world import Aggregator, World, feed, node_row, problems, rows


def test_wait_doubles_up_to_six_hours() -> None:
    """A minute, doubled with each failure, never above six hours, never twice the same for a herd of nodes."""
    jitter = random.Random(7)
    waits = [wait(Later("down"), fails, jitter).total_seconds() for fails in range(1, 30)]
    assert 60 <= waits[0] <= 75
    assert all(60 <= seconds <= 6 * 3600 for seconds in waits)
    assert 60 * 2**4 <= waits[4] <= 75 * 2**4 < waits[6] <= 75 * 2**6
    assert min(waits[10:]) >= 6 * 3600 * 0.8
    assert len(set(waits[10:])) > 5


def test_retry_after_is_honoured() -> None:
    """The node's own wish counts where it is longer, up to a day."""
    jitter = random.Random(7)
    assert wait(Later("busy", 7200), 1, jitter).total_seconds() == 7200
    assert 60 <= wait(Later("busy", 1), 1, jitter).total_seconds() <= 75
    assert wait(Later("busy", 10**9), 1, jitter).total_seconds() == 86_400


def test_vanished_is_tried_daily() -> None:
    """404 and 410 are asked again the next day, however often."""
    jitter = random.Random(7)
    waits = [wait(Vanished("gone", 404), fails, jitter).total_seconds() for fails in (1, 5, 50)]
    assert all(0.9 * 86_400 <= seconds <= 86_400 for seconds in waits)


def test_failing_node_goes_stale_and_comes_back(moot: Aggregator, world: World) -> None:
    """After three failures the last good copy is served as stale since the last good visit; a good visit mends it."""
    node = world.node()
    record_id = node.put("contract", "C-1")
    moot.add(node)
    moot.crawl()
    good = feed(moot.database).last_good
    world.faults[node.url] = Later("It hangs.")
    for _visit in range(3):
        assert node_row(moot.database).state == "active"
        world.pass_time(hours=7)
        (result,) = moot.crawl()
        assert (result.outcome, result.error) == ("failed", "It hangs.")
    row = feed(moot.database)
    assert (row.fails, row.last_error, row.owner, row.leased_until) == (3, "It hangs.", None, None)
    assert (node_row(moot.database).state, node_row(moot.database).stale_since) == ("stale", good)
    assert not rows(moot.database)[record_id].deleted
    assert [(p.rule, p.count) for p in problems(moot.database)] == [("reachable", 3)]
    world.faults.clear()
    world.pass_time(hours=7)
    moot.crawl()
    assert (node_row(moot.database).state, node_row(moot.database).stale_since) == ("active", None)
    assert (feed(moot.database).fails, problems(moot.database)) == (0, [])


def test_gone_for_three_days_is_retired(moot: Aggregator, world: World) -> None:
    """Three days after the first 410 a node is retired; its records stay, and it is still asked once a day."""
    node = world.node()
    record_id = node.put("contract", "C-1")
    moot.add(node)
    moot.crawl()
    world.faults[node.url] = Vanished("gone", 410)
    states = []
    for _day in range(5):
        world.pass_time(days=1)
        assert len(moot.crawl()) == 1
        states.append(node_row(moot.database).state)
    assert states == ["stale", "stale", "stale", "retired", "retired"]
    assert not rows(moot.database)[record_id].deleted
    world.faults.clear()
    world.pass_time(days=1)
    moot.crawl()
    assert node_row(moot.database).state == "active"


def test_missing_is_stale_never_retired(moot: Aggregator, world: World) -> None:
    """404 is no 410: the node is stale for as long as it lasts."""
    node = world.node()
    moot.add(node)
    moot.crawl()
    world.faults[node.url] = Vanished("missing", 404)
    for _day in range(5):
        world.pass_time(days=1)
        moot.crawl()
    assert node_row(moot.database).state == "stale"


@pytest.mark.parametrize("member", ["id", "role"])
def test_changed_identity_is_refused(moot: Aggregator, world: World, member: str) -> None:
    """A manifest with another id or role is told as a problem, and the feed is not read."""
    node = world.node()
    moot.add(node)
    moot.crawl()
    changed = node.put("contract", "C-1")
    node.more = {"id": "https://else.example/.well-known/folkmoot"} if member == "id" else {"role": "aggregator"}
    world.pass_time(hours=1)
    (result,) = moot.crawl()
    assert (result.outcome, result.pages) == ("failed", 0)
    assert changed not in rows(moot.database)
    assert [(p.rule, p.pointer) for p in problems(moot.database)] == [("identity-changed", f"/{member}")]


def test_a_manifest_that_is_broken_is_no_other_identity(moot: Aggregator, world: World) -> None:
    """A manifest that became invalid is told at its place; the node is not held, and mends it by itself."""
    node = world.node()
    moot.add(node)
    moot.crawl()
    node.more = {"publishers": []}
    world.pass_time(hours=1)
    (result,) = moot.crawl()
    assert (result.outcome, result.pages, node_row(moot.database).state) == ("failed", 0, "active")
    (told,) = problems(moot.database)
    assert (told.rule, told.pointer, told.severity) == ("manifest-valid", "/publishers", "error")
    assert told.message.startswith("The manifest is not valid: ")
    node.more = {}
    world.pass_time(hours=1)
    moot.crawl()
    assert problems(moot.database) == []


def test_names_follow_the_manifest(moot: Aggregator, world: World) -> None:
    """A publisher that is renamed is renamed here at the next visit."""
    node = world.node()
    moot.add(node)
    moot.crawl()
    node.name = "New Council"
    world.pass_time(hours=1)
    moot.crawl()
    assert node_row(moot.database).name == "New Council"


def test_fault_of_ours_stops_nothing(moot: Aggregator, world: World) -> None:
    """An error that nobody foresaw is noted, backed off from, and leaves the feed free."""
    node = world.node()
    moot.add(node)
    world.faults[node.url] = ZeroDivisionError("oops")
    (result,) = moot.crawl()
    row = feed(moot.database)
    assert (result.outcome, row.fails, row.owner) == ("failed", 1, None)
    assert row.last_error == "A fault of this aggregator's own broke the visit off (ZeroDivisionError)."


def test_error_text_cannot_harm_the_database(moot: Aggregator, world: World) -> None:
    """NUL and half characters in what a node answers are cleaned before either database sees them."""
    node = world.node()
    moot.add(node)
    world.faults[node.url] = Refused("page-json", "bad \x00 and \ud800 text", "/items")
    (result,) = moot.crawl()
    assert result.outcome == "failed"
    assert "\x00" not in feed(moot.database).last_error


def test_paused_node_is_left_alone(moot: Aggregator, world: World) -> None:
    """A paused node is not visited until it is resumed, and then at once."""
    from federation import nodes

    node = world.node()
    moot.add(node)
    with moot.database.write() as session:
        nodes.pause(session, nodes.find(session, node.url), now=world.now)
    world.pass_time(hours=1)
    assert moot.crawl() == []
    with moot.database.write() as session:
        nodes.resume(session, nodes.find(session, node.id), now=world.now)
    assert [r.outcome for r in moot.crawl()] == ["ended"]


_ENDS = {"Later", "Refused", "Vanished", "ReaderFault", "LeaseLost"}


def test_crawling_errors_are_the_only_ones_expected() -> None:
    """Later, Refused, Vanished and a fault of ours are all of what a visit can end in, besides a lost lease."""
    assert {error.__name__ for error in Crawling.__subclasses__()} == _ENDS


def test_a_fault_of_ours_in_one_visit_stops_no_other(moot: Aggregator, world: World) -> None:
    """What breaks in the visit to one node is logged, told as ours, and tried later; the other nodes are read."""
    first, second = world.node("a.example", "AAA"), world.node("b.example", "BBB")
    moot.add(first)
    moot.add(second)
    record_id = second.put("contract", "C-1")
    world.faults[first.url] = KeyError("a slip")
    results: list[TurnResult] = []
    with capture_logs() as lines:
        asyncio.run(asyncio.wait_for(moot.crawler(workers=1, told=results.append).once(), 30))
    told = "A fault of this aggregator's own broke the visit off (KeyError)."
    assert {result.key: (result.outcome, result.error) for result in results} == {
        "a.example": ("failed", told),
        "b.example": ("ended", None),
    }
    assert record_id in rows(moot.database)
    logged = [(line["node"], line["log_level"]) for line in lines if "fault of ours" in line["event"]]
    assert logged == [("a.example", "error")]
    assert [(p.rule, p.severity, p.message) for p in problems(moot.database)] == [("reader-fault", "warning", told)]
    world.faults.clear()
    world.pass_time(hours=1)
    moot.crawl()
    assert problems(moot.database) == []


def test_a_daemon_begins_within_its_spread(moot: Aggregator, world: World) -> None:
    """A daemon asks for nothing before its part of the spread is over; one that is stopped meanwhile ends."""
    moot.add(world.node())
    results: list[TurnResult] = []

    async def go(spread: float, stop_after: float | None = None) -> float:
        stop, began = asyncio.Event(), time.monotonic()
        if stop_after is not None:
            asyncio.get_running_loop().call_later(stop_after, stop.set)

        def told(result: TurnResult) -> None:
            results.append(result)
            stop.set()

        await asyncio.wait_for(moot.crawler(spread=spread, workers=1, told=told).run(stop), 30)
        return time.monotonic() - began

    assert asyncio.run(go(3600.0, 0.1)) < 10
    assert (results, world.asked) == ([], [])
    first = random.Random(1).uniform(0.0, 2.0)  # as the crawler's own jitter draws it
    assert asyncio.run(go(2.0)) >= first > 0.2
    assert [result.outcome for result in results] == ["ended"]


def test_a_node_that_is_removed_while_its_visit_fails_stops_no_other(moot: Aggregator, world: World) -> None:
    """A visit that fails after its node was removed is given up; the other nodes are read all the same."""
    first, second = world.node("a.example", "AAA"), world.node("b.example", "BBB")
    moot.add(first)
    moot.add(second)
    record_id = second.put("contract", "C-1")

    def remove(url: str) -> None:
        if url.startswith(first.url):
            world.before = lambda _url: None
            with moot.database.write() as session:
                nodes.remove(session, nodes.find(session, "a.example"), now=world.now)

    world.before = remove
    world.faults[first.url] = Later("It hangs.")
    assert {result.key: result.outcome for result in moot.crawl()} == {"a.example": "lost", "b.example": "ended"}
    assert record_id in rows(moot.database)
    assert problems(moot.database) == []
    with moot.database.read() as session:
        assert session.connection().execute(select(table(Host).c.owner)).scalars().all() == [None, None]
