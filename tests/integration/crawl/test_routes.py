"""The same record by several routes is one record: ranks, ties, ends of routes, loops, tiers."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from sqlalchemy import select

from federation import nodes
from federation.database import table
from schema.errors import Conflict, NotFound
from schema.tables import History
from tests.integration.crawl.world import Aggregator, FakeNode, World, problems, rows


@pytest.fixture
def origin(world: World) -> FakeNode:
    """Return a node that nobody has pinned."""
    return world.node()


def _relay(world: World, host: str, code: str) -> FakeNode:
    return world.node(host, code, role="aggregator")


def test_relayed_records_are_taken_from_aggregators_only(moot: Aggregator, world: World, origin: FakeNode) -> None:
    """A node that was not accepted as an aggregator is refused what is another's."""
    relay, record_id = _relay(world, "relay.example", "REL"), origin.put("contract", "C-1")
    relay.pass_on(origin.items[record_id])
    moot.add(relay)
    moot.crawl()
    assert record_id not in rows(moot.database)
    assert [p.rule for p in problems(moot.database)] == ["not-an-aggregator", "relays"]


def test_relayed_record_has_rank_two(moot: Aggregator, world: World, origin: FakeNode) -> None:
    """What comes unsigned through an aggregator stands at rank 2, its origin untouched, via one longer."""
    relay, record_id = _relay(world, "relay.example", "REL"), origin.put("contract", "C-1")
    relay.pass_on(origin.items[record_id])
    moot.add(relay, relays=True)
    moot.crawl()
    row = rows(moot.database)[record_id]
    assert (row.rank, row.origin_node) == (2, origin.id)
    assert orjson.loads(row.origin) == origin.items[record_id]["origin"]
    assert [hop["node"] for hop in orjson.loads(row.via)] == [relay.id, moot.id]


def test_no_relay_changes_what_the_origin_gave(moot: Aggregator, world: World, origin: FakeNode) -> None:
    """A relay that claims a far higher number, or a deletion, changes nothing that came straight from the origin."""
    relay, record_id = _relay(world, "relay.example", "REL"), origin.put("contract", "C-1", title="True")
    lie: dict[str, Any] = origin.items[record_id] | {"state": "deleted", "reason": "ended"}
    relay.pass_on(lie, origin=lie["origin"] | {"seq": 9_000})
    moot.add(origin)
    moot.add(relay, relays=True)
    moot.crawl()
    row = rows(moot.database)[record_id]
    assert (row.rank, orjson.loads(row.data)["title"]) == (0, "True")


def test_origin_takes_over_from_a_relay(moot: Aggregator, world: World, origin: FakeNode) -> None:
    """When the origin itself is pinned later, its word replaces what relays said, whatever they claimed."""
    relay, record_id = _relay(world, "relay.example", "REL"), origin.put("contract", "C-1", title="True")
    lie: dict[str, Any] = origin.items[record_id] | {"data": {"reference": "C-1", "title": "False"}}
    relay.pass_on(lie, origin=lie["origin"] | {"seq": 9_000})
    moot.add(relay, relays=True)
    moot.crawl()
    assert orjson.loads(rows(moot.database)[record_id].data)["title"] == "False"
    moot.add(origin)
    moot.crawl()
    row = rows(moot.database)[record_id]
    assert (row.rank, row.seq, orjson.loads(row.data)["title"]) == (0, 2, "True")
    assert [hop["node"] for hop in orjson.loads(row.via)] == [moot.id]


def test_equal_record_by_a_second_relay_is_no_change(moot: Aggregator, world: World, origin: FakeNode) -> None:
    """The first via stays, and the number does not move."""
    record_id = origin.put("contract", "C-1")
    first, second = _relay(world, "a.example", "ONE"), _relay(world, "b.example", "TWO")
    for relay in (first, second):
        relay.pass_on(origin.items[record_id])
    moot.add(first, relays=True)
    moot.crawl()
    before = rows(moot.database)[record_id]
    moot.add(second, relays=True)
    moot.crawl()
    assert rows(moot.database)[record_id] == before


def test_dropped_ends_one_route_only(moot: Aggregator, world: World, origin: FakeNode) -> None:
    """A relay that drops a record hands over to the other; when that drops it too, the record is a tombstone."""
    record_id = origin.put("contract", "C-1")
    first, second = _relay(world, "a.example", "ONE"), _relay(world, "b.example", "TWO")
    for relay in (first, second):
        relay.pass_on(origin.items[record_id])
        moot.add(relay, relays=True)
    moot.crawl()
    first.pass_on(origin.items[record_id], state="deleted", reason="dropped")
    world.pass_time(hours=1)
    moot.crawl()
    row = rows(moot.database)[record_id]
    assert (row.deleted, [hop["node"] for hop in orjson.loads(row.via)]) == (False, [second.id, moot.id])
    second.pass_on(origin.items[record_id], state="deleted", reason="dropped")
    world.pass_time(hours=1)
    moot.crawl()
    row = rows(moot.database)[record_id]
    assert (row.deleted, row.reason, row.node_id) == (True, "dropped", None)
    assert orjson.loads(row.origin) == origin.items[record_id]["origin"]


def test_dropped_record_may_come_back(moot: Aggregator, world: World, origin: FakeNode) -> None:
    """A relay that carries the record again, at the same number, brings it back."""
    relay, record_id = _relay(world, "a.example", "ONE"), origin.put("contract", "C-1")
    relay.pass_on(origin.items[record_id])
    moot.add(relay, relays=True)
    moot.crawl()
    for changes in ({"state": "deleted", "reason": "dropped"}, {}):
        relay.pass_on(origin.items[record_id], **changes)
        world.pass_time(hours=1)
        moot.crawl()
    assert not rows(moot.database)[record_id].deleted


def test_dropped_by_an_origin_is_refused(moot: Aggregator, world: World, origin: FakeNode) -> None:
    """`dropped` is a relay's word: an origin that says it of its own record is refused, and the record stays."""
    record_id = origin.put("contract", "C-1")
    moot.add(origin)
    moot.crawl()
    origin.delete("contract", "C-1", reason="dropped")
    world.pass_time(hours=1)
    moot.crawl()
    assert not rows(moot.database)[record_id].deleted
    assert [p.rule for p in problems(moot.database)] == ["tombstone-reason"]


def test_loops_are_dropped_and_counted(moot: Aggregator, world: World, origin: FakeNode) -> None:
    """What passed us already, or began here, is dropped: it is neither taken nor a problem of the node."""
    relay, record_id = _relay(world, "a.example", "ONE"), origin.put("contract", "C-1")
    through_us = origin.items[record_id] | {"via": [{"node": moot.id, "harvested": "2026-11-02T09:00:00Z"}]}
    relay.pass_on(through_us)
    ours: dict[str, Any] = origin.items[record_id] | {"id": f"{moot.url}/id/XM-TEST-AGG/contract/C-9"}
    relay.pass_on(ours, origin=ours["origin"] | {"node": moot.id, "publisher": "XM-TEST-AGG"})
    moot.add(relay, relays=True)
    (result,) = moot.crawl()
    assert (result.applied.dropped, result.applied.refused) == (2, 0)
    assert record_id not in rows(moot.database)
    assert problems(moot.database) == []


def test_a_loop_ends_what_its_route_said_before(moot: Aggregator, world: World, origin: FakeNode) -> None:
    """A relay that now has a record of us carries it no more, so it is dropped; one that we have elsewhere stays."""
    relay, other = _relay(world, "a.example", "ONE"), _relay(world, "b.example", "TWO")
    gone, stays = origin.put("contract", "C-1"), origin.put("contract", "C-2")
    for record_id in (gone, stays):
        relay.pass_on(origin.items[record_id])
    other.pass_on(origin.items[stays])
    for one in (relay, other):
        moot.add(one, relays=True)
    moot.crawl()
    assert {i for i, row in rows(moot.database).items() if not row.deleted} >= {gone, stays}
    hop = {"node": moot.id, "harvested": "2026-11-02T09:00:00Z"}
    for record_id in (gone, stays):
        relay.pass_on(origin.items[record_id] | {"via": [hop]})
    world.pass_time(hours=1)
    moot.crawl()
    held = rows(moot.database)
    assert (held[gone].deleted, held[gone].reason, held[stays].deleted) == (True, "dropped", False)
    assert problems(moot.database) == []


def test_removed_node_leaves_tombstones(moot: Aggregator, world: World, origin: FakeNode) -> None:
    """Its records become tombstones (`dropped`), without history; the origin's own tombstones stay, its key is free."""
    live, ended = origin.put("contract", "C-1"), origin.put("contract", "C-2")
    origin.delete("contract", "C-2")
    moot.add(origin)
    moot.crawl()
    with moot.database.write() as session:
        done = nodes.remove(session, nodes.find(session, "exa.example"), now=world.now)
        assert session.connection().execute(select(table(History))).all() == []
    held = rows(moot.database)
    assert done.deleted == 2
    assert [(held[i].deleted, held[i].reason) for i in (live, ended)] == [(True, "dropped"), (True, "ended")]
    assert moot.add(origin) == "exa.example"
    moot.crawl()
    assert not rows(moot.database)[live].deleted


def test_removed_node_hands_over(moot: Aggregator, world: World, origin: FakeNode) -> None:
    """When a node is removed, what a relay says of its records takes over."""
    relay, record_id = _relay(world, "a.example", "ONE"), origin.put("contract", "C-1")
    relay.pass_on(origin.items[record_id])
    moot.add(origin)
    moot.add(relay, relays=True)
    moot.crawl()
    with moot.database.write() as session:
        nodes.remove(session, nodes.find(session, "exa.example"), now=world.now)
    row = rows(moot.database)[record_id]
    assert (row.deleted, row.rank) == (False, 2)


def test_origin_claims_of_others_are_refused(moot: Aggregator, world: World, origin: FakeNode) -> None:
    """A relay cannot put a record under an origin whose manifest does not claim the id."""
    relay, record_id = _relay(world, "a.example", "ONE"), origin.put("contract", "C-1")
    stolen = "https://other.example/id/GB-LAE-OTH/contract/C-1"
    relay.pass_on(origin.items[record_id] | {"id": stolen})
    moot.add(relay, relays=True)
    moot.crawl()
    assert [p.rule for p in problems(moot.database)] == ["id-prefix"]
    assert stolen not in rows(moot.database)


def test_unreachable_origin_is_vouched_for(moot: Aggregator, world: World, origin: FakeNode) -> None:
    """Where the origin does not answer, the relay's list of members speaks for it, and the row says so."""
    from federation import origins

    relay, record_id = _relay(world, "a.example", "ONE"), origin.put("contract", "C-1")
    relay.pass_on(origin.items[record_id])
    listed = orjson.dumps({"items": [{"id": origin.id, "manifest": origin.manifest()}], "next": None})
    members = world.node("lists.example", "LST")
    relay.more["members"] = f"{relay.url}/v1/nodes"
    answer = relay.answer
    relay.answer = lambda url: listed if url.endswith("/v1/nodes") else answer(url)  # type: ignore[method-assign]
    del world.servers[members.url]
    from schema.errors import Later

    world.faults[origin.url] = Later("down")
    moot.add(relay, relays=True)
    moot.crawl()
    assert record_id in rows(moot.database)
    with moot.database.read() as session:
        assert origins.vouchers(session, [origin.id]) == {origin.id: relay.id}


def test_unknown_origin_is_refused(moot: Aggregator, world: World, origin: FakeNode) -> None:
    """Where nobody can say whose ids they are, the items are refused and the rest of the page goes on."""
    from schema.errors import Later

    relay, record_id = _relay(world, "a.example", "ONE"), origin.put("contract", "C-1")
    relay.pass_on(origin.items[record_id])
    world.faults[origin.url] = Later("down")
    moot.add(relay, relays=True)
    (result,) = moot.crawl()
    assert (result.outcome, result.applied.accepted, result.applied.refused) == ("ended", 1, 1)
    assert [p.rule for p in problems(moot.database)] == ["origin-unknown"]


def test_overlapping_prefixes_the_first_pinned_stays(moot: Aggregator, world: World, origin: FakeNode) -> None:
    """A second node cannot be pinned with ids that lie under another's prefix."""
    moot.add(origin)
    other = world.node("exa.example:8443", "EXA")
    other.prefix = origin.prefix
    other.id = other.url + "/.well-known/folkmoot"
    manifest = other.manifest()
    assert manifest["publishers"][0]["idPrefix"] == origin.prefix
    with pytest.raises(Conflict):
        moot.add(origin)
    assert moot.add(other) == "exa.example_8443"
    moot.crawl()
    assert {p.rule for p in problems(moot.database)} == {"id-prefix", "prefix-own-origin"}


def test_t10_a_prefix_of_another_host_needs_a_grant(moot: Aggregator, world: World, origin: FakeNode) -> None:
    """Ids under another host are refused until the operator grants the prefix, which the manifest must name."""
    foreign = "https://data.example/id/GB-LAE-EXA/"
    origin.more = {
        "publishers": [*origin.manifest()["publishers"], origin.manifest()["publishers"][0] | {"idPrefix": foreign}]
    }
    record_id = f"{foreign}contract/C-1"
    item = origin.items.pop(origin.put("contract", "C-1"))
    origin.items[record_id] = item | {"id": record_id}
    moot.add(origin)
    moot.crawl()
    assert record_id not in rows(moot.database)
    with moot.database.write() as session:
        known = nodes.find(session, origin.url)
        with pytest.raises(NotFound, match="names no publisher"):
            nodes.grant(session, known, "https://else.example/id/GB-LAE-EXA/", now=world.now)
        assert nodes.grant(session, known, foreign, now=world.now) == "GB-LAE-EXA"
    origin.number += 1
    origin.items[record_id] = item | {"id": record_id, "modified": origin.number}
    moot.crawl()
    assert rows(moot.database)[record_id].publisher == "GB-LAE-EXA"


def test_a_grant_is_not_lost_to_a_visit_under_way(moot: Aggregator, world: World, origin: FakeNode) -> None:
    """What an operator grants while a node is asked for its manifest stays, whatever else the manifest changes."""
    foreign = "https://data.example/id/GB-LAE-EXA/"
    publisher = origin.manifest()["publishers"][0]
    origin.more = {"publishers": [publisher, publisher | {"idPrefix": foreign}]}
    moot.add(origin)
    moot.crawl()
    granted: list[str] = []

    def grant(url: str) -> None:
        if url == origin.id and not granted:
            with moot.database.write() as session:
                granted.append(nodes.grant(session, nodes.find(session, origin.url), foreign, now=world.now))

    world.before = grant
    origin.more["contact"] = {"name": "Another team", "email": "other@exa.example"}
    world.pass_time(hours=2)
    moot.crawl()
    assert granted == ["GB-LAE-EXA"]
    with moot.database.read() as session:
        known = nodes.find(session, origin.url)
    assert (set(known.prefixes), b"Another team" in known.manifest) == ({origin.prefix, foreign}, True)


def test_t10_a_prefix_that_is_anothers_is_not_granted(moot: Aggregator, world: World, origin: FakeNode) -> None:
    """The operator cannot grant a node ids under which another was pinned first, nor a part of them."""
    owner = world.node("owner.example", "EXA")
    moot.add(owner)
    origin.more = {
        "publishers": [
            *origin.manifest()["publishers"],
            *(origin.manifest()["publishers"][0] | {"idPrefix": p} for p in (owner.prefix, f"{owner.prefix}x/")),
        ]
    }
    moot.add(origin)
    for prefix in (owner.prefix, f"{owner.prefix}x/"):
        with pytest.raises(Conflict) as refused, moot.database.write() as session:
            nodes.grant(session, nodes.find(session, origin.url), prefix, now=world.now)
        assert refused.value.detail == f"Ids under {prefix} are another node's."
    with moot.database.read() as session:
        assert dict(nodes.find(session, origin.url).prefixes) == {origin.prefix: origin.publisher}


def test_one_origin_that_cannot_be_read_holds_up_nothing_else(moot: Aggregator, world: World, origin: FakeNode) -> None:
    """A relay's item whose origin is nested without end is refused and told; what other councils say is taken."""
    relay, other = world.node("relay.example", "REL", role="aggregator", size=50), world.node("b.example", "BBB")
    bad, good = origin.put("contract", "C-1"), other.put("contract", "C-2")
    moot.add(relay, relays=True)
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    item = origin.items[bad]
    relay.pass_on(item, origin=item["origin"] | {"more": deep})
    relay.pass_on(other.items[good])
    (result,) = moot.crawl()
    assert (result.outcome, good in rows(moot.database), bad in rows(moot.database)) == ("ended", True, False)
    assert [(p.rule, p.record_id, p.pointer) for p in problems(moot.database)] == [("origin", bad, "/origin")]
