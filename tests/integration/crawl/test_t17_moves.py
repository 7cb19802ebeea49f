"""T17: a node that moves to another address: accepted by its keys or by a person; old ids lead to the new."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from api.app import create_app
from federation import erasure, log, moved, moving, nodes, publishers, removals
from federation.database import Database, table
from federation.identity import read_manifest
from federation.merge import LAPSED
from federation.seam import Answer
from folkmoot import wiring
from schema.errors import Conflict, Later, Misconfigured, Refused
from schema.tables import History, Publisher, Record, Shadow
from tests.integration.crawl.conftest import Run
from tests.integration.crawl.world import Aggregator, FakeNode, World, feed, node_row, problems, rows
from tests.services import EXAMPLESHIRE, NOW, client, make_services

OLD, NEW = "old.example", "new.example"


@pytest.fixture
def old(world: World) -> FakeNode:
    """Return a node with thirty contracts, which it has signed."""
    node = world.node(OLD, size=50)
    node.key("2026-1")
    node.all_again()
    for number in range(30):
        node.put("contract", f"C-{number}")
    return node


def _moved(world: World, old: FakeNode, *, lost: int = 0) -> FakeNode:
    """The same node at its new address: other ids, the same key."""
    new = world.node(NEW, size=50)
    new.signer, new.keys, new.epoch = old.signer, old.keys, "second"
    new.all_again()
    for number in range(30 - lost):
        new.put("contract", f"C-{number}")
    del world.servers[old.url]
    world.faults[old.url] = Refused("gone", "Nobody answers.")
    return new


def _follow(moot: Aggregator, new: FakeNode, name: str = OLD) -> str:
    body = new.answer(new.id)
    with moot.database.write() as session:
        known = nodes.find(session, name)
        manifest = read_manifest(body, new.id)
        return moving.there(session, known, manifest, body, me=moot.id, now=moot.world.now)


def _signed(moot: Aggregator, new: FakeNode, name: str = OLD) -> bool:
    with moot.database.read() as session:
        known = nodes.find(session, name)
    manifest = read_manifest(new.answer(new.id), new.id)
    return asyncio.run(moving.signed(moot.world.get, known, manifest, now=moot.world.now))


class _Door:
    """The door of the command line, which leads into the world."""

    def __init__(self, world: World) -> None:
        self.get = world.get

    async def robots(self, place: str) -> Answer:
        return Answer(404, b"", {}, place)


def _hidden(database: Database) -> set[str]:
    return {row.id for row in rows(database).values() if row.hidden and not row.deleted}


def _live(database: Database) -> set[str]:
    return {row.id.split("/")[2] for row in rows(database).values() if not row.deleted and row.kind == "contract"}


def test_t17_a_signed_move_is_followed(moot: Aggregator, world: World, old: FakeNode) -> None:
    """The pinned key stands behind the move; after a full reading the new ids are there and the old are gone."""
    moot.add(old)
    moot.crawl()
    new = _moved(world, old)
    assert _signed(moot, new)
    assert _follow(moot, new) == NEW
    assert _live(moot.database) == {OLD}
    moot.crawl()
    assert (_live(moot.database), problems(moot.database)) == ({NEW}, [])
    assert (node_row(moot.database, NEW).state, feed(moot.database).reconciling) == ("active", False)


def test_t17_a_node_is_followed_back_to_an_address_that_it_had(moot: Aggregator, world: World, old: FakeNode) -> None:
    """A move that is taken back is one like others: the ids of before stand again, and those between lead to them."""
    moot.add(old)
    moot.crawl()
    new = _moved(world, old)
    _follow(moot, new)
    moot.crawl()
    world.servers[old.url] = old
    world.faults.clear()
    old.epoch = "third"
    old.all_again()
    assert _signed(moot, old, NEW)
    assert _follow(moot, old, NEW) == OLD
    moot.crawl()
    assert (_live(moot.database), _hidden(moot.database), problems(moot.database)) == ({OLD}, set(), [])
    with moot.database.read() as session:
        assert moved.leads_to(session, new.prefix + "contract/C-1") == old.prefix + "contract/C-1"
        assert moved.leads_to(session, old.prefix + "contract/C-1") is None


@pytest.mark.parametrize(("before", "after"), [("paused", "paused"), ("preview", "preview"), ("held", "active")])
def test_t17_a_move_opens_no_gate(moot: Aggregator, world: World, old: FakeNode, before: str, after: str) -> None:
    """A node that moves is as it was: paused by the operator, or not let in yet; only who it is has been decided."""
    if before == "preview":
        bad = old.put("contract", "C-X")
        old.items[bad]["id"] = "https://else.example/id/GB-LAE-EXA/contract/C-X"
    moot.add(old, state="preview" if before == "preview" else "active")
    moot.crawl()
    new = _moved(world, old)
    if before == "paused":
        with moot.database.write() as session:
            nodes.pause(session, nodes.find(session, OLD), now=world.now)
    elif before == "held":
        world.faults.clear()
        world.servers[old.url] = old
        old.keys = {}
        world.pass_time(hours=1)
        moot.crawl()
    assert node_row(moot.database, OLD).state == before
    _follow(moot, new)
    assert node_row(moot.database, NEW).state == after


def test_t17_another_key_needs_a_person(moot: Aggregator, world: World, old: FakeNode) -> None:
    """A new address whose key nobody known has endorsed is not a signed move; a node without keys never makes one."""
    moot.add(old)
    bare = world.node("bare.example", "BAR")
    moot.add(bare)
    new = world.node(NEW, size=50)
    new.key("2026-9")
    assert not _signed(moot, new)
    assert not _signed(moot, new, "bare.example")


@pytest.mark.parametrize("shown", ["nothing", "unsigned", "another's records", "another signer", "no feed", "retired"])
def test_t17_public_keys_prove_nothing(moot: Aggregator, world: World, old: FakeNode, shown: str) -> None:
    """A host that shows the keys of another, and its bodies, has signed nothing with them: a person is asked."""
    moot.add(old)
    thief = world.node(NEW, size=50)
    thief.keys = dict(old.keys)
    if shown == "unsigned":
        thief.put("contract", "C-1")
    elif shown == "another's records":
        thief.items = dict(old.items)
    elif shown == "another signer":
        thief.key("2026-1")
        thief.all_again()
        thief.keys = dict(old.keys)
    elif shown == "retired":
        thief.signer = old.signer
        thief.all_again()
        thief.keys = {kid: {**key, "exp": "2099-01-01T00:00:00Z"} for kid, key in old.keys.items()}
    elif shown == "no feed":
        world.faults[f"{thief.url}/v1/changes"] = Later("busy")
    assert not _signed(moot, thief)


def test_t17_the_command_asks_where_no_key_stands_behind_the_move(
    moot: Aggregator, world: World, old: FakeNode, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`folkmoot node moved` follows a signed move at once; without one it moves nothing until it is told yes."""
    monkeypatch.setattr(wiring, "door", lambda _settings: nullcontext(_Door(world)))
    moot.add(old)
    moot.crawl()
    thief = world.node(NEW, size=50)
    thief.keys = dict(old.keys)
    code, said = run("node", "moved", OLD, thief.url)
    assert code != 0, said
    assert "No key of old.example stands behind this." in said
    assert node_row(moot.database, OLD).url == old.id
    new = _moved(world, old)
    code, said = run("node", "moved", OLD, new.url)
    assert (code, node_row(moot.database, NEW).url) == (0, new.id), said


def test_t17_a_moved_manifest_is_not_believed_by_itself(moot: Aggregator, world: World, old: FakeNode) -> None:
    """An address that says it is another node moves nothing: the node is held."""
    moot.add(old)
    moot.crawl()
    old.more = {"id": f"https://{NEW}/.well-known/folkmoot"}
    world.pass_time(hours=1)
    moot.crawl()
    assert (node_row(moot.database, OLD).state, _live(moot.database)) == ("held", {OLD})


def test_t17_what_did_not_come_along_is_guarded(moot: Aggregator, world: World, old: FakeNode) -> None:
    """Records that are missing at the new address are removals as others are: so many are held."""
    moot.add(old)
    moot.crawl()
    new = _moved(world, old, lost=25)
    _follow(moot, new)
    assert _hidden(moot.database) == set()
    moot.crawl()
    assert (_live(moot.database), _hidden(moot.database)) == ({OLD, NEW}, set())
    assert [problem.rule for problem in problems(moot.database)] == ["removal-held"]


def _came(moot: Aggregator, world: World, old: FakeNode, *, contracts: int) -> FakeNode:
    """The node with this many contracts, read at its old address; it has moved, and all of them are there."""
    for number in range(30, contracts):
        old.put("contract", f"C-{number}")
    moot.add(old)
    moot.crawl()
    new = _moved(world, old)
    for number in range(30, contracts):
        new.put("contract", f"C-{number}")
    return new


def _gone_there(
    moot: Aggregator, world: World, old: FakeNode, *, contracts: int, gone: int, reason: str = "withdrawn"
) -> FakeNode:
    """The same, so many of them withdrawn at the new address; it is followed, and read there to the end."""
    new = _came(moot, world, old, contracts=contracts)
    for number in range(gone):
        new.delete("contract", f"C-{number}", reason)
    _follow(moot, new)
    moot.crawl()
    return new


def _contracts(database: Database, host: str) -> list[Any]:
    return [r for r in rows(database).values() if r.kind == "contract" and r.id.startswith(f"https://{host}/")]


@pytest.mark.parametrize("case", [(60, 60, 60), (30, 19, 0), (30, 20, 20), (99, 20, 0), (99, 21, 21), (99, 25, 25)])
def test_t17_what_is_withdrawn_at_the_new_address_is_guarded(
    moot: Aggregator, world: World, old: FakeNode, case: tuple[int, int, int]
) -> None:
    """Tombstones under the new ids take the old records no quicker than tombstones under the old ones would.

    More than a fifth of all that stood at the old address, and at least 20, are held; the organisation counts too.
    """
    contracts, gone, held = case
    _gone_there(moot, world, old, contracts=contracts, gone=gone)
    stays = [row for row in _contracts(moot.database, OLD) if not row.deleted]
    assert len(stays) == held
    assert {row.reason for row in _contracts(moot.database, OLD) if row.deleted} <= {"dropped"}
    there = _contracts(moot.database, NEW)
    assert sum(not row.deleted for row in there) == contracts - gone
    assert [row.reason for row in there if row.deleted] == ["withdrawn"] * gone
    assert [problem.rule for problem in problems(moot.database)] == (["removal-held"] if held else [])


def test_t17_what_is_held_of_a_move_goes_when_a_person_says_so(moot: Aggregator, world: World, old: FakeNode) -> None:
    """The held old records are released, or stay when that is rejected, as all others are."""
    _gone_there(moot, world, old, contracts=60, gone=60)
    with moot.database.write() as session:
        known = nodes.find(session, NEW)
        assert removals.release(session, known.id, now=world.now).deleted == 60
    assert (_live(moot.database), problems(moot.database)) == (set(), [])


def test_t17_what_went_before_the_move_counts_with_what_goes_by_it(
    moot: Aggregator, world: World, old: FakeNode
) -> None:
    """A register is not emptied in two slices, one on either side of its move within a day."""
    new = _came(moot, world, old, contracts=99)
    old_answers = world.faults.pop(old.url)
    world.servers[old.url] = old
    for number in range(15):
        old.delete("contract", f"C-{number}")
    world.pass_time(hours=1)
    moot.crawl()
    world.faults[old.url] = old_answers
    for number in range(30):
        new.delete("contract", f"C-{number}", "withdrawn")
    _follow(moot, new)
    moot.crawl()
    assert sum(not row.deleted for row in _contracts(moot.database, OLD)) == 15


def test_t17_personal_data_withdrawn_at_the_new_address_waits_for_nothing(
    moot: Aggregator, world: World, old: FakeNode
) -> None:
    """However many they are, the old records are hidden with the new ones, and erased with them."""
    _gone_there(moot, world, old, contracts=60, gone=60, reason="personal-data")
    assert (_live(moot.database), problems(moot.database)) == (set(), [])
    world.pass_time(hours=73)
    assert erasure.sweep(moot.database, now=world.now) == 60
    with moot.database.read() as session:
        kept = session.connection().execute(select(table(History)).where(table(History).c.kind == "contract")).all()
    assert kept == []


def test_t17_personal_data_is_hidden_under_an_old_id_that_is_held(
    moot: Aggregator, world: World, old: FakeNode
) -> None:
    """A withdrawal for a person's sake reaches the old id of its record too, while the others wait for a person."""
    new = _gone_there(moot, world, old, contracts=60, gone=60)
    new.delete("contract", "C-1", "personal-data")
    world.pass_time(hours=1)
    moot.crawl()
    assert {row.id for row in _contracts(moot.database, OLD) if row.deleted} == {f"{old.prefix}contract/C-1"}
    with moot.database.read() as session:
        assert sum(removals.counts(session, [node_row(moot.database, NEW).id]).values()) == 59
    world.pass_time(hours=73)
    erasure.sweep(moot.database, now=world.now)
    with moot.database.read() as session:
        asked = select(table(History)).where(table(History).c.id == f"{old.prefix}contract/C-1")
        assert session.connection().execute(asked).all() == []


def test_t17_an_empty_feed_at_the_new_address_takes_nothing(moot: Aggregator, world: World, old: FakeNode) -> None:
    """Where a relay carries the new ids already, but the new address shows nothing itself, the old records stay."""
    new = _came(moot, world, old, contracts=60)
    relay = world.node("relay.example", "REL", role="aggregator", size=500)
    for item in list(new.items.values()):
        relay.pass_on(item)
    moot.add(relay, relays=True)
    moot.crawl()
    new.items = {}
    _follow(moot, new)
    moot.crawl()
    assert sum(not row.deleted for row in _contracts(moot.database, OLD)) == 60
    assert "empty-feed" in {problem.rule for problem in problems(moot.database)}


def test_t17_a_move_needs_the_same_bodies(moot: Aggregator, world: World, old: FakeNode) -> None:
    """An address that publishes for others, the address itself, and one that is another node's are refused."""
    moot.add(old)
    other = world.node("other.example", "OTH")
    with pytest.raises(Conflict, match="none of the bodies"):
        _follow(moot, other)
    with pytest.raises(Conflict, match="already"):
        _follow(moot, old)
    moot.add(other)
    with pytest.raises(Conflict, match="among the nodes"):
        _follow(moot, other)


def test_t17_nobody_takes_the_old_prefixes(moot: Aggregator, world: World, old: FakeNode) -> None:
    """Whoever answers at the old address later cannot be pinned with its ids."""
    moot.add(old)
    moot.crawl()
    _follow(moot, _moved(world, old))
    thief = FakeNode(OLD)
    world.servers[thief.url] = thief
    with pytest.raises(Conflict, match="pinned with first"):
        moot.add(thief)


def _says(database: Database) -> list[dict[str, Any]]:
    with database.read() as session:
        page = log.page(session, 0, public_url="x", epoch="e", license_url="l")
    items: list[dict[str, Any]] = orjson.loads(page.body)["items"]
    return items


def test_t17_a_node_gives_its_records_new_ids(database: Database) -> None:
    """`folkmoot move`: new ids and links, a new epoch, numbers that go on, all signed; then the old URL is refused."""
    before, after = "https://old.example", "https://new.example"
    with database.write() as session:
        publishers.add(session, public_url=before, organisation=EXAMPLESHIRE, now=NOW, sign=True)
        prefix = f"{before}/id/GB-LAE-EXA/"
        linked = orjson.dumps({"reference": "R-1", "title": "Replace it", "replaces": [f"{prefix}contract/C-1"]})
        drafts = [
            log.Draft(f"{prefix}contract/C-1", "contract", "GB-LAE-EXA", b'{"reference":"C-1","title":"A"}'),
            log.Draft(f"{prefix}roadmap-item/R-1", "roadmap-item", "GB-LAE-EXA", linked),
        ]
        log.append(session, drafts, node=publishers.node_id(before), now=NOW)
        gone = log.Draft(drafts[0].id, "contract", "GB-LAE-EXA", None, "ended")
        log.append(session, [gone], node=publishers.node_id(before), now=NOW)
        first = publishers.epoch(session)
    with database.write() as session:
        assert moving.here(session, after, now=NOW) == 3
    with database.read() as session:
        assert publishers.epoch(session) != first
        held = session.connection().execute(select(table(Record))).all()
    assert {row.id.partition("/id/")[0] for row in held} == {after}
    assert {(row.signature, row.origin_node) for row in held} == {("valid", publishers.node_id(after))}
    assert min(row.number for row in held) > 4
    link = next(item for item in _says(database) if item["kind"] == "roadmap-item")["data"]["replaces"]
    assert link == [f"{after}/id/GB-LAE-EXA/contract/C-1"]
    with database.write() as session, pytest.raises(Misconfigured, match="folkmoot move"):
        publishers.settle(session, before)
    with database.write() as session, pytest.raises(Conflict, match="already"):
        moving.here(session, after, now=NOW)


def test_t17_old_ids_redirect(database: Database, tmp_path: Path) -> None:
    """An old id answers 301 to the new one, at its own path and by query, as JSON and as a page, over two moves."""
    first, second, third = "http://one.test", "http://two.test", "http://three.test"
    with database.write() as session:
        publishers.add(session, public_url=first, organisation=EXAMPLESHIRE, now=NOW)
    for url in (second, third):
        with database.write() as session:
            moving.here(session, url, now=NOW)
    services = make_services(database, tmp_path, public_url=third, organisation=None)
    name = f"{first}/id/GB-LAE-EXA/organisation/GB-LAE-EXA"
    with client(create_app(services)) as asking:
        for path in ("/v1/records", "/records"):
            said = asking.get(path, params={"id": name}, follow_redirects=False)
            assert said.status_code == 301, said.text
            assert said.headers["location"].startswith(f"{third}{path}?id=http%3A%2F%2Fthree.test%2Fid%2F")
            assert asking.get(path, params={"id": name}, follow_redirects=True).status_code == 200
        assert asking.get("/v1/records", params={"id": f"{first}/id/GB-LAE-EXA/contract/none"}).status_code == 404


@pytest.mark.parametrize("moves", [0, 1, 8, 9])
def test_t17_an_old_id_is_followed_over_eight_moves_at_a_time(database: Database, moves: int) -> None:
    """An id leads on over eight moves; what has moved more often is asked again at the address where that ends."""
    prefixes = [f"https://n{n}.example/id/GB-LAE-EXA/" for n in range(moves + 1)]
    with database.write() as session:
        for old, new in pairwise(prefixes):
            moved.remember(session, {old: new}, now=NOW)
    with database.read() as session:
        found = moved.leads_to(session, f"{prefixes[0]}contract/C-1")
        assert found == (f"{prefixes[min(moves, 8)]}contract/C-1" if moves else None)
        last = moved.leads_to(session, f"{prefixes[-2]}contract/C-1") if moves else None
        assert last == (f"{prefixes[-1]}contract/C-1" if moves else None)
        assert moved.leads_to(session, "https://n0.example/id/GB-LAE-EXAMPLE/contract/C-1") is None


def test_t17_personal_data_is_hidden_under_an_old_id_that_a_person_kept(
    moot: Aggregator, world: World, old: FakeNode
) -> None:
    """Also where the removals were rejected, and where a relay carries the old id on: no older word stands."""
    relay = world.node("relay.example", "REL", role="aggregator", size=500)
    relay.pass_on(old.items[f"{old.prefix}contract/C-1"])
    moot.add(relay, relays=True)
    new = _gone_there(moot, world, old, contracts=60, gone=60)
    with moot.database.write() as session:
        removals.reject(session, nodes.find(session, NEW).id)
    new.delete("contract", "C-1", "personal-data")
    world.pass_time(hours=1)
    moot.crawl()
    assert {row.id for row in _contracts(moot.database, OLD) if row.deleted} == {f"{old.prefix}contract/C-1"}


def test_t17_a_node_that_moves_after_days_of_silence_has_its_rank_again(moot: Aggregator, world: World) -> None:
    """What it passes on ranks with what others pass on, as before it fell silent."""
    origin = world.node("far.example", "FAR")
    record = origin.items[origin.put("contract", "C-1")]
    silent, other = (world.node(host, "AGG", role="aggregator", size=50) for host in (OLD, "other.example"))
    for relay in (silent, other):
        relay.pass_on(record)
        moot.add(relay, relays=True)
    moot.crawl()
    before = _ranks(moot.database, record["id"])
    world.faults[silent.url] = Later("It hangs.")
    for _ in range(12):
        world.pass_time(hours=20)
        moot.crawl()
    assert LAPSED in _ranks(moot.database, record["id"])
    new = world.node(NEW, "AGG", role="aggregator", size=50)
    new.pass_on(record)
    _follow(moot, new)
    moot.crawl()
    assert _ranks(moot.database, record["id"]) == before


def _ranks(database: Database, record: str) -> list[int]:
    """The ranks of every word on a record."""
    with database.read() as session:
        shadows = session.connection().execute(select(table(Shadow).c.rank).where(table(Shadow).c.id == record))
        return sorted([rows(database)[record].rank, *shadows.scalars()])


def test_t17_back_at_an_old_address_its_ids_lead_nowhere_else(database: Database) -> None:
    """A node that moves back is at home there again, and what it was called meanwhile leads to it."""
    here, there = "https://a.example/id/GB-LAE-EXA/", "https://b.example/id/GB-LAE-EXA/"
    with database.write() as session:
        moved.remember(session, {here: there}, now=NOW)
        moved.remember(session, {there: here}, now=NOW)
        assert moved.leads_to(session, f"{here}contract/C-1") is None
        assert moved.leads_to(session, f"{there}contract/C-1") == f"{here}contract/C-1"


def _relay(world: World, old: FakeNode, **options: Any) -> FakeNode:
    """An aggregator that carries the node as it is at its old address."""
    relay = world.node("relay.example", "REL", role="aggregator", **{"size": 500, **options})
    for item in list(old.items.values()):
        relay.pass_on(item)
    return relay


def _left(database: Database) -> tuple[set[str], set[str]]:
    """The ids under the old address that live here, and those that live in the feed."""
    here = {row.id for row in rows(database).values() if not row.deleted and row.id.startswith(f"https://{OLD}/")}
    said = {item["id"] for item in _says(database) if item["state"] == "updated" and f"//{OLD}/" in item["id"]}
    return here, said


def _words(database: Database, host: str) -> int:
    """How many words of routes that do not win there are on ids of this host."""
    with database.read() as session:
        ids = session.connection().execute(select(table(Shadow).c.id)).scalars()
        return sum(record.startswith(f"https://{host}/") for record in ids)


def test_t17_a_relay_leaves_no_ghost_under_an_old_id(moot: Aggregator, world: World, old: FakeNode) -> None:
    """Once a move is followed nothing lives under the old ids by another route, whether that has followed or not."""
    relay = _relay(world, old)
    moot.add(old)
    moot.add(relay, relays=True)
    moot.crawl()
    before = list(old.items.values())
    new = _moved(world, old)
    _follow(moot, new)
    assert (len(_left(moot.database)[0]), _words(moot.database, OLD)) == (31, 0)
    moot.crawl()
    assert (_live(moot.database), _left(moot.database)) == ({NEW}, (set(), set()))
    old.all_again()
    relay.pass_on(list(old.items.values())[3])
    relay.epoch = "again"
    world.pass_time(hours=2)
    moot.crawl()
    assert _left(moot.database) == (set(), set())
    for item in before:
        relay.pass_on(item, state="deleted", reason="dropped")
    for item in list(new.items.values()):
        relay.pass_on(item)
    world.pass_time(hours=2)
    moot.crawl()
    assert (_live(moot.database), _left(moot.database)) == ({NEW}, (set(), set()))


def test_t17_what_is_gone_at_the_new_address_comes_back_by_no_relay(
    moot: Aggregator, world: World, old: FakeNode
) -> None:
    """A record that did not come along goes under the guard, and no relay's older word takes its place."""
    moot.add(old)
    moot.add(_relay(world, old), relays=True)
    moot.crawl()
    new = _moved(world, old, lost=2)
    new.delete("contract", "C-1", "withdrawn")
    _follow(moot, new)
    moot.crawl()
    assert _left(moot.database) == (set(), set())


def test_t17_a_visit_to_a_relay_that_goes_on_brings_no_old_id_back(
    moot: Aggregator, world: World, old: FakeNode
) -> None:
    """A relay that is being read while the move is followed was judged by what was known before: that is not taken."""
    relay = _relay(world, old, size=20)
    moot.add(relay, relays=True)
    moot.crawl()
    moot.add(old)
    moot.crawl()
    old.all_again()
    for item in list(old.items.values()):
        relay.pass_on(item)
    new = _moved(world, old)
    followed: list[str] = []

    def follow(url: str) -> None:
        if url.startswith(f"{relay.url}/v1/changes") and url != asked and not followed:
            followed.append(_follow(moot, new))

    asked = f"{relay.url}/v1/changes?afterChangeNumber={relay.number - len(old.items)}"
    world.before = follow
    world.pass_time(hours=2)
    moot.crawl()
    assert followed == [NEW]
    assert (_live(moot.database), _left(moot.database), _words(moot.database, OLD)) == ({NEW}, (set(), set()), 0)


@pytest.mark.parametrize(("lost", "left"), [(0, 0), (5, 0), (25, 25)])
def test_t17_what_a_relay_alone_carried_goes_with_the_old_ids(
    moot: Aggregator, world: World, old: FakeNode, lost: int, left: int
) -> None:
    """Where only relays had told of the old ids, they go as the node's own would: at once, or held by the guard."""
    relays = [_relay(world, old), world.node("second.example", "SEC", role="aggregator", size=500)]
    for item in list(old.items.values()):
        relays[1].pass_on(item)
    for relay in relays:
        moot.add(relay, relays=True)
    moot.crawl()
    assert _live(moot.database) == {OLD}
    moot.add(old)
    new = _moved(world, old, lost=lost)
    _follow(moot, new)
    assert len(_left(moot.database)[0]) == 31
    moot.crawl()
    here, said = _left(moot.database)
    assert (len(here), here, _words(moot.database, OLD)) == (left, said, 0)
    held = [problem.message for problem in problems(moot.database) if problem.rule == "removal-held"]
    assert len(held) == (1 if left else 0)


def test_t17_our_own_old_ids_come_back_by_no_relay(moot: Aggregator, world: World) -> None:
    """When this server itself has moved, a relay of what stood at its old address brings nothing back."""
    still = world.node("moot.example", "EXA")
    still.items, still.publisher, still.prefix = {}, "XM-TEST-AGG", f"{moot.url}/id/XM-TEST-AGG/"
    still.put("contract", "C-1")
    relay = _relay(world, still)
    with moot.database.write() as session:
        moving.here(session, f"https://{NEW}", now=NOW)
    moot.url, moot.id = f"https://{NEW}", f"https://{NEW}/.well-known/folkmoot"
    moot.add(relay, relays=True)
    moot.crawl()
    assert _live(moot.database) == set()


@pytest.mark.parametrize("claimed", ["own", "hosted"])
def test_t17_a_move_takes_no_claim_that_nobody_confirmed(
    moot: Aggregator, world: World, old: FakeNode, claimed: str
) -> None:
    """A node that moves goes before others for those bodies that it did before and still claims, and no others."""
    hosts = {code: world.node(f"{code.lower()}-host.example", code) for code in ("EXA", "HOS")}
    for host in hosts.values():
        host.more = {"publishers": [host.manifest()["publishers"][0] | {"relation": "hosted"}]}
        moot.add(host)
    moot.add(old)
    moot.crawl()
    new = _moved(world, old)
    ours = new.manifest()["publishers"][0]
    theirs = hosts["HOS"].manifest()["publishers"][0] | {"idPrefix": f"{new.url}/id/GB-LAE-HOS/", "relation": "own"}
    new.more = {"publishers": [ours | {"relation": claimed}, theirs]}
    _follow(moot, new)
    moot.crawl()
    hidden = {row.publisher for row in rows(moot.database).values() if row.hidden and "-host." in row.id}
    assert hidden == ({"GB-LAE-EXA"} if claimed == "own" else set())


@pytest.mark.parametrize("pinned", [False, True])
def test_t17_a_relay_is_heard_of_an_old_address_once_who_left_it_is_gone(
    moot: Aggregator, world: World, old: FakeNode, *, pinned: bool
) -> None:
    """Ids of an address are left behind while who moved is here: not once it is removed, and somebody is back there."""
    moot.add(old)
    moot.crawl()
    new = _moved(world, old)
    _follow(moot, new)
    moot.crawl()
    with moot.database.write() as session:
        nodes.remove(session, nodes.find(session, NEW), now=world.now)
    world.servers[old.url] = old
    world.faults.clear()
    del world.servers[new.url]
    old.all_again()
    relay = world.node("relay.example", "REL", role="aggregator", size=500)
    for item in list(old.items.values()):
        relay.pass_on(item)
    moot.add(relay, relays=True)
    if pinned:
        moot.add(old)
    world.pass_time(hours=2)
    moot.crawl()
    assert _live(moot.database) == {OLD}
    with moot.database.read() as session:
        shadows = session.connection().execute(select(table(Shadow).c.id)).all()
        assert len(shadows) == (len(old.items) if pinned else 0)
        led = moved.leads_to(session, old.prefix + "contract/C-1")
        assert led == (None if pinned else new.prefix + "contract/C-1")


def test_t17_nobody_takes_the_prefixes_that_we_left(moot: Aggregator, world: World, old: FakeNode) -> None:
    """Who answers at an address of ours of old can neither join nor move there with our ids: they lead on to us."""
    with moot.database.write() as session:
        ours = session.connection().execute(select(table(Publisher).c.id_prefix)).scalars().first()
        assert ours is not None
        moved.remember(session, {old.prefix: "https://between.example/id/GB-LAE-EXA/"}, now=NOW)
        moved.remember(session, {"https://between.example/id/GB-LAE-EXA/": ours}, now=NOW)
    with pytest.raises(Conflict, match=f"under {old.prefix}, which is this server's own, or was"):
        moot.add(old)
    before = world.node("before.example")
    before.put("contract", "C-1")
    moot.add(before)
    moot.crawl()
    with pytest.raises(Conflict, match=f"under {old.prefix}, which is this server's own, or was"):
        _follow(moot, old, "before.example")
    with moot.database.read() as session:
        assert moved.leads_to(session, old.prefix + "contract/C-1") == ours + "contract/C-1"


def _gone_but_relayed(moot: Aggregator, world: World, old: FakeNode) -> None:
    """Who left an address was followed and is removed; a relay still carries what it says at the new one."""
    moot.add(old)
    moot.crawl()
    new = _moved(world, old)
    _follow(moot, new)
    moot.crawl()
    relay = world.node("relay.example", "REL", role="aggregator", size=500)
    for item in new.items.values():
        relay.pass_on(item)
    moot.add(relay, relays=True)
    moot.crawl()
    with moot.database.write() as session:
        nodes.remove(session, nodes.find(session, NEW), now=world.now)
    world.faults.clear()


@pytest.mark.parametrize("way", ["refresh", "grant"])
def test_t17_a_prefix_that_is_taken_later_leads_nowhere_else(
    moot: Aggregator, world: World, old: FakeNode, way: str
) -> None:
    """Where who left an address is gone, a node that takes its prefix up in a later manifest is found under it."""
    _gone_but_relayed(moot, world, old)
    heir = world.node(OLD if way == "refresh" else "heir.example", "OTH")
    moot.add(heir)
    moot.crawl()
    with moot.database.read() as session:
        heir_id = nodes.find(session, heir.id).id
    heir.more = {"publishers": [heir.manifest()["publishers"][0], old.manifest()["publishers"][0]]}
    heir.epoch = "second"
    if way == "grant":
        world.pass_time(hours=30)
        moot.crawl()
        with moot.database.write() as session:
            nodes.grant(session, nodes.find(session, heir.id), old.prefix, now=world.now)
    heir.publisher, heir.prefix = old.publisher, old.prefix
    again = heir.put("contract", "C-1")
    heir.epoch = "third"
    for _ in range(2):
        world.pass_time(hours=30)
        moot.crawl()
    with moot.database.read() as session:
        assert moved.leads_to(session, again) is None
    row = rows(moot.database)[again]
    assert (row.deleted, row.node_id) == (False, heir_id)


def test_t17_a_prefix_that_a_move_brings_leads_nowhere_else(moot: Aggregator, world: World, old: FakeNode) -> None:
    """A node that moves to where somebody was, and publishes there for that body too, is found under its ids."""
    _gone_but_relayed(moot, world, old)
    before = world.node("before.example", "OTH")
    moot.add(before)
    moot.crawl()
    here = world.node(OLD, "OTH", size=50)
    here.epoch = "second"
    here.more = {"publishers": [here.manifest()["publishers"][0], old.manifest()["publishers"][0]]}
    here.publisher, here.prefix = old.publisher, old.prefix
    again = here.put("contract", "C-1")
    _follow(moot, here, "before.example")
    moot.crawl()
    with moot.database.read() as session:
        assert moved.leads_to(session, again) is None
        led = moved.leads_to(session, before.prefix + "contract/C-1")
    assert led == f"{here.url}/id/GB-LAE-OTH/contract/C-1"
    assert not rows(moot.database)[again].deleted
