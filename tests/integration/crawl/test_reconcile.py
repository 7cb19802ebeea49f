"""A feed that began anew is read from 0, and what it no longer carries goes only under the guard."""

from __future__ import annotations

import orjson
import pytest

from federation import status
from federation.database import table
from federation.told import REMOVAL_HELD
from schema.tables import Sighting
from tests.integration.crawl.world import Aggregator, FakeNode, World, feed, problems, rows


def _published(world: World, moot: Aggregator, contracts: int) -> FakeNode:
    node = world.node(size=50)
    for n in range(contracts):
        node.put("contract", f"C-{n}")
    moot.add(node)
    moot.crawl()
    return node


def _restored(node: FakeNode, epoch: str, *, without: int = 0) -> None:
    """Bring the node back from nothing: numbers begin again, and its last contracts are lost."""
    kept = list(node.items)[: len(node.items) - without]
    node.items = {i: node.items[i] for i in kept}
    for number, item in enumerate(node.items.values(), 1):
        item["modified"] = number
        item["origin"] = item["origin"] | {"seq": number}
    node.number, node.epoch = len(node.items), epoch


def test_new_epoch_reads_from_the_start(moot: Aggregator, world: World) -> None:
    """After a new epoch the feed is read from 0 with no-cache, and what it no longer carries becomes a tombstone."""
    node = _published(world, moot, 30)
    _restored(node, "second", without=3)
    world.pass_time(hours=1)
    world.asked.clear()
    (result,) = moot.crawl()
    gone = [row for row in rows(moot.database).values() if row.deleted]
    assert (result.outcome, result.applied.deleted, len(gone)) == ("ended", 3, 3)
    assert {row.reason for row in gone} == {"dropped"}
    assert all(headers == {"Cache-Control": "no-cache"} for url, headers in world.asked if "/v1/changes" in url)
    row = feed(moot.database)
    assert (row.epoch, row.reconciling, row.etag is not None) == ("second", False, True)


def test_what_a_reconcile_took_away_is_told_at_the_node(moot: Aggregator, world: World) -> None:
    """Records that a restored node lost are counted and listed as taken away, once, and are no other node's."""
    node = _published(world, moot, 30)
    other = world.node("other.example", "OTH")
    other.put("contract", "O-1")
    moot.add(other)
    moot.crawl()
    node.delete("contract", "C-0")
    world.pass_time(hours=1)
    moot.crawl()
    lost = [one for one in node.items if one.rpartition("/")[2] in {"C-27", "C-28", "C-29"}]
    node.items = {one: item for one, item in node.items.items() if one not in lost}
    _restored(node, "second")
    world.pass_time(hours=1)
    moot.crawl()
    with moot.database.read() as session:
        shown = status.one(session, "exa.example", now=world.now)
        others = status.one(session, "other.example", now=world.now)
        withdrawn = {one.key: one.withdrawn for one in status.figures(session, world.now)}
    assert (shown["deleted"], withdrawn) == (4, {"exa.example": 4, "other.example": 0})
    assert (others["deleted"], others["withdrawn"]) == (0, [])
    told = {(one["id"], one["reason"]) for one in shown["withdrawn"]}
    assert told == {(one, "dropped") for one in lost} | {(f"{node.prefix}contract/C-0", "ended")}


def test_reconcile_believes_the_origin(moot: Aggregator, world: World) -> None:
    """In a full reconcile the origin's own state replaces what is held, even with a lower number."""
    node = _published(world, moot, 3)
    node.put("contract", "C-0", title="Lost with the disk")
    world.pass_time(hours=1)
    moot.crawl()
    node.items[node.prefix + "contract/C-0"]["data"]["title"] = "From the backup"
    _restored(node, "second")
    node.items[node.prefix + "contract/C-0"]["origin"]["seq"] = 2
    world.pass_time(hours=1)
    moot.crawl()
    assert orjson.loads(rows(moot.database)[node.prefix + "contract/C-0"].data)["title"] == "From the backup"


def test_lower_number_is_old_news_otherwise(moot: Aggregator, world: World) -> None:
    """Outside a reconcile a lower origin number changes nothing, whatever its place in the feed."""
    node = _published(world, moot, 3)
    record_id = node.put("contract", "C-1", title="New words, old number")
    node.items[record_id]["origin"]["seq"] = 1
    world.pass_time(hours=1)
    (result,) = moot.crawl()
    assert (result.applied.unchanged, result.applied.updated) == (1, 0)
    assert orjson.loads(rows(moot.database)[record_id].data)["title"] == "contract C-1"


def test_guard_holds_a_large_removal(moot: Aggregator, world: World) -> None:
    """More than a fifth, and at least twenty records, do not go by silence: they stay served and a problem says so."""
    node = _published(world, moot, 60)
    _restored(node, "second", without=25)
    world.pass_time(hours=1)
    (result,) = moot.crawl()
    assert (result.outcome, result.applied.deleted) == ("ended", 0)
    assert not any(row.deleted for row in rows(moot.database).values())
    (told,) = problems(moot.database)
    assert (told.rule, told.severity) == (REMOVAL_HELD, "warning")
    assert "25 of 61" in told.message


def test_held_removals_are_told_until_a_pass_is_good(moot: Aggregator, world: World) -> None:
    """An ordinary visit does not clear the warning; a reconcile in which all is there again does."""
    node = _published(world, moot, 60)
    whole = dict(node.items)
    _restored(node, "second", without=25)
    for _visit in range(2):
        world.pass_time(hours=1)
        moot.crawl()
    assert [p.rule for p in problems(moot.database)] == [REMOVAL_HELD]
    node.items = whole
    _restored(node, "third")
    world.pass_time(hours=1)
    moot.crawl()
    assert problems(moot.database) == []


def test_refused_item_is_no_removal(moot: Aggregator, world: World) -> None:
    """A record that the node still carries, but broken, keeps its last good state through a reconcile."""
    node = _published(world, moot, 3)
    record_id = node.prefix + "contract/C-1"
    node.items[record_id]["data"]["title"] = 5
    _restored(node, "second")
    world.pass_time(hours=1)
    moot.crawl()
    assert not rows(moot.database)[record_id].deleted


def test_cursor_above_latest_reconciles(moot: Aggregator, world: World) -> None:
    """A feed without epoch whose latest is below our cursor has been rewound: it is read again from 0."""
    node = world.node(size=50)
    node.epoch = None
    for n in range(5):
        node.put("contract", f"C-{n}")
    moot.add(node)
    moot.crawl()
    _restored(node, "none", without=2)
    node.epoch = None
    world.pass_time(hours=1)
    (result,) = moot.crawl()
    assert (result.outcome, result.applied.deleted, feed(moot.database).position) == ("ended", 2, 4)


def test_latest_that_lies_is_refused(moot: Aggregator, world: World) -> None:
    """A feed that says a latest below its own items, always, does not make us read in circles."""
    node = world.node(size=50)
    moot.add(node)
    page = node.page
    node.page = lambda after: page(after) | {"latest": 0}  # type: ignore[method-assign]
    (result,) = moot.crawl()
    assert result.outcome == "failed"
    assert [p.rule for p in problems(moot.database)] == ["latest"]


def test_old_page_from_a_cache_is_ignored(moot: Aggregator, world: World) -> None:
    """A page of the old epoch, met while the manifest tells the new one, is left for later: nothing is read from it."""
    node = _published(world, moot, 5)
    old, manifest = node.page(0), node.manifest
    _restored(node, "second", without=1)
    node.page = lambda after: old  # type: ignore[method-assign]  # noqa: ARG005
    world.pass_time(hours=1)
    (result,) = moot.crawl()
    assert (result.outcome, result.applied.accepted, manifest()["epoch"]) == ("failed", 0, "second")
    assert feed(moot.database).reconciling
    del node.page
    world.pass_time(hours=1)
    (result,) = moot.crawl()
    assert (result.outcome, result.applied.deleted, feed(moot.database).reconciling) == ("ended", 1, False)


def test_reconcile_goes_on_over_visits(moot: Aggregator, world: World) -> None:
    """A pass runs over as many visits as it needs: what the first met is not gone at the end of the last."""
    node = _published(world, moot, 30)
    node.size = 4
    _restored(node, "second", without=2)
    world.pass_time(hours=1)
    results = moot.crawl(budget=3)
    assert [r.outcome for r in results] == ["budget", "budget", "ended"]
    assert sum(row.deleted for row in rows(moot.database).values()) == 2
    with moot.database.read() as session:
        assert session.connection().execute(table(Sighting).select()).all() == []


@pytest.mark.parametrize("path", ["/v2/changes"])
def test_moved_feed_is_read_from_the_start(moot: Aggregator, world: World, path: str) -> None:
    """A manifest that names another feed on its own host starts a reconcile there."""
    node = _published(world, moot, 3)
    node.feed_path = path
    world.pass_time(hours=1)
    (result,) = moot.crawl()
    assert (result.outcome, feed(moot.database).url) == ("ended", node.url + path)
    assert not any(row.deleted for row in rows(moot.database).values())
