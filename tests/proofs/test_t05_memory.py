"""Nodes that all serve the largest page that is taken, at once: the crawler's memory is bounded, and all are read."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import joined
from federation.database import Database
from tests.hostile.large import ITEMS, large
from tests.hostile.moot import Moot
from tests.hostile.node import Node
from tests.hostile.talk import Servers, good
from tests.proof import figure, sized

pytestmark = [pytest.mark.proof]
MEMORY = 256
ENDS: dict[str, set[str]] = {"many": set(), "huge": {"item-size"}, "well": {"item-size"}}


@pytest.mark.parametrize(
    ("kind", "packed"),
    [
        pytest.param("many", True, id="many"),
        pytest.param("huge", True, id="huge"),
        pytest.param("well", True, id="well", marks=pytest.mark.prove),
        pytest.param("many", False, id="plain", marks=pytest.mark.prove),
    ],
)
@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_t05_many_of_the_largest_pages_at_once(
    database: Database, database_url: str, tmp_path: Path, kind: str, *, packed: bool
) -> None:
    """A worker stays below 256 MB, each page is judged, and a good node among them is read and not blamed."""
    nodes = max(8, sized(16, 64))

    async def go() -> tuple[int, float]:
        async with Servers() as servers:
            heavy = [await servers.listen(n) for n in range(nodes)]
            servers.answers |= {node.address: large(kind, node, packed=packed) for node in heavy}
            plain = await servers.listen(700, good)
            moot = Moot(database)
            moot.pin(*heavy, plain)
            moot.due(*heavy, plain)
            began = time.monotonic()
            peak = await asyncio.to_thread(_crawl, database_url, tmp_path)
            _judge(moot, heavy, plain, kind)
            return peak, time.monotonic() - began

    peak, seconds = asyncio.run(go())
    told = f"memory of the crawler while {nodes} nodes serve pages of {kind} ({'gzip' if packed else 'plain'})"
    figure("T05", f"{told}, {seconds:.0f} s", peak, goal=f"< {MEMORY}", unit=" MB")
    assert peak < MEMORY


def _judge(moot: Moot, heavy: list[Node], plain: Node, kind: str) -> None:
    for node in (*heavy, plain):
        told = {row.rule for row in moot.problems(node)}
        assert told == (set() if node is plain else ENDS[kind]), (node.address, moot.problems(node))
    assert moot.live(plain) == {plain.publisher, "C-1", "C-2", "C-3"}
    assert all(len(moot.live(node)) == (ITEMS if kind == "many" else 0) for node in heavy)


def _crawl(url: str, folder: Path) -> int:
    """Crawl until nothing is due; gives the most memory that this took, in MB."""
    env = dict(os.environ) | {"FOLKMOOT_ROLE": "aggregator", "FOLKMOOT_PUBLIC_URL": joined.PUBLIC}
    env |= {"FOLKMOOT_DATABASE_URL": url, "FOLKMOOT_ALLOW_PRIVATE": "1", "FOLKMOOT_DATA_DIR": str(folder)}
    command = (sys.executable, "-m", "folkmoot", "crawl", "--once")
    with (folder / "told.log").open("ab") as told:
        process = subprocess.Popen(command, stdout=told, stderr=told, env=env)
    peak, status = 0, Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        peak = max(peak, int(found[1]) // 1024 if found else 0)
        time.sleep(0.05)
    assert process.returncode == 0, (folder / "told.log").read_text()[-3_000:]
    return peak
