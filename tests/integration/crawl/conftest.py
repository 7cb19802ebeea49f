"""Worlds for the crawl."""

from __future__ import annotations

import pytest

from federation.database import Database
from tests.integration.crawl.world import Aggregator, World


@pytest.fixture
def world() -> World:
    """Return a world in which nobody lives yet."""
    return World()


@pytest.fixture
def moot(database: Database, world: World) -> Aggregator:
    """Return an aggregator of that world, on SQLite and on PostgreSQL."""
    return Aggregator(database, world)
