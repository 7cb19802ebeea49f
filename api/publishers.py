"""Who publishes (protocol section 6): every publisher whose organisation record is held."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import Path, Query, Request
from pydantic import WithJsonSchema
from starlette.responses import Response

from api import formats
from api.cursors import pack, unpack
from api.deps import Here, Read
from api.etags import tag, unchanged
from api.params import LIMIT, MAX_LIMIT
from api.queries import limit_of
from api.shapes import PublisherItem, PublisherList
from api.strict import strict_router
from federation import directory
from federation.directory import Listed
from schema.errors import BadParameter, NotFound

router = strict_router(tags=["Publishers"])

Limit = Annotated[
    str | None,
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": LIMIT}),
    Query(description="How many a page.", openapi_examples={"one": {"value": 20}}),
]
Cursor = Annotated[str | None, Query(description="Where to go on, from `next` of the page before.")]
Format = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "enum": ["json"]}),
    Query(alias="format", description="How to answer.", openapi_examples={"one": {"value": "json"}}),
]
PublisherId = Annotated[str, Path(description="The publisher id.", openapi_examples={"one": {"value": "GB-LAE-EXA"}})]


@router.get(
    "/v1/publishers",
    operation_id="listPublishers",
    summary="List publishers",
    response_class=Response,
    responses={200: {"model": PublisherList, "description": "A page."}},
)
def publishers(
    request: Request, here: Here, session: Read, *, limit: Limit = None, cursor: Cursor = None, form: Format = None
) -> Response:
    """Give the publishers whose data is held here, by publisher id, with how much of each kind there is."""
    _json_only(request, form)
    size, after = limit_of(limit), _after(cursor)
    found = directory.page(session, after, size + 1)
    url = f"{here.public_url}{request.url.path}?limit={size}&cursor="
    following = url + pack([found[size - 1].id]) if len(found) > size else None
    body = {
        "items": [_item(one) for one in found[:size]],
        "next": following,
        "count": {"value": directory.count(session), "exact": True},
    }
    link = {"Link": f'<{following}>; rel="next"'} if following else {}
    return _sent(request, body, link)


@router.get(
    "/v1/publishers/{publisher}",
    operation_id="getPublisher",
    summary="Read one publisher",
    response_class=Response,
    responses={200: {"model": PublisherItem, "description": "The publisher."}},
)
def publisher(request: Request, session: Read, publisher: PublisherId, form: Format = None) -> Response:
    """Give one publisher: its organisation record, where it publishes, and how much of each kind is held."""
    _json_only(request, form)
    found = directory.one(session, publisher) if "\x00" not in publisher else None
    if found is None:
        raise NotFound(f"No publisher is known here by the id {publisher[:120]}")
    return _sent(request, _item(found), {})


def _json_only(request: Request, form: str | None) -> None:
    formats.choose(form, request.headers.get("accept"), ("json",))


def _after(cursor: str | None) -> str:
    if cursor is None:
        return ""
    match unpack(cursor):
        case [str(after)] if "\x00" not in after:
            return after
        case _:
            raise BadParameter("cursor", cursor, "a cursor as it stands in `next`")


def _item(found: Listed) -> dict[str, Any]:
    return {
        "id": found.id,
        "name": found.name,
        "record": found.record,
        "organisation": found.organisation,
        "node": found.node,
        "records": found.records,
    }


def _sent(request: Request, shown: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    body = orjson.dumps(shown)
    sent = {"ETag": tag(body), "Cache-Control": "no-cache", "Vary": "Accept, Accept-Encoding", **headers}
    if unchanged(request.headers.get("if-none-match"), sent["ETag"]):
        return Response(status_code=304, headers=sent)
    return Response(body, headers=sent, media_type="application/json")
