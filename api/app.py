"""The HTTP application: built from services, one for both roles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Literal, Protocol

import structlog
from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware

from api import (
    audit,
    bulk,
    checks,
    feeds,
    health,
    imports,
    manifest,
    nodes,
    openapi,
    pages,
    problem_pages,
    problems,
    publishers,
    records,
    reference,
    search,
    turns,
    writes,
)
from api.always import Always
from api.downloads import Downloads
from api.feed_pages import FeedPages, PageCache
from api.flights import Flights
from api.limits import Limits
from api.metrics import Metrics
from api.middleware import BodyCap, Edge, LastResort
from api.pages.problems import problem_page
from api.services import Services
from api.straight import Straight
from federation import outages
from federation.bulk import BulkFiles

log = structlog.get_logger("folkmoot.app")
Role = Literal["node", "aggregator"]
ORDINARY_BODY = 1_000_000
FORM_AROUND = 100_000
RESTART_SECONDS = 5.0
STOP_SECONDS = 10.0


class Worker(Protocol):
    """Something that runs beside the server: the crawler inside, the worker of jobs."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then end what is begun and return."""
        ...


def create_app(services: Services, *, background: Sequence[Worker] = ()) -> FastAPI:
    """Build the application. Its lifespan starts the follower of the index and the `background` workers."""
    metrics, feed = Metrics(services.figures), FeedPages(services, PageCache())
    an_hour = checks.AN_HOUR if services.a_minute else 0
    limits = Limits(services.a_minute, services.proxies, counts=services.counts)
    looks = Limits(an_hour, services.proxies, window=3_600, counts=services.counts)
    https = services.public_url.startswith("https://")
    ways = search.ways() | records.ways()
    app = FastAPI(
        title=openapi.TITLE,
        version=services.version,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lambda app: _lifespan(app, background),
        # What is told of requests is at /metrics and in the log; asking each time whether more is wanted costs as much.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        middleware=[
            Middleware(Edge, metrics=metrics, limits=limits, headers=Always(https=https), quickly=feed.quick),
            Middleware(LastResort),
            Middleware(BodyCap, ordinary=ORDINARY_BODY, uploads=services.max_upload_bytes + FORM_AROUND),
            Middleware(Straight, ways=ways),
        ],
    )
    app.state.services = services
    app.state.metrics = metrics
    app.state.limits = limits
    app.state.looks = looks
    app.state.askers = turns.Askers()
    app.state.asking = turns.Turns("a check", turns.CHECKS)
    app.state.pinging = turns.Turns("a visit", turns.VISITS)
    app.state.pages = feed
    app.state.ways = ways
    app.state.bulk = bulk.files(services)
    app.state.flights = Flights()
    app.state.downloads = Downloads(limits.who)
    problems.install(app, problem_page)
    for module in _routers(services.role):  # as they are: `include_router` would build each route once more
        app.router.routes.extend(module.routes)
    openapi.install(app)
    return app


def _routers(role: Role) -> Iterator[APIRouter]:
    """The routes of a role. Both have own publishers, so both are read and written alike; pages come last."""
    shared = (
        feeds,
        manifest,
        records,
        search,
        publishers,
        bulk,
        writes,
        imports,
        audit,
        health,
        reference,
        problem_pages,
    )
    for module in (*shared, *((nodes, checks) if role == "aggregator" else ()), pages):
        yield module.router


@asynccontextmanager
async def _lifespan(app: FastAPI, background: Sequence[Worker]) -> AsyncIterator[None]:
    services: Services = app.state.services
    stop = asyncio.Event()
    services.follower.start()
    tasks = [asyncio.create_task(_keep(worker, stop)) for worker in background]
    try:
        yield
    finally:
        stop.set()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        files: BulkFiles = app.state.bulk
        files.give_up()
        feed: FeedPages = app.state.pages
        await feed.close()
        await asyncio.to_thread(services.follower.stop)


async def _keep(worker: Worker, stop: asyncio.Event) -> None:
    """Run a worker until it is told to stop; one that fell over is logged and started again.

    A database that is away for a while is told in a line.
    """
    while not stop.is_set():
        try:
            await worker.run(stop)
        except Exception as error:
            if outages.is_outage(error):
                log.warning(
                    "a worker waits for the database", worker=type(worker).__name__, error=outages.sentence(error)
                )
            else:
                log.exception("worker fell over", worker=type(worker).__name__)
            try:
                await asyncio.wait_for(stop.wait(), RESTART_SECONDS)
            except TimeoutError:
                continue
        else:
            return
