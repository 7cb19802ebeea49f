"""T14: crawlers and aggregators killed at any instant lose nothing, double nothing and leave nothing stale."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, select

from benchmarks import joined
from benchmarks.crowd import Crowd, Served
from benchmarks.places import free_port
from federation.database import Database, table
from schema.tables import Feed
from tests.proof import figure, sized
from tests.proofs import chaos
from tests.proofs.chaos import Site

pytestmark = [pytest.mark.prove]
KILLS = sized(100, 1_000)
CROWD = Crowd(nodes=400, records=97, page=25, net="127.40", port=18_650)
LEASE = 1.0
SERVED_EVERY = 5
"""One victim in so many is an aggregator that serves, follows with its index and crawls inside."""


def _held_by(base: Database, pid: int) -> int:
    """Count the feeds that a process holds: its id stands in the owner's name."""
    with base.read() as session:
        held = select(func.count()).where(table(Feed).c.owner.like(f"%.{pid}.%"))
        found: int = session.connection().execute(held).scalar_one()
        return found


def _wait(what: Callable[[], int], seconds: float) -> None:
    """Wait for something, but not long."""
    until = time.monotonic() + seconds
    while not what() and time.monotonic() < until:
        time.sleep(0.02)


def _kill_some(base: Database, served: Served, site: Site, chance: random.Random) -> int:
    """Start, wait for a random time, kill; give how many died holding feeds."""
    amid = 0
    for turn in range(KILLS):
        if turn % 4 == 0:
            chaos.change_some(served, chance, CROWD.nodes // 4)
            chaos.make_due(base)
        serves = turn % SERVED_EVERY == SERVED_EVERY - 1
        victim = site.run("aggregator", "serve", lease=LEASE) if serves else site.run("crawl", lease=LEASE)
        pid = victim.pid
        if turn % 2:  # the others die while they start, or wherever they are by then
            _wait(partial(_held_by, base, pid), 5.0)
        time.sleep(chance.uniform(0.0, 1.0 if serves else 0.6))
        victim.kill()
        amid += _held_by(base, pid) > 0
    return amid


def test_t14_killed_anywhere_nothing_is_lost(database: Database, database_url: str, tmp_path: Path) -> None:
    """After kill -9 of crawlers and aggregators at random instants, the records are those of the nodes, each once."""
    chance = random.Random(14)
    port = str(free_port())
    site = Site(database_url, tmp_path, FOLKMOOT_CRAWL_INSIDE="1", FOLKMOOT_PORT=port)
    joined.join(database, CROWD)
    began = time.monotonic()
    with chaos.listening(CROWD) as served:
        amid = _kill_some(database, served, site, chance)
        chaos.finish(database, lambda: site.run("crawl", lease=LEASE))
        found = chaos.differences(database, served)
    on = f"{database.dialect}, {KILLS:,} kills ({amid:,} while feeds were held), {CROWD.nodes * 98:,} records"
    figure("T14", f"{on}: lost / doubled / stale", f"{found.lost} / {found.doubled} / {found.stale}", goal="0 / 0 / 0")
    figure("T14", f"{database.dialect}: seconds for all", round(time.monotonic() - began), goal="none")
    assert found.total == 0, found
