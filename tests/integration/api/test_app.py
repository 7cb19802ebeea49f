"""The application's own life: what runs beside it, and that nobody but the operator runs it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from api import app as module
from api.app import create_app
from federation.bulk import SHAPES, BulkFiles
from federation.database import Database
from federation.keeper import Keeper
from tests.contract.world import publish
from tests.services import NOW, client, make_services
from tests.waiting import until


class Steady:
    """Works until it is told to stop."""

    def __init__(self) -> None:
        self.told = ""

    async def run(self, stop: asyncio.Event) -> None:
        self.told = "started"
        await stop.wait()
        self.told = "stopped"


class Stumbling:
    """Falls over twice, then works."""

    def __init__(self) -> None:
        self.falls = 0
        self.up = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        if self.falls < 2:
            self.falls += 1
            raise RuntimeError("stumbled")
        self.up.set()
        await stop.wait()


class Deaf:
    """Does not listen to `stop`."""

    def __init__(self) -> None:
        self.ended = False

    async def run(self, stop: asyncio.Event) -> None:
        del stop
        try:
            await asyncio.sleep(3600)
        finally:
            self.ended = True


def test_workers_and_follower_live_as_long_as_the_server(database: Database, tmp_path: Path) -> None:
    """The lifespan starts the workers and the follower, and stops both."""
    services, worker = make_services(database, tmp_path), Steady()
    with client(create_app(services, background=[worker])) as opened:
        publish(database, {"tool": [{"reference": "T", "name": "PlanWise"}]})
        services.follower.catch_up()
        assert opened.get("/health/ready").status_code == 200
        assert worker.told == "started"
    assert worker.told == "stopped"


def test_a_worker_that_falls_over_is_started_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in a worker neither stops the server nor the worker for good."""
    monkeypatch.setattr(module, "RESTART_SECONDS", 0.01)

    async def live() -> Stumbling:
        worker = Stumbling()
        app = create_app(make_services(database, tmp_path), background=[worker])
        async with app.router.lifespan_context(app):
            await asyncio.wait_for(worker.up.wait(), 30)
        return worker

    assert asyncio.run(live()).falls == 2


def test_a_worker_that_does_not_stop_is_cut_off(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends even where a worker would not."""
    monkeypatch.setattr(module, "STOP_SECONDS", 0.05)
    worker = Deaf()
    with client(create_app(make_services(database, tmp_path), background=[worker])):
        pass
    assert worker.ended


def test_the_keeper_writes_every_file_so_that_the_manifest_names_them(database: Database, tmp_path: Path) -> None:
    """With the keeper beside it, a fresh server's manifest lists all bulk files."""
    services = make_services(database, tmp_path)
    app = create_app(services)
    files = BulkFiles(database, tmp_path / "bulk", lambda: NOW)

    async def once() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(Keeper(files).run(stop))
        await asyncio.to_thread(until, lambda: len(files.listed()) == len(SHAPES))
        stop.set()
        await task

    asyncio.run(asyncio.wait_for(once(), 60))
    listed = client(app).get("/.well-known/folkmoot").json()["bulk"]
    assert {entry["url"].rpartition("/")[2] for entry in listed} == set(SHAPES)
