"""What every request passes, as plain ASGI: a name for it, a log line, figures, headers, HEAD, a cap, a last resort."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any, NamedTuple

import structlog
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.always import Always
from api.downloads import GONE
from api.limits import STANDINGS, TOKENS, Limits, fields
from api.metrics import Metrics
from federation import outages
from schema.errors import Hurried

log = structlog.get_logger("folkmoot.http")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_READING = ("GET", "HEAD")
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
Quickly = Callable[[Scope], Awaitable["Quick | None"]]


class _Path(NamedTuple):
    """A route without parameters, as far as figures and the log name it."""

    path_format: str


class Quick(NamedTuple):
    """A whole answer that was at hand: the route (its pattern and path), the status, the route's headers, the body."""

    route: str
    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes | memoryview


def _failing(fault: Exception) -> ASGIApp:
    async def fail(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise fault

    return fail


async def _never(_scope: Scope) -> Quick | None:
    return None


class Edge:
    """Name the request, count it, log it, refuse who asks too often, and give every answer the headers of all.

    The name is the caller's `X-Request-ID` where it is a plain word, else a new one. HEAD is answered wherever GET is,
    by the same code, without the body. What `quickly` has an answer to goes no further than this. Read by others:
    `scope["folkmoot.request_id"]`, `scope["folkmoot.method"]`.
    """

    def __init__(
        self, app: ASGIApp, *, metrics: Metrics, limits: Limits, headers: Always, quickly: Quickly = _never
    ) -> None:
        self.app = app
        self.metrics = metrics
        self.limits = limits
        self.headers = headers
        self.quickly = quickly

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, dress, count and log one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        method: str = scope["method"]
        name = _name(scope["headers"])
        standing = self.limits.address(scope)
        refused = standing is not None and standing.refused
        quick, app, known = None, self.app, {}
        try:
            quick = await self.quickly(scope) if method in _READING and not refused else None
        except Exception as fault:  # noqa: BLE001 - told as any other, below
            app, known = LastResort(_failing(fault)), {"route": _Path(scope["path"])}
        if quick is not None:
            body = quick.body if method == "GET" else b""
            headers = [*quick.headers, (b"x-request-id", name.encode()), *self.headers.quick]
            if standing is not None:
                headers += fields((standing,), self.limits.most)
            await send({"type": "http.response.start", "status": quick.status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            path = route = quick.route
            self._tell(name, began, method=method, path=path, route=route, status=quick.status, bytes=len(body))
            return
        inner = {**scope, "method": "GET" if method == "HEAD" else method, "folkmoot.method": method, TOKENS: []}
        inner |= {"folkmoot.request_id": name, STANDINGS: [standing] if standing else [], **known}
        answer = _Answer(send, inner, self)
        await self._through(app, inner, receive, answer, began)

    async def _through(self, app: ASGIApp, inner: Scope, receive: Receive, answer: _Answer, began: float) -> None:
        method, name = inner["folkmoot.method"], inner["folkmoot.request_id"]
        inner["query_string"] = _escaped(inner)
        with structlog.contextvars.bound_contextvars(request_id=name):
            try:
                if any(standing.refused for standing in inner[STANDINGS]):
                    await _hurried(inner)(inner, receive, answer)
                elif _is_preflight(inner):
                    await _preflight()(inner, receive, answer)
                else:
                    await app(inner, receive, answer)
            finally:
                path, route = problems.instance(inner), _template(inner)
                told = {"method": method, "path": path, "route": route, "status": answer.status, "bytes": answer.bytes}
                shown = {"token": inner[TOKENS][-1]} if inner[TOKENS] else {}
                self._tell(name, began, **told, **shown)

    def _tell(self, name: str, began: float, **told: Any) -> None:
        seconds = time.perf_counter() - began
        self.metrics.count(told["method"], told["route"], told["status"], seconds)
        log.info("request", **told, ms=round(seconds * 1000, 1), request_id=name)


class _Answer:
    """Sends on what the application answers, dressed; remembers what the log wants to know of it."""

    def __init__(self, send: Send, scope: Scope, edge: Edge) -> None:
        self._send = send
        self._scope = scope
        self._method: str = scope["folkmoot.method"]
        self._edge = edge
        self.status = 500
        self.bytes = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": self._dressed(message.get("headers", ()))}
        elif message["type"] == "http.response.body":
            if self._method == "HEAD":
                message = {**message, "body": b""}
            self.bytes += len(message.get("body", b""))
        await self._send(message)

    def _dressed(self, own: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        dressed = self._edge.headers.dressed(own, readable=self._method in _READING)
        dressed.append((b"x-request-id", self._scope["folkmoot.request_id"].encode()))
        if self._scope[STANDINGS]:
            dressed += fields(self._scope[STANDINGS], self._edge.limits.most)
        return dressed


def _hurried(scope: Scope) -> Response:
    """Answer 429 without a look at what was asked."""
    (standing,) = scope[STANDINGS]
    return problems.of_error(scope, Hurried(standing.policy, standing.seconds))


def _escaped(scope: Scope) -> bytes:
    """The query string in ASCII. A client may send it raw, and not every reader below takes what is not UTF-8."""
    query: bytes = scope["query_string"]
    return query if query.isascii() else _BEYOND_ASCII.sub(lambda found: b"%%%02X" % found[0][0], query)


def _name(headers: Iterable[tuple[bytes, bytes]]) -> str:
    for key, value in headers:
        if key == b"x-request-id":
            given = value.decode("latin-1")
            # Names are kept in the audit log, which nobody can mend: one that might be a token is not taken.
            return given if _REQUEST_ID.fullmatch(given) and "fmt_" not in given else _new_name()
    return _new_name()


def _new_name() -> str:
    return secrets.token_hex(16)


def _template(scope: MutableMapping[str, object]) -> str:
    """The route's own pattern, so that figures are kept by route and not by whatever was asked for."""
    path = getattr(scope.get("route"), "path_format", None)
    return path if isinstance(path, str) else "(none)"


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
    """Answer 500 without a word of what happened, and log all of it under the request's name.

    A database that is away, full or read-only for a while is told in a line: 503, and the client comes back.
    """

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
        except ClientDisconnect:
            if not started:
                await Response(status_code=GONE)(scope, receive, send)
        except Exception as error:
            status, detail = 500, "Something went wrong here. The operator finds it in the log by the requestId."
            if outages.is_outage(error):
                status, detail = 503, "The database does not serve at the moment. Try again."
                log.warning("the database does not serve", path=problems.instance(scope), error=outages.sentence(error))
            else:
                log.exception("unexpected", path=problems.instance(scope))
            if started:
                raise  # half an answer is out: cut the connection, so that nobody takes it for a whole one
            await problems.problem(scope, problems.PLAIN[status], detail)(scope, receive, send)
