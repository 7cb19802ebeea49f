"""T16: the database restarted without warning, connections dropped, a full disk, a read-only disk, in mid-crawl.

The crawl waits, says why in one sentence, goes on when it can, blames no node, and leaves no part of a page; a server
goes on answering from what it has, or says 503.
"""

from __future__ import annotations

import random
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import func, select

from benchmarks import joined
from benchmarks.crowd import Crowd, Served
from benchmarks.places import free_port
from federation.database import Database, table
from schema.tables import Feed, Problem
from tests import postgres
from tests.absent import absent
from tests.proof import figure, sized
from tests.proofs import chaos, cluster
from tests.proofs.chaos import Process, Site
from tests.waiting import until

RESTARTS, DROPS, FULL = sized(10, 50), sized(20, 100), sized(5, 20)
CROWD = Crowd(nodes=200, records=97, page=25, net="127.42", port=18_652, delay=0.005)
QUICK = {"federation.rounds.FAULT_SECONDS": 0.3}
WAITS, AGAIN = "the crawl waits and tries again", "the crawl goes on"
READ_ONLY = "read-only transaction"


@pytest.fixture(scope="module")
def server() -> Iterator[cluster.Cluster]:
    """A PostgreSQL of this proof's own, which keeps what it commits."""
    with cluster.folder() as folder, ExitStack() as stack:
        try:
            made = cluster.Cluster(folder, "pg", safe=True)
        except postgres.Unavailable as missing:
            absent(str(missing))
        made.make()
        made.start()
        stack.callback(made.stop)
        yield made


class Asking(Thread):
    """Asks a server without end, and counts what it answers."""

    def __init__(self, base: str) -> None:
        super().__init__(daemon=True)
        self.base, self.done, self.seen = base, Event(), Counter[str]()

    def run(self) -> None:
        paths = ("/v1/changes?afterChangeNumber=0", "/v1/contracts?q=housing", "/v1/records?id=http%3A%2F%2Fno", "/")
        turn = 0
        while not self.done.wait(0.02):
            turn += 1
            self.seen[self.ask(paths[turn % len(paths)])] += 1

    def ask(self, path: str) -> str:
        """Give the status, or what went wrong instead of one."""
        try:
            with urllib.request.urlopen(self.base + path, timeout=30) as answer:
                return str(answer.status)
        except urllib.error.HTTPError as error:
            return str(error.code)
        except OSError as error:
            return type(error).__name__


@contextmanager
def asked(site: Site, port: int) -> Iterator[tuple[Process, Asking]]:
    """A server that is asked without end while the block runs."""
    with chaos.ending(site.run("aggregator", "serve", **QUICK)) as process:
        asking = Asking(f"http://127.0.0.1:{port}")
        until(lambda: asking.ask("/health/live") == "200", 90, f"the server answers: {process.said()[-800:]}")
        until(lambda: asking.ask("/v1/contracts") == "200", 90, "its index is there")
        asking.start()
        try:
            yield process, asking
        finally:
            asking.done.set()
            asking.join()


def _stirred(base: Database, served: Served, chance: random.Random) -> None:
    """Give the crawl something to do."""
    chaos.change_some(served, chance, CROWD.nodes * 3)
    chaos.make_due(base)


def _busy(base: Database) -> bool:
    with base.read() as session:
        held = select(func.count()).where(table(Feed).c.owner.is_not(None))
        return bool(session.connection().execute(held).scalar_one())


def _blamed(base: Database) -> int:
    """Count the nodes that were blamed for what the database did: each is told besides that it does not sign."""
    with base.read() as session:
        fails = select(func.count()).where(table(Feed).c.fails > 0)
        told = select(func.count()).where(table(Problem).c.rule != "signed")
        connection = session.connection()
        return int(connection.execute(fails).scalar_one()) + int(connection.execute(told).scalar_one())


@pytest.mark.prove
def test_t16_postgresql_restarted_in_mid_crawl(server: cluster.Cluster, tmp_path: Path) -> None:
    """PostgreSQL stopped without a checkpoint and started again, again and again: all is right, none is blamed."""
    chance, port = random.Random(16), free_port()
    url = server.create("restarts")
    site = Site(url, tmp_path, FOLKMOOT_PORT=str(port))
    base = Database(url)
    joined.join(base, CROWD)
    partial = 0
    with chaos.listening(CROWD) as served, asked(site, port) as (serving, asking):
        with chaos.ending(site.run("crawl", **QUICK)) as crawl:
            for _ in range(RESTARTS):
                _stirred(base, served, chance)
                until(lambda: _busy(base), 90, "the crawl is under way")
                time.sleep(chance.uniform(0.0, 0.3))
                server.crash()
                base.dispose()
                partial += chaos.partial_pages(base, served)
            until(lambda: asking.ask("/v1/changes?afterChangeNumber=0") == "200", 90, "the server has recovered")
            chaos.finish(base, lambda: site.run("crawl", **QUICK))
            assert not crawl.ended
            assert not serving.ended
        found, blamed = chaos.differences(base, served), _blamed(base)
    base.dispose()
    on = f"{RESTARTS} immediate restarts of PostgreSQL in mid-crawl"
    figure(
        "T16",
        f"{on}: lost / doubled / stale / partial pages",
        f"{found.lost} / {found.doubled} / {found.stale} / {partial}",
        goal="all 0",
    )
    figure(
        "T16",
        f"{on}: nodes blamed; answers of a server meanwhile",
        f"{blamed}; {_told(asking)}",
        goal="0; no 5xx but 503",
    )
    assert (found.total, partial, blamed) == (0, 0, 0), crawl.said()[-2000:]
    assert set(asking.seen) <= {"200", "404", "503"}, (asking.seen, serving.said()[-3000:])
    assert "Traceback" not in crawl.said() + serving.said()


def _told(asking: Asking) -> str:
    return ", ".join(f"{count:,} x {status}" for status, count in sorted(asking.seen.items()))


@pytest.mark.prove
def test_t16_connections_dropped_in_mid_crawl(server: cluster.Cluster, tmp_path: Path) -> None:
    """Every connection cut at random instants costs nothing but time."""
    chance, url = random.Random(17), server.create("drops")
    site, base = Site(url, tmp_path), Database(url)
    joined.join(base, CROWD)
    cut = partial = 0
    with chaos.listening(CROWD) as served, psycopg.connect(server.url, autocommit=True) as other:
        with chaos.ending(site.run("crawl", **QUICK)) as crawl:
            for _ in range(DROPS):
                _stirred(base, served, chance)
                base.dispose()
                time.sleep(chance.uniform(0.1, 0.6))
                ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'drops'"
                row = other.execute(ended).fetchone()
                cut += row[0] if row else 0
                base.dispose()
                partial += chaos.partial_pages(base, served)
                assert not crawl.ended, crawl.said()[-4000:]
            chaos.finish(base, lambda: site.run("crawl", **QUICK))
            assert not crawl.ended
        found, blamed = chaos.differences(base, served), _blamed(base)
    base.dispose()
    figure(
        "T16",
        f"{DROPS} times all connections cut ({cut}): lost / doubled / stale / partial pages / blamed",
        f"{found.lost} / {found.doubled} / {found.stale} / {partial} / {blamed}",
        goal="all 0",
    )
    assert (found.total, partial, blamed) == (0, 0, 0), crawl.said()[-2000:]


@pytest.mark.prove
def test_t16_read_only_in_mid_crawl(server: cluster.Cluster, tmp_path: Path) -> None:
    """A PostgreSQL that turns read-only stops the crawl in one sentence; writable again, the crawl goes on."""
    chance, url = random.Random(18), server.create("readonly")
    site, base = Site(url, tmp_path), Database(url)
    joined.join(base, CROWD)
    partial = 0
    with chaos.listening(CROWD) as served, psycopg.connect(server.url, autocommit=True) as other:
        with chaos.ending(site.run("crawl", **QUICK)) as crawl:
            _stirred(base, served, chance)
            until(lambda: _busy(base), 90, "the crawl is under way")
            base.dispose()
            turned = sql.SQL("ALTER DATABASE readonly SET default_transaction_read_only = {}")
            for state, sentence in (("on", READ_ONLY), ("off", AGAIN)):
                other.execute(turned.format(sql.Literal(state)))
                other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'readonly'")
                until(lambda sentence=sentence: sentence in crawl.said(), 90, f"the crawl says: {sentence}")  # type: ignore[misc]
                partial += chaos.partial_pages(base, served)
            chaos.finish(base, lambda: site.run("crawl", **QUICK))
        found, blamed = chaos.differences(base, served), _blamed(base)
    base.dispose()
    figure(
        "T16",
        "PostgreSQL read-only in mid-crawl: lost / doubled / stale / partial pages / blamed",
        f"{found.lost} / {found.doubled} / {found.stale} / {partial} / {blamed}",
        goal="all 0",
    )
    assert (found.total, partial, blamed) == (0, 0, 0)


@contextmanager
def disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A disk of its own, or a skip where this account may make none."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip(f"a small disk needs root and mount: {made.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def _fill(folder: Path) -> None:
    """Take all the room that is left."""
    with (folder / "filler").open("ab", buffering=0) as filler:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while filler.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue


@pytest.mark.prove
def test_t16_disk_full_in_mid_crawl(tmp_path: Path) -> None:
    """A full disk stops the crawl in one sentence and leaves no part of a page; with room again the crawl goes on."""
    import migrations

    chance, port = random.Random(19), free_port()
    with disk(tmp_path / "disk", 400) as folder, chaos.listening(CROWD) as served:
        url = f"sqlite:///{folder / 'folkmoot.db'}"
        migrations.upgrade(url)
        site, base = Site(url, tmp_path, FOLKMOOT_PORT=str(port)), Database(url)
        joined.join(base, CROWD)
        base.dispose()
        site.settings["FOLKMOOT_DATA_DIR"] = str(folder / "data")
        partial = 0
        with asked(site, port) as (serving, asking), chaos.ending(site.run("crawl", **QUICK)) as crawl:
            for turn in range(1, FULL + 1):
                _stirred(base, served, chance)
                until(lambda: _busy(base), 90, "the crawl is under way")
                time.sleep(chance.uniform(0.0, 0.2))
                _fill(folder)
                chaos.change_some(served, chance, CROWD.nodes * 3)
                until(lambda turn=turn: crawl.said().count(WAITS) >= turn, 90, "the crawl says that it waits")  # type: ignore[misc]
                partial += chaos.partial_pages(base, served)
                (folder / "filler").unlink()
                until(lambda turn=turn: crawl.said().count(AGAIN) >= turn, 90, "the crawl goes on")  # type: ignore[misc]
            chaos.finish(base, lambda: site.run("crawl", **QUICK))
            partial += chaos.partial_pages(base, served)
            found, blamed = chaos.differences(base, served), _blamed(base)
            assert not crawl.ended
            assert not serving.ended
        base.dispose()
    on = f"{FULL} times a full disk in mid-crawl (SQLite)"
    figure(
        "T16",
        f"{on}: lost / doubled / stale / partial pages / blamed",
        f"{found.lost} / {found.doubled} / {found.stale} / {partial} / {blamed}",
        goal="all 0",
    )
    figure("T16", f"{on}: answers of a server meanwhile", _told(asking), goal="no 5xx but 503")
    assert (found.total, partial, blamed) == (0, 0, 0)
    assert "full" in crawl.said()
    assert set(asking.seen) <= {"200", "404", "503"}, (asking.seen, serving.said()[-3000:])


@pytest.mark.prove
def test_t16_read_only_disk_is_told(tmp_path: Path) -> None:
    """On a read-only disk `crawl --once` ends in one sentence, and nothing has changed."""
    import migrations

    with disk(tmp_path / "disk", 64) as folder, chaos.listening(CROWD) as served:
        url = f"sqlite:///{folder / 'folkmoot.db'}"
        migrations.upgrade(url)
        site, base = Site(url, tmp_path, FOLKMOOT_DATA_DIR=str(tmp_path / "data")), Database(url)
        joined.join(base, CROWD)
        chaos.make_due(base)
        base.dispose()
        before = (folder / "folkmoot.db").read_bytes()
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        with chaos.ending(site.run("crawl", "--once")) as crawl:
            until(lambda: crawl.ended, 90, "it ends")
        assert (folder / "folkmoot.db").read_bytes() == before
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
        chaos.finish(base, lambda: site.run("crawl"))
        found = chaos.differences(base, served)
        base.dispose()
    said = crawl.said().strip().splitlines()
    figure("T16", "read-only disk (SQLite): what is said, in lines", len(said), goal="1")
    assert said[-1].startswith("folkmoot: The database"), said
    assert len(said) == 1
    assert found.total == 0
