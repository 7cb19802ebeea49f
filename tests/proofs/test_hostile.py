"""All hostile behaviours at once among 500 good nodes: those keep their rate, and the crawler its memory."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks import joined
from benchmarks.crowd import Crowd
from federation.database import Database
from tests.hostile.behaviours import BEHAVIOURS
from tests.hostile.moot import Moot
from tests.hostile.node import Node
from tests.hostile.talk import Servers
from tests.proof import figure, size
from tests.proofs import crawled

pytestmark = [pytest.mark.prove]
CROWD = Crowd(nodes=500, records=20, net="127.77", delay=0.02)
MEMORY = 256
SHARE = 0.9
LONGEST = 45.0
"""Seconds in which every hostile node has been told of: past the door's own 30 for a page."""


@contextmanager
def _process(*command: str, folder: Path, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "told.log").open("ab") as told:
        process = subprocess.Popen(command, stdout=told, stderr=told, env=dict(os.environ) | env)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _crawl(url: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    env = {"FOLKMOOT_ROLE": "aggregator", "FOLKMOOT_PUBLIC_URL": joined.PUBLIC, "FOLKMOOT_DATABASE_URL": url}
    env |= {"FOLKMOOT_ALLOW_PRIVATE": "1", "FOLKMOOT_DATA_DIR": str(folder)}
    with _process(sys.executable, "-m", "folkmoot", "crawl", folder=folder, **env) as process:
        yield process


def _peak(process: subprocess.Popen[bytes]) -> int:
    """The most memory that a process has had, in MB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


def _seconds(base: Database, url: str, folder: Path, hostile: dict[str, Node]) -> tuple[float, int]:
    """Crawl until every good node is read (seconds), then until every hostile one is told of (memory)."""
    moot = Moot(base)
    with _crawl(url, folder) as crawl:
        time.sleep(3)  # the process is up and looks for feeds
        moot.due(*hostile.values())
        began = joined.begin(base)
        crawled.until(lambda: _read(base) == CROWD.nodes, 300, "every good node read")
        seconds = time.monotonic() - began
        waiting = dict(hostile)
        deadline = time.monotonic() + LONGEST
        while waiting and time.monotonic() < deadline:
            waiting = {name: node for name, node in waiting.items() if not moot.problems(node)}
            time.sleep(0.5)
        return seconds, _peak(crawl)


def _read(base: Database) -> int:
    from sqlalchemy import func, select

    from federation.database import table
    from schema.tables import Feed

    feed = table(Feed)
    with base.read() as session:
        chosen = select(func.count()).where(feed.c.last_good.is_not(None), feed.c.url.like(f"http://{CROWD.net}.%"))
        return int(session.connection().execute(chosen).scalar_one())


@pytest.mark.parametrize("engine_name", ["postgresql"])
def test_t04_all_behaviours_among_five_hundred_good_nodes(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """Good nodes keep nine tenths of their rate alone, memory stays bounded, and each behaviour ends by its name."""
    for turn in range(3 if size() == "release" else 1):
        asyncio.run(_round(database, database_url, tmp_path, turn))


async def _round(base: Database, url: str, folder: Path, turn: int) -> None:
    from sqlalchemy import delete

    from federation.database import table
    from schema.tables import Host, Publisher, Record
    from schema.tables import Node as Row

    def clear() -> None:
        with base.write() as session:
            for name in (Record, Row, Host, Publisher):
                session.connection().execute(delete(table(name)))

    command = (sys.executable, "-m", "benchmarks.crowd", json.dumps(asdict(CROWD)))
    async with Servers() as servers:
        hostile = {}
        for n, name in enumerate(BEHAVIOURS):
            hostile[name] = await servers.listen(700 + n, BEHAVIOURS[name].answer)
            hostile[name].contract("NEW")
        with _process(*command, folder=folder):
            await asyncio.sleep(3)
            await asyncio.to_thread(clear)
            joined.join(base, CROWD)
            alone, light = await asyncio.to_thread(_seconds, base, url, folder, {})
            await asyncio.to_thread(clear)
            joined.join(base, CROWD)
            Moot(base).pin(*hostile.values())
            mixed, heavy = await asyncio.to_thread(_seconds, base, url, folder, hostile)
    _tell(base, hostile, turn, memory=(light, heavy), seconds=(alone, mixed))


def _tell(
    base: Database, hostile: dict[str, Node], turn: int, *, memory: tuple[int, int], seconds: tuple[float, float]
) -> None:
    share = seconds[0] / seconds[1]
    moot = Moot(base)
    wrong = {}
    for name, node in hostile.items():
        rules = {row.rule for row in moot.problems(node)}
        if rules != {BEHAVIOURS[name].ends}:
            wrong[name] = (BEHAVIOURS[name].ends, rules)
    named = len(hostile) - len(wrong)
    goal = f"{SHARE:.0%} of {CROWD.nodes / seconds[0]:.0f} nodes/s alone"
    figure("T04", f"rate of the good among {len(hostile)} hostile, round {turn + 1}", f"{share:.0%}", goal=goal)
    figure("T05", f"memory of the crawler, alone {memory[0]} MB", memory[1], goal=f"< {MEMORY}", unit=" MB")
    figure("T04", "behaviours that ended as their named problem", named, goal=str(len(hostile)))
    assert wrong == {}
    assert memory[1] < MEMORY
    assert share >= SHARE
