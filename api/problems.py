"""The one table from errors to statuses, and answers as RFC 9457 problems.

`{type, title, status, detail, instance, requestId, errors?}`: `type` is a page of this server that says what to do;
`errors` has one entry a place: `{detail, pointer}` in a body, `{detail, parameter}` in a query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from api import methods
from api.validation import expected, sentence
from schema import errors

MEDIA_TYPE = "application/problem+json"

Page = Callable[[Scope, int, str, str, Iterable[Mapping[str, Any]], Mapping[str, Any]], Response | None]
"""Makes the page of a problem from scope, status, title, detail, errors and more; None where JSON is the answer."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem. `advice` tells the client what to do next; it stands on the page of its `type`."""

    slug: str
    status: int
    title: str
    advice: str


TABLE: Mapping[type[errors.FolkmootError], Kind] = {
    errors.Invalid: Kind(
        "invalid-data", 422, "The data breaks the schema", "Mend each place in errors[] and send it again."
    ),
    errors.Malformed: Kind(
        "malformed", 400, "The body cannot be read", "Send what the content type says, in UTF-8, and all of it."
    ),
    errors.UnknownParameter: Kind(
        "unknown-parameter", 422, "Unknown parameter", "Take it out, or write it as errors[] suggests."
    ),
    errors.UnknownFormat: Kind("unknown-format", 422, "Unknown format", "Ask for one of the formats that are named."),
    errors.BadParameter: Kind(
        "bad-parameter", 422, "A parameter cannot be read", "Give the parameter a value of the form that is named."
    ),
    errors.NotFound: Kind("not-found", 404, "Not found", "Check the address: nothing is known by it here."),
    errors.Withdrawn: Kind(
        "withdrawn", 410, "The record was withdrawn", "Remove your copy. 'reason' says why, 'movedTo' where it went."
    ),
    errors.Unauthorised: Kind(
        "unauthorised", 401, "A token is needed", "Send 'Authorization: Bearer TOKEN' with a token of this node."
    ),
    errors.Forbidden: Kind(
        "forbidden",
        403,
        "The token does not reach this far",
        "Ask the operator for a token of this publisher and kind.",
    ),
    errors.Conflict: Kind(
        "conflict", 409, "It clashes with what is there", "Read the current state, then decide whether to change it."
    ),
    errors.Held: Kind(
        "held", 409, "A person must confirm the removals", "Check the file; if it is right, confirm the removals."
    ),
    errors.Stale: Kind(
        "stale", 412, "The record has changed since", "Read the record again, apply your change, send the new ETag."
    ),
    errors.Unguarded: Kind(
        "unguarded",
        428,
        "If-Match is needed",
        "Read the record and send its ETag as If-Match, so that no change is lost.",
    ),
    errors.Hurried: Kind(
        "too-many-requests", 429, "Too many requests", "Wait as long as Retry-After says, then ask more slowly."
    ),
    errors.Busy: Kind("busy", 503, "Not now", "Try again later (Retry-After), or ask a narrower question."),
    errors.Crawling: Kind("other-node", 502, "Another node did not answer", "Try again later."),
    errors.Misconfigured: Kind("internal", 500, "This server is at fault", "Tell the operator the requestId."),
}
PLAIN: Mapping[int, Kind] = {
    400: TABLE[errors.Malformed],
    401: TABLE[errors.Unauthorised],
    403: TABLE[errors.Forbidden],
    404: TABLE[errors.NotFound],
    405: Kind("method-not-allowed", 405, "This method is not served here", "Use one of the methods in Allow."),
    406: Kind("not-acceptable", 406, "No acceptable format", "Accept one of the media types that are named."),
    413: Kind("too-large", 413, "The body is too large", "Send less at once."),
    415: Kind("unsupported-media-type", 415, "This media type is not read here", "Send what is named in detail."),
    416: Kind("range-not-satisfiable", 416, "No such part", "Ask for a range within the length in Content-Range."),
    422: TABLE[errors.BadParameter],
    429: TABLE[errors.Hurried],
    500: TABLE[errors.Misconfigured],
    503: TABLE[errors.Busy],
}
KINDS: Mapping[str, Kind] = {kind.slug: kind for kind in (*TABLE.values(), *PLAIN.values())}
HEADERS: Mapping[int, Mapping[str, str]] = {
    401: {"WWW-Authenticate": "Bearer"},
    403: {"WWW-Authenticate": 'Bearer error="insufficient_scope"'},
    503: {"Retry-After": "5"},
}


def kind_of(error: errors.FolkmootError) -> Kind:
    """The kind of problem that an error is: its own row of the table, or that of its nearest ancestor."""
    for ancestor in type(error).__mro__:
        if ancestor in TABLE:
            return TABLE[ancestor]
    return PLAIN[500]


def problem(
    scope: Scope,
    kind: Kind,
    detail: str,
    *,
    faults: Iterable[Mapping[str, Any]] = (),
    more: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Shape the answer. `more` are members beside the standard ones (a tombstone's reason and origin)."""
    public_url: str = scope["app"].state.services.public_url if "app" in scope else ""
    body: dict[str, Any] = {
        "type": f"{public_url}/problems/{kind.slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "instance": instance(scope),
        "requestId": name_of(scope),
    }
    listed = list(faults)
    if listed:
        body["errors"] = listed
    sent = {"Cache-Control": "no-store", **HEADERS.get(kind.status, {}), **(headers or {})}
    page = _page(scope, kind, detail, listed, more or {})
    if page is not None:
        page.headers.update(sent)
        return page
    return Response(orjson.dumps(body | dict(more or {}), default=str), kind.status, sent, MEDIA_TYPE)


def _page(
    scope: Scope, kind: Kind, detail: str, faults: list[Mapping[str, Any]], more: Mapping[str, Any]
) -> Response | None:
    """A page for people, where a browser asked for one and the page can be made."""
    make: Page | None = getattr(scope["app"].state, "problem_page", None) if "app" in scope else None
    return None if make is None else make(scope, kind.status, kind.title, detail, faults, more)


def name_of(scope: Scope) -> str:
    """The name of the request, by which the operator finds it in the log."""
    found: str = scope.get("folkmoot.request_id", "")
    return found


def instance(scope: Scope) -> str:
    """The request's own path as it was sent, percent-encoded."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return quote(raw.partition(b"?")[0], safe="/%:@!$&'()*+,;=~-._")


def of_error(scope: Scope, error: errors.FolkmootError) -> Response:
    """Answer an error of ours."""
    more: dict[str, Any] = {}
    if isinstance(error, errors.Withdrawn):
        more = {name: error.tombstone[name] for name in ("reason", "movedTo", "origin") if name in error.tombstone}
    return problem(scope, kind_of(error), error.public, faults=_faults(error), more=more, headers=_headers(error))


def _headers(error: errors.FolkmootError) -> Mapping[str, str]:
    """What an answer says besides what its status always says (RFC 6750 section 3.1; RFC 9110 section 10.2.3)."""
    if isinstance(error, errors.BadToken):
        return {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    if isinstance(error, errors.Hurried):
        return {"Retry-After": str(error.retry_after)}
    return {}


def _faults(error: errors.FolkmootError) -> list[dict[str, Any]]:
    if isinstance(error, errors.Invalid):
        return [_fault(fault) for fault in error.faults]
    if isinstance(error, errors.UnknownParameter):
        near = {"suggestion": error.near} if error.near else {}
        return [{"detail": error.detail, "parameter": error.parameter, **near, "known": list(error.known)}]
    if isinstance(error, errors.BadParameter):
        return [{"detail": error.detail, "parameter": error.parameter, "expected": error.expected}]
    return []


def _fault(fault: errors.Fault) -> dict[str, Any]:
    told = {"found": fault.found, "expected": fault.expected, "severity": fault.severity, "rule": fault.rule}
    return {"detail": fault.message, "pointer": fault.pointer, **{k: v for k, v in told.items() if v not in (None, "")}}


def of_validation(scope: Scope, error: RequestValidationError) -> Response:
    """Answer a request that FastAPI could not read: 400 where it is no JSON, else 422."""
    found = error.errors()
    if any(fault["type"] == "json_invalid" for fault in found):
        return problem(scope, PLAIN[400], "The body is not JSON.")
    in_body = any(fault["loc"][0] == "body" for fault in found)
    kind = TABLE[errors.Invalid if in_body else errors.BadParameter]
    return problem(scope, kind, " ".join(sentence(fault) for fault in found[:3]), faults=map(_located, found))


def _located(fault: Mapping[str, Any]) -> dict[str, Any]:
    place, *path = fault["loc"]
    if place == "body":
        steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
        return {"detail": sentence(fault), "pointer": "".join(f"/{step}" for step in steps)}
    named = {"header" if place == "header" else "parameter": str(path[0]) if path else ""}
    return {"detail": sentence(fault), **named} | ({} if fault["type"] == "missing" else {"expected": expected(fault)})


def of_http(request: Request, error: HTTPException) -> Response:
    """Answer what the framework or a route said by status alone; 405 names all methods of the path."""
    kind = PLAIN.get(error.status_code) or Kind("other", error.status_code, "The request failed", "See detail.")
    headers = dict(error.headers or {})
    detail = str(error.detail)
    if error.status_code == 404 and detail == "Not Found":
        detail = f"There is nothing at {instance(request.scope)[:200]}."
    if error.status_code == 405:
        headers["Allow"] = ", ".join(methods.allowed(request.app, request.scope))
        detail = f"{request.scope.get('folkmoot.method', request.method)} is not served here; {headers['Allow']} are."
    return problem(request.scope, kind, detail, headers=headers)


def install(app: FastAPI, page: Page | None = None) -> None:
    """Answer every error of this application as a problem; `page` makes the page that a browser gets."""
    app.state.problem_page = page

    def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, errors.FolkmootError)
        return of_error(request.scope, error)

    def unread(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return of_validation(request.scope, error)

    def plain(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return of_http(request, error)

    app.add_exception_handler(errors.FolkmootError, ours)
    app.add_exception_handler(RequestValidationError, unread)
    app.add_exception_handler(HTTPException, plain)
