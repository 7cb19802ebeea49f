"""Hostile nodes among good ones, in one crawl of one process, on both databases."""

from __future__ import annotations

import asyncio

from federation.database import Database
from federation.fetch import Limits
from tests.hostile.behaviours import BEHAVIOURS
from tests.hostile.moot import Moot
from tests.hostile.talk import Servers

AMONG = (
    "hangs", "drips_its_body", "never_ends", "is_a_heavy_bomb", "redirects_in_circles", "has_millions_of_items",
    "holds_nul", "is_empty_for_ever", "shows_anothers_certificate", "cuts_its_chunks",
)  # fmt: skip
GOOD = 20


def test_t04_good_nodes_are_read_among_hostile_ones(database: Database) -> None:
    """Ten nodes, each hostile in its own way, among twenty good ones: those are read, each of these is told of."""
    moot = Moot(database)

    async def go() -> None:
        async with Servers() as servers, moot.door(Limits(connect=2.0, read=2.0, page=4.0)) as door:
            good = [await servers.listen(n) for n in range(GOOD)]
            hostile = {name: await BEHAVIOURS[name].listen(servers, 100 + n) for n, name in enumerate(AMONG)}
            for node in hostile.values():
                node.contract("NEW")
            moot.pin(*good, *hostile.values())
            results = await moot.visit(door, workers=2)
            assert len(results) == GOOD + len(AMONG)
            for node in good:
                assert moot.live(node) == {node.publisher, "C-1", "C-2", "C-3"}
                assert moot.problems(node) == []
            for name, node in hostile.items():
                assert {row.rule for row in moot.problems(node)} == {BEHAVIOURS[name].ends}, name

    asyncio.run(asyncio.wait_for(go(), 60))
