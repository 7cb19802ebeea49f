"""Aggregators of aggregators: whoever reads whom, each record is one record in the end, and its origin's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import orjson
import pytest

import migrations
from federation.database import Database
from schema.change import MAX_HOPS
from tests.integration.crawl.graph import ROUNDS, grow, live, settle, wrong
from tests.integration.crawl.world import Aggregator, World, problems, rows
from tests.proof import figure, size, sized

GRAPHS = 6 if size() == "tenth" else sized(200, 2_000)


class Databases:
    """Gives a fresh database each time; `close` ends those of one graph, for two thousand hold too many files."""

    def __init__(self, template: Path, folder: Path) -> None:
        self._template, self._folder = template, folder
        self._opened: list[Database] = []

    def __call__(self) -> Database:
        path = self._folder / f"{len(self._opened)}.db"
        shutil.copyfile(self._template, path)
        self._opened.append(Database(f"sqlite:///{path}"))
        return self._opened[-1]

    def close(self) -> None:
        """Close them, and take their files away."""
        for one in self._opened:
            one.dispose()
        self._opened.clear()
        for path in self._folder.iterdir():
            path.unlink()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty database, migrated, to be copied."""
    path = tmp_path_factory.mktemp("graphs") / "template.db"
    migrations.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def databases(template: Path, tmp_path: Path) -> Iterator[Databases]:
    """Yield what gives a fresh database each time."""
    given = Databases(template, tmp_path)
    yield given
    given.close()


@pytest.mark.proof
def test_t36_in_any_graph_each_record_is_its_origins(databases: Databases) -> None:
    """In graphs at random, with loops, echoes, lies and routes that end, each aggregator holds what the origin says.

    Whom only unsigned relays reach, and a liar among them, may be lied to: that is what signatures are for.
    """
    slowest = 0
    for number in range(GRAPHS):
        graph = grow(Random(number), databases)
        live(graph)
        slowest = max(slowest, took := settle(graph))
        assert took < ROUNDS, f"graph {number} does not come to rest: records are echoed"
        faults = list(wrong(graph))
        assert not faults, f"graph {number}: {faults[:3]}\n{graph.reads}"
        databases.close()
    figure("T36", f"records that are not their origin's, in {GRAPHS} graphs of five", 0, goal="0")
    figure("T36", "rounds until no log moves, at most", slowest, goal=f"under {ROUNDS}")


def test_t36_an_echo_does_not_outlive_the_last_route(databases: Databases) -> None:
    """Two who read each other let a record go when every route to its origin has ended: none keeps the other's echo."""
    graph = grow(Random(302), databases)  # the first of 2,000 graphs at random in which two of them did
    live(graph)
    assert settle(graph) < ROUNDS
    assert list(wrong(graph)) == []


def test_t36_a_record_passes_eight_aggregators_and_no_more(databases: Databases) -> None:
    """In a row of ten aggregators the eighth still has the record, and the ninth tells why it has not."""
    world = World()
    node = world.node()
    record_id = node.put("contract", "C-1")
    row = [Aggregator(databases(), world, f"m{number}.example", f"M{number}") for number in range(10)]
    row[0].add(node)
    for reader, server in zip(row[1:], row, strict=False):
        reader.add(server, relays=True)
    for moot in row:
        moot.crawl()
    having = [record_id in rows(moot.database) for moot in row]
    assert having == [True] * MAX_HOPS + [False] * 2
    assert len(orjson.loads(rows(row[MAX_HOPS - 1].database)[record_id].via)) == MAX_HOPS
    assert (record_id, "hops") in {(found.record_id, found.rule) for found in problems(row[MAX_HOPS].database)}
