"""Records of a publisher that has not asked for it: marked `unofficial`, whoever gathered them (section 5, marks)."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, select

from federation import lists, nodes
from federation.database import table
from federation.identity import read_manifest
from schema.errors import Later
from schema.tables import Meta
from tests.integration.crawl.world import Aggregator, FakeNode, World, rows, vouching


@pytest.fixture
def gatherer(world: World) -> FakeNode:
    """Return a node that gathers for one council, unasked, and publishes for another by agreement."""
    node = world.node("gather.example", "EXA")
    others = node.manifest()["publishers"][0] | {"relation": "unofficial"}
    hosted = {"name": "Hosted", "identifiers": [{"scheme": "GB-LAE", "id": "HOS"}], "relation": "hosted"}
    node.more = {"publishers": [others, hosted | {"idPrefix": f"{node.url}/id/GB-LAE-HOS/"}]}
    return node


def _marked(moot: Aggregator) -> dict[str, tuple[str, ...]]:
    """The marks of every contract, by the host in its id and its reference; by a list as by its id."""
    found: dict[str, tuple[str, ...]] = {}
    contracts = {name: row.row for name, row in rows(moot.database).items() if row.kind == "contract"}
    with moot.database.read() as session:
        for item in lists.held(session, list(contracts.values())):
            one = lists.by_id(session, item.entry.id)
            assert one is not None
            assert one.marks == item.marks
            found[f"{item.entry.id.split('/')[2]} {item.entry.id.rpartition('/')[2]}"] = item.marks
    return found


def _state(moot: Aggregator) -> str:
    with moot.database.read() as session:
        return lists.state(session)


def _kept(moot: Aggregator) -> set[str]:
    with moot.database.read() as session:
        chosen = select(table(Meta).c.key).where(table(Meta).c.key.startswith("unofficial."))
        return set(session.connection().execute(chosen).scalars())


def _hosted(node: FakeNode, reference: str) -> None:
    node.publisher, prefix = "GB-LAE-HOS", node.prefix
    node.prefix = f"{node.url}/id/GB-LAE-HOS/"
    node.put("contract", reference)
    node.publisher, node.prefix = "GB-LAE-EXA", prefix


def _relayed(moot: Aggregator, world: World, gatherer: FakeNode) -> FakeNode:
    """A relay passes on a record of either council, and has the gatherer in its list of members."""
    relay = vouching(world, gatherer, gatherer.manifest())
    gatherer.put("contract", "A")
    _hosted(gatherer, "H")
    for item in gatherer.items.values():
        relay.pass_on(item)
    moot.add(relay, relays=True)
    return relay


def test_what_is_gathered_unasked_is_marked(moot: Aggregator, gatherer: FakeNode) -> None:
    """Of a node's records those are marked whose publisher it calls unofficial, and no others."""
    gatherer.put("contract", "A")
    _hosted(gatherer, "H")
    moot.add(gatherer)
    moot.crawl()
    assert _marked(moot) == {"gather.example A": ("unofficial",), "gather.example H": ()}


def test_what_a_council_says_itself_is_not_marked_on_its_way(
    moot: Aggregator, world: World, gatherer: FakeNode
) -> None:
    """A relay that gathers for a council too marks its own record of it, not the one that it passes on."""
    council = world.node("council.example", "EXA")
    gatherer.role = "aggregator"
    gatherer.put("contract", "A")
    gatherer.pass_on(council.items[council.put("contract", "B")])
    moot.add(gatherer, relays=True)
    moot.crawl()
    assert _marked(moot) == {"gather.example A": ("unofficial",), "council.example B": ()}


@pytest.mark.parametrize("reached", [True, False])
def test_what_is_gathered_unasked_is_marked_on_its_way(
    moot: Aggregator, world: World, gatherer: FakeNode, *, reached: bool
) -> None:
    """Of an origin that only a relay has told of its own manifest marks the records, or else the relay's copy."""
    _relayed(moot, world, gatherer)
    if not reached:
        world.faults[gatherer.url] = Later("down")
    moot.crawl()
    vouched = () if reached else ("vouched",)
    assert _marked(moot) == {"gather.example A": ("unofficial", *vouched), "gather.example H": vouched}


def test_a_mark_on_its_way_comes_and_goes_with_the_manifest(moot: Aggregator, world: World, gatherer: FakeNode) -> None:
    """An origin that a relay names is asked again after a day: the mark goes, and what showed it is made anew."""
    relay = _relayed(moot, world, gatherer)
    moot.crawl()
    before = _state(moot)
    gatherer.more["publishers"][0]["relation"] = "hosted"
    relay.pass_on(gatherer.items[gatherer.put("contract", "B")])
    world.pass_time(hours=25)
    moot.crawl()
    assert _marked(moot) == {"gather.example A": (), "gather.example B": (), "gather.example H": ()}
    assert _state(moot) != before


def test_a_relays_word_of_a_mark_ends_when_the_node_joins(moot: Aggregator, world: World, gatherer: FakeNode) -> None:
    """A node that is pinned is marked by its own manifest alone, also while a relay carries its records."""
    _relayed(moot, world, gatherer)
    moot.crawl()
    gatherer.more["publishers"][0]["relation"] = "hosted"
    world.faults[gatherer.url + gatherer.feed_path] = Later("down")
    before = _state(moot)
    moot.add(gatherer)
    assert _marked(moot) == {"gather.example A": (), "gather.example H": ()}
    assert _state(moot) != before


def test_that_nobody_vouches_any_more_makes_lists_anew(moot: Aggregator, world: World, gatherer: FakeNode) -> None:
    """With a node that joins the mark of who vouched for it goes, and what showed it is made anew."""
    gatherer.more["publishers"][0]["relation"] = "hosted"
    _relayed(moot, world, gatherer)
    world.faults[gatherer.url] = Later("down")
    moot.crawl()
    before = _state(moot)
    assert set(_marked(moot).values()) == {("vouched",)}
    world.faults.clear()
    moot.add(gatherer)
    assert set(_marked(moot).values()) == {()}
    assert _state(moot) != before


def test_a_mark_comes_and_goes_with_the_manifest(moot: Aggregator, world: World, gatherer: FakeNode) -> None:
    """When a council agrees, its node's manifest says so, and with the mark every answer that showed it changes."""
    gatherer.put("contract", "A")
    moot.add(gatherer)
    moot.crawl()
    before = _state(moot)
    world.pass_time(hours=1)
    moot.crawl()
    assert _state(moot) == before
    gatherer.more["publishers"][0]["relation"] = "hosted"
    world.pass_time(hours=1)
    moot.crawl()
    assert _marked(moot) == {"gather.example A": ()}
    assert _state(moot) != before
    assert _kept(moot) == set()


def test_a_mark_changes_with_the_manifest_and_not_with_the_end_of_the_feed(
    moot: Aggregator, world: World, gatherer: FakeNode
) -> None:
    """A feed of many visits, or one that fails after its manifest was taken over, leaves no mark of the old one."""
    gatherer.put("contract", "A")
    moot.add(gatherer)
    moot.crawl()
    gatherer.more["publishers"][0]["relation"] = "hosted"
    world.faults[f"{gatherer.url}{gatherer.feed_path}"] = Later("down")
    world.pass_time(hours=1)
    assert [result.outcome for result in moot.crawl()] == ["failed"]
    assert _marked(moot) == {"gather.example A": ()}


def test_an_identity_that_a_person_releases_brings_its_marks(
    moot: Aggregator, world: World, gatherer: FakeNode
) -> None:
    """With the manifest that an operator takes as it stands now its relations are known, before any visit."""
    gatherer.put("contract", "A")
    moot.add(gatherer)
    moot.crawl()
    gatherer.more["publishers"][0]["relation"] = "hosted"
    body = gatherer.answer(gatherer.id)
    with moot.database.write() as session:
        known = nodes.find(session, gatherer.url)
        nodes.release(session, known, read_manifest(body, gatherer.id), body, now=world.now)
    assert _marked(moot) == {"gather.example A": ()}


def test_what_was_pinned_before_marks_were_kept_is_marked_in_time(
    moot: Aggregator, world: World, gatherer: FakeNode
) -> None:
    """A node that was taken in by an earlier version is marked once its manifest has been asked for again."""
    gatherer.put("contract", "A")
    moot.add(gatherer)
    moot.crawl()
    with moot.database.write() as session:
        session.connection().execute(delete(table(Meta)).where(table(Meta).c.key.startswith("unofficial")))
    assert _marked(moot) == {"gather.example A": ()}
    world.pass_time(hours=1)
    moot.crawl()
    assert _marked(moot) == {"gather.example A": ("unofficial",)}


def test_nothing_is_kept_of_a_node_that_was_forgotten(moot: Aggregator, world: World, gatherer: FakeNode) -> None:
    """A node that is removed leaves no marks for whoever may get its number."""
    moot.add(gatherer)
    assert len(_kept(moot)) == 1
    with moot.database.write() as session:
        nodes.remove(session, nodes.find(session, gatherer.url), now=world.now)
    assert _kept(moot) == set()
