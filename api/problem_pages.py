"""The pages that the `type` of a problem leads to: what it means and what to do."""

from collections.abc import Sequence
from typing import Any

import orjson
from fastapi import Request
from starlette.responses import Response

from api.deps import Here, Read
from api.negotiation import JSON, wants_html
from api.pages import view
from api.problems import KINDS, Kind
from api.services import Services
from api.strict import strict_router
from federation.database import ReadSession
from schema.errors import NotFound

router = strict_router(tags=["This server"], include_in_schema=False)


@router.get("/problems")
def problem_kinds(request: Request, here: Here, session: Read) -> Response:
    """List every kind of problem that this API answers with."""
    found = sorted(KINDS.values(), key=lambda kind: (kind.status, kind.slug))
    if wants_html(request.headers.get("accept")):
        return _page(request, here, session, "Problems", found)
    return _told({"items": [_entry(here, kind) for kind in found]})


@router.get("/problems/{slug}")
def problem_kind(request: Request, here: Here, session: Read, slug: str) -> Response:
    """Say what one kind of problem means. Raises `NotFound`."""
    if slug not in KINDS:
        raise NotFound(f"There is no kind of problem called '{slug[:60]}'. /problems lists them.")
    if wants_html(request.headers.get("accept")):
        return _page(request, here, session, KINDS[slug].title, [KINDS[slug]])
    return _told(_entry(here, KINDS[slug]))


def _page(request: Request, here: Services, session: ReadSession, title: str, kinds: Sequence[Kind]) -> Response:
    return view.render(request, here, session, "problems.html", title=title, kinds=kinds)


def _entry(here: Services, kind: Kind) -> dict[str, Any]:
    return {
        "type": f"{here.public_url}/problems/{kind.slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": kind.advice,
    }


def _told(body: dict[str, Any]) -> Response:
    headers = {"Cache-Control": "public, max-age=3600", "Vary": "Accept"}
    return Response(orjson.dumps(body), headers=headers, media_type=JSON)
