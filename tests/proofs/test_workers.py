"""Four workers on four machines: at least three times as fast as one, polite, and right when some die or sleep."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from benchmarks import joined
from benchmarks.crowd import Crowd
from federation.database import Database
from tests import postgres
from tests.absent import absent
from tests.proofs import cluster, crawled, namespaces
from tests.proofs.namespaces import Machine, Network
from tests.waiting import until

pytestmark = [pytest.mark.prove]
CROWD = Crowd(nodes=500, records=20, text=8_000, delay=0.05, net="10.78", port=8000)
WORKERS, CONNECTIONS, LEASE = 4, 4, 5


@dataclass
class Stage:
    """The machines: the database on the hub, the crowd on one, a worker on each of four."""

    network: Network
    server: cluster.Cluster
    crowd: Machine
    workers: list[Machine]
    folder: Path

    @contextmanager
    def aggregator(self, name: str) -> Iterator[tuple[Database, str]]:
        """A database whose feeds are not due yet, and its URL for the machines."""
        url = self.server.create(name, host=Network.HUB)
        base = Database(self.server.named(name))
        joined.join(base, CROWD)
        yield base, url
        base.dispose()

    @contextmanager
    def crawling(self, base: Database, url: str, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
        """So many workers, which look for feeds that are due by now."""
        env = dict(os.environ) | {
            "FOLKMOOT_ROLE": "aggregator",
            "FOLKMOOT_PUBLIC_URL": joined.PUBLIC,
            "FOLKMOOT_DATABASE_URL": url,
            "FOLKMOOT_ALLOW_PRIVATE": "1",
            "FOLKMOOT_CRAWL_CONNECTIONS": str(CONNECTIONS),
            "FOLKMOOT_LEASE_SECONDS": str(LEASE),
        }
        started = []
        try:
            for number, machine in enumerate(self.workers[:count]):
                told = self.folder / f"worker-{number}.log"
                its = env | {"FOLKMOOT_DATA_DIR": str(self.folder / f"worker-{number}")}
                started.append(machine.start(sys.executable, "-m", "folkmoot", "crawl", env=its, log=told))
            until(lambda: len(self.connected(base)) == count, 60, f"{count} workers connected")
            yield started
        finally:
            for process in started:
                process.kill()
                process.wait()

    def connected(self, base: Database, *, busy: bool = False) -> set[str]:
        """The machines that have a session of this database open; `busy` for those within a transaction."""
        name = base.url.rpartition("/")[2].partition("?")[0]
        with psycopg.connect(self.server.url) as connection:
            rows = connection.execute(
                "SELECT DISTINCT host(client_addr) FROM pg_stat_activity "
                "WHERE client_addr IS NOT NULL AND datname = %s AND (state <> 'idle' OR NOT %s)",
                [name, busy],
            )
            return {address for (address,) in rows}

    def seen(self) -> dict[str, Any]:
        """What the crowd has seen so far."""
        ask = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())"
        found: dict[str, Any] = json.loads(self.crowd.run(sys.executable, "-c", ask, CROWD.url(0) + "/crowd"))
        return found


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Four machines for workers, one of 500 addresses, and PostgreSQL between them, reachable from nowhere else."""
    reason = namespaces.unavailable()
    if reason:
        pytest.skip(reason)
    with cluster.folder() as folder, Network() as network:
        try:
            server = cluster.Cluster(folder, "pg")
        except postgres.Unavailable as missing:
            absent(str(missing))
        server.make(trust="10.77.0.0/16")
        server.start(listen=Network.HUB, inside=network.hub.inside([]))
        try:
            with _stage(network, server, folder) as made:
                yield made
        finally:
            server.stop()


@contextmanager
def _stage(network: Network, server: cluster.Cluster, folder: Path) -> Iterator[Stage]:
    crowd = network.machine("10.77.1.1")
    crowd.run("ip", "route", "add", "local", f"{CROWD.net}.0.0/16", "dev", "eth0")
    workers = [network.machine(f"10.77.2.{n + 1}") for n in range(WORKERS)]
    for machine in workers:
        machine.run("ip", "route", "add", f"{CROWD.net}.0.0/16", "via", "10.77.1.1")
    told = folder / "crowd.log"
    process = crowd.start(sys.executable, "-m", "benchmarks.crowd", json.dumps(asdict(CROWD)), log=told)
    try:
        until(lambda: "ready" in told.read_text(), 30, "the crowd listens")
        yield Stage(network, server, crowd, workers, folder)
    finally:
        process.kill()
        process.wait()


def test_four_workers_are_three_times_one(stage: Stage) -> None:
    """Four workers of four connections read 500 nodes at 50 ms in a third of one worker's time, or less, politely."""
    seconds = {}
    for count in (1, WORKERS):
        with stage.aggregator(f"speed{count}") as (base, url), stage.crawling(base, url, count):
            began = joined.begin(base)
            until(lambda base=base: joined.read(base) == CROWD.nodes, 150, "every feed read")  # type: ignore[misc]
            seconds[count] = time.monotonic() - began
            held = crawled.check(base, CROWD)
    seen = stage.seen()
    ratio = seconds[1] / seconds[WORKERS]
    print(
        f"\n{CROWD.nodes} nodes, {held} records, 50 ms: one worker {seconds[1]:.1f} s, four {seconds[WORKERS]:.1f} s,"
        f" {ratio:.2f}x; {seen['requests']} requests over {seen['connections']} connections,"
        f" at most {seen['overlap']} at once to a host"
    )
    assert seen["overlap"] == 1
    assert ratio >= 3


def test_the_dead_and_the_sleeping_lose_nothing(stage: Stage) -> None:
    """With one worker killed and one asleep past its lease in the middle, every record is right, no host is pressed."""
    with stage.aggregator("faults") as (base, url), stage.crawling(base, url, WORKERS) as workers:
        joined.begin(base)
        until(lambda: joined.read(base) > CROWD.nodes // 5, 60, "a fifth read")
        workers[0].kill()
        _sleep(stage, base, workers[1])
        slept = time.monotonic()
        until(lambda: joined.read(base) > CROWD.nodes * 4 // 5, 60, "most read by the other two")
        time.sleep(max(0.0, slept + LEASE + 2 - time.monotonic()))
        workers[1].send_signal(signal.SIGCONT)
        until(lambda: joined.read(base) == CROWD.nodes, 60, "every feed read")
        held = crawled.check(base, CROWD)
        assert workers[1].poll() is None
        lost = (stage.folder / "worker-1.log").read_text().count("taken over by another worker")
    print(f"\n{held} records right; the one that woke found {lost} of its feeds taken over")
    assert lost > 0
    assert stage.seen()["overlap"] == 1


def _sleep(stage: Stage, base: Database, worker: subprocess.Popen[bytes]) -> None:
    """Stop a worker while it holds feeds but no transaction, in which it would stop the others too."""
    while True:
        worker.send_signal(signal.SIGSTOP)
        time.sleep(0.05)
        if "10.77.2.2" not in stage.connected(base, busy=True):
            return
        worker.send_signal(signal.SIGCONT)
        time.sleep(0.01)
