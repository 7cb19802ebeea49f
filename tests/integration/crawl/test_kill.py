"""Kill it anywhere, start it again: nothing is lost, doubled or stale (threat T14, T15)."""

from __future__ import annotations

import os
import random
import signal
import time
from multiprocessing.context import ForkServerProcess

import pytest
from sqlalchemy import select, update

from federation.database import Database, clock, table
from schema.tables import Feed
from tests.integration.crawl.worker import LEASE, populated, truth
from tests.integration.crawl.world import Aggregator, rows
from tests.proofs import chaos, hatched

KILLS = 10  # a tenth of what CI kills (tests/proofs/test_t14_kills.py)


def _start(url: str, owner: str) -> ForkServerProcess:
    return chaos.forked(hatched.crawl_made_up, url, owner)


def _ended_well(worker: ForkServerProcess) -> bool:
    worker.join(60)
    return worker.exitcode == 0


def _prepare(database: Database) -> Aggregator:
    world = populated()
    moot = Aggregator(database, world)
    for node in [server for server in world.servers.values() if server is not moot]:
        moot.add(node)  # type: ignore[arg-type]
    return moot


def _make_due(database: Database) -> None:
    with database.write() as session:
        session.connection().execute(update(table(Feed)).values(due=clock(session)))


def _finished(database: Database) -> bool:
    with database.read() as session:
        return all(row.last_good is not None for row in session.connection().execute(select(table(Feed))))


def _check(moot: Aggregator) -> None:
    held = {i: row for i, row in rows(moot.database).items() if row.node_id is not None}
    assert {i: (row.deleted, row.seq) for i, row in held.items()} == truth(moot.world)
    with moot.database.read() as session:
        feeds = session.connection().execute(select(table(Feed))).all()
    assert sum(row.accepted for row in feeds) == len(held)
    assert sum(row.refused + row.dropped for row in feeds) == 0


def test_t14_kill_anywhere(database: Database, database_url: str) -> None:
    """Workers killed with SIGKILL at random moments leave, in the end, exactly what the nodes publish."""
    moot, chance = _prepare(database), random.Random(11)
    _make_due(database)
    for n in range(KILLS):
        worker = _start(database_url, f"w{n}")
        _until_claimed(database, f"w{n}", worker)
        time.sleep(chance.uniform(0.0, 0.25))
        chaos.killed(worker)
        time.sleep(LEASE)  # what it held can be taken again
    deadline = time.monotonic() + 60
    while not _finished(database) and time.monotonic() < deadline:
        time.sleep(0.6)
        assert _ended_well(_start(database_url, "last"))
    _check(moot)


def _until_claimed(database: Database, owner: str, worker: ForkServerProcess) -> None:
    """Wait until a worker holds a feed, or has ended because it found nothing to do."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and worker.is_alive():
        with database.read() as session:
            owners = session.connection().execute(select(table(Feed).c.owner)).scalars().all()
        if owner in owners or _finished(database):
            return
        time.sleep(0.02)


def test_two_workers_share_the_feeds(database: Database, database_url: str) -> None:
    """Two workers at once apply every page exactly once."""
    moot = _prepare(database)
    _make_due(database)
    workers = [_start(database_url, owner) for owner in ("one", "two")]
    assert [_ended_well(worker) for worker in workers] == [True, True]
    _check(moot)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system cannot stop a process")
def test_t15_sleeper_that_wakes_commits_nothing(database: Database, database_url: str) -> None:
    """A worker that is stopped past its lease, while another reads its feeds, wakes to a fence and does no harm."""
    moot = _prepare(database)
    _make_due(database)
    sleeper = _start(database_url, "sleeper")
    _until_claimed(database, "sleeper", sleeper)
    _stop_outside_a_transaction(database, sleeper)
    deadline = time.monotonic() + 60
    while not _finished(database) and time.monotonic() < deadline:
        time.sleep(0.6)
        assert _ended_well(_start(database_url, "other"))
    _send(sleeper, signal.SIGCONT)
    assert _ended_well(sleeper)
    _check(moot)


def _stop_outside_a_transaction(database: Database, process: ForkServerProcess) -> None:
    """Stop a worker at a moment when it holds no lock of the database, as another must write meanwhile."""
    assert process.pid is not None
    while not chaos.stop(database, process.pid):
        _send(process, signal.SIGCONT)
        time.sleep(0.005)


def _send(process: ForkServerProcess, number: signal.Signals) -> None:
    assert process.pid is not None
    os.kill(process.pid, number)
