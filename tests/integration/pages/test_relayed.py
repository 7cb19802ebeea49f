"""A record that has passed a region on its way to a nation."""

from __future__ import annotations

from pathlib import Path

import pytest

from federation.database import Database
from tests.integration.crawl.world import Aggregator, World
from tests.integration.pages.site import exampleshire, served
from tests.services import make_services


@pytest.fixture
def engine_name() -> str:
    """Return SQLite alone: the route of a record is tested on both databases where it is made."""
    return "sqlite"


def test_a_relayed_record_tells_its_way(database: Database, tmp_path: Path) -> None:
    """Each aggregator that a record passed stands on its page, in order, with when it fetched it."""
    world = World()
    relay, council = world.node("wessex.example", "WES", role="aggregator", size=100), exampleshire()
    world.servers[council.url] = council
    relay.pass_on(council.items[council.prefix + "contract/C-1"])
    nation = Aggregator(database, world)
    nation.add(relay, relays=True)
    nation.crawl()
    services = make_services(database, tmp_path, "aggregator", nation.url, organisation=None)
    for site in served(services):
        text = site.record(council.prefix + "contract/C-1").text
        assert "by wessex.example, 2 Nov 2026" in text
        assert text.index("by wessex.example") < text.index("by moot.example")
        assert "First published at exa.example" in text
