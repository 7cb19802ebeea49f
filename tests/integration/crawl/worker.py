"""A worker to be killed: crawls a made-up world into the database that it is told, until nothing is due.

`tests.proofs.hatched` starts it in a process of its own. The world is the same in every process.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

from federation.database import Database
from federation.rounds import Crawler
from federation.seam import Answer
from tests.integration.crawl.world import FakeNode, World

NODES, CONTRACTS = 4, 60
LEASE = 0.5
ME = "https://moot.example/.well-known/folkmoot"


def populated() -> World:
    """Return four councils with sixty contracts each, some changed and some withdrawn, in pages of five."""
    world, chance = World(), random.Random(4)
    for n in range(NODES):
        node = world.node(f"n{n}.example", f"N{chr(65 + n)}X", size=5)
        for c in range(CONTRACTS):
            node.put("contract", f"C-{c}")
        for c in chance.sample(range(CONTRACTS), 10):
            node.put("contract", f"C-{c}", title="Changed")
        for c in chance.sample(range(CONTRACTS), 5):
            node.delete("contract", f"C-{c}")
    return world


def truth(world: World) -> dict[str, tuple[bool, int]]:
    """Return what every record must be in the end: whether it is deleted, and the origin's number."""
    found = {}
    for server in [server for server in world.servers.values() if isinstance(server, FakeNode)]:
        found.update({i: (item["state"] == "deleted", item["origin"]["seq"]) for i, item in server.items.items()})
    return found


def main(database_url: str, owner: str) -> None:
    """Crawl with a short lease and a network that takes its time."""
    world = populated()

    async def get(url: str, headers: Mapping[str, str] | None = None) -> Answer:
        await asyncio.sleep(0.01)
        return await world.get(url, headers)

    crawler = Crawler(Database(database_url), get, ME, owner, lease_seconds=LEASE, workers=3)
    asyncio.run(crawler.once())
