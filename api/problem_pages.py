"""The pages that the `type` of a problem leads to: what it means and what to do."""

from typing import Any

import orjson
from fastapi import APIRouter
from starlette.responses import Response

from api.deps import Here
from api.negotiation import JSON
from api.problems import KINDS, Kind
from api.services import Services
from schema.errors import NotFound

router = APIRouter(tags=["This server"], include_in_schema=False)


@router.get("/problems")
def problem_kinds(here: Here) -> Response:
    """List every kind of problem that this API answers with."""
    return _told({"items": [_entry(here, kind) for kind in KINDS.values()]})


@router.get("/problems/{slug}")
def problem_kind(here: Here, slug: str) -> Response:
    """Say what one kind of problem means. Raises `NotFound`."""
    if slug not in KINDS:
        raise NotFound(f"There is no kind of problem called '{slug[:60]}'. /problems lists them.")
    return _told(_entry(here, KINDS[slug]))


def _entry(here: Services, kind: Kind) -> dict[str, Any]:
    return {
        "type": f"{here.public_url}/problems/{kind.slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": kind.advice,
    }


def _told(body: dict[str, Any]) -> Response:
    return Response(orjson.dumps(body), headers={"Cache-Control": "public, max-age=3600"}, media_type=JSON)
