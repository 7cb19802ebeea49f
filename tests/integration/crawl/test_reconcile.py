"""A feed that began anew is read from 0, and what it no longer carries goes only under the guard."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from federation import reconcile, status
from federation.database import table
from federation.told import REMOVAL_HELD
from federation.waiting import GONE, HELD, SAID
from schema.errors import Refused
from schema.tables import Removal, Shadow, Sighting
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
    assert (result.outcome, result.error) == ("failed", "latest is 0, yet 1 was read.")
    assert [(p.rule, p.pointer) for p in problems(moot.database)] == [("latest", "/latest")]


def test_old_page_from_a_cache_is_ignored(moot: Aggregator, world: World) -> None:
    """A page of the old epoch, met while the manifest tells the new one, is left for later: nothing is read from it."""
    node = _published(world, moot, 5)
    old, manifest = node.page(0), node.manifest
    _restored(node, "second", without=1)
    node.page = lambda after: old  # type: ignore[method-assign]  # noqa: ARG005
    world.pass_time(hours=1)
    (result,) = moot.crawl()
    assert (result.outcome, result.applied.accepted, manifest()["epoch"]) == ("failed", 0, "second")
    assert result.error == "The page is of another epoch than the manifest: one of them is an old copy."
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


def _all(moot: Aggregator, of: type[Any]) -> list[Any]:
    """All rows of a table, in the order of their keys."""
    with moot.database.read() as session:
        return list(session.connection().execute(select(table(of)).order_by(*table(of).primary_key)))


def test_what_waits_at_the_end_of_a_pass_says_whose_it_was(moot: Aggregator, world: World) -> None:
    """A removal that is held after a reconcile keeps all of the record but its data, why it goes and since when."""
    node = _published(world, moot, 60)
    before = rows(moot.database)
    lost = sorted(list(node.items)[-25:])
    _restored(node, "second", without=25)
    world.pass_time(hours=1)
    moot.crawl()
    waits = _all(moot, Removal)
    assert [row.id for row in waits] == lost
    kept = ("kind", "publisher", "node_id", "origin", "via", "origin_node", "seq", "rank", "signature")
    for row in waits:
        assert {name: getattr(row, name) for name in kept} == {name: getattr(before[row.id], name) for name in kept}
        assert (row.state, row.ends, row.afresh, row.reason, row.moved_to) == (HELD, True, True, "dropped", None)
        assert timedelta(0) <= world.now - row.since < timedelta(minutes=1)


def test_a_tombstone_of_its_own_says_why_a_record_goes(moot: Aggregator, world: World) -> None:
    """What the node itself withdrew, and that waits, is not told as dropped because the feed then lacks it."""
    node = _published(world, moot, 60)
    ended = [node.delete("contract", f"C-{n}") for n in range(25)]
    world.pass_time(hours=1)
    moot.crawl()
    assert {row.reason for row in _all(moot, Removal)} == {"ended"}
    node.items = {one: item for one, item in node.items.items() if one not in ended}
    _restored(node, "second")
    world.pass_time(hours=1)
    (result,) = moot.crawl()
    assert (result.outcome, result.error) == ("ended", None)
    found = _all(moot, Removal)
    assert [(row.id, row.reason, row.state) for row in found] == [(one, "ended", HELD) for one in sorted(ended)]


def _relayed(moot: Aggregator, world: World) -> tuple[list[FakeNode], list[str]]:
    """An origin's records, each by the origin itself and by two relays."""
    origin = world.node(size=50)
    ids = [origin.put("contract", f"C-{n}") for n in range(4)]
    moot.add(origin)
    moot.crawl()
    relays = [world.node(f"{code.lower()}.example", code, role="aggregator", size=50) for code in ("ONE", "TWO")]
    for relay in relays:
        for one in ids:
            relay.pass_on(origin.items[one])
        moot.add(relay, relays=True)
    moot.crawl()
    return relays, ids


def test_a_route_that_lost_a_record_says_nothing_of_it_any_more(moot: Aggregator, world: World) -> None:
    """After a relay's reconcile its word on what it no longer carries is gone, and no other route's word is."""
    (relay, _other), ids = _relayed(moot, world)
    before = _all(moot, Shadow)
    assert {(row.id, row.node_id) for row in before} == {(one, node) for one in ids for node in (2, 3)}
    del relay.items[ids[0]], relay.items[ids[2]]
    relay.epoch = "second"
    world.pass_time(hours=1)
    moot.crawl()
    left = _all(moot, Shadow)
    assert left == [row for row in before if row.node_id == 3 or row.id in (ids[1], ids[3])]
    assert not any(row.deleted for row in rows(moot.database).values())


def test_a_pass_forgets_what_its_own_node_carries(moot: Aggregator, world: World) -> None:
    """The end of one node's pass, and the beginning of another of its own, leaves what other nodes were met with."""
    _relayed(moot, world)
    with moot.database.write() as session:
        met = [{"node_id": node, "id": f"https://x.example/{n}"} for node in (1, 2) for n in range(3)]
        session.connection().execute(table(Sighting).insert(), met)
    with moot.database.write() as session:
        reconcile.begin(session, 1)
    assert {row.node_id for row in _all(moot, Sighting)} == {2}
    with moot.database.write() as session:
        session.connection().execute(table(Sighting).insert(), met[:3])
    with moot.database.write() as session:
        reconcile.finish(session, 2, now=world.now)
    assert {row.node_id for row in _all(moot, Sighting)} == {1}


def test_a_feed_that_has_become_empty_says_nothing(moot: Aggregator, world: World) -> None:
    """A pass that met nothing is refused while the node has live records, and is good where it has none."""
    _relayed(moot, world)
    before = rows(moot.database)
    with pytest.raises(Refused) as refused, moot.database.write() as session:
        reconcile.finish(session, 1, now=world.now)
    told = (refused.value.rule, refused.value.detail, refused.value.pointer)
    assert told == ("empty-feed", "The feed has become empty; its records are kept as they were.", "/items")
    assert rows(moot.database) == before
    with moot.database.write() as session:
        table_of = table(Sighting)
        session.connection().execute(table_of.insert(), [{"node_id": 2, "id": "https://x.example/1"}])
    with pytest.raises(Refused), moot.database.write() as session:
        reconcile.finish(session, 1, now=world.now)
    with moot.database.write() as session:  # another node's records are live, none of its own
        session.connection().execute(table(Sighting).delete())
        done = reconcile.finish(session, 99, now=world.now)
    assert (done.deleted, rows(moot.database)) == (0, before)


def test_what_is_over_goes_beside_the_guard(moot: Aggregator, world: World) -> None:
    """Ids that have had their time end though the feed carries them no more, are counted, and wait for no person."""
    node = _published(world, moot, 60)
    over = [node.prefix + f"contract/C-{n}" for n in range(30)]
    with moot.database.write() as session:
        stays = [{"node_id": 1, "id": one} for one in rows(moot.database) if one not in over]
        session.connection().execute(table(Sighting).insert(), stays)
    with moot.database.write() as session:
        done = reconcile.finish(session, 1, now=world.now, over=over)
    held = rows(moot.database)
    assert (done.deleted, done.held, _all(moot, Removal)) == (30, 0, [])
    assert sorted(one for one, row in held.items() if row.deleted) == sorted(over)
    assert {held[one].reason for one in over} == {"dropped"}
    assert _all(moot, Sighting) == []


def _wait(moot: Aggregator, record_id: str, node_id: int, state: str) -> None:
    """Let one route's removal of a record wait, be held or have gone."""
    row = rows(moot.database)[record_id]
    said = {name: getattr(row, name) for name in SAID} | {"node_id": node_id, "reason": "ended"}
    with moot.database.write() as session:
        told = {"state": state, "since": moot.world.now, "ends": False, "afresh": False}
        session.connection().execute(table(Removal).insert(), [said | told])


def _finish(moot: Aggregator, node_id: int, *, unmet: list[str]) -> None:
    """End a pass over a node in which all of its records were met but these."""
    with moot.database.write() as session:
        met = [{"node_id": node_id, "id": one} for one in rows(moot.database) if one not in unmet]
        session.connection().execute(table(Sighting).insert(), met)
    with moot.database.write() as session:
        reconcile.finish(session, node_id, now=moot.world.now)


def test_a_pass_goes_by_what_its_own_node_was_met_with(moot: Aggregator, world: World) -> None:
    """That another node still carries a record, or withdraws it itself, neither keeps nor ends this one's route."""
    _relays, ids = _relayed(moot, world)
    with moot.database.write() as session:
        session.connection().execute(table(Sighting).insert(), [{"node_id": 2, "id": ids[0]}])
    _wait(moot, ids[0], 2, HELD)
    before = _all(moot, Removal)
    _finish(moot, 1, unmet=[ids[0]])
    held = rows(moot.database)
    assert (held[ids[0]].deleted, held[ids[0]].node_id in (2, 3), held[ids[0]].rank) == (False, True, 2)
    assert {held[one].node_id for one in ids[1:]} == {1}
    assert [row for row in _all(moot, Removal) if row.node_id == 2] == before


def test_what_came_back_may_go_again(moot: Aggregator, world: World) -> None:
    """A record that went and was said again goes by a later silence; the rest of what has gone still counts."""
    node = _published(world, moot, 60)
    gone = node.delete("contract", "C-1")
    world.pass_time(hours=1)
    moot.crawl()
    back, others = (f"{node.prefix}contract/C-{n}" for n in (2, 3))
    moot.add(world.node("other.example", "OTH"))
    _wait(moot, back, 1, GONE)
    _wait(moot, others, 2, GONE)
    counted = {(row.id, row.node_id, row.since) for row in _all(moot, Removal) if row.id != back}
    assert {(one, node_id) for one, node_id, _since in counted} == {(gone, 1), (others, 2)}
    world.pass_time(minutes=1)
    _finish(moot, 1, unmet=[back])
    row = rows(moot.database)[back]
    assert (row.deleted, row.reason) == (True, "dropped")
    found = {(one.id, one.node_id, one.since) for one in _all(moot, Removal)}
    assert found == counted | {(back, 1, world.now)}
