"""Names whose servers drop what they are asked, through the real door and a real crawl."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from federation import names
from federation.database import Database
from federation.fetch import Limits
from tests.hostile.moot import Moot
from tests.hostile.node import Node
from tests.hostile.talk import Servers

HANGING = 80
on_sqlite = pytest.mark.parametrize("engine_name", ["sqlite"])


class _Dead(Node):
    """A node whose name nobody answers for."""

    @property
    def address(self) -> str:
        return f"dead{self.n}.localhost"


@on_sqlite
def test_t04_dead_name_servers_stop_nobody_elses_visit(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the names of eighty nodes hang in the resolver, a good node is claimed, read and written in its turn."""
    moot, over = Moot(database), threading.Event()
    plain = names.look_up

    def look_up(host: str, port: int) -> list[str]:
        if host.startswith("dead"):
            over.wait(30)
            raise OSError("no name server answers")
        return plain(host, port)

    monkeypatch.setattr(names, "look_up", look_up)

    async def go() -> float:
        async with Servers() as servers, moot.door(Limits(connect=6.0)) as door:
            node = await servers.listen(0)
            moot.pin(*(_Dead(n, node.port) for n in range(1, HANGING + 1)), node)
            moot.due(node)
            crawler, stop = moot.crawler(door), asyncio.Event()
            took, began = asyncio.get_running_loop().create_future(), time.monotonic()

            def tell(result: object) -> None:
                if getattr(result, "outcome", None) == "ended":
                    took.set_result(time.monotonic() - began)

            crawler.told = tell
            running = asyncio.create_task(crawler.run(stop))
            found: float = await asyncio.wait_for(took, 30)
            assert moot.live(node) == {node.publisher, "C-1", "C-2", "C-3"}
            stop.set()
            over.set()
            await running
            return found

    try:
        # Each of the eighty is waited for: a second until its place is lent, eight at a time.
        assert asyncio.run(go()) < 25
    finally:
        over.set()
