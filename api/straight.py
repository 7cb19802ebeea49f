"""What is asked for most is taken straight to its route.

To look through all routes, and to pass what the framework has around each, takes as long as a page takes to be found.
What is answered is the same: `tests/integration/search/test_straight.py` asks both ways.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from schema.errors import FolkmootError


class Way(NamedTuple):
    """A route, and what answers it. Where that gives None, the framework answers: it says best what is wrong."""

    route: APIRoute
    answer: Callable[[Request], Awaitable[Response | None]]


class Straight:
    """Takes a GET of one of these paths straight to its route."""

    def __init__(self, app: ASGIApp, ways: Mapping[str, Way]) -> None:
        self.app = app
        self.ways = ways

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what has a way; let all else through."""
        way = self.ways.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        if way is None or scope.get("root_path"):
            await self.app(scope, receive, send)
            return
        scope["route"], scope["endpoint"] = way.route, way.route.endpoint
        request, begun = Request(scope, receive, send), _Begun(send)
        try:
            response = await way.answer(request) or self.app
            await response(scope, receive, begun)  # a file is made only now, and may turn out not to be had
        except (FolkmootError, HTTPException) as error:
            if begun.yes:
                raise
            if isinstance(error, FolkmootError):
                problem = problems.of_error(scope, error)
            else:
                problem = problems.of_http(request, error)
            await problem(scope, receive, send)


class _Begun:
    """What sends, and whether it has sent anything: an answer that was begun cannot become a problem."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.yes = False

    async def __call__(self, message: Message) -> None:
        self.yes = True
        await self._send(message)
