"""Rank holds while its route is active: a node that is gone for long gives way to the best other route (section 5)."""

from __future__ import annotations

import orjson
import pytest

from schema.errors import Later, Vanished
from tests.integration.crawl.world import Aggregator, FakeNode, World, node_row, rows


@pytest.fixture
def origin(world: World) -> FakeNode:
    """Return a node that is read itself, and by way of a relay."""
    return world.node()


@pytest.fixture
def relay(moot: Aggregator, world: World, origin: FakeNode) -> FakeNode:
    """Return an aggregator that passes the node's one contract on; both are read."""
    made = world.node("relay.example", "REL", role="aggregator", size=50)
    made.pass_on(origin.items[origin.put("contract", "C-1", title="first")])
    moot.add(origin)
    moot.add(made, relays=True)
    moot.crawl()
    return made


def _title(moot: Aggregator, origin: FakeNode) -> str:
    return str(orjson.loads(rows(moot.database)[f"{origin.prefix}contract/C-1"].data)["title"])


def _newer(moot: Aggregator, origin: FakeNode, relay: FakeNode) -> None:
    """The origin moved on while we could not reach it, and the relay knows."""
    relay.pass_on(origin.items[origin.put("contract", "C-1", title="second")])
    moot.crawl()


def _days(moot: Aggregator, days: int) -> None:
    for _half in range(2 * days):
        moot.world.pass_time(hours=12)
        moot.crawl()


@pytest.mark.parametrize(("fault", "days"), [(Later("It hangs."), 8), (Vanished("gone", 410), 5)], ids=["stale", "410"])
def test_t13_another_route_takes_over(
    moot: Aggregator, origin: FakeNode, relay: FakeNode, fault: Exception, days: int
) -> None:
    """Stale for seven days, or retired: what a relay says applies then, not before; the origin comes back."""
    moot.world.faults[origin.url] = fault
    _days(moot, 2)
    _newer(moot, origin, relay)
    assert _title(moot, origin) == "first"
    _days(moot, days)
    assert _title(moot, origin) == "second"
    relay.pass_on(origin.items[origin.put("contract", "C-1", title="third")])
    _days(moot, 1)
    assert _title(moot, origin) == "third"
    moot.world.faults.clear()
    origin.put("contract", "C-1", title="fourth")
    _days(moot, 2)
    row = rows(moot.database)[f"{origin.prefix}contract/C-1"]
    assert (_title(moot, origin), row.rank, node_row(moot.database).state) == ("fourth", 0, "active")


def test_t13_a_record_without_another_route_stays(moot: Aggregator, origin: FakeNode, relay: FakeNode) -> None:
    """The last good copy is served for as long as it is the only one."""
    alone = origin.put("contract", "C-2")
    _days(moot, 1)
    moot.world.faults[origin.url] = Later("It hangs.")
    _days(moot, 9)
    row = rows(moot.database)[alone]
    assert (row.deleted, row.rank, relay.role) == (False, 0, "aggregator")
