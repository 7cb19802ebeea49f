"""A corpus in both databases, and an index that follows it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from federation import lists
from federation.database import Database
from federation.follow import Follower
from federation.index import Query
from federation.opensearch import cluster as opensearch
from federation.opensearch.address import Address, read
from federation.tantivy_index import TantivyIndex
from tests.integration.search.corpus import Made, found, publish, records
from tests.opensearch.cluster import Cluster, missing

pytest.register_assert_rewrite("tests.integration.search.contract_finding", "tests.integration.search.contract_writing")


@dataclass(frozen=True)
class World:
    """What was published, by id, and where to find it."""

    database: Database
    index: TantivyIndex
    follower: Follower
    made: dict[str, Made]

    def ids(self, query: Query) -> list[str]:
        """The ids of one page."""
        with self.database.read() as session:
            return [item.entry.id for item in lists.find(session, self.index, query).items]


@pytest.fixture
def world(database: Database, tmp_path: Path) -> Iterator[World]:
    """Yield 120 records of three publishers, and an index that has caught up."""
    made = [*found(database), *records(Random(7), 120)]
    publish(database, made[3:])
    index = TantivyIndex(tmp_path / "index")
    follower = Follower(database, index)
    follower.catch_up()
    yield World(database, index, follower, {one.id: one for one in made})
    follower.stop()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Yield three OpenSearch nodes on loopback, or skip where Java or Maven is missing."""
    if reason := missing():
        pytest.skip(reason)
    with Cluster(tmp_path_factory.mktemp("opensearch")) as started:
        yield started


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> str:
    """Return HOST:PORT of each server of a cluster: FOLKMOOT_TEST_OPENSEARCH names one, else three are started."""
    given = os.environ.get("FOLKMOOT_TEST_OPENSEARCH")
    started: Cluster | None = None if given else request.getfixturevalue("cluster")
    return started.servers if started else str(given)


@pytest.fixture(scope="session")
def cluster_address(servers: str) -> Iterator[Callable[[str], Address]]:
    """Yield what gives the address of a name in that cluster; at the end the indices of all that were asked go."""
    given: list[Address] = []

    def address(name: str) -> Address:
        given.append(read(f"http://{servers}/{name}?shards=3&replicas=1"))
        return given[-1]

    yield address
    for one in given:
        cluster = opensearch.Cluster(one)
        cluster.ask("DELETE", f"/{one.name}-*", ignore_unavailable=True)
        cluster.close()
