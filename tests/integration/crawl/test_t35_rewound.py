"""T35: a node that was restored or rewound is read again in full; what it says now stands here, and no ghost."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest

from federation.database import table
from schema.tables import Removal, Shadow, Sighting
from tests.integration.crawl.world import Aggregator, FakeNode, World, feed, problems, rows

Act = Callable[[World, FakeNode], None]


def _backup(node: FakeNode) -> Callable[[], None]:
    """Keep the node as it stands. What is given back puts it there again, with its numbers."""
    items, number = orjson.dumps(list(node.items.values())), node.number

    def restore() -> None:
        node.items = {item["id"]: item for item in orjson.loads(items)}
        node.number = number

    return restore


def _same_numbers(_world: World, node: FakeNode) -> None:
    """Only the epoch is new."""
    node.epoch = "second"


def _older_data(_world: World, node: FakeNode) -> None:
    restore = _backup(node)
    node.put("contract", "C-1", title="Lost with the disk")
    _read(node)
    restore()
    node.epoch = "second"


def _record_lost(_world: World, node: FakeNode) -> None:
    restore = _backup(node)
    node.put("contract", "LOST")
    _read(node)
    restore()
    node.epoch = "second"


def _record_revived(_world: World, node: FakeNode) -> None:
    restore = _backup(node)
    node.delete("contract", "C-1")
    _read(node)
    restore()
    node.epoch = "second"


def _rewound_without_epoch(_world: World, node: FakeNode) -> None:
    node.epoch = None
    _read(node)
    restore = _backup(node)
    node.put("contract", "LOST")
    node.put("contract", "C-2", title="Lost with the disk")
    _read(node)
    restore()


def _numbers_begin_again(_world: World, node: FakeNode) -> None:
    for number, item in enumerate(node.items.values(), 1):
        item["modified"] = number + 100
        item["origin"]["seq"] = number + 100
    node.number, node.epoch = 200, "second"
    _read(node)
    for number, item in enumerate(node.items.values(), 1):
        item["modified"] = number
        item["origin"]["seq"] = number
    node.number, node.epoch = len(node.items), "third"


def _twice(_world: World, node: FakeNode) -> None:
    restore = _backup(node)
    node.put("contract", "LOST")
    for epoch in ("second", "third"):
        node.epoch = epoch
        _read(node)
    restore()
    node.epoch = "fourth"


def _tombstone_of_old(_world: World, node: FakeNode) -> None:
    """A record is gone in the backup by a tombstone with a number below the one that we hold."""
    restore = _backup(node)
    node.put("contract", "C-1", title="Lost with the disk")
    _read(node)
    restore()
    kept = node.items[node.prefix + "contract/C-1"]
    del kept["data"]
    kept |= {"state": "deleted", "reason": "withdrawn"}
    node.epoch = "second"


def _held_then_restored(_world: World, node: FakeNode) -> None:
    """Somebody empties the register; the node is restored from the day before."""
    restore = _backup(node)
    for n in range(30):
        node.delete("contract", f"C-{n}")
    _read(node)
    restore()
    node.epoch = "second"


def _new_publisher_prefix_stays(_world: World, node: FakeNode) -> None:
    node.feed_path, node.epoch = "/v2/changes", "second"
    node.items.pop(node.prefix + "contract/C-4")


def _grown(_world: World, node: FakeNode) -> None:
    for n in range(40):
        node.put("contract", f"NEW-{n}")
    node.epoch = "second"


def _counter_leaps(_world: World, node: FakeNode) -> None:
    """What our own restore does: the counter is raised by 2^32 and every record appended again."""
    restore = _backup(node)
    node.put("contract", "LOST")
    _read(node)
    restore()
    node.number += 2**32
    for item in list(node.items.values()):
        node.put(item["kind"], item["id"].rpartition("/")[2], item["data"])
    node.epoch = "second"


_readers: dict[int, Callable[[], None]] = {}


def _read(node: FakeNode) -> None:
    _readers[id(node)]()


CASES: dict[str, Act] = {
    "same numbers": _same_numbers,
    "older data": _older_data,
    "a record lost": _record_lost,
    "a record revived": _record_revived,
    "rewound without an epoch": _rewound_without_epoch,
    "numbers begin again": _numbers_begin_again,
    "restored twice": _twice,
    "an old tombstone": _tombstone_of_old,
    "held, then restored": _held_then_restored,
    "another feed": _new_publisher_prefix_stays,
    "grown": _grown,
    "the counter leaps": _counter_leaps,
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_t35_rewound_node_leaves_no_ghost(moot: Aggregator, world: World, name: str) -> None:
    """After one full reading just what the node carries lives here, in its own words, and nothing waits."""
    _rewind(moot, world, CASES[name])


def test_t35_on_both_databases(moot: Aggregator, world: World) -> None:
    """The hardest of them once more, on PostgreSQL too."""
    _rewind(moot, world, _held_then_restored)


def _rewind(moot: Aggregator, world: World, act: Act) -> None:
    node = world.node(size=50)
    for n in range(40):
        node.put("contract", f"C-{n}")
    moot.add(node)

    def read() -> None:
        world.pass_time(hours=1)
        moot.crawl()

    _readers[id(node)] = read
    read()
    act(world, node)
    read()
    held = {i: row for i, row in rows(moot.database).items() if i.startswith(node.prefix) and not row.deleted}
    carried = {i: item for i, item in node.items.items() if item["state"] == "updated"}
    assert {i: orjson.loads(row.data) for i, row in held.items()} == {i: item["data"] for i, item in carried.items()}
    assert {i: row.seq for i, row in held.items()} == {i: item["origin"]["seq"] for i, item in carried.items()}
    told = [one.rule for one in problems(moot.database) if one.rule != "epoch-named"]
    assert (told, feed(moot.database).reconciling) == ([], False)
    with moot.database.read() as session:
        for one, states in ((Sighting, None), (Shadow, None), (Removal, ("waiting", "held"))):
            chosen = table(one).select()
            chosen = chosen if states is None else chosen.where(table(one).c.state.in_(states))
            assert session.connection().execute(chosen).all() == []


def test_t35_a_reading_that_breaks_off_removes_nothing(moot: Aggregator, world: World) -> None:
    """Until the end marker of the full reading nothing is removed, however many visits it takes."""
    node = world.node(size=5)
    for n in range(40):
        node.put("contract", f"C-{n}")
    moot.add(node)
    moot.crawl()
    node.items = dict(list(node.items.items())[:30])
    node.epoch = "second"
    page, broken = node.page, [True]
    node.page = lambda after: {} if broken[0] and after > 15 else page(after)  # type: ignore[method-assign]
    for _visit in range(3):
        world.pass_time(hours=7)
        (result,) = moot.crawl()
        assert (result.outcome, feed(moot.database).reconciling) == ("failed", True)
        assert not any(row.deleted for row in rows(moot.database).values())
    broken[0] = False
    world.pass_time(hours=7)
    moot.crawl()
    assert sum(row.deleted for row in rows(moot.database).values()) == 11
