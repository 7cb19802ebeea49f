"""Readers on one machine and on several: how far behind under write load, and what a replica may and may not answer."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString

import orjson
import psycopg
import pytest
from starlette.testclient import TestClient

from api.app import create_app
from benchmarks.crowd import Crowd, Node
from benchmarks.places import free_port
from federation import log, publishers, tokens
from federation.database import Database
from folkmoot.commands import housekeeping
from folkmoot.settings import Settings
from tests import postgres
from tests.absent import absent
from tests.proofs import cluster
from tests.proofs.namespaces import DYING, ROOT
from tests.services import EXAMPLESHIRE, PREFIX, PUBLISHER, client, make_services
from tests.waiting import until

pytestmark = [pytest.mark.prove]
URL = "http://127.0.0.1:8600"
SECONDS, BATCH, PAUSE = 20.0, 100, 0.4
"""For how long is written, how many records at a time, and how long the writer rests."""


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[cluster.Cluster, cluster.Cluster]]:
    """A primary and its streaming replica, over unix sockets."""
    with cluster.folder() as folder, ExitStack() as stack:
        try:
            primary, replica = cluster.Cluster(folder, "primary"), cluster.Cluster(folder, "replica")
        except postgres.Unavailable as missing:
            absent(str(missing))
        primary.make()
        primary.start()
        stack.callback(primary.stop)
        replica.copy(primary)
        replica.start()
        stack.callback(replica.stop)
        yield primary, replica


@contextmanager
def _server(folder: Path, url: str, *, workers: int = 1, replica: str = "") -> Iterator[str]:
    """A node that serves; gives its address."""
    port = free_port()
    env = dict(os.environ) | {
        "FOLKMOOT_PUBLIC_URL": URL,
        "FOLKMOOT_DATABASE_URL": url,
        "FOLKMOOT_READ_DATABASE_URL": replica,
        "FOLKMOOT_DATA_DIR": str(folder),
        "FOLKMOOT_PORT": str(port),
    }
    folder.mkdir(exist_ok=True)
    command = [*DYING, sys.executable, "-m", "folkmoot", "node", "serve", "--workers", str(workers)]
    with (folder / "log").open("ab") as told:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=told, stderr=told)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _get(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            found: dict[str, Any] = orjson.loads(answer.read())
    except urllib.error.HTTPError as error:
        found = orjson.loads(error.read())
        error.close()
    except OSError:
        return {"checks": {}}
    return found


def _index(address: str) -> dict[str, Any]:
    found: dict[str, Any] = _get(address + "/health/ready")["checks"].get("index", {})
    return found


@contextmanager
def _writing(base: Database) -> Iterator[list[int]]:
    """Publish contracts without pause until the block ends; gives how many there are so far."""
    node, written, stop = Node(Crowd(1, 0), 0), [0], threading.Event()

    def write() -> None:
        while not stop.is_set():
            first = written[0] + 1
            drafts = [
                log.Draft(f"{URL}/id/{PUBLISHER}/contract/C-{n:06d}", "contract", PUBLISHER, node.data(n, 0))
                for n in range(first, first + BATCH)
            ]
            with base.write() as session:
                log.append(session, drafts, node=f"{URL}/.well-known/folkmoot", now=datetime.now(UTC))
            written[0] += BATCH
            stop.wait(PAUSE)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield written
    finally:
        stop.set()
        thread.join()


def _prove(base: Database, readers: Sequence[str], seconds: float = SECONDS) -> str:
    """Write, look at every reader's lag all the while, and see that all of them come to the end."""
    for reader in readers:
        until(lambda reader=reader: _index(reader).get("lag") == 0, 60, "a reader is ready")  # type: ignore[misc]
    lags: list[float] = []
    with _writing(base) as written:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            lags += [_index(reader)["seconds"] for reader in readers]
            time.sleep(0.05)
    for reader in readers:
        until(lambda reader=reader: _index(reader)["lag"] == 0, 30, "a reader comes to the end")  # type: ignore[misc]
        assert _get(f"{reader}/v1/contracts?limit=1")["count"]["value"] == written[0]
    lags.sort()
    p95 = lags[int(len(lags) * 0.95)]
    assert p95 < 2
    rate = written[0] / seconds
    return f"{rate:.0f} records/s written, {len(lags)} looks: lag p50 {lags[len(lags) // 2]:.2f} s, p95 {p95:.2f} s"


def _published(server: cluster.Cluster, name: str) -> Database:
    base = Database(server.create(name))
    with base.write() as session:
        publishers.add(session, public_url=URL, organisation=dict(EXAMPLESHIRE), now=datetime.now(UTC))
    return base


def test_two_processes_that_share_an_index(pair: tuple[cluster.Cluster, cluster.Cluster], tmp_path: Path) -> None:
    """Two processes of one server are less than two seconds behind the log, while it is written to, 95 of 100 times."""
    base = _published(pair[0], "shared")
    with _server(tmp_path / "one", pair[0].named("shared"), workers=2) as address:
        print(f"\ntwo processes, one index: {_prove(base, [address])}")
    base.dispose()


def test_two_machines_with_an_index_each(pair: tuple[cluster.Cluster, cluster.Cluster], tmp_path: Path) -> None:
    """Two servers with indexes of their own, one reading from a streaming replica, are as near to the log."""
    primary, replica = pair
    base = _published(primary, "apart")
    url = primary.named("apart")
    with ExitStack() as stack:
        readers = [
            stack.enter_context(_server(tmp_path / "one", url)),
            stack.enter_context(_server(tmp_path / "two", url, replica=replica.named("apart"))),
        ]
        print(f"\ntwo servers, one on a replica: {_prove(base, readers)}")
    base.dispose()


def _eventually(what: Callable[[], bool]) -> None:
    until(what, 20, "the replica follows")


def test_what_a_replica_answers(pair: tuple[cluster.Cluster, cluster.Cluster], tmp_path: Path) -> None:
    """Requests read from the replica, writes and what hangs on them do not, and a replica too far behind is told."""
    primary, replica = pair
    moment = datetime.now(UTC)
    with _opened(primary, replica) as base:
        services = make_services(base, tmp_path, now=lambda: moment)
        with base.write() as session:
            secret = tokens.create(session, publisher=PUBLISHER, name="test", now=moment).secret
        with client(create_app(services), headers={"Authorization": f"Bearer {secret}"}) as site:
            # Until the replica has the tables, the answer is that the database is not to be had.
            _eventually(lambda: _checks(site).get("index", {}).get("lag") == 0)
            record = {"id": f"{PREFIX}contract/C-1"}
            _replay(replica, "pause")
            made = site.post(f"/v1/contracts?publisher={PUBLISHER}", json={"reference": "C-1", "title": "Grounds"})
            assert made.status_code == 201
            assert site.get("/v1/records", params=record).status_code == 404
            assert (_checks(site)["replica"]["lag"], _checks(site)["index"]["lag"]) == (1, 1)
            assert _doctor(primary, replica) == "1 change behind the log's 2"
            _writes_see_writes(site)
            _replay(replica, "resume")
            _eventually(lambda: site.get("/v1/records", params=record).status_code == 200)
            _eventually(lambda: _checks(site)["replica"]["lag"] == 0)


def _doctor(primary: cluster.Cluster, replica: cluster.Cluster) -> str:
    urls = {"database_url": primary.named("answers"), "read_database_url": replica.named("answers")}
    return housekeeping._replica(Settings.model_validate(urls))


def _writes_see_writes(site: TestClient) -> None:
    """What was written a moment ago is known to the next write, and to who asks for the import just handed in."""
    again = site.post(f"/v1/contracts?publisher={PUBLISHER}", json={"reference": "C-1", "title": "Parks"})
    assert again.status_code == 409
    register = f"/v1/imports?kind=contract&publisher={PUBLISHER}"
    job = site.post(register, content=b"reference,title\n2,Library\n", headers={"Content-Type": "text/csv"})
    assert job.status_code == 202
    assert site.get(job.headers["location"]).status_code == 200


@contextmanager
def _opened(primary: cluster.Cluster, replica: cluster.Cluster) -> Iterator[Database]:
    """A database that is read by its replica, once that has it."""
    url = primary.create("answers")
    _eventually(lambda: _has(replica, "answers"))
    base = Database(url, read_url=replica.named("answers"))
    try:
        yield base
    finally:
        base.dispose()
        _replay(replica, "resume")


def _has(server: cluster.Cluster, name: str) -> bool:
    with psycopg.connect(server.url) as connection:
        return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def _checks(site: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = site.get("/health/ready").json()["checks"]
    return found


def _replay(replica: cluster.Cluster, what: str) -> None:
    asked: dict[str, LiteralString] = {
        "pause": "SELECT pg_wal_replay_pause()",
        "resume": "SELECT pg_wal_replay_resume()",
    }
    with psycopg.connect(replica.url, autocommit=True) as connection:
        connection.execute(asked[what])
