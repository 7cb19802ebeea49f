"""T15: a worker that is stopped past its lease and wakes finds every feed it held taken over, and commits nothing."""

from __future__ import annotations

import random
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from benchmarks import joined
from benchmarks.crowd import Crowd
from federation.database import Database, table
from schema.errors import LeaseLost
from schema.tables import Feed
from tests.proof import figure, sized
from tests.proofs import chaos
from tests.proofs.chaos import Process, Site
from tests.waiting import until

pytestmark = [pytest.mark.prove]
STOPS = max(2, sized(50, 500) // 2)
"""On each of the two databases. Every second sleeper does not look at its own clock, and only the fence is left."""
LEASE = 0.6
CROWD = Crowd(nodes=100, records=97, page=10, net="127.41", port=18_651, delay=0.01)
_feed = table(Feed)
Held = dict[int, int]
"""By feed, the fence under which it was held."""


def _held(base: Database, pid: int) -> Held:
    with base.read() as session:
        chosen = select(_feed.c.id, _feed.c.fence).where(_feed.c.owner.like(f"%.{pid}.%"))
        return {row.id: row.fence for row in session.connection().execute(chosen)}


def _taken_over(base: Database, held: Held) -> bool:
    with base.read() as session:
        chosen = select(_feed.c.id, _feed.c.fence).where(_feed.c.id.in_(held))
        return all(row.fence > held[row.id] for row in session.connection().execute(chosen))


def _stop(base: Database, sleeper: Process, chance: random.Random) -> Held:
    """Stop it at a random instant at which it holds feeds, outside of a transaction; gives what it holds."""
    while True:
        time.sleep(chance.uniform(0.0, 0.2))
        if not _held(base, sleeper.pid):
            chaos.make_due(base)
            continue
        if chaos.stop(base, sleeper.pid) and (held := _held(base, sleeper.pid)):
            return held
        sleeper.send(signal.SIGCONT)


def _sleeper(site: Site, *, blind: bool) -> Process:
    """A worker that writes each page at once, so that many a stop comes between a page's arrival and its commit."""
    return site.run("crawl", "--json", lease=LEASE, blind=blind, **{"federation.gather.MAX_SECONDS": 0.0})


def _found_out(sleeper: Process, count: int) -> bool:
    assert not sleeper.ended, sleeper.said()[-2000:]
    return len(_lost(sleeper)) >= count


def _lost(sleeper: Process) -> list[dict[str, Any]]:
    return [result for result in sleeper.results() if result["outcome"] == "lost"]


def test_t15_the_late_commit_is_refused(database: Database, database_url: str, tmp_path: Path) -> None:
    """Every feed that a worker held when it was stopped past its lease is lost to it, and every record stays right."""
    chance, site = random.Random(15), Site(database_url, tmp_path)
    joined.join(database, CROWD)
    late = fenced = given_up = 0
    with chaos.listening(CROWD) as served:
        for turn in range(STOPS):
            chaos.change_some(served, chance, CROWD.nodes * 3)
            chaos.make_due(database)
            with chaos.ending(_sleeper(site, blind=turn % 2 == 0)) as sleeper:
                held = _stop(database, sleeper, chance)
                with chaos.ending(site.run("crawl", "--json", lease=LEASE)):
                    until(partial(_taken_over, database, held), 90, "all that it held taken over")
                before = len(_lost(sleeper))
                sleeper.send(signal.SIGCONT)
                until(partial(_found_out, sleeper, before + len(held)), 90, "it finds what it held lost")
                late += len(held)
                woken = _lost(sleeper)[before:]
                fenced += sum(result["error"] == LeaseLost().detail for result in woken)
                given_up += sum(result["error"] != LeaseLost().detail for result in woken)
        chaos.finish(database, lambda: site.run("crawl", lease=LEASE))
        found = chaos.differences(database, served)
    on = f"{database.dialect}, {STOPS} stops past the lease, {late} feeds held"
    figure("T15", f"{on}: late commits that landed", found.total, goal="0")
    figure(
        "T15",
        f"{database.dialect}: refused by the fence / given up by their own clock",
        f"{fenced} / {given_up}",
        goal="none",
    )
    assert found.total == 0, found
    assert fenced > 0
