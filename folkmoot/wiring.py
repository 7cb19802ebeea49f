"""Build at the top, pass down: from settings to a database, an index, an application."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import migrations
from federation.database import Database, driver_url
from federation.publishers import check_public_url, node_id
from folkmoot import __version__
from folkmoot.ajar import Ajar
from folkmoot.settings import Settings, shared_figures
from schema.errors import Misconfigured

if TYPE_CHECKING:  # a command waits only for what it runs: not for FastAPI, the engine or the door unless it needs them
    from api.app import Worker
    from api.services import Services
    from federation.fetch import Door
    from federation.index import Index
    from federation.robots import AskRobots
    from federation.rounds import Crawler
    from federation.seam import Get


START_SECONDS = 5.0
"""Crawlers that are started together begin within so many seconds, each at a moment of its own."""


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def database(settings: Settings) -> Database:
    """The database, brought up to the newest revision."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if migrations.current(settings.database) != migrations.HEAD:
        migrations.upgrade(settings.database)
    return Database(settings.database)


def reading(settings: Settings, base: Database) -> Database:
    """The database as requests read it: from a replica where the settings name one, else `base` itself."""
    if not settings.read_database_url:
        return base
    if any(not driver_url(url).startswith("postgresql") for url in (settings.database, settings.read_database_url)):
        raise Misconfigured("FOLKMOOT_READ_DATABASE_URL names a replica, which only a PostgreSQL database has.")
    return Database(settings.database, read_url=settings.read_database_url)


def index(settings: Settings) -> Index:
    """The search index: in the data folder, or in the cluster that FOLKMOOT_INDEX_URL names. Raises `Misconfigured`."""
    if not settings.index_url:
        from federation.tantivy_index import TantivyIndex

        return TantivyIndex(_folder(settings))
    from federation.opensearch.address import read

    address = read(settings.index_url)
    try:
        from federation.opensearch_index import OpenSearchIndex
    except ModuleNotFoundError as error:
        raise Misconfigured("FOLKMOOT_INDEX_URL needs the extra opensearch: install folkmoot[opensearch].") from error
    return OpenSearchIndex(address)


def _folder(settings: Settings) -> Path:
    return settings.data_dir / "index"


def services(settings: Settings, base: Database) -> Services:
    """All that the application works with. The index follows the log once the application starts."""
    from api.services import Services
    from federation.follow import Follower
    from federation.tenant import Tenant

    found, tenant = index(settings), Tenant(settings.data_dir, base)
    return Services(
        role=settings.role,
        public_url=check_public_url(settings.public_url),
        version=__version__,
        database=base,
        index=found,
        follower=Follower(base, found, None if settings.index_url else tenant),
        now=now,
        license=settings.license,
        data_dir=settings.data_dir,
        title=settings.title,
        contact_name=settings.contact_name,
        contact_email=settings.contact_email,
        webhook=settings.webhook,
        update_frequency=settings.update_frequency,
        min_poll_seconds=settings.min_poll_seconds,
        languages=tuple(part.strip() for part in settings.languages.split(",") if part.strip()),
        max_upload_bytes=settings.max_upload_mb * 1_000_000,
        max_lag_seconds=settings.max_lag_seconds,
        figures=shared_figures(),
        a_minute=settings.a_minute,
        proxies=tuple(one for one in settings.trusted_proxies.split(",") if one),
        tenant=tenant,
    )


def door(settings: Settings) -> Door:
    """The one door to other people's servers. Close it at the end (`async with`)."""
    from federation.fetch import Door

    return Door(
        user_agent=f"folkmoot/{__version__} (+{check_public_url(settings.public_url)})",
        allow_private=settings.allow_private,
        gap=_gap(settings),
        connections=settings.crawl_connections,
        ports=settings.ports,
        ca=Path(settings.crawl_ca) if settings.crawl_ca else None,
        folder=settings.data_dir if settings.data_dir.is_dir() else None,
    )


def obeying(opened: Door) -> Get:
    """The door for a few requests that keep to robots.txt: a node that is looked at, or that joins."""
    from federation.robots import Obeying

    return Obeying(opened.get, opened.robots)


def _gap(settings: Settings) -> float:
    return 0.0 if settings.allow_private else settings.crawl_gap


def crawler(settings: Settings, base: Database, get: Get, robots: AskRobots | None = None) -> Crawler:
    """What visits the feeds. Its name in the leases says which process it is."""
    from federation.rounds import Crawler

    return Crawler(
        database=base,
        get=get,
        me=node_id(check_public_url(settings.public_url)),
        owner=f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}",
        lease_seconds=settings.lease_seconds,
        gap=_gap(settings),
        every=settings.crawl_every,
        workers=settings.crawl_workers,
        most=settings.crawl_connections,
        robots=robots,
        spread=0.0 if settings.allow_private else START_SECONDS,
    )


@dataclass(frozen=True, slots=True)
class CrawlInside:
    """The crawl as a worker beside a small aggregator's server."""

    settings: Settings
    base: Database

    async def run(self, stop: asyncio.Event) -> None:
        """Crawl until `stop` is set."""
        async with door(self.settings) as opened:
            await crawler(self.settings, self.base, opened.get, opened.robots).run(stop)


@dataclass(frozen=True, slots=True)
class Outward:
    """What a server tells and asks of others besides the crawl: checks and webhooks, and pings of its own changes."""

    settings: Settings
    base: Database

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        async with Ajar(partial(door, self.settings)) as ajar, asyncio.TaskGroup() as group:
            for worker in self._workers(ajar):
                group.create_task(worker.run(stop))

    def _workers(self, ajar: Ajar) -> Iterator[Worker]:
        if self.settings.role == "aggregator":
            from federation.examiner import Examiner
            from federation.webhooks import Herald

            yield Examiner(self.base, ajar.get, now, ajar.robots, gap=_gap(self.settings))
            yield Herald(self.base, ajar.post, check_public_url(self.settings.public_url))
        if self.settings.ping:
            from federation.pinger import Pinger

            addresses = [one.strip() for one in self.settings.ping.split(",") if one.strip()]
            yield Pinger(self.base, ajar.post, addresses)


@dataclass(frozen=True, slots=True)
class Once:
    """A worker that one of the processes with this data folder runs; another takes over when that one is gone."""

    worker: Worker
    lock: Path
    look: float = 1.0

    async def run(self, stop: asyncio.Event) -> None:
        """Wait for the lock, which the system gives back when its holder ends, however it ends; then work."""
        self.lock.parent.mkdir(parents=True, exist_ok=True)
        with self.lock.open("w") as held:
            while not stop.is_set():
                with suppress(BlockingIOError):
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    await self.worker.run(stop)
                    return
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self.look)


def background(settings: Settings, base: Database, served: Services) -> list[Worker]:
    """What works beside the server: imports, bulk files, the index's shape, the crawl where the settings say so.

    Each works in one process of a machine, however many serve there.
    """
    from federation.bulk import BulkFiles
    from federation.compactor import Compactor
    from federation.erasure import Eraser
    from federation.importer import Importer
    from federation.keeper import Keeper

    workers: list[Worker] = [
        Importer(base, node=node_id(check_public_url(settings.public_url)), now=now),
        Keeper(BulkFiles(base, settings.data_dir / "bulk", now, served.tenant)),
        Eraser(base),
    ]
    if not settings.index_url:
        workers.append(Compactor(served.database, served.index, _folder(settings)))  # of what the index follows
    if settings.role == "aggregator" or settings.ping:
        workers.append(Outward(settings, base))
    if settings.role == "aggregator" and settings.crawl_inside:
        workers.append(CrawlInside(settings, base))
    return [Once(worker, settings.data_dir / "locks" / type(worker).__name__.lower()) for worker in workers]
