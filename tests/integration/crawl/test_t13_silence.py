"""T13: a node that is down is served from its last good copy, marked, asked again at growing waits, and retired."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from api.app import create_app
from federation import nodes
from federation.backoff import wait
from schema.errors import Later, Refused, Untrusted, Vanished
from tests.integration.crawl.world import Aggregator, FakeNode, World, feed, node_row, rows
from tests.services import client, make_services

DOWN = Later("It answers 503.")
SILENT = Later("It does not answer.", cause="time")
DAY = timedelta(days=1)


@pytest.fixture
def council(moot: Aggregator, world: World) -> FakeNode:
    """Return a node with one contract that was read once."""
    node = world.node()
    node.put("contract", "C-1")
    moot.add(node)
    moot.crawl()
    return node


def _until(moot: Aggregator, world: World, end: datetime) -> list[timedelta]:
    """Crawl whenever something is due until then. Gives the waits between the visits."""
    waits = []

    async def go() -> None:
        crawler, due = moot.crawler(), feed(moot.database).due
        while due <= end:
            world.now = max(world.now, due)
            assert await crawler.turn() is not None
            row = feed(moot.database)
            due = row.due
            waits.append(due - row.last_visit)

    asyncio.run(go())
    world.now = end
    return waits


@pytest.mark.parametrize(("hours", "visits"), [(1, (5, 9)), (24, (9, 16)), (24 * 30, (115, 190))])
@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_t13_a_node_that_is_down(
    moot: Aggregator, world: World, council: FakeNode, hours: int, visits: tuple[int, int]
) -> None:
    """For an hour, a day or a month: all is served, marked stale since the last good visit, and asked again."""
    good = feed(moot.database).last_good
    world.faults[council.url] = DOWN
    waits = _until(moot, world, world.now + timedelta(hours=hours))
    assert visits[0] <= len(waits) <= visits[1]
    assert timedelta(minutes=1) <= min(waits) <= max(waits) <= timedelta(hours=6)
    row = node_row(moot.database)
    assert (row.state, row.stale_since) == ("stale", good)
    assert not any(row.deleted for row in rows(moot.database).values())
    assert feed(moot.database).last_good == good


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_t13_waits_grow_and_never_march_in_step(moot: Aggregator, world: World, council: FakeNode) -> None:
    """Each wait is about twice the one before, up to six hours, with jitter from the first."""
    world.faults[council.url] = DOWN
    waits = [wait.total_seconds() for wait in _until(moot, world, world.now + 3 * DAY)]
    assert all(60 * 2**n <= wait <= 75 * 2**n for n, wait in enumerate(waits[:9]))
    assert len(set(waits[9:])) == len(waits[9:])


def test_t13_nodes_that_fail_together_are_not_asked_together_again() -> None:
    """The first wait too is one of many between 60 and 75 seconds."""
    chance = random.Random(13)
    waits = sorted(wait(DOWN, 1, chance).total_seconds() for _ in range(100))
    assert 60 <= waits[0] <= waits[-1] <= 75
    assert waits[-1] - waits[0] > 12


def test_t13_marks_stand_while_it_is_down(moot: Aggregator, world: World, council: FakeNode, tmp_path: Path) -> None:
    """Its records are marked stale at /v1/records until a good visit, and /v1/nodes says since when."""
    site = client(create_app(make_services(moot.database, tmp_path, "aggregator", moot.url, organisation=None)))
    record = next(record for record in council.items if "contract" in record)
    world.faults[council.url] = DOWN
    _until(moot, world, world.now + DAY)
    assert site.get("/v1/records", params={"id": record}).json()["marks"] == ["stale"]
    assert site.get("/v1/nodes/exa.example").json()["staleSince"] == "2026-11-02T09:00:01Z"
    world.faults.clear()
    _until(moot, world, feed(moot.database).due)
    assert "marks" not in site.get("/v1/records", params={"id": record}).json()
    assert site.get("/v1/nodes/exa.example").json()["staleSince"] is None


def test_t13_gone_for_three_days_is_retired_visibly(
    moot: Aggregator, world: World, council: FakeNode, tmp_path: Path
) -> None:
    """410 for three days: retired, its records stay and are marked so, until an operator removes it."""
    site = client(create_app(make_services(moot.database, tmp_path, "aggregator", moot.url, organisation=None)))
    record = next(record for record in council.items if "contract" in record)
    world.faults[council.url] = Vanished("gone", 410)
    _until(moot, world, world.now + 2 * DAY)
    assert node_row(moot.database).state == "stale"
    _until(moot, world, world.now + 5 * DAY)
    assert site.get("/v1/nodes/exa.example").json()["state"] == "retired"
    assert site.get("/v1/records", params={"id": record}).json()["marks"] == ["retired"]
    with moot.database.write() as session:
        nodes.remove(session, nodes.find(session, "exa.example"), now=world.now)
    assert site.get("/v1/records", params={"id": record}).status_code == 410


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Refused("content-type", "The answer is text/html.", "/"), "stale"),
        (Refused("page-json", "The page is no JSON.", "/"), "stale"),
        (DOWN, "active"),
    ],
)
def test_t13_a_login_page_is_marked_at_once(
    moot: Aggregator, world: World, council: FakeNode, answer: Exception, state: str
) -> None:
    """Where something else than a feed is served in its place, what was read is shown as not confirmed from then on.

    One answer that may come of a busy moment is borne with, twice.
    """
    good = feed(moot.database).last_good
    world.faults[council.url] = answer
    world.pass_time(hours=1)
    moot.crawl()
    row = node_row(moot.database)
    assert (row.state, row.stale_since) == (state, good if state == "stale" else None)
    world.faults.clear()
    world.pass_time(hours=1)
    moot.crawl()
    assert node_row(moot.database).state == "active"


def test_t13_the_page_of_a_failing_node_says_so_at_its_top(
    moot: Aggregator, world: World, council: FakeNode, tmp_path: Path
) -> None:
    """From the first failure on, before it is stale: what failed, and where its problems stand; until it goes well."""
    site = client(create_app(make_services(moot.database, tmp_path, "aggregator", moot.url, organisation=None)))
    seen = []
    for fault in (DOWN, DOWN, DOWN, None):
        world.faults = {council.url: fault} if fault else {}
        world.pass_time(hours=6)
        moot.crawl()
        top = site.get("/nodes/exa.example").text.partition('<ul class="figures">')[0]
        seen.append([said in top for said in (f"failed: {DOWN}", 'href="#problems"', "No visit has gone well since")])
    assert seen == [[True, True, False], [True, True, False], [True, True, True], [False, True, False]]


def test_t13_one_410_after_a_long_silence_retires_nothing(moot: Aggregator, world: World, council: FakeNode) -> None:
    """Three days are counted from the first 410, not from when it went silent."""
    world.faults[council.url] = DOWN
    _until(moot, world, world.now + 10 * DAY)
    world.faults[council.url] = Vanished("gone", 410)
    _until(moot, world, world.now + DAY)
    assert node_row(moot.database).state == "stale"


@pytest.mark.parametrize("engine_name", ["sqlite"])
@pytest.mark.parametrize(
    "answer", [Vanished("missing", 404), Refused("page-json", "A login page.", "/"), Later("It answers 503.")]
)
def test_t13_another_answer_begins_the_count_again(
    moot: Aggregator, world: World, council: FakeNode, answer: Exception
) -> None:
    """A feed that answers anything but 410 in between has not been gone for three days."""
    world.faults[council.url] = Vanished("gone", 410)
    _until(moot, world, world.now + 2 * DAY)
    world.faults[council.url] = answer
    _until(moot, world, world.now + 1.5 * DAY)
    world.faults[council.url] = Vanished("gone", 410)
    _until(moot, world, world.now + 2 * DAY)
    assert node_row(moot.database).state == "stale"


@pytest.mark.parametrize(
    "then",
    [
        Later("It answers 503."),
        Later("It does not answer.", cause="connection"),
        Later("Its name does not resolve.", cause="name"),
        Untrusted("certificate", "Its certificate has run out."),
    ],
    ids=["503", "silence", "no name", "no certificate"],
)
@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_t13_one_410_and_then_none_retires_nothing(
    moot: Aggregator, world: World, council: FakeNode, then: Exception
) -> None:
    """A node that answered 410 once, and for three days no more, has not been gone for three days."""
    world.faults[council.url] = Vanished("gone", 410)
    _until(moot, world, feed(moot.database).due)
    assert feed(moot.database).gone_since is not None
    world.faults[council.url] = then
    _until(moot, world, world.now + 6 * DAY)
    assert node_row(moot.database).state == "stale"


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_t13_silence_neither_ends_nor_completes_the_count(moot: Aggregator, world: World, council: FakeNode) -> None:
    """Where 410 comes again after days of silence, three days have passed; what is retired stays so while silent."""
    world.faults[council.url] = Vanished("gone", 410)
    _until(moot, world, feed(moot.database).due)
    world.faults[council.url] = SILENT
    _until(moot, world, world.now + 4 * DAY)
    assert node_row(moot.database).state == "stale"
    world.faults[council.url] = Vanished("gone", 410)
    _until(moot, world, feed(moot.database).due)
    assert node_row(moot.database).state == "retired"
    world.faults[council.url] = SILENT
    _until(moot, world, world.now + 2 * DAY)
    assert node_row(moot.database).state == "retired"


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_t13_a_preview_that_is_gone_is_tried_daily(moot: Aggregator, world: World) -> None:
    """One that was not let in yet and answers 410 is asked once a day, and let in when it is back."""
    node = world.node()
    node.put("contract", "C-1")
    moot.add(node, state="preview")
    world.faults[node.url] = Vanished("gone", 410)
    waits = _until(moot, world, world.now + 10 * DAY)
    assert 10 <= len(waits) <= 12
    assert node_row(moot.database).state == "preview"
    assert feed(moot.database).gone_since is not None
    del world.faults[node.url]
    _until(moot, world, world.now + DAY)
    assert node_row(moot.database).state == "active"


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_t13_missing_is_tried_daily_and_never_retired(moot: Aggregator, world: World, council: FakeNode) -> None:
    """404 for a month is stale, asked about once a day."""
    world.faults[council.url] = Vanished("missing", 404)
    waits = _until(moot, world, world.now + 30 * DAY)
    assert 29 <= len(waits) <= 35
    assert all(0.9 * DAY <= wait <= DAY for wait in waits)
    assert node_row(moot.database).state == "stale"


def test_t13_a_retired_node_that_is_back_is_active(moot: Aggregator, world: World, council: FakeNode) -> None:
    """What answers again is taken again at once, with all that it published meanwhile."""
    world.faults[council.url] = Vanished("gone", 410)
    _until(moot, world, world.now + 5 * DAY)
    assert node_row(moot.database).state == "retired"
    record = council.put("contract", "C-2")
    world.faults.clear()
    _until(moot, world, feed(moot.database).due)
    assert (node_row(moot.database).state, feed(moot.database).gone_since) == ("active", None)
    assert record in rows(moot.database)
