"""Whether this server lives and is ready, its figures, and whom to tell of a hole in it."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import anyio.from_thread
import orjson
import structlog
from fastapi import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from api import metrics
from api.deps import Here, Read
from api.negotiation import JSON
from api.services import Services
from api.strict import strict_router
from federation import erasure, examining, hooks, log, publishers, status, tenant
from federation.database import DatabaseFault, ReadSession
from federation.status import Lag
from schema.errors import Busy

router = strict_router(tags=["This server"])
logger = structlog.get_logger("folkmoot.health")


@router.get("/health/live", operation_id="getLiveness", summary="Is the process alive?", response_class=JSONResponse)
async def live() -> Response:
    """Answer, which is all that is asked."""
    # in the event loop: the threads may all be waiting while the process lives
    return _told({"status": "ok"})


@router.get(
    "/health/ready",
    operation_id="getReadiness",
    summary="Is the server ready for requests?",
    response_class=JSONResponse,
    responses={
        200: {"description": "Ready.", "content": {JSON: {"schema": {"$ref": "#/components/schemas/Readiness"}}}},
        503: {"description": "Not ready.", "content": {JSON: {"schema": {"$ref": "#/components/schemas/Readiness"}}}},
    },
)
def ready(here: Here) -> Response:
    """Look at the database, at who publishes here, and at how far the index, and a replica, have followed the log.

    Of the folder of its data it says whether another database's server has it: then nothing else there is to be had.

    Beyond `FOLKMOOT_MAX_LAG_SECONDS` the answer is 503: what divides the requests between servers leaves this one out.
    """
    checks = _checks(here)
    good = all(check["status"] == "ok" for check in checks.values())
    return _told({"status": "ok" if good else "failing", "checks": checks}, 200 if good else 503)


def _told(body: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, {"Cache-Control": "no-store"}, JSON)


def _checks(here: Services) -> dict[str, dict[str, Any]]:
    try:
        with here.database.read() as session:
            latest = log.latest(session)
            present = bool(publishers.every(session))
            reached = _reached(here)
            foreign = here.tenant is not None and here.tenant.foreign
            behind = None if reached is None else status.lag(session, reached, latest, here.now())
    except Exception:  # whatever a driver raises: the answer is that the database is not to be had
        logger.exception("database not reachable")
        return {"database": {"status": "failing"}}
    checks: dict[str, dict[str, Any]] = {"database": {"status": "ok"}}
    checks["publisher"] = {"status": "ok" if present else "failing"}
    if here.tenant is not None:
        checks["folder"] = {"status": "failing", "detail": tenant.WORD} if foreign else {"status": "ok"}
    if here.database.replicated:
        replica = _replica(here, latest)
        checks["replica"] = _followed(here, replica) if replica else {"status": "ok", "lag": None, "seconds": None}
        if replica is not None and behind is not None:  # the index follows the replica: it is late by both
            behind = Lag(behind.changes + replica.changes, max(behind.seconds, replica.seconds))
    checks["index"] = _followed(here, behind) if behind else {"status": "failing", "lag": None, "seconds": None}
    return checks


def _followed(here: Services, lag: Lag) -> dict[str, Any]:
    late = 0 < here.max_lag_seconds < lag.seconds
    return {"status": "failing" if late else "ok", "lag": lag.changes, "seconds": round(lag.seconds, 3)}


def _replica(here: Services, latest: int) -> Lag | None:
    """How far the replica that is read from is behind; None while the primary is away, for then nobody can say."""
    try:
        with here.database.present() as session:
            return status.lag(session, latest, log.latest(session), here.now())
    except DatabaseFault:
        logger.warning("the primary database is not reachable; the replica answers")
        return None


def _reached(here: Services) -> int | None:
    """The change number that the index has come to; None before it was first built, and while it cannot be asked."""
    try:
        here.index.refresh()
    except Busy as error:
        logger.warning("the index cannot be asked", error=error.detail)
        return None
    reached = here.index.reached()
    return None if reached is None else reached.number


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Read the figures for Prometheus",
    response_class=PlainTextResponse,
)
def figures(request: Request, session: Read, here: Here) -> Response:
    """Give requests by route and status, the log's latest number, the index's lag, and each node's crawl."""
    counted: metrics.Metrics = request.app.state.metrics
    body = counted.page(_states(session, here))
    return Response(body, headers={"Cache-Control": "no-store"}, media_type=metrics.MEDIA_TYPE)


def _states(session: ReadSession, here: Services) -> Iterator[metrics.Family]:
    latest, reached = log.latest(session), _reached(here)
    yield metrics.gauge("folkmoot_log_latest", "The highest change number of the log.", latest)
    if reached is not None:
        behind = status.lag(session, reached, latest, here.now())
        yield metrics.gauge("folkmoot_index_lag", "Changes that the index has not yet taken.", behind.changes)
        yield metrics.gauge("folkmoot_index_lag_seconds", "How long the first of them has waited.", behind.seconds)
    replica = _replica(here, latest) if here.database.replicated else None
    if replica is not None:
        yield metrics.gauge("folkmoot_replica_lag", "Changes that the replica has not yet taken.", replica.changes)
        yield metrics.gauge("folkmoot_replica_lag_seconds", "How long the first of them has waited.", replica.seconds)
    running = anyio.from_thread.run_sync(asyncio.all_tasks)
    yield metrics.gauge(
        "folkmoot_tasks", "Tasks under way in this process: what only ever grows is a leak.", len(running)
    )
    yield from metrics.erasing(erasure.pending(session), erasure.pending(session, here.now()))
    if here.role == "aggregator":
        yield from metrics.crawl(status.figures(session, here.now()))
        stand = status.standing(session)
        yield from metrics.standing(stand.states, stand.problems)
        yield from metrics.outward(examining.counts(session), hooks.counts(session))


@router.get(
    "/.well-known/security.txt",
    operation_id="getSecurityContact",
    summary="Whom to tell of a vulnerability",
    response_class=PlainTextResponse,
)
def security(here: Here) -> Response:
    """Say whom to tell (RFC 9116): the operator's role mailbox, else the server's own pages."""
    contact = f"mailto:{here.contact_email}" if here.contact_email else here.public_url
    lines = [
        f"Contact: {contact}",
        f"Expires: {_expires(here.now())}",
        f"Preferred-Languages: {', '.join(here.languages)}",
        f"Canonical: {here.public_url}/.well-known/security.txt",
    ]
    return PlainTextResponse("\n".join(lines) + "\n", headers={"Cache-Control": "public, max-age=86400"})


def _expires(now: datetime) -> str:
    """Half a year from the first of this month: stable for a month, never a year off (RFC 9116 section 2.5.5)."""
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=183)).strftime("%Y-%m-%dT%H:%M:%SZ")


@router.get("/robots.txt", include_in_schema=False, response_class=PlainTextResponse)
def robots() -> Response:
    """Let crawlers read everything: it is open data."""
    return PlainTextResponse("User-agent: *\nAllow: /\n", headers={"Cache-Control": "public, max-age=86400"})
