"""Rank holds while its route is active: a node that is gone for long gives way to the best other route (section 5)."""

from __future__ import annotations

import orjson
import pytest

from federation import nodes, removals
from federation.identity import read_manifest
from schema.errors import Later, Vanished
from tests.integration.crawl.world import Aggregator, FakeNode, World, live_contracts, node_row, problems, rows


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


def _confirm(moot: Aggregator, origin: FakeNode) -> None:
    """An operator takes the node as it is now."""
    body = origin.answer(origin.id)
    with moot.database.write() as session:
        known = nodes.find(session, "exa.example")
        nodes.release(session, known, read_manifest(body, origin.id), body, now=moot.world.now)


LAST = 2**53 - 1
"""The highest number that a word can have."""


def _withdrawn_meanwhile(moot: Aggregator, origin: FakeNode, relay: FakeNode) -> str:
    """A relay says of a node that is silent for eight days that it has withdrawn its contract. Gives that one's id."""
    record_id = f"{origin.prefix}contract/C-1"
    moot.world.faults[origin.url] = Later("It hangs.")
    _days(moot, 8)
    _withdraw(relay, record_id, LAST, "personal-data")
    _days(moot, 4)
    assert rows(moot.database)[record_id].deleted
    return record_id


def test_t37_a_silent_node_that_is_back_is_heard_on_what_was_withdrawn(
    moot: Aggregator, origin: FakeNode, relay: FakeNode
) -> None:
    """What a relay withdrew for a person's sake is erased at once; its node is heard when it is back."""
    record_id = _withdrawn_meanwhile(moot, origin, relay)
    moot.world.faults.clear()
    _days(moot, 1)
    row = rows(moot.database)[record_id]
    assert (row.deleted, row.rank, node_row(moot.database).state) == (False, 0, "active")
    assert _title(moot, origin) == "first"


def test_t37_what_a_silent_node_withdrew_itself_stays_withdrawn(
    moot: Aggregator, origin: FakeNode, relay: FakeNode
) -> None:
    """Where the relay told the truth, the node's own tombstone takes the place of the relay's, and nothing is shown."""
    record_id = _withdrawn_meanwhile(moot, origin, relay)
    origin.delete("contract", "C-1", "personal-data")
    moot.world.faults.clear()
    _days(moot, 1)
    row = rows(moot.database)[record_id]
    assert (row.deleted, row.rank, row.reason) == (True, 0, "personal-data")


def test_t37_a_silent_node_that_was_confirmed_is_heard_on_what_was_withdrawn(
    moot: Aggregator, origin: FakeNode, relay: FakeNode
) -> None:
    """An operator's word that it is who it says brings it back as a good visit does."""
    record_id = _withdrawn_meanwhile(moot, origin, relay)
    moot.world.faults.clear()
    _confirm(moot, origin)
    moot.crawl()
    assert not rows(moot.database)[record_id].deleted


def test_t13_a_node_that_is_back_is_read_on_where_nothing_was_withdrawn(
    moot: Aggregator, origin: FakeNode, relay: FakeNode
) -> None:
    """Its words were kept, and have their rank again: the feed is not read from the beginning."""
    moot.world.faults[origin.url] = Later("It hangs.")
    _days(moot, 8)
    _newer(moot, origin, relay)
    moot.world.faults.clear()
    moot.world.asked.clear()
    _days(moot, 1)
    assert origin.url + origin.feed_path not in [url for url, _headers in moot.world.asked]
    assert _title(moot, origin) == "second"


@pytest.fixture
def held(moot: Aggregator, world: World) -> tuple[FakeNode, FakeNode]:
    """Return a node that signs and shows a strange key since nine days, and a relay with a newer word of its."""
    origin, relay = world.node(), world.node(RELAY, "REL", role="aggregator", size=50)
    signer = origin.key("2026-1")
    origin.all_again()
    relay.pass_on(origin.items[origin.put("contract", "C-1", title="first")])
    moot.add(origin)
    moot.add(relay, relays=True)
    moot.crawl()
    shown, origin.keys = origin.keys, {}
    origin.key("2027-1")
    _days(moot, 2)
    origin.signer = signer
    _newer(moot, origin, relay)
    assert (_title(moot, origin), node_row(moot.database).state) == ("first", "held")
    _days(moot, 7)
    origin.keys = shown
    return origin, relay


def test_t13_a_held_node_gives_way_as_a_stale_one(moot: Aggregator, held: tuple[FakeNode, FakeNode]) -> None:
    """Held for its identity for seven days, a node gives way to a relay's signed word, though it answers all along."""
    origin, _relay = held
    row = rows(moot.database)[f"{origin.prefix}contract/C-1"]
    assert (_title(moot, origin), row.rank, row.signature) == ("second", 1, "valid")
    assert node_row(moot.database).state == "held"


def test_t13_a_held_node_that_shows_its_own_identity_has_its_rank_back(
    moot: Aggregator, held: tuple[FakeNode, FakeNode]
) -> None:
    """A strange key that was a mistake, and is taken back, mends itself."""
    origin, _relay = held
    _days(moot, 1)
    row = rows(moot.database)[f"{origin.prefix}contract/C-1"]
    assert (_title(moot, origin), row.rank, node_row(moot.database).state) == ("second", 0, "active")


def test_t13_a_held_node_that_is_released_has_its_rank_back(moot: Aggregator, held: tuple[FakeNode, FakeNode]) -> None:
    """What it said last goes before a relay's word at once, before it is read again."""
    origin, _relay = held
    _confirm(moot, origin)
    row = rows(moot.database)[f"{origin.prefix}contract/C-1"]
    assert (_title(moot, origin), row.rank, node_row(moot.database).state) == ("first", 0, "active")


SILENT = Later("It hangs.")
RELAY = "relay.example"


def _withdraw(relay: FakeNode, record_id: str, seq: int, reason: str) -> None:
    """The relay says that the origin has withdrawn a record."""
    item = relay.items[record_id]
    relay.pass_on(item, state="deleted", reason=reason, origin=item["origin"] | {"seq": seq}, via=item["via"])


def _told(moot: Aggregator, world: World, gone: int, reason: str = "withdrawn", *, relays: int = 1) -> FakeNode:
    """A node with sixty contracts, and relays that say that some have gone while it still answers. Gives the node."""
    origin = world.node(size=500)
    ids = [origin.put("contract", f"C-{n}") for n in range(60)]
    made = [
        world.node(RELAY if n == 0 else f"r{n}.example", ("REL", "SLO")[n], role="aggregator", size=500)
        for n in range(relays)
    ]
    moot.add(origin)
    for relay in made:
        for record_id in ids:
            relay.pass_on(origin.items[record_id])
        moot.add(relay, relays=True)
    moot.crawl()
    for relay in made:
        for place, record_id in enumerate(ids[:gone]):
            _withdraw(relay, record_id, 1_000 + place, reason)
    _days(moot, 1)
    assert (live_contracts(moot.database), _rules(moot)) == (60, set())
    return origin


def _rules(moot: Aggregator) -> set[str]:
    return {problem.rule for problem in problems(moot.database)}


def _held(moot: Aggregator) -> int:
    with moot.database.read() as session:
        return sum(removals.counts(session, [node_row(moot.database, RELAY).id]).values())


def _decide(moot: Aggregator, *, go: bool) -> None:
    with moot.database.write() as session:
        relay = nodes.find(session, RELAY).id
        if go:
            removals.release(session, relay, now=moot.world.now)
        else:
            removals.reject(session, relay)


@pytest.mark.parametrize(("fault", "days"), [(SILENT, 9), (Vanished("gone", 410), 5)], ids=["stale", "410"])
@pytest.mark.parametrize("relays", [1, 2])
def test_t12_nothing_is_removed_in_bulk_by_silence(
    moot: Aggregator, world: World, fault: Exception, days: int, relays: int
) -> None:
    """What relays said has gone goes under the guard once the origin falls silent: so many are held, and told."""
    origin = _told(moot, world, 60, relays=relays)
    world.faults[origin.url] = fault
    _days(moot, days)
    assert (live_contracts(moot.database), _held(moot)) == (60, 60)
    assert "removal-held" in _rules(moot)
    (told,) = [p for p in problems(moot.database) if p.rule == "removal-held" and RELAY in p.message]
    assert f"60 of 61 records of {origin.id} would go" in told.message


def test_t12_few_still_go_for_their_own_reason(moot: Aggregator, world: World) -> None:
    """A relay's word applies a week after the origin fell silent, where no guard stands against it."""
    origin = _told(moot, world, 19)
    world.faults[origin.url] = SILENT
    _days(moot, 9)
    assert (live_contracts(moot.database), _held(moot), "removal-held" in _rules(moot)) == (41, 0, False)
    assert {row.reason for row in rows(moot.database).values() if row.deleted} == {"withdrawn"}
    world.faults.clear()
    _days(moot, 2)
    assert live_contracts(moot.database) == 60


def test_t12_personal_data_is_not_held_when_the_origin_falls_silent(moot: Aggregator, world: World) -> None:
    """It waits for nothing, however many records it takes."""
    origin = _told(moot, world, 60, "personal-data")
    world.faults[origin.url] = SILENT
    _days(moot, 9)
    assert (live_contracts(moot.database), _held(moot)) == (0, 0)


@pytest.mark.parametrize("go", [True, False])
def test_t12_a_person_decides_about_what_a_silent_origin_left(moot: Aggregator, world: World, go: bool) -> None:  # noqa: FBT001
    """Released they go and rejected they stay, for as long as it is silent; when it is back its own word applies."""
    origin = _told(moot, world, 60)
    world.faults[origin.url] = SILENT
    _days(moot, 9)
    _decide(moot, go=go)
    assert (live_contracts(moot.database), _held(moot)) == (0 if go else 60, 0)
    _days(moot, 3)
    assert (live_contracts(moot.database), _held(moot)) == (0 if go else 60, 0)
    world.faults.clear()
    _days(moot, 2)
    assert (live_contracts(moot.database), _held(moot), "removal-held" in _rules(moot)) == (60, 0, False)


def test_t12_an_origin_that_is_back_answers_what_was_held(moot: Aggregator, world: World) -> None:
    """Its own word goes before the relay's again, so nothing waits for a person; silent once more, it is held again."""
    origin = _told(moot, world, 60)
    for _time in range(2):
        world.faults[origin.url] = SILENT
        _days(moot, 9)
        assert (live_contracts(moot.database), _held(moot)) == (60, 60)
        world.faults.clear()
        _days(moot, 2)
        assert (live_contracts(moot.database), _held(moot), "removal-held" in _rules(moot)) == (60, 0, False)
