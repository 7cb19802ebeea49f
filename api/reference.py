"""The API's description as OpenAPI, and as a page to read: no script, nothing from elsewhere."""

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from api.etags import tag, unchanged

router = APIRouter(tags=["This server"], include_in_schema=False)
MEDIA_TYPE = "application/json"


@router.get("/openapi.json")
def openapi(request: Request) -> Response:
    """Give the description of this API (OpenAPI 3.1)."""
    body = orjson.dumps(request.app.openapi())
    headers = {"ETag": tag(body), "Cache-Control": "public, max-age=300"}
    if unchanged(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=MEDIA_TYPE)
