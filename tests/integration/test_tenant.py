"""A data folder is one database's at a time: who comes second is told so, and harms nobody."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from benchmarks.places import free_port
from federation import publishers, tenant
from federation.bulk import BulkFiles
from federation.database import Database
from federation.tenant import Tenant, claimed
from schema.errors import Busy, Misconfigured
from tests.services import NOW, make_services
from tests.waiting import until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def other(database: Database, tmp_path: Path) -> Iterator[Database]:
    """Yield another database than `database`; both have published."""
    import migrations

    url = f"sqlite:///{tmp_path / 'other.db'}"
    migrations.upgrade(url)
    made = Database(url)
    for one in (database, made):
        make_services(one, tmp_path)
    yield made
    made.dispose()


def test_processes_with_one_database_share_its_folder(database: Database, other: Database, tmp_path: Path) -> None:
    """Any number may; another database's are turned away until the last of them has left."""
    first, second, stranger = Tenant(tmp_path, database), Tenant(tmp_path, database), Tenant(tmp_path, other)
    assert (first.foreign, second.foreign, stranger.foreign) == (False, False, True)
    with pytest.raises(Busy, match="FOLKMOOT_DATA_DIR"):
        stranger.check()
    with pytest.raises(Misconfigured, match=str(tmp_path)), claimed(tmp_path, other):
        pass
    first.close()
    assert stranger.look()
    second.close()
    assert not stranger.look()
    assert first.look()
    stranger.close()


def test_a_database_that_was_restored_keeps_its_folder(database: Database, other: Database, tmp_path: Path) -> None:
    """Its epoch is another one then, and who starts next has that one too."""
    first, second, stranger = Tenant(tmp_path, database), Tenant(tmp_path, database), Tenant(tmp_path, other)
    assert not first.look()
    with database.write() as session:
        publishers.renew_epoch(session)
    assert not first.look()
    assert not second.look()
    assert stranger.look()
    for one in (first, second):
        one.close()


def test_a_server_says_whose_folder_it_is(database: Database, other: Database, tmp_path: Path) -> None:
    """Once when it is turned away, and once when the folder is its own; who stops has left it."""
    first, second = Tenant(tmp_path, database), Tenant(tmp_path, other, look=0.01)
    first.look()

    async def wait() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(second.run(stop))
        await asyncio.to_thread(until, lambda: len(told) == 1)
        first.close()
        await asyncio.to_thread(until, lambda: len(told) == 2)
        stop.set()
        await running

    with capture_logs() as told:
        asyncio.run(wait())
    assert [(line["log_level"], line["folder"]) for line in told] == [
        ("error", str(tmp_path)),
        ("warning", str(tmp_path)),
    ]
    assert told[0]["error"] == tenant.WORD
    assert not first.look()
    first.close()


def test_who_comes_second_removes_no_file_of_the_first(database: Database, other: Database, tmp_path: Path) -> None:
    """However old it is: by the second's own log it is a file of long ago that nobody names."""
    first, second = Tenant(tmp_path, database), Tenant(tmp_path, other)
    folder = tmp_path / "bulk"
    files = BulkFiles(database, folder, lambda: NOW, first)
    standing = files.path(files.current("organisations.ndjson"))
    os.utime(standing, (time.time() - 7_000, time.time() - 7_000))
    foreign = BulkFiles(other, folder, lambda: NOW, second)
    for act in (partial(foreign.current, "organisations.ndjson"), foreign.purge):
        with pytest.raises(Busy, match="FOLKMOOT_DATA_DIR"):
            act()
    assert standing.exists()
    first.close()


@dataclass
class Server:
    """A node of a database of its own, in a folder that it shares."""

    name: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.port = free_port()
        self.log = self.folder / f"{self.name}.log"
        self.env = dict(os.environ) | {
            "FOLKMOOT_DATA_DIR": str(self.folder / "data"),
            "FOLKMOOT_DATABASE_URL": f"sqlite:///{self.folder / self.name}.db",
            "FOLKMOOT_PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "FOLKMOOT_PORT": str(self.port),
        }
        self.run("publisher", "add", f"GB-LAE-{self.name}", "--name", f"{self.name} Council")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "folkmoot", *arguments]
        return subprocess.run(command, env=self.env, cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)

    def start(self) -> None:
        command = [sys.executable, "-m", "folkmoot", "node", "serve"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=self.env, cwd=ROOT, stdout=log, stderr=log)
        until(lambda: self.get("/health/live")[0] == 200)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """Yield two servers that were given one folder, the first of which serves."""
    first, second = Server("AAA", tmp_path), Server("BBB", tmp_path)
    try:
        first.start()
        until(lambda: first.get("/health/ready")[0] == 200)
        second.start()
        yield first, second
    finally:
        first.kill()
        second.kill()


def test_who_shares_a_folder_by_mistake_is_told_what_to_do(both: tuple[Server, Server]) -> None:
    """In its log, at /health/ready and by the commands; it gives out no record of the other, which serves on.

    When that is gone, by whatever death, the folder is the second one's.
    """
    first, second = both
    until(lambda: "another server has the data folder" in second.log.read_text())
    status, ready = second.get("/health/ready")
    assert (status, json.loads(ready)["checks"]["folder"]) == (503, {"status": "failing", "detail": tenant.WORD})
    assert second.get("/v1/bulk/organisations.csv")[0] == 503
    assert second.get("/v1/search")[0] == 503
    for command in (["index", "rebuild"], ["index", "verify"], ["doctor"]):
        done = second.run(*command)
        assert done.returncode
        assert "is in use by a server with another database. Set FOLKMOOT_DATA_DIR" in done.stdout + done.stderr
    assert first.get("/health/ready")[0] == 200
    assert "AAA Council" in first.get("/v1/search")[1]
    assert "AAA Council" in first.get("/v1/bulk/organisations.csv")[1]
    first.kill()
    until(lambda: second.get("/health/ready")[0] == 200)
    assert "BBB Council" in second.get("/v1/search")[1]
    assert "BBB Council" in second.get("/v1/bulk/organisations.csv")[1]
    assert "AAA" not in second.get("/v1/search")[1] + second.get("/v1/bulk/organisations.csv")[1]
