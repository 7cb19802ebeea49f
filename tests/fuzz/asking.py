"""The whole application, asked in this process without a socket: bytes of a query string in, the status out."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import migrations
from federation.database import Database
from tests.contract.world import make_world

PATHS = (
    "/v1/search", "/v1/contracts", "/search", "/v1/changes", "/v1/records", "/v1/publishers", "/v1/nodes", "/v1/tools",
    "/contracts", "/nodes",
)  # fmt: skip
_Asgi = Callable[[dict[str, Any], Any, Any], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class _Site:
    app: _Asgi
    loop: asyncio.AbstractEventLoop


@cache
def _site() -> _Site:
    """An aggregator with records of every kind; it lives as long as the process."""
    folder = Path(tempfile.mkdtemp(prefix="folkmoot-fuzz-"))
    url = f"sqlite:///{folder / 'fuzz.db'}"
    migrations.upgrade(url)
    world = make_world(Database(url), folder, "aggregator")
    return _Site(cast("_Asgi", world.app), asyncio.new_event_loop())


def ask(choice: int, query: bytes) -> int:
    """The status of GET at one of `PATHS`. Raises what the application raises."""
    site, statuses = _site(), list[int]()
    path = PATHS[choice % len(PATHS)]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": query, "root_path": "",
        "headers": [(b"host", b"node.test"), (b"accept", b"*/*")],
        "client": ("127.0.0.1", 1), "server": ("node.test", 80), "state": {},
    }  # fmt: skip

    heard: list[dict[str, Any]] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        """The request, and then nothing: the client stays until it has its answer, as a server's `receive` tells it."""
        return heard.pop() if heard else await site.loop.create_future()

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    site.loop.run_until_complete(site.app(scope, receive, send))
    assert len(statuses) == 1, "the application gave no answer, or two"
    return statuses[0]
