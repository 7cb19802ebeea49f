"""Between nodes: a body's own node goes before those that publish for it (protocol section 5)."""

from __future__ import annotations

from typing import Any

import pytest

from federation import nodes, precedence, publishers, scan, snapshot
from federation.database import Database
from federation.identity import read_manifest
from schema.errors import Later, Vanished
from tests.integration.crawl.world import Aggregator, FakeNode, World, node_row, rows

OWN, HOSTED = "own.example", "host.example"


def _node(world: World, host: str, relation: str) -> FakeNode:
    node = world.node(host, "EXA")
    made = node.manifest()["publishers"][0] | {"relation": relation}
    node.more = {"publishers": [made]}
    node.put("contract", "C-1")
    return node


@pytest.fixture
def hosted(world: World) -> FakeNode:
    """Return a node that publishes for a council that it is not."""
    return _node(world, HOSTED, "hosted")


@pytest.fixture
def own(world: World) -> FakeNode:
    """Return that council's own node."""
    return _node(world, OWN, "own")


def _seen(database: Database) -> set[str]:
    """The hosts whose contracts stand in bulk files, which must be those that the index is given."""
    with database.read() as session:
        bulk = {entry.id.split("/")[2] for entry in snapshot.live(session, "contract")}
        indexed = {row.id.split("/")[2] for row in scan.after(session, 0, 100) if row.data and row.kind == "contract"}
    assert bulk == indexed
    return bulk


def _do(moot: Aggregator, work: Any, host: str) -> None:
    with moot.database.write() as session:
        work(session, nodes.find(session, host), now=moot.world.now)


def test_own_node_hides_what_others_publish_for_it(moot: Aggregator, hosted: FakeNode, own: FakeNode) -> None:
    """When a council's own node joins, its records from a hosting node are hidden, under new numbers, and kept."""
    moot.add(hosted)
    moot.crawl()
    assert _seen(moot.database) == {HOSTED}
    before = rows(moot.database)
    moot.add(own)
    moot.crawl()
    assert _seen(moot.database) == {OWN}
    after = rows(moot.database)
    for name in before:
        if name.startswith(f"https://{HOSTED}/"):
            assert (after[name].hidden, after[name].deleted) == (True, False)
            assert after[name].number > before[name].number


def test_what_a_hosting_node_says_later_is_hidden_too(moot: Aggregator, hosted: FakeNode, own: FakeNode) -> None:
    """A record that comes after the council's own node joined is hidden as it is written."""
    moot.add(own)
    moot.add(hosted)
    moot.crawl()
    hosted.put("contract", "C-2")
    moot.world.pass_time(hours=1)
    moot.crawl()
    assert _seen(moot.database) == {OWN}


@pytest.mark.parametrize("work", [nodes.pause, nodes.remove])
def test_hidden_records_come_back_when_the_own_node_goes(
    moot: Aggregator, hosted: FakeNode, own: FakeNode, work: Any
) -> None:
    """A node that is paused or removed goes before nobody."""
    moot.add(own)
    moot.add(hosted)
    moot.crawl()
    _do(moot, work, OWN)
    assert HOSTED in _seen(moot.database)


def test_a_node_that_resumes_goes_before_again(moot: Aggregator, hosted: FakeNode, own: FakeNode) -> None:
    """Pausing and resuming leave everything as it was."""
    moot.add(own)
    moot.add(hosted)
    moot.crawl()
    _do(moot, nodes.pause, OWN)
    _do(moot, nodes.resume, OWN)
    assert _seen(moot.database) == {OWN}


def _retire(moot: Aggregator, own: FakeNode) -> None:
    """Let it say for days that it has closed: what it went before is shown again."""
    moot.world.faults[own.url] = Vanished("gone", 410)
    for _day in range(6):
        moot.world.pass_time(hours=25)
        moot.crawl()
    assert (node_row(moot.database, OWN).state, _seen(moot.database)) == ("retired", {OWN, HOSTED})


def test_a_retired_node_goes_before_nobody(moot: Aggregator, hosted: FakeNode, own: FakeNode) -> None:
    """Three days of 410 end the precedence; a node that comes back has it again."""
    moot.add(own)
    moot.add(hosted)
    moot.crawl()
    _retire(moot, own)
    moot.world.faults.clear()
    moot.world.pass_time(hours=25)
    moot.crawl()
    assert _seen(moot.database) == {OWN}


def test_a_retired_node_that_answers_anything_else_is_there_again(
    moot: Aggregator, hosted: FakeNode, own: FakeNode
) -> None:
    """A node that is stale goes before others, also where it was retired before."""
    moot.add(own)
    moot.add(hosted)
    moot.crawl()
    _retire(moot, own)
    moot.world.faults[own.url] = Vanished("missing", 404)
    moot.world.pass_time(hours=25)
    moot.crawl()
    assert _seen(moot.database) == {OWN}


def test_a_claim_that_came_later_needs_a_person(moot: Aggregator, hosted: FakeNode, own: FakeNode) -> None:
    """A node that begins to call a publisher its own hides nobody until its identity is confirmed."""
    publishers = own.more.pop("publishers")
    own.more["publishers"] = [publishers[0] | {"relation": "unofficial"}]
    moot.add(own)
    moot.add(hosted)
    moot.crawl()
    own.more["publishers"] = publishers
    moot.world.pass_time(hours=2)
    moot.crawl()
    assert _seen(moot.database) == {OWN, HOSTED}


def test_a_preview_goes_before_others_when_it_passes(moot: Aggregator, hosted: FakeNode, own: FakeNode) -> None:
    """A node on trial goes before nobody; the visit that lets it in hides what others publish for it."""
    moot.add(hosted)
    moot.crawl()
    moot.add(own, state="preview")
    moot.world.faults[own.url] = Later("down")
    moot.crawl()
    assert (node_row(moot.database, OWN).state, _seen(moot.database)) == ("preview", {HOSTED})
    moot.world.faults.clear()
    moot.world.pass_time(hours=1)
    moot.crawl()
    assert (node_row(moot.database, OWN).state, _seen(moot.database)) == ("active", {OWN})


def test_t11_a_retired_node_that_is_held_goes_before_others_again(
    moot: Aggregator, hosted: FakeNode, own: FakeNode
) -> None:
    """A closed node that answers again under another identity is there: others are hidden while it is held, and on."""
    own.key("2026-1")
    own.all_again()
    moot.add(hosted)
    moot.add(own)
    moot.crawl()
    _retire(moot, own)
    moot.world.faults.clear()
    keys, own.keys = own.keys, {}
    own.key("2027-1")
    for shown, state in ((own.keys, "held"), (keys, "active")):
        own.keys = shown
        moot.world.pass_time(hours=25)
        moot.crawl()
        assert (node_row(moot.database, OWN).state, _seen(moot.database)) == (state, {OWN})


def test_t11_a_preview_of_another_identity_goes_before_nobody(
    moot: Aggregator, hosted: FakeNode, own: FakeNode
) -> None:
    """A node on trial hides nothing, old or new, when it shows keys that nobody endorsed."""
    own.key("2026-1")
    own.all_again()
    bad = own.put("contract", "C-9")
    own.items[bad]["id"] = "https://else.example/id/GB-LAE-EXA/contract/C-9"
    moot.add(hosted)
    moot.add(own, state="preview")
    moot.crawl()
    own.keys = {}
    own.key("2027-1")
    moot.world.pass_time(hours=1)
    moot.crawl()
    later = hosted.put("contract", "C-NEW")
    moot.world.pass_time(hours=1)
    moot.crawl()
    assert (node_row(moot.database, OWN).state, _seen(moot.database)) == ("preview", {HOSTED})
    assert not rows(moot.database)[later].hidden


def test_two_own_nodes_hide_neither(moot: Aggregator, world: World, own: FakeNode) -> None:
    """Where an operator confirmed two nodes of one council, both are shown."""
    second = _node(world, "second.example", "own")
    moot.add(own)
    moot.add(second)
    moot.crawl()
    assert _seen(moot.database) == {OWN, "second.example"}


def test_a_relayed_record_is_hidden_too(moot: Aggregator, world: World, hosted: FakeNode, own: FakeNode) -> None:
    """By whatever route it comes: it is the origin that counts."""
    relay = world.node("relay.example", "REL", role="aggregator", size=50)
    for item in hosted.items.values():
        relay.pass_on(item)
    moot.add(own)
    moot.add(relay, relays=True)
    moot.crawl()
    assert _seen(moot.database) == {OWN}


def test_where_nobody_has_a_node_of_its_own_nothing_is_hidden(moot: Aggregator, hosted: FakeNode) -> None:
    """Where no body's own node is known, not even this server's, all that nodes publish is shown."""
    with moot.database.write() as session:
        publishers.change(
            session, "XM-TEST-AGG", public_url=moot.url, members={}, now=moot.world.now, relation="unofficial"
        )
        assert precedence.owners(session) == {}
    moot.add(hosted)
    moot.crawl()
    assert _seen(moot.database) == {HOSTED}
    assert not any(row.hidden for row in rows(moot.database).values())


def _claims(own: FakeNode, relation: str | None) -> None:
    """Let the node claim the council so, or not name it any more; it publishes for another body all along."""
    theirs = own.manifest()["publishers"][0] | {"identifiers": [{"scheme": "GB-LAE", "id": "EXA"}]}
    other = {"name": "Other", "identifiers": [{"scheme": "GB-LAE", "id": "OTH"}], "relation": "own"}
    other["idPrefix"] = f"{own.url}/id/GB-LAE-OTH/"
    own.more["publishers"] = [other] if relation is None else [theirs | {"idPrefix": own.prefix, "relation": relation}]


def _visit(moot: Aggregator) -> None:
    moot.world.pass_time(hours=2)
    moot.crawl()


@pytest.mark.parametrize("relation", [None, "hosted"])
def test_a_claim_that_is_given_up_hides_nobody(
    moot: Aggregator, hosted: FakeNode, own: FakeNode, relation: str | None
) -> None:
    """What others publish for a body is shown again when its own node no longer says that it is; with it or alone."""
    moot.add(hosted)
    moot.add(own)
    moot.crawl()
    own.delete("contract", "C-1")
    _claims(own, relation)
    _visit(moot)
    assert _seen(moot.database) == {HOSTED}
    hosted.put("contract", "C-2")
    _visit(moot)
    assert not any(row.hidden for row in rows(moot.database).values() if row.id.startswith(hosted.url))


def test_a_claim_that_is_made_again_came_later(moot: Aggregator, hosted: FakeNode, own: FakeNode) -> None:
    """A claim that was given up, and is made again, hides nobody until a person has confirmed it."""
    moot.add(hosted)
    moot.add(own)
    moot.crawl()
    _claims(own, None)
    _visit(moot)
    _claims(own, "own")
    _visit(moot)
    assert _seen(moot.database) == {OWN, HOSTED}
    body = own.answer(own.id)
    with moot.database.write() as session:
        known = nodes.find(session, OWN)
        nodes.release(session, known, read_manifest(body, own.id), body, now=moot.world.now)
    assert _seen(moot.database) == {OWN}
