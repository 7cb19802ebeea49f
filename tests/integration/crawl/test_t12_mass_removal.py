"""T12: mass deletion and truncation. Too much at once is held or refused, and the old data is served."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import orjson
import pytest

from federation import nodes, removals, status
from federation.guard import guard
from federation.told import REMOVAL_HELD
from schema.errors import Later, Vanished
from tests.integration.crawl.world import Aggregator, FakeNode, Item, World, feed, node_row, problems, rows
from tests.proof import figure


class Case(NamedTuple):
    """`live` records, what then happens to the node, how many go, how many are held, how the visit ends."""

    live: int
    act: Callable[[World, FakeNode], object]
    gone: int = 0
    held: int = 0
    ends: str = "ended"


def _ended(count: int, reason: str = "ended") -> Callable[[World, FakeNode], object]:
    def act(_world: World, node: FakeNode) -> None:
        for n in range(count):
            node.delete("contract", f"C-{n}", reason)

    return act


def _restored(without: int) -> Callable[[World, FakeNode], object]:
    def act(_world: World, node: FakeNode) -> None:
        kept = list(node.items)[: len(node.items) - without]
        node.items = {i: node.items[i] for i in kept}
        node.epoch = "second"

    return act


def _rewound(without: int) -> Callable[[World, FakeNode], object]:
    """The node lost its newest records and knows of no epoch: its numbers begin below our cursor."""

    def act(world: World, node: FakeNode) -> None:
        _restored(without)(world, node)
        node.epoch = "first"
        node.number = len(node.items)
        for number, item in enumerate(node.items.values(), 1):
            item["modified"] = number

    return act


def _answers(body: bytes) -> Callable[[World, FakeNode], object]:
    def act(_world: World, node: FakeNode) -> None:
        answer = node.answer
        node.answer = lambda url: body if node.feed_path in url else answer(url)  # type: ignore[method-assign]

    return act


def _cut(_world: World, node: FakeNode) -> None:
    """The page breaks off in the middle."""
    node.put("contract", "C-0", title="A change")
    answer = node.answer
    node.answer = lambda url: answer(url)[:-40] if node.feed_path in url else answer(url)  # type: ignore[method-assign]


def _fails(error: Exception) -> Callable[[World, FakeNode], object]:
    return lambda world, node: world.faults.update({node.url + node.feed_path: error})


def _grows(world: World, node: FakeNode) -> None:
    del world
    for n in range(120):
        node.put("contract", f"NEW-{n}")


def _changes(world: World, node: FakeNode) -> None:
    del world
    for n in range(59):
        node.put("contract", f"C-{n}", title="Changed")


def _replaces(world: World, node: FakeNode) -> None:
    """All records go and as many come: growth makes up for nothing."""
    _ended(59)(world, node)
    for n in range(59):
        node.put("contract", f"NEW-{n}")


def _comes_back(world: World, node: FakeNode) -> None:
    _ended(59)(world, node)
    for n in range(59):
        node.put("contract", f"C-{n}")


LICENSED = {"license": "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/"}
CASES = {
    "nothing": Case(60, lambda _world, _node: None),
    "only the organisation": Case(1, lambda _world, _node: None),
    "all of 10 ended": Case(10, _ended(9), gone=9),
    "all of 20 ended": Case(20, _ended(19), gone=19),
    "all of 21 ended": Case(21, _ended(20), held=20),
    "20 of 99": Case(99, _ended(20), held=20),
    "20 of 100": Case(100, _ended(20), gone=20),
    "21 of 100": Case(100, _ended(21), held=21),
    "21 of 104": Case(104, _ended(21), held=21),
    "21 of 105": Case(105, _ended(21), gone=21),
    "all deleted": Case(120, _ended(119), held=119),
    "withdrawn counts": Case(60, _ended(30, "withdrawn"), held=30),
    "error counts": Case(60, _ended(30, "error"), held=30),
    "personal data passes": Case(60, _ended(59, "personal-data"), gone=59),
    "restored whole": Case(60, _restored(0)),
    "restored without 19": Case(60, _restored(19), gone=19),
    "restored without 20 of 60": Case(60, _restored(20), held=20),
    "restored without half": Case(60, _restored(30), held=30),
    "restored with the organisation alone": Case(60, _restored(59), held=59),
    "restored without 20 of 100": Case(100, _restored(20), gone=20),
    "restored with nothing": Case(60, _restored(60), ends="failed"),
    "restored with nothing, small": Case(5, _restored(5), ends="failed"),
    "rewound by 10": Case(60, _rewound(10), gone=10),
    "rewound by half": Case(60, _rewound(30), held=30),
    "rewound to nothing": Case(10, _rewound(10), ends="failed"),
    "empty page": Case(60, _answers(orjson.dumps(LICENSED | {"items": [], "next": ""})), ends="failed"),
    "login page": Case(60, _answers(b"<!doctype html><title>Log in</title>"), ends="failed"),
    "nothing at all": Case(60, _answers(b""), ends="failed"),
    "an empty object": Case(60, _answers(b"{}"), ends="failed"),
    "an empty list": Case(60, _answers(b"[]"), ends="failed"),
    "a page cut off": Case(60, _cut, ends="failed"),
    "404": Case(60, _fails(Vanished("missing", 404)), ends="failed"),
    "410": Case(60, _fails(Vanished("gone", 410)), ends="failed"),
    "500": Case(60, _fails(Later("busy")), ends="failed"),
    "growth": Case(60, _grows),
    "all changed": Case(60, _changes),
    "all replaced": Case(60, _replaces, held=59),
    "gone and back in one pass": Case(60, _comes_back),
}


@pytest.mark.proof
def test_t12_table_of_mass_removals(moot: Aggregator, world: World) -> None:
    """Each way to lose records at once takes away what the rule lets go, and keeps all else served and marked."""
    councils: dict[str, FakeNode] = {}
    for place, (name, case) in enumerate(CASES.items()):
        node = councils[name] = world.node(
            f"n{place}.example", f"N{chr(65 + place // 26)}{chr(65 + place % 26)}", size=500
        )
        for n in range(case.live - 1):
            node.put("contract", f"C-{n}")
        moot.add(node)
    moot.crawl()
    before = {i for i, row in rows(moot.database).items() if not row.deleted}
    for name, node in councils.items():
        CASES[name].act(world, node)
    world.pass_time(hours=1)
    results = {result.key: result for result in moot.crawl()}
    gone = before - {i for i, row in rows(moot.database).items() if not row.deleted}
    with moot.database.read() as session:
        held = {item["key"]: item["held"] for item in status.listing(session)}
    found = {
        name: (sum(i.startswith(node.prefix) for i in gone), held[node.url[8:]], results[node.url[8:]].outcome)
        for name, node in councils.items()
    }
    assert found == {name: (case.gone, case.held, case.ends) for name, case in CASES.items()}
    figure("T12", "ways to lose records at once", len(CASES), goal="30")


@pytest.mark.parametrize("live", [0, 1, 19, 20, 50, 99, 100, 101, 500, 1_000, 9_999, 10_000])
def test_t12_rule_at_every_size(live: int) -> None:
    """At any size up to 19 may go, and beyond that a fifth; nothing else."""
    for going in {0, 1, 19, 20, 21, live // 5, live // 5 + 1, live // 2, live}:
        assert guard(live, going) is (going < 20 or going * 5 <= live)


def _published(world: World, moot: Aggregator, live: int, size: int = 500) -> FakeNode:
    node = world.node(size=size)
    for n in range(live - 1):
        node.put("contract", f"C-{n}")
    moot.add(node)
    moot.crawl()
    return node


def _again(world: World, moot: Aggregator, hours: float = 1) -> None:
    world.pass_time(hours=hours)
    moot.crawl()


def _held(moot: Aggregator) -> int:
    with moot.database.read() as session:
        (item,) = status.listing(session)
    return int(item["held"])


def _live(moot: Aggregator, node: FakeNode) -> int:
    return sum(not row.deleted for i, row in rows(moot.database).items() if i.startswith(node.prefix))


def test_t12_slices_add_up(moot: Aggregator, world: World) -> None:
    """What went within 24 hours counts with what would go: a register is not emptied a slice a visit."""
    node = _published(world, moot, 100)
    _ended(15)(world, node)
    _again(world, moot)
    assert (_live(moot, node), _held(moot)) == (85, 0)
    for n in range(15, 30):
        node.delete("contract", f"C-{n}")
    _again(world, moot)
    assert (_live(moot, node), _held(moot)) == (85, 15)
    assert [(p.rule, p.severity) for p in problems(moot.database)] == [(REMOVAL_HELD, "warning")]


def test_t12_a_day_later_a_slice_may_go(moot: Aggregator, world: World) -> None:
    """After 24 hours what went is forgotten, and what has come back does not count."""
    node = _published(world, moot, 100)
    _ended(15)(world, node)
    _again(world, moot)
    for n in range(10):
        node.put("contract", f"C-{n}")
    _again(world, moot)
    for n in range(15, 29):
        node.delete("contract", f"C-{n}")
    _again(world, moot)
    assert (_live(moot, node), _held(moot)) == (81, 0)  # 5 are still gone of the first 15, and 14 more
    for n in range(29, 44):
        node.delete("contract", f"C-{n}")
    _again(world, moot, hours=25)
    assert (_live(moot, node), _held(moot)) == (66, 0)


def test_t12_the_pass_is_judged_as_a_whole(moot: Aggregator, world: World) -> None:
    """Tombstones of all visits of a pass wait for its end: neither a page nor a budget lets a slice through."""
    node = _published(world, moot, 60, size=5)
    _ended(30)(world, node)
    world.pass_time(hours=1)
    results = moot.crawl(budget=2)
    assert [r.outcome for r in results] == ["budget", "budget", "budget", "ended"]
    assert (sum(r.applied.deleted for r in results), results[-1].applied.held) == (0, 30)
    assert feed(moot.database).position == node.number


def test_t12_later_words_meet_what_is_held(moot: Aggregator, world: World) -> None:
    """Later tombstones join what is held, updates are applied, and one with a higher number cancels its removal."""
    node = _published(world, moot, 60)
    _ended(30)(world, node)
    _again(world, moot)
    node.delete("contract", "C-40")
    node.put("contract", "C-50", title="Changed")
    node.put("contract", "C-3", title="Back again")
    _again(world, moot)
    assert (_live(moot, node), _held(moot)) == (60, 30)
    assert orjson.loads(rows(moot.database)[node.prefix + "contract/C-50"].data)["title"] == "Changed"
    _comes_back(world, node)
    _again(world, moot)
    assert (_live(moot, node), _held(moot), problems(moot.database)) == (60, 0, [])


def test_t12_personal_data_goes_though_its_removal_is_held(moot: Aggregator, world: World) -> None:
    """A held removal that its node says again as personal data is done at once, and the others stay held."""
    node = _published(world, moot, 60)
    _ended(30)(world, node)
    _again(world, moot)
    gone = node.delete("contract", "C-3", "personal-data")
    _again(world, moot)
    row = rows(moot.database)[gone]
    assert (row.deleted, row.data, row.reason) == (True, None, "personal-data")
    assert (_live(moot, node), _held(moot), [p.rule for p in problems(moot.database)]) == (59, 29, [REMOVAL_HELD])
    _ended(30, "personal-data")(world, node)
    _again(world, moot)
    assert (_live(moot, node), _held(moot), problems(moot.database)) == (30, 0, [])


def test_t12_an_older_word_cancels_no_removal(moot: Aggregator, world: World) -> None:
    """What a relay passes on late, of before the tombstone that is held, is served, and the removal stays held."""
    node, relay = world.node(), world.node("relay.example", "REL", role="aggregator", size=500)
    for n in range(30):
        node.put("contract", f"C-{n}")
    for item in node.items.values():
        relay.pass_on(item)
    moot.add(relay, relays=True)
    moot.crawl()
    late = node.items[node.put("contract", "C-3", title="On its way")]
    for n in range(30):
        relay.pass_on(node.items[node.delete("contract", f"C-{n}")])
    _again(world, moot)
    assert (_live(moot, node), _held(moot)) == (31, 30)
    relay.pass_on(late)
    _again(world, moot)
    assert orjson.loads(rows(moot.database)[late["id"]].data)["title"] == "On its way"
    assert (_live(moot, node), _held(moot)) == (31, 30)
    relay.pass_on(node.items[node.put("contract", "C-3", title="Back")])
    _again(world, moot)
    assert (_live(moot, node), _held(moot)) == (31, 29)


def test_t12_an_operator_releases(moot: Aggregator, world: World) -> None:
    """Released, the removals go with the reason that the node gave, and count no more among what went by itself."""
    node = _published(world, moot, 60)
    _ended(30)(world, node)
    _again(world, moot)
    with moot.database.write() as session:
        done = removals.release(session, nodes.find(session, "exa.example").id, now=world.now)
    assert (done.deleted, _live(moot, node), _held(moot), problems(moot.database)) == (30, 30, 0, [])
    assert {row.reason for row in rows(moot.database).values() if row.deleted} == {"ended"}
    for n in range(30, 40):
        node.delete("contract", f"C-{n}")
    _again(world, moot)
    assert (_live(moot, node), _held(moot)) == (20, 0)


def test_t12_an_operator_rejects(moot: Aggregator, world: World) -> None:
    """Rejected, the records stay; only a full reading brings the removals up again, and then under the guard."""
    node = _published(world, moot, 60)
    _ended(30)(world, node)
    _again(world, moot)
    with moot.database.write() as session:
        assert removals.reject(session, nodes.find(session, "exa.example").id) == 30
    _again(world, moot)
    assert (_live(moot, node), _held(moot), problems(moot.database)) == (60, 0, [])
    node.epoch = "second"
    _again(world, moot)
    assert (_live(moot, node), _held(moot)) == (60, 30)


def test_t12_an_empty_feed_is_stale_and_comes_back(moot: Aggregator, world: World) -> None:
    """A feed that became empty is refused until it is whole again, and its records are marked from the first visit."""
    node = _published(world, moot, 5)
    whole = dict(node.items)
    _restored(5)(world, node)
    for _visit in range(2):
        world.pass_time(hours=7)
        (result,) = moot.crawl()
        assert node_row(moot.database).state == "stale"
        assert (result.outcome, "empty" in (result.error or "")) == ("failed", True)
    assert [p.rule for p in problems(moot.database)] == ["empty-feed"]
    with moot.database.read() as session:
        (item,) = status.listing(session)
    assert (item["state"], item["records"], item["staleSince"] is not None) == ("stale", 5, True)
    node.items = whole
    _again(world, moot, hours=7)
    assert (_live(moot, node), problems(moot.database)) == (5, [])


def test_t12_a_relay_is_judged_by_origin(moot: Aggregator, world: World) -> None:
    """A relay that drops one council of two is held for that council alone."""
    relay = world.node("relay.example", "REL", role="aggregator", size=500)
    councils = [world.node(f"{code.lower()}.example", code) for code in ("ONE", "TWO")]
    for node in councils:
        for n in range(40):
            node.put("contract", f"C-{n}")
        for item in node.items.values():
            relay.pass_on(item)
    moot.add(relay, relays=True)
    moot.crawl()
    for item in list(councils[0].items.values())[1:]:
        relay.pass_on(item, state="deleted", reason="dropped")
    for item in list(councils[1].items.values())[1:6]:
        relay.pass_on(item, state="deleted", reason="dropped")
    _again(world, moot)
    assert [_live(moot, node) for node in councils] == [41, 36]
    assert _held(moot) == 40
    relay.pass_on(list(councils[0].items.values())[1])
    _again(world, moot)
    assert _held(moot) == 39


def _halves(world: World, moot: Aggregator) -> tuple[FakeNode, list[FakeNode], list[str]]:
    """A council with 100 contracts, and two relays that carry half of them each."""
    origin = world.node()
    relays = [world.node(f"r{n}.example", f"R{code}", role="aggregator", size=500) for n, code in enumerate("AB")]
    ids = [origin.put("contract", f"C-{n}") for n in range(100)]
    for n, record_id in enumerate(ids):
        relays[n // 50].pass_on(origin.items[record_id])
    for relay in relays:
        moot.add(relay, relays=True)
    moot.crawl()
    return origin, relays, ids


def _drop(relay: FakeNode, ids: list[str]) -> None:
    for record_id in ids:
        relay.pass_on(relay.items[record_id], state="deleted", reason="dropped")


def _held_of(moot: Aggregator) -> list[int]:
    with moot.database.read() as session:
        return [int(item["held"]) for item in status.listing(session)]


@pytest.mark.parametrize(("hours", "live", "held"), [(1, 81, 19), (25, 62, 0)])
def test_t12_routes_count_together(moot: Aggregator, world: World, hours: int, live: int, held: int) -> None:
    """What went of an origin within a day counts by whatever route it went: two relays take no more than one may."""
    origin, (one, two), ids = _halves(world, moot)
    _drop(one, ids[:19])
    _again(world, moot)
    assert (_live(moot, origin), _held_of(moot)) == (81, [0, 0])
    _drop(two, ids[50:69])
    _again(world, moot, hours)
    assert (_live(moot, origin), _held_of(moot)) == (live, [0, held])


def test_t12_what_another_route_brought_back_has_not_gone(moot: Aggregator, world: World) -> None:
    """A record that one relay dropped and another carries now counts as live, not as gone."""
    origin, (one, two), ids = _halves(world, moot)
    _drop(one, ids[:19])
    _again(world, moot)
    for record_id in ids[:19]:
        two.pass_on(origin.items[record_id])
    _again(world, moot)
    assert _live(moot, origin) == 100
    _drop(two, ids[50:69])
    _again(world, moot)
    assert (_live(moot, origin), _held_of(moot)) == (81, [0, 0])


@pytest.mark.parametrize(("going", "held"), [(20, 0), (21, 21)])
def test_t12_what_another_route_carries_is_live(moot: Aggregator, world: World, going: int, held: int) -> None:
    """An origin's fifth is reckoned of all its live records, those among them that only a relay has brought so far."""
    origin, relay = world.node(size=500), world.node("relay.example", "REL", role="aggregator", size=500)
    for n in range(99):  # with its organisation: 100
        origin.put("contract", f"C-{n}")
    for item in list(origin.items.values()):
        relay.pass_on(item)
    moot.add(relay, relays=True)
    moot.crawl()
    _ended(going)(world, origin)
    moot.add(origin)
    _again(world, moot)
    assert (_live(moot, origin), sum(_held_of(moot))) == (100 - going + held, held)


def test_t12_what_two_routes_withdraw_counts_once(moot: Aggregator, world: World) -> None:
    """A removal that waits while another route's, of the same record, is done is none any more: nothing is held."""
    origin = world.node()
    slow = world.node("r0.example", "SLO", role="aggregator", size=5)
    fast = world.node("r1.example", "FAS", role="aggregator", size=500)
    ids = [origin.put("contract", f"C-{n}") for n in range(125)]
    for relay in (slow, fast):
        for record_id in ids:
            relay.pass_on(origin.items[record_id])
        moot.add(relay, relays=True)
    moot.crawl()
    for n in range(25):
        gone = origin.delete("contract", f"C-{n}")
        for relay in (slow, fast):
            relay.pass_on(origin.items[gone])
    world.pass_time(hours=1)
    results = moot.crawl(budget=5)
    assert [(r.key, r.outcome) for r in results] == [
        ("r0.example", "budget"),
        ("r1.example", "ended"),
        ("r0.example", "ended"),
    ]
    assert (_live(moot, origin), _held_of(moot)) == (100, [0, 0])


def _carried(moot: Aggregator, world: World, relays: int) -> tuple[FakeNode, list[FakeNode], list[str]]:
    """A council that is not read itself, with forty contracts, and relays that carry them all."""
    origin = world.node(size=500)
    ids = [origin.put("contract", f"C-{n}") for n in range(40)]
    made = [world.node(f"r{n}.example", f"R{'AB'[n]}", role="aggregator", size=500) for n in range(relays)]
    for relay in made:
        for record_id in ids:
            relay.pass_on(origin.items[record_id])
        moot.add(relay, relays=True)
    moot.crawl()
    return origin, made, ids


def _epoch_without(relay: FakeNode, ids: list[str]) -> None:
    relay.epoch = "second"
    for record_id in ids:
        del relay.items[record_id]


def test_t12_what_another_route_carries_does_not_go(moot: Aggregator, world: World) -> None:
    """A relay that began anew without most of its records removes none that another relay carries: nothing is held."""
    origin, (one, two), ids = _carried(moot, world, 2)
    _epoch_without(one, ids[:35])
    _again(world, moot)
    assert (_live(moot, origin), _held_of(moot), problems(moot.database)) == (40, [0, 0], [])
    _drop(two, ids[:35])
    _again(world, moot)
    assert (_live(moot, origin), _held_of(moot)) == (40, [0, 35])


def test_t12_of_two_routes_that_lack_a_record_the_last_is_held(moot: Aggregator, world: World) -> None:
    """Two relays that begin anew without the same records remove them together, and so the guard stands."""
    origin, (one, two), ids = _carried(moot, world, 2)
    _epoch_without(one, ids[:35])
    _epoch_without(two, ids[:35])
    _again(world, moot)
    assert (_live(moot, origin), sum(_held_of(moot))) == (40, 35)


def test_t12_what_goes_besides_is_judged_by_what_would_go(moot: Aggregator, world: World) -> None:
    """Of the records that a relay lacks, those that nobody else carries go for themselves, as few as they are."""
    origin, (one, two), ids = _carried(moot, world, 2)
    _drop(two, ids[:5])
    _again(world, moot)
    _epoch_without(one, ids[:35])
    _again(world, moot)
    assert (_live(moot, origin), _held_of(moot)) == (35, [0, 0])


@pytest.mark.parametrize("reason", ["dropped", "withdrawn"])
def test_t12_an_update_by_another_route_answers_what_is_held(moot: Aggregator, world: World, reason: str) -> None:
    """A council that is read itself, and publishes what a relay's held removals would take, cancels them."""
    origin, (relay,), ids = _carried(moot, world, 1)
    for record_id in ids[:35]:
        relay.pass_on(relay.items[record_id], state="deleted", reason=reason)
    _again(world, moot)
    assert (_live(moot, origin), _held_of(moot)) == (40, [35])
    origin.all_again()
    moot.add(origin)
    _again(world, moot)
    assert (_live(moot, origin), _held_of(moot), problems(moot.database)) == (41, [0, 0], [])
    gone = origin.delete("contract", "C-0")
    _again(world, moot)
    assert rows(moot.database)[gone].deleted


def test_t12_an_older_word_of_another_route_answers_nothing(moot: Aggregator, world: World) -> None:
    """What a second relay says late, of before the tombstones that are held, cancels none of them."""
    origin, (relay,), ids = _carried(moot, world, 1)
    late = [origin.items[record_id] for record_id in ids]
    for n in range(35):
        relay.pass_on(origin.items[origin.delete("contract", f"C-{n}")])
    _again(world, moot)
    two = world.node("r1.example", "RB", role="aggregator", size=500)
    for item in late:
        two.pass_on(item)
    moot.add(two, relays=True)
    _again(world, moot)
    assert (_live(moot, origin), _held_of(moot)) == (40, [35, 0])


def _forty(world: World) -> tuple[FakeNode, FakeNode, list[str]]:
    """A node with forty contracts, and a relay."""
    node = world.node(size=500)
    return (
        node,
        world.node("relay.example", "REL", role="aggregator", size=500),
        [node.put("contract", f"C-{number}", title="True") for number in range(40)],
    )


def _loses(node: FakeNode, ids: list[str]) -> dict[str, Item]:
    """The node begins anew without these. Gives what it had."""
    had, node.epoch = dict(node.items), "second"
    for record in ids:
        del node.items[record]
    return had


def _served(moot: Aggregator, ids: list[str]) -> set[tuple[bytes | None, int]]:
    known = rows(moot.database)
    return {(known[record].data, known[record].rank) for record in ids}


def test_t12_no_relay_speaks_in_the_place_of_what_is_held(moot: Aggregator, world: World) -> None:
    """What an origin's accident would take away stays as the origin said it, whatever a relay says of it meanwhile."""
    node, relay, ids = _forty(world)
    moot.add(node)
    moot.add(relay, relays=True)
    moot.crawl()
    before, gone = _served(moot, ids[:35]), ids[:35]
    had = _loses(node, gone)
    _later(moot, world)
    assert _kept_back(moot) == 35
    for record in gone:
        item = had[record]
        relay.pass_on(item | {"data": item["data"] | {"title": "Forged"}, "origin": item["origin"] | {"seq": 1}})
    _later(moot, world)
    assert (_served(moot, gone), _kept_back(moot)) == (before, 35)


def test_t12_what_a_relay_that_is_gone_once_carried_carries_nothing(moot: Aggregator, world: World) -> None:
    """A word of a route that has lapsed is no reason to let what its origin said go unguarded."""
    node, relay, ids = _forty(world)
    for record in ids:
        item = node.items[record]
        relay.pass_on(item | {"data": item["data"] | {"title": "Old"}, "origin": item["origin"] | {"seq": 1}})
    moot.add(node)
    moot.add(relay, relays=True)
    moot.crawl()
    before = _served(moot, ids)
    world.faults[relay.url] = Vanished("gone", 410)
    for _day in range(9):
        world.pass_time(days=1)
        moot.crawl()
    assert node_row(moot.database, "relay.example").state == "retired"
    _loses(node, ids[:35])
    _later(moot, world)
    assert (_served(moot, ids), _kept_back(moot)) == (before, 35)


def _later(moot: Aggregator, world: World) -> None:
    world.pass_time(hours=2)
    moot.crawl()


def _kept_back(moot: Aggregator) -> int:
    with moot.database.read() as session:
        return sum(removals.counts(session, [1, 2]).values())
