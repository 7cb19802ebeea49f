"""A problem as a page, where a browser asked for a page: readable, with what to do next, and no word of our insides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import structlog
from fastapi import Request
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from api.negotiation import wants_html
from api.pages import view, words
from api.problems import instance
from api.services import Services
from federation import lists
from federation.database import DatabaseFault
from schema.errors import FolkmootError

log = structlog.get_logger("folkmoot.pages")
_OTHERS = ("/v1/", "/.well-known/", "/health/", "/metrics", "/static/")
ADVICE = {
    404: "Check the address, or search for what you are looking for.",
    422: "Change what was asked for, or start again from the search.",
    429: "Wait for as long as it says here, then go on more slowly.",
    503: "Try again in a minute.",
}


def problem_page(  # noqa: PLR0917  the shape that api/problems.py calls
    scope: Scope, status: int, title: str, detail: str, faults: Iterable[Mapping[str, Any]], more: Mapping[str, Any]
) -> Response | None:
    """The page for a problem; None where it was no browser that asked, or no page that it asked for."""
    if scope["path"].startswith(_OTHERS) or not wants_html(Headers(scope=scope).get("accept")):
        return None
    here: Services = scope["app"].state.services
    request = Request(scope)
    if status == 410 and more.get("reason"):
        return _gone(request, here, more)
    first = next(iter(faults), {})
    near = first.get("suggestion")
    return view.render(
        request,
        replace(here, title=_site_name(here, status)),
        None,  # the database may be what is at fault
        "problem.html",
        status=status,
        title=_plain(title),
        detail=_plain(detail.removesuffix(f" Did you mean '{near}'?") if near else detail),
        advice=ADVICE.get(status, ""),
        expected=_expected(first, detail),
        near={"name": near, "href": _mended(request, first["parameter"], near)} if near else None,
        request_id=request.scope.get("folkmoot.request_id", ""),
    )


def _site_name(here: Services, status: int) -> str:
    """Who serves. Nothing is asked of the database where it may be what failed; its own failure changes no answer.

    Nor for who asks too much already.
    """
    if here.title or status >= 500 or status == 429:
        return here.title
    try:
        with here.database.read() as session:
            return view.first_publisher(session)
    except (FolkmootError, DatabaseFault) as error:
        log.warning("site_name_unread", error=type(error).__name__)
        return ""


def _plain(text: str) -> str:
    """What the API calls a parameter is a filter to people."""
    return re.sub(r"^(Unknown |A |)(p|P)arameter", lambda told: f"{told[1]}{'F' if told[2] == 'P' else 'f'}ilter", text)


def _expected(fault: Mapping[str, Any], detail: str) -> str:
    """What was expected, where nothing says it yet."""
    said = str(fault.get("expected", ""))
    return "" if fault.get("suggestion") or said in detail else said


def _mended(request: Request, wrong: str, right: str) -> str:
    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    return f"{request.url.path}?{urlencode([(right if name == wrong else name, value) for name, value in pairs])}"


def _gone(request: Request, here: Services, more: Mapping[str, Any]) -> Response:
    record_id = _asked_for(request, here)
    kind = record_id.split("/")[-2] if record_id.count("/") > 3 else ""
    with here.database.read() as session:
        publisher = str(more.get("origin", {}).get("publisher", ""))
        return view.render(
            request,
            here,
            session,
            "gone.html",
            status=410,
            title="This record is gone",
            reason=more["reason"],
            meaning=words.meaning("reason", more["reason"]),
            origin=more.get("origin", {}),
            publisher_name=lists.names(session, [publisher]).get(publisher, ""),
            moved_to=more.get("movedTo"),
            record_id=record_id,
            kind=kind,
            request_id=request.scope.get("folkmoot.request_id", ""),
        )


def _asked_for(request: Request, here: Services) -> str:
    if request.url.path.startswith("/id/"):
        return here.public_url + instance(request.scope)
    return request.query_params.get("id", "")
