"""The nodes that are crawled, and how that goes (protocol section 5). On a node the list is empty."""

from typing import Annotated, Any

import orjson
from fastapi import Path, Query, Request
from pydantic import WithJsonSchema
from starlette.responses import Response

from api import formats, node_feeds
from api.badge import badge as picture
from api.cursors import pack, unpack
from api.deps import Here, Read
from api.etags import tag, unchanged
from api.node_shapes import NodeList, OneNode, Pinged
from api.params import LIMIT, MAX_LIMIT
from api.queries import limit_of
from api.strict import strict_router
from federation import ping, status
from schema.entry import stamp
from schema.errors import BadParameter

router = strict_router(tags=["Nodes"])
_SVG = "image/svg+xml"

Limit = Annotated[
    str | None,
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": LIMIT}),
    Query(description="How many a page at most.", openapi_examples={"one": {"value": 20}}),
]
Cursor = Annotated[str | None, Query(description="Where to go on, from `next` of the page before.")]
Format = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "enum": ["json"]}),
    Query(alias="format", description="How to answer.", openapi_examples={"one": {"value": "json"}}),
]
NodeFormat = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "enum": ["json", "jsonfeed", "atom"]}),
    Query(alias="format", description="How to answer.", openapi_examples={"one": {"value": "atom"}}),
]
Key = Annotated[
    str,
    Path(
        description="The node's key: its host, with `_port` where there is one.",
        openapi_examples={"one": {"value": "moot.exampleshire.example"}},
    ),
]


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
    """Give the nodes that are crawled, by key, with their state, their counts and what they should mend.

    A page ends before `limit` where it would be large: go on as long as there is a `next`.
    """
    formats.choose(form, request.headers.get("accept"), ("json",))
    size = limit_of(limit)
    found = status.page(session, after=_after(cursor), limit=size, now=here.now())
    url = f"{here.public_url}/v1/nodes?limit={size}&cursor="
    following = url + pack([found.last]) if found.more else None
    count = {"value": status.count(session), "exact": True}
    link = {"Link": f'<{following}>; rel="next"'} if following else {}
    return _sent(request, {"items": list(map(orjson.Fragment, found.items)), "next": following, "count": count}, link)


@router.get(
    "/v1/nodes/{key}",
    operation_id="getNode",
    summary="Read one node",
    response_class=Response,
    responses={
        200: {
            "model": OneNode,
            "description": "The node; or what to mend at it and what went, as a feed.",
            "content": {formats.MEDIA[name]: {"schema": {"type": "string"}} for name in ("jsonfeed", "atom")},
        }
    },
)
def node(request: Request, here: Here, session: Read, key: Key, form: NodeFormat = None) -> Response:
    """Give one node: its state, its visits, its quality, and each problem by record and JSON pointer.

    As Atom or JSON Feed: an entry for each problem, which is new when the problem is, and for each record taken away.
    """
    wanted = formats.choose(form, request.headers.get("accept"), ("json", "jsonfeed", "atom"))
    if wanted == "json":
        return _sent(request, status.one(session, key, now=here.now()), {})
    found = status.told_one(session, key, now=here.now())
    return _bytes(request, node_feeds.feed(here, session, found, wanted), formats.content_type(wanted), {})


@router.get(
    "/v1/nodes/{key}/badge.svg",
    operation_id="getNodeBadge",
    summary="Show a node's state as a picture",
    response_class=Response,
    responses={200: {"description": "A badge.", "content": {_SVG: {"schema": {"type": "string"}}}}},
)
def badge(request: Request, here: Here, session: Read, key: Key) -> Response:
    """Give a small picture that says how the node stands, for the node's own page; its title says it in words."""
    return _bytes(request, picture(status.brief_one(session, key, now=here.now())), _SVG, {})


@router.post(
    "/v1/nodes/{key}/ping",
    status_code=202,
    operation_id="pingNode",
    summary="Ask for a visit",
    response_class=Response,
    responses={202: {"model": Pinged, "description": "Heard."}},
)
def ping_node(request: Request, here: Here, key: Key) -> Response:
    """Let a node be visited now: a minute after the last visit at the earliest, ten minutes where that failed.

    Anybody may ask, and nothing in the request is believed: a body is not read.
    """
    due = ping.ping(here.database, key, turn=request.app.state.pinging.take)
    body = {"key": key, "nextVisit": None if due is None else stamp(due)}
    return Response(orjson.dumps(body), 202, {"Cache-Control": "no-store"}, "application/json")


def _after(cursor: str | None) -> str:
    if cursor is None:
        return ""
    match unpack(cursor):
        case [str(after)] if "\x00" not in after:
            return after
        case _:
            raise BadParameter("cursor", cursor, "a cursor as it stands in `next`")


def _sent(request: Request, shown: dict[str, Any], headers: dict[str, str]) -> Response:
    return _bytes(request, orjson.dumps(shown), "application/json", headers)


def _bytes(request: Request, body: bytes, media: str, headers: dict[str, str]) -> Response:
    sent = {"ETag": tag(body), "Cache-Control": "no-cache", "Vary": "Accept, Accept-Encoding", **headers}
    if unchanged(request.headers.get("if-none-match"), sent["ETag"]):
        return Response(status_code=304, headers=sent)
    return Response(body, headers=sent, media_type=media)
