"""The nodes that are crawled, and how that goes (protocol section 5). On a node the list is empty."""

from typing import Annotated, Any

import orjson
from fastapi import Path, Query, Request
from pydantic import Field, WithJsonSchema
from pydantic.config import JsonDict
from starlette.responses import Response

from api import formats
from api.cursors import pack, unpack
from api.deps import Here, Read
from api.etags import tag, unchanged
from api.params import LIMIT, MAX_LIMIT
from api.queries import limit_of
from api.shapes import Count, Shape
from api.strict import strict_router
from federation import status
from schema.errors import BadParameter

router = strict_router(tags=["Nodes"])

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
Key = Annotated[
    str,
    Path(
        description="The node's key: its host, with `_port` where there is one.",
        openapi_examples={"one": {"value": "moot.exampleshire.example"}},
    ),
]


class NodeProblem(Shape):
    """Something that the node's publisher should mend."""

    rule: str = Field(description="The rule that was broken.", examples=["id-prefix"])
    severity: str = Field(description="error or warning.", examples=["error"])
    pointer: str = Field(description="Where: a JSON pointer into the item or page.", examples=["/data/title"])
    recordId: str | None = Field(description="The record; `*` for many; null for the feed.")  # noqa: N815 - the wire's
    message: str = Field(description="What was found and what was expected.")
    count: int = Field(description="How often it was met.")
    firstSeen: str = Field(description="When first.", json_schema_extra={"format": "date-time"})  # noqa: N815
    lastSeen: str = Field(description="When last.", json_schema_extra={"format": "date-time"})  # noqa: N815


_WHEN: JsonDict = {"format": "date-time"}


class NodeItem(Shape):
    """A node, as it was pinned, and how its visits go."""

    key: str = Field(examples=["moot.exampleshire.example"])
    id: str = Field(description="The address of its manifest.")
    name: str = Field(examples=["Exampleshire County Council"])
    role: str = Field(examples=["node"])
    state: str = Field(description="preview, active, held, paused, stale or retired.", examples=["active"])
    publishers: list[dict[str, Any]] = Field(description="For whom it publishes.")
    lastVisit: str | None = Field(json_schema_extra=_WHEN)  # noqa: N815
    lastGoodVisit: str | None = Field(json_schema_extra=_WHEN)  # noqa: N815
    nextVisit: str | None = Field(json_schema_extra=_WHEN)  # noqa: N815
    staleSince: str | None = Field(  # noqa: N815
        description="Since when the last good copy is served.", json_schema_extra=_WHEN
    )
    records: int = Field(description="Live records that are served from it.")
    accepted: int = Field(description="Items accepted, over all visits.")
    refused: int = Field(description="Items refused, over all visits.")
    held: int = Field(description="Removals that wait for a person.")
    behind: int | None = Field(description="Changes not yet taken, where the node says how many there are.")
    latencyMs: int | None = Field(description="How long its last page took.")  # noqa: N815
    signature: str = Field(examples=["absent"])
    freshness: str | None = Field(description="When its last change came.", json_schema_extra=_WHEN)
    quality: float | None = Field(description="The share of items that were accepted.", examples=[0.998])
    manifest: dict[str, Any] = Field(description="Its manifest, as pinned.")
    keys: list[dict[str, Any]] = Field(description="Its pinned keys.")
    problems: list[NodeProblem]


class NodeList(Shape):
    """A page of nodes."""

    items: list[NodeItem]
    next: str | None = Field(description="Where the next page is; null on the last.")
    count: Count


@router.get(
    "/v1/nodes",
    operation_id="listNodes",
    summary="List nodes",
    response_class=Response,
    responses={200: {"model": NodeList, "description": "A page."}},
)
def nodes(
    request: Request, here: Here, session: Read, *, limit: Limit = None, cursor: Cursor = None, form: Format = None
) -> Response:
    """Give the nodes that are crawled, by key, with their state, their counts and what they should mend."""
    formats.choose(form, request.headers.get("accept"), ("json",))
    size = limit_of(limit)
    found = status.listing(session, after=_after(cursor), limit=size + 1)
    url = f"{here.public_url}/v1/nodes?limit={size}&cursor="
    following = url + pack([found[size - 1]["key"]]) if len(found) > size else None
    count = {"value": status.count(session), "exact": True}
    link = {"Link": f'<{following}>; rel="next"'} if following else {}
    return _sent(request, {"items": found[:size], "next": following, "count": count}, link)


@router.get(
    "/v1/nodes/{key}",
    operation_id="getNode",
    summary="Read one node",
    response_class=Response,
    responses={200: {"model": NodeItem, "description": "The node."}},
)
def node(request: Request, session: Read, key: Key, form: Format = None) -> Response:
    """Give one node: its state, its visits, and each problem by record and JSON pointer."""
    formats.choose(form, request.headers.get("accept"), ("json",))
    return _sent(request, status.one(session, key), {})


def _after(cursor: str | None) -> str:
    if cursor is None:
        return ""
    match unpack(cursor):
        case [str(after)] if "\x00" not in after:
            return after
        case _:
            raise BadParameter("cursor", cursor, "a cursor as it stands in `next`")


def _sent(request: Request, shown: dict[str, Any], headers: dict[str, str]) -> Response:
    body = orjson.dumps(shown)
    sent = {"ETag": tag(body), "Cache-Control": "no-cache", "Vary": "Accept, Accept-Encoding", **headers}
    if unchanged(request.headers.get("if-none-match"), sent["ETag"]):
        return Response(status_code=304, headers=sent)
    return Response(body, headers=sent, media_type="application/json")
