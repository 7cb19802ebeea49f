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
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select

from benchmarks import joined
from benchmarks.crowd import Crowd
from federation.database import Database, table
from schema.tables import Feed, Host, Publisher, Record
from schema.tables import Node as Row
from tests.hostile.behaviours import BEHAVIOURS
from tests.hostile.moot import Moot
from tests.hostile.node import Node
from tests.hostile.talk import Servers
from tests.hostile.tls import trusted
from tests.proof import figure, size
from tests.waiting import until

pytestmark = [pytest.mark.prove]
CROWD = Crowd(nodes=500, records=20, net="127.77", delay=0.1)
"""As far away as the other end of a country: the crawl waits for the network, not for the processor."""
AT_ONCE = 64
SLOW = ("hangs", "drips_its_head", "drips_its_body", "stops_in_its_body", "closes_half", "resets_in_its_body")
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
    env |= {"FOLKMOOT_ALLOW_PRIVATE": "1", "FOLKMOOT_DATA_DIR": str(folder), "FOLKMOOT_CRAWL_CA": str(trusted())}
    with _process(sys.executable, "-m", "folkmoot", "crawl", folder=folder, **env) as process:
        yield process


def _peak(process: subprocess.Popen[bytes]) -> int:
    """The most memory that a process has had, in MB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


def _seconds(base: Database, url: str, folder: Path, hostile: list[Node]) -> tuple[float, int]:
    """Crawl until every good node is read (seconds), then until every hostile one is told of (memory)."""
    moot = Moot(base)
    with _crawl(url, folder) as crawl:
        time.sleep(3)  # the process is up and looks for feeds
        moot.due(*hostile)
        began = joined.begin(base)
        until(lambda: _good(base) == CROWD.nodes, 300, "every good node read")
        seconds = time.monotonic() - began
        deadline = time.monotonic() + LONGEST
        while time.monotonic() < deadline and not all(moot.problems(node) for node in hostile):
            time.sleep(0.5)
        return seconds, _peak(crawl)


def _good(base: Database) -> int:
    """How many good nodes have been read to their end."""
    feed = table(Feed)
    with base.read() as session:
        chosen = select(func.count()).where(feed.c.last_good.is_not(None), feed.c.url.like(f"http://{CROWD.net}.%"))
        return int(session.connection().execute(chosen).scalar_one())


def _mixes() -> dict[str, list[str]]:
    """Who is hostile, round by round: 64 behaviours in CI; at release size all of them, and six kinds 50 times each."""
    names = list(BEHAVIOURS)
    mixes = {f"round {turn + 1}": (names[turn::3] + names[(turn + 1) % 3 :: 3])[:AT_ONCE] for turn in range(3)}
    if size() != "release":
        return {"round 1": mixes["round 1"]}
    return mixes | {f"50 times {kind}": [kind] * 50 for kind in SLOW}


@pytest.mark.parametrize("engine_name", ["postgresql"])
def test_t04_hostile_nodes_among_five_hundred_good_ones(database: Database, database_url: str, tmp_path: Path) -> None:
    """Good nodes keep nine tenths of their rate alone, memory stays bounded, and each behaviour ends by its name."""
    command = (sys.executable, "-m", "benchmarks.crowd", json.dumps(asdict(CROWD)))
    with _process(*command, folder=tmp_path):
        until(lambda: "ready" in (tmp_path / "told.log").read_text(), 60, "the crowd listens")
        joined.join(database, CROWD)
        alone, light = _seconds(database, database_url, tmp_path, [])
        for told, names in _mixes().items():
            mix = asyncio.run(_mixed(database, database_url, tmp_path, names))
            _tell(mix, told, names, (alone, light))


@dataclass
class Mix:
    """What came of one round: seconds until the good were read, MB of the crawler, and who was told otherwise."""

    seconds: float
    memory: int
    wrong: dict[str, set[str]]


async def _mixed(base: Database, url: str, folder: Path, names: list[str]) -> Mix:
    _clear(base)
    joined.join(base, CROWD)
    async with Servers() as servers:
        hostile = [await BEHAVIOURS[name].listen(servers, 700 + n) for n, name in enumerate(names)]
        for node in hostile:
            node.contract("NEW")
        moot = Moot(base)
        moot.pin(*hostile)
        seconds, memory = await asyncio.to_thread(_seconds, base, url, folder, hostile)
    told = {name: {row.rule for row in moot.problems(node)} for name, node in zip(names, hostile, strict=True)}
    return Mix(seconds, memory, {name: rules for name, rules in told.items() if rules != {BEHAVIOURS[name].ends}})


def _clear(base: Database) -> None:
    with base.write() as session:
        for name in (Record, Row, Host, Publisher):
            session.connection().execute(delete(table(name)))


def _tell(mix: Mix, told: str, names: list[str], alone: tuple[float, int]) -> None:
    share = alone[0] / mix.seconds
    goal = f"{SHARE:.0%} of {CROWD.nodes / alone[0]:.0f} nodes/s alone"
    figure("T04", f"rate of {CROWD.nodes} good nodes among {len(names)} hostile, {told}", f"{share:.0%}", goal=goal)
    figure("T05", f"memory of the crawler, {told} (alone {alone[1]} MB)", mix.memory, goal=f"< {MEMORY}", unit=" MB")
    figure("T04", f"hostile nodes told of by another name, {told}", len(mix.wrong), goal="0")
    assert mix.wrong == {}
    assert mix.memory < MEMORY
    assert share >= SHARE
