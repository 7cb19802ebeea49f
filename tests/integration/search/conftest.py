"""A corpus in both databases, and an index that follows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from federation import lists
from federation.database import Database
from federation.follow import Follower
from federation.index import Query
from federation.tantivy_index import TantivyIndex
from tests.integration.search.corpus import Made, found, publish, records


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
