"""A feed page through the whole application, against the same bytes from a FastAPI application that does no more.

Both are called in this process, without a server or a socket: what is measured is what the application adds. The
two take turns, so that a machine that slows down slows both; read the ratio, not the requests.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from fastapi import FastAPI
from starlette.responses import Response

from api.app import create_app
from federation import log, publishers
from federation.database import Database
from folkmoot import logs, wiring
from folkmoot.settings import Settings
from schema.identifiers import record_id

URL = "https://moot.example"
PUBLISHER = "GB-LAE-EXA"
RECORDS = 1_000
ROUNDS = 7
REQUESTS = 200

App = Callable[..., Awaitable[None]]


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"role": "node", "public_url": URL, "data_dir": folder, "log_level": "error"}
        settings = Settings.model_validate(quiet)
        logs.configure(settings)
        base = wiring.database(settings)
        _publish(base)
        app = create_app(wiring.services(settings, base))
        try:
            asyncio.run(_compare(app))
        finally:
            base.dispose()


def _publish(base: Database) -> None:
    organisation = {"name": "Exampleshire County Council", "identifiers": [{"scheme": "GB-LAE", "id": "EXA"}]}
    now = wiring.now()
    drafts = []
    for number in range(RECORDS):
        data = {"reference": f"C{number}", "title": f"Contract {number}", "description": "word " * 120}
        identity = record_id(f"{URL}/id/{PUBLISHER}/", "contract", data["reference"])
        drafts.append(log.Draft(identity, "contract", PUBLISHER, orjson.dumps(data)))
    with base.write() as session:
        publishers.add(session, public_url=URL, organisation=organisation, now=now)
        log.append(session, drafts, node=f"{URL}/.well-known/folkmoot", now=now)


async def _compare(app: App) -> None:
    print(f"Feed page of 500 records, {ROUNDS} rounds of {REQUESTS} requests each, in turns, median:")
    for name, headers in (("plain", {}), ("gzip", {"accept-encoding": "gzip"})):
        body, sent = await _get(app, headers)
        bare = _bare(body, sent)
        ratios, rates = [], []
        for _ in range(ROUNDS):
            ours, floor = await _rate(app, headers), await _rate(bare, headers)
            ratios.append(ours / floor)
            rates.append(ours)
        size = f"{len(body) / 1000:,.0f} KB"
        ours, ratio = statistics.median(rates), statistics.median(ratios)
        print(f"  {name:6} {size:>8}  {ours:8,.0f} requests/s, {ratio:.2f} of FastAPI with the bytes in hand")


async def _rate(app: App, headers: Mapping[str, str]) -> float:
    start = time.perf_counter()
    for _ in range(REQUESTS):
        await _get(app, headers)
    return REQUESTS / (time.perf_counter() - start)


async def _get(app: App, headers: Mapping[str, str]) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": "/v1/changes",
        "raw_path": b"/v1/changes",
        "query_string": b"afterChangeNumber=0",
        "root_path": "",
        "headers": [(b"host", b"moot.example"), *((k.encode(), v.encode()) for k, v in headers.items())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    parts: list[bytes] = []
    sent: list[tuple[bytes, bytes]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            if message["status"] != 200:
                raise RuntimeError(f"the page answered {message['status']}")
            sent.extend(message["headers"])
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    return b"".join(parts), sent


def _bare(body: bytes, headers: list[tuple[bytes, bytes]]) -> App:
    """Build an application with one route and nothing around it: what FastAPI itself costs."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    kept = {name.decode(): value.decode() for name, value in headers if name != b"content-length"}

    @app.get("/v1/changes")
    async def page() -> Response:
        return Response(body, headers=kept)

    return app
