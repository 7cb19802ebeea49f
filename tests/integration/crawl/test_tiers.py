"""An aggregator crawls an aggregator with the same code: council, region, nation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

import migrations
from federation import nodes
from federation.database import Database
from tests.integration.crawl.world import Aggregator, World, problems, rows


@pytest.fixture
def nation(world: World, tmp_path: Path) -> Iterator[Aggregator]:
    """Return a second tier, on SQLite."""
    url = f"sqlite:///{tmp_path / 'nation.db'}"
    migrations.upgrade(url)
    database = Database(url)
    yield Aggregator(database, world, "nation.example", "NAT")
    database.dispose()


def test_record_passes_two_tiers(moot: Aggregator, nation: Aggregator, world: World) -> None:
    """Two hops on, id, kind, data and origin are what the council published, and via names both aggregators."""
    node = world.node()
    record_id = node.put("contract", "C-1", extra=[1, {"deep": "é"}])
    moot.add(node)
    moot.crawl()
    nation.add(moot, relays=True)
    nation.crawl()
    row, item = rows(nation.database)[record_id], node.items[record_id]
    assert (orjson.loads(row.data), orjson.loads(row.origin)) == (item["data"], item["origin"])
    assert [hop["node"] for hop in orjson.loads(row.via)] == [moot.id, nation.id]
    assert (row.rank, row.kind, problems(nation.database)) == (2, "contract", [])


def test_tombstones_pass_two_tiers(moot: Aggregator, nation: Aggregator, world: World) -> None:
    """A deletion reaches the second tier with its reason."""
    node = world.node()
    record_id = node.put("contract", "C-1")
    moot.add(node)
    moot.crawl()
    nation.add(moot, relays=True)
    nation.crawl()
    node.delete("contract", "C-1", reason="personal-data")
    for aggregator in (moot, nation):
        world.pass_time(hours=1)
        aggregator.crawl()
    row = rows(nation.database)[record_id]
    assert (row.deleted, row.reason, row.data) == (True, "personal-data", None)


def test_same_record_by_two_ways_is_one(moot: Aggregator, nation: Aggregator, world: World) -> None:
    """A record that comes straight and through the region is one record, at the better rank."""
    node = world.node()
    record_id = node.put("contract", "C-1")
    moot.add(node)
    moot.crawl()
    nation.add(moot, relays=True)
    nation.add(node)
    nation.crawl()
    held = rows(nation.database)
    assert held[record_id].rank == 0
    assert len(held) == 1 + 1 + 2  # the nation, the region, the council and its contract


def test_aggregators_that_read_each_other_stand_still(moot: Aggregator, nation: Aggregator, world: World) -> None:
    """In a circle nothing is echoed: after one round neither log moves again."""
    node = world.node()
    node.put("contract", "C-1")
    moot.add(node)
    moot.add(nation, relays=True)
    nation.add(moot, relays=True)
    for _round in range(2):
        for aggregator in (moot, nation):
            world.pass_time(hours=1)
            aggregator.crawl()
    before = [rows(aggregator.database) for aggregator in (moot, nation)]
    for _round in range(2):
        for aggregator in (moot, nation):
            world.pass_time(hours=1)
            aggregator.crawl()
    assert [rows(aggregator.database) for aggregator in (moot, nation)] == before
    assert len(before[0]) == len(before[1]) == 4


def test_removing_a_node_reaches_the_second_tier(moot: Aggregator, nation: Aggregator, world: World) -> None:
    """What the region drops, the nation drops too, unless it has another way to it."""
    node = world.node()
    record_id = node.put("contract", "C-1")
    moot.add(node)
    moot.crawl()
    nation.add(moot, relays=True)
    nation.crawl()
    with moot.database.write() as session:
        nodes.remove(session, nodes.find(session, "exa.example"), now=world.now)
    world.pass_time(hours=1)
    nation.crawl()
    assert (rows(nation.database)[record_id].reason, problems(nation.database)) == ("dropped", [])
    nation.add(node)
    nation.crawl()
    assert not rows(nation.database)[record_id].deleted
