"""Applying pages: twice is once, in any cut, and fast enough."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest

import migrations
from federation import judge, log, removals
from federation.apply import apply
from federation.database import Database
from federation.verdicts import Source
from tests.integration.crawl.world import NOW, Aggregator, FakeNode, World, problems, rows

ME = "https://moot.example/.well-known/folkmoot"


def _source(node: FakeNode) -> Source:
    return Source(1, node.id, {node.prefix: node.publisher})


def _apply(moot: Aggregator, node: FakeNode, items: list[dict[str, Any]]) -> dict[str, int]:
    judged = judge.judge(judge.read(map(orjson.dumps, items)), _source(node), me=ME, origins={}, now=NOW)
    with moot.database.write() as session:
        done = apply(session, 1, judged, now=NOW)
        done.add(removals.close_pass(session, 1, now=NOW))
    return {name: getattr(done, name) for name in done.__slots__}


def _history(world: World, titles: Sequence[object] = ("One", "Two", 5)) -> tuple[FakeNode, list[dict[str, Any]]]:
    node, chance, kept = world.node(size=500), random.Random(3), []
    for _step in range(120):
        reference = f"C-{chance.randrange(25)}"
        if chance.random() < 0.2:
            record_id = node.delete("contract", reference)
        else:
            record_id = node.put("contract", reference, title=chance.choice(titles))
        kept.append(node.items[record_id] | {})
    return node, kept


def test_applying_twice_changes_nothing(moot: Aggregator, world: World) -> None:
    """The same page again makes no change, no number, no history; only its problems are counted again."""
    node, _items = _history(world)
    moot.add(node)
    final = list(node.items.values())
    _apply(moot, node, final)
    before, told = rows(moot.database), [(p.record_id, p.pointer) for p in problems(moot.database)]
    with moot.database.read() as session:
        number = log.latest(session)
    done = _apply(moot, node, final)
    assert (done["created"], done["updated"], done["deleted"]) == (0, 0, 0)
    assert done["unchanged"] == done["accepted"]
    assert rows(moot.database) == before
    assert [(p.record_id, p.pointer) for p in problems(moot.database)] == told
    with moot.database.read() as session:
        assert log.latest(session) == number


@pytest.mark.parametrize("size", [1, 7, 50])
def test_any_cut_of_a_history_ends_alike(moot: Aggregator, world: World, size: int) -> None:
    """Whatever the pages, and even where they overlap, the last word of each record stands."""
    node, items = _history(world, titles=["One", "Two"])
    moot.add(node)
    for start in range(0, len(items), size):
        part = {item["id"]: item for item in items[max(0, start - 2) : start + size]}
        _apply(moot, node, list(part.values()))
    held = {i: (row.seq, row.deleted) for i, row in rows(moot.database).items() if row.node_id is not None}
    assert held == {item["id"]: (item["origin"]["seq"], item["state"] == "deleted") for item in items}


def test_a_reader_misses_nothing_while_pages_are_applied(moot: Aggregator, world: World) -> None:
    """Pages of four nodes are applied at once; who follows the log meanwhile sees each number, in order, once."""
    councils = [world.node(f"n{n}.example", f"N{chr(65 + n)}X") for n in range(4)]
    for node in councils:
        moot.add(node)
        for n in range(90):
            node.put("contract", f"C-{n}")
    done, seen = threading.Event(), list[int]()

    def write(route: int) -> None:
        node = councils[route - 1]
        items = [orjson.dumps(item) for item in node.items.values()]
        source = Source(route, node.id, {node.prefix: node.publisher})
        for start in range(0, len(items), 7):
            judged = judge.judge(judge.read(items[start : start + 7]), source, me=ME, origins={}, now=NOW)
            with moot.database.write() as session:
                apply(session, route, judged, now=NOW)

    def follow() -> None:
        last_round = False
        while not last_round:
            last_round = done.is_set()
            with moot.database.read() as session:
                seen.extend(entry.number for entry in log.after(session, seen[-1] if seen else 0))
            done.wait(0.002)

    reader = threading.Thread(target=follow)
    reader.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, (1, 2, 3, 4)))
    done.set()
    reader.join()
    assert seen == list(range(1, 1 + 1 + 4 * 91))


def test_speed(tmp_path: Path, world: World) -> None:
    """Ten thousand contracts are judged and applied on SQLite; the figure is printed, with a floor far below it."""
    url = f"sqlite:///{tmp_path / 'speed.db'}"
    migrations.upgrade(url)
    moot = Aggregator(Database(url), world)
    node = world.node()
    moot.add(node)
    data: dict[str, Any] = {
        "department": "Place", "stage": "active", "startDate": "2026-11-01", "endDate": "2029-10-31",
        "suppliers": [{"name": "Acme Digital Ltd", "identifiers": [{"scheme": "GB-COH", "id": "01234567"}]}],
        "value": {"amount": 120000, "currency": "GBP", "basis": "total"}, "description": "Words about it. " * 20,
        "classifications": [{"scheme": "CPV", "id": "48000000"}],
    }  # fmt: skip
    for n in range(10_000):
        node.put("contract", f"C-{n}", title=f"Contract {n}", **data)
    items = [orjson.dumps(item) for item in node.items.values()]
    # The processor's time, not the clock's: other work on the machine is not ours to measure.
    started = time.process_time()
    for start in range(0, len(items), 500):
        page = judge.read(items[start : start + 500])
        judged = judge.judge(page, _source(node), me=ME, origins={}, now=NOW)
        with moot.database.write() as session:
            apply(session, 1, judged, now=NOW)
    rate = len(items) / (time.process_time() - started)
    print(f"\napply on SQLite: {rate:,.0f} records a second of processor time")  # noqa: T201
    moot.database.dispose()
    assert rate > 2_000
