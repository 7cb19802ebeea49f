"""Whether this server lives and is ready, its figures, and whom to tell of a hole in it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import orjson
import structlog
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from api import metrics
from api.deps import Here, Read
from api.negotiation import JSON
from api.services import Services
from federation import log, publishers, status
from federation.database import ReadSession

router = APIRouter(tags=["This server"])
logger = structlog.get_logger("folkmoot.health")
MAX_LAG = 10_000
"""How many changes the index may be behind and still answer well."""


@router.get("/health/live", operation_id="getLiveness", summary="Is the process alive?", response_class=JSONResponse)
def live() -> Response:
    """Answer, which is all that is asked."""
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
    """Look at the database, at who publishes here and at how far the index has followed."""
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
    except Exception:  # whatever a driver raises: the answer is that the database is not to be had
        logger.exception("database not reachable")
        return {"database": {"status": "failing"}}
    behind = lag(here, latest)
    return {
        "database": {"status": "ok"},
        "publisher": {"status": "ok" if present else "failing"},
        "index": {"status": "ok" if behind is not None and behind <= MAX_LAG else "failing", "lag": behind},
    }


def lag(here: Services, latest: int) -> int | None:
    """How many change numbers the index is behind the log; None before it was first built."""
    here.index.refresh()
    reached = here.index.reached()
    return None if reached is None else max(0, latest - reached.number)


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
    latest = log.latest(session)
    behind = lag(here, latest)
    yield metrics.gauge("folkmoot_log_latest", "The highest change number of the log.", latest)
    if behind is not None:
        yield metrics.gauge("folkmoot_index_lag", "Changes that the index has not yet taken.", behind)
    if here.role == "aggregator":
        yield from metrics.crawl(status.figures(session))


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
