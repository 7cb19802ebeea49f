"""A region with two councils, and a council's own node, both with pages to open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.database import Database
from tests.contract.world import publish
from tests.integration.pages.site import Site, aggregator, contract, served
from tests.services import make_services


@pytest.fixture
def region(database: Database, tmp_path: Path) -> Iterator[Site]:
    """Yield the site of an aggregator."""
    yield from served(aggregator(database, tmp_path))


@pytest.fixture
def council(database: Database, tmp_path: Path) -> Iterator[Site]:
    """Yield the site of a node."""
    services = make_services(database, tmp_path)
    publish(database, {"contract": [contract(1, "2027-01-15"), contract(2, "2026-11-09")]})
    yield from served(services)
