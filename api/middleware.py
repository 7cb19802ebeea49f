"""What every request passes, as plain ASGI: a name for it, a log line, figures, headers, HEAD, a cap, a last resort."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import MutableMapping

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.metrics import Metrics

log = structlog.get_logger("folkmoot.http")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_API_POLICY = "default-src 'none'; frame-ancestors 'none'"
_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_EXPOSED = (
    "ETag, Link, Location, Retry-After, X-Request-ID, Content-Disposition, Folkmoot-Count, Folkmoot-Change-Number"
)


class Edge:
    """Name the request, count and log it, and put on every answer the headers that all of them carry.

    The name is the caller's `X-Request-ID` where it is a plain word, else a new one. HEAD is answered wherever GET is,
    by the same code, without the body. Read by others: `scope["folkmoot.request_id"]`, `scope["folkmoot.method"]`.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, dress, count and log one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        method: str = scope["method"]
        name = _name(Headers(scope=scope).get("x-request-id"))
        inner = dict(scope, method="GET" if method == "HEAD" else method)
        inner |= {"folkmoot.request_id": name, "folkmoot.method": method}
        answer = _Answer(send, method, name)
        with structlog.contextvars.bound_contextvars(request_id=name):
            try:
                if _is_preflight(scope):
                    await _preflight()(scope, receive, answer)
                else:
                    await self.app(inner, receive, answer)
            finally:
                self._tell(inner, answer, time.perf_counter() - began)

    def _tell(self, scope: Scope, answer: _Answer, seconds: float) -> None:
        method, template = scope["folkmoot.method"], _template(scope)
        self.metrics.count(method, template, answer.status, seconds)
        log.info(
            "request",
            method=method,
            path=problems.instance(scope),
            route=template,
            status=answer.status,
            bytes=answer.bytes,
            ms=round(seconds * 1000, 1),
        )


class _Answer:
    """Sends on what the application answers, dressed; remembers what the log wants to know of it."""

    def __init__(self, send: Send, method: str, name: str) -> None:
        self._send = send
        self._method = method
        self._name = name
        self.status = 500
        self.bytes = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            readable = self._method in ("GET", "HEAD")
            _dress(MutableHeaders(raw=message.setdefault("headers", [])), self._name, readable=readable)
        elif message["type"] == "http.response.body":
            if self._method == "HEAD":
                message = {**message, "body": b""}
            self.bytes += len(message.get("body", b""))
        await self._send(message)


def _name(given: str | None) -> str:
    return given if given and _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _template(scope: MutableMapping[str, object]) -> str:
    """The route's own pattern, so that figures are kept by route and not by whatever was asked for."""
    path = getattr(scope.get("route"), "path_format", None)
    return path if isinstance(path, str) else "(none)"


def _dress(headers: MutableHeaders, name: str, *, readable: bool) -> None:
    page = headers.get("content-type", "").startswith("text/html")
    headers["X-Request-ID"] = name
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
    headers.setdefault("Content-Security-Policy", _PAGE_POLICY if page else _API_POLICY)
    if readable:
        headers["Access-Control-Allow-Origin"] = "*"
        headers["Access-Control-Expose-Headers"] = _EXPOSED


def _is_preflight(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return scope["method"] == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def _preflight() -> Response:
    """Anybody's page may read; none may write with a reader's browser."""
    allow = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET, HEAD"}
    return Response(
        status_code=204, headers=allow | {"Access-Control-Allow-Headers": "*", "Access-Control-Max-Age": "86400"}
    )


class BodyCap:
    """Answer 413 to a body larger than the route takes, by its length where it is told and by counting where not."""

    def __init__(self, app: ASGIApp, *, ordinary: int, uploads: int) -> None:
        self.app = app
        self.ordinary = ordinary
        self.uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through unless its body is too large."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        cap = self.uploads if scope["path"] == "/v1/imports" else self.ordinary
        told = Headers(scope=scope).get("content-length", "")
        if told.isdecimal() and int(told) > cap:
            await _too_large(scope, cap)(scope, receive, send)
            return
        await self._counted(cap, scope, receive, send)

    async def _counted(self, cap: int, scope: Scope, receive: Receive, send: Send) -> None:
        state = {"read": 0, "answered": False}

        async def read() -> Message:
            message = await receive()
            state["read"] += len(message.get("body", b""))
            if state["read"] > cap:
                raise _OverCap
            return message

        async def answer(message: Message) -> None:
            if state["read"] <= cap:
                await send(message)
            elif not state["answered"]:
                # The framework takes an error while reading for a bad body (400): what it says is replaced.
                state["answered"] = True
                await _too_large(scope, cap)(scope, receive, send)

        try:
            await self.app(scope, read, answer)
        except _OverCap:
            if not state["answered"]:
                await _too_large(scope, cap)(scope, receive, send)


class _OverCap(Exception):
    """The body has passed the cap."""


def _too_large(scope: Scope, cap: int) -> Response:
    return problems.problem(scope, problems.PLAIN[413], f"The body is larger than the {cap} bytes that are taken here.")


class LastResort:
    """Answer 500 without a word of what happened, and log all of it under the request's name."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Turn an error that nobody caught into a 500."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, answer)
        except Exception:
            log.exception("unexpected", path=problems.instance(scope))
            if started:
                raise  # half an answer is out: cut the connection, so that nobody takes it for a whole one
            detail = "Something went wrong here. The operator finds it in the log by the requestId."
            await problems.problem(scope, problems.PLAIN[500], detail)(scope, receive, send)
