"""Search, and a list for each kind, on nodes and aggregators alike (protocol section 6)."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from inspect import signature
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Query, Request
from fastapi.routing import APIRoute
from pydantic import WithJsonSchema
from starlette.responses import Response

from api import formats
from api.answers import answer
from api.deps import Here, services
from api.negotiation import HTML, preferred
from api.params import KNOWN, MAX_VALUES, Asked, Several, read
from api.shapes import RecordList
from api.straight import Way
from api.strict import refuse_strange, strict_router
from api.threads import in_few
from schema.kinds import KINDS

_NOT_OF_PAGES = ("facets", "limit", "cursor")

_ABOUT = "How to answer; without it, Accept decides."
_DATES = " A calendar (ics) is of contracts and roadmap items alone."
Dated = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "enum": list(formats.EVERY)}),
    Query(alias="format", description=_ABOUT + _DATES, openapi_examples={"one": {"value": "json"}}),
]
Dateless = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "enum": list(formats.DATELESS)}),
    Query(alias="format", description=_ABOUT, openapi_examples={"one": {"value": "json"}}),
]
KindNames = Annotated[
    Several,
    WithJsonSchema({"type": "array", "items": {"type": "string", "enum": list(KINDS)}, "maxItems": MAX_VALUES}),
    Query(description="Only these kinds.", openapi_examples={"one": {"value": ["contract"]}}),
]


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What every list is answered with."""

    request: Request
    here: Here
    asked: Annotated[Asked, Depends(Asked)]


Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class _List(APIRoute):
    """The route of a list: its parameters are declared, for the description and for what is refused, but read by hand.

    FastAPI looks for each of two dozen by itself, most of which are not there: longer than the index takes to find.
    It also takes as long to build seven routes with them as to build all others; so that is left until `declared`.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
        self._given = {"path": path, "endpoint": endpoint, **given}
        more = {"kind": True} if "kind" in signature(endpoint).parameters else {}
        known = {**KNOWN, "format": False, **more}

        async def handle(request: Request) -> Response:
            refuse_strange(request, known)
            asked = request.query_params
            call = ListRequest(request, await services(request), read(asked))
            kinds = {name: asked.getlist(name) for name in more}
            answered: Response = await endpoint(call, form=asked.get("format"), **kinds)
            return answered

        super().__init__(path, handle, **given | {"name": endpoint.__name__, "responses": {}, "dependencies": []})

    def get_route_handler(self) -> Handler:
        """Give what answers a request, instead of what FastAPI makes of the declaration."""
        handle: Handler = self.endpoint
        return handle

    @cached_property
    def declared(self) -> APIRoute:
        """The route as it is described."""
        return APIRoute(**self._given)


def ways() -> dict[str, Way]:
    """The lists by path."""
    return {one.path: Way(one, one.get_route_handler()) for one in router.routes if isinstance(one, _List)}


router = strict_router(tags=["Search"], route_class=_List)
Listed = Annotated[ListRequest, Depends(ListRequest)]


def _responses(offered: tuple[str, ...]) -> dict[int | str, dict[str, Any]]:
    content: dict[str, Any] = {formats.MEDIA[name]: {"schema": {"type": "string"}} for name in offered}
    content["application/json"] = {}
    content["application/feed+json"] = {"schema": {"type": "object"}}
    link = {"schema": {"type": "string"}}
    headers = {
        "Link": {"description": 'The next page (rel="next") and the licence.', **link},
        "ETag": {"description": "Changes whenever the list could.", **link},
        "Folkmoot-Count": {"description": "How many records match.", "schema": {"type": "integer"}},
    }
    page = {"description": "A browser asked: the page of the same list.", "headers": {"Location": {**link}}}
    return {200: {"model": RecordList, "description": "A page.", "content": content, "headers": headers}, 303: page}


_DATED, _DATELESS = _responses(tuple(formats.EVERY)), _responses(tuple(formats.DATELESS))


def _asks_for_a_page(accept: str | None, offered: Sequence[str]) -> bool:
    """Whether HTML is named, and ranked above all that this list can be had as: so ask browsers alone."""
    media = [formats.MEDIA[name] for name in offered]
    return HTML in (accept or "").lower() and preferred(accept, [*media, HTML]) == HTML


def _page_of(request: Request) -> Response:
    """Lead to the page that asks the same, from its beginning; what only a program asks for is left out."""
    asked = [pair for pair in request.query_params.multi_items() if pair[0] not in _NOT_OF_PAGES]
    path = str(request.scope["path"]).removeprefix("/v1")
    where = f"{path}?{urlencode(asked)}" if asked else path
    return Response(
        status_code=303, headers={"Location": where, "Vary": "Accept, Accept-Encoding", "Cache-Control": "no-cache"}
    )


async def _answer(call: ListRequest, kinds: list[str], form: str | None) -> Response:
    offered = formats.EVERY if not kinds or set(kinds) & {"contract", "roadmap-item"} else formats.DATELESS
    if form is None and _asks_for_a_page(call.request.headers.get("accept"), offered):
        return _page_of(call.request)
    # In one thread, which has the rows to itself: each step to a thread and back costs more than a count.
    make = partial(answer, call.request, call.here, call.asked, kinds=kinds, format=form, offered=offered)
    return await in_few(call.here.database, make)


@router.get(
    "/v1/search",
    operation_id="search",
    summary="Search everything",
    response_class=Response,
    responses=_DATED,
)
async def search(call: Listed, kind: KindNames = None, form: Dated = None) -> Response:
    """Find records of all kinds: words, filters, facets; as a page, a file, a feed or a calendar."""
    return await _answer(call, kind or [], form)


@router.get(
    "/v1/organisations",
    operation_id="listOrganisations",
    summary="List organisations",
    response_class=Response,
    responses=_DATELESS,
)
async def organisations(call: Listed, form: Dateless = None) -> Response:
    """Give councils and offices that publish: words, filters, facets."""
    return await _answer(call, ["organisation"], form)


@router.get(
    "/v1/roadmap-items",
    operation_id="listRoadmapItems",
    summary="List roadmap items",
    response_class=Response,
    responses=_DATED,
)
async def roadmap_items(call: Listed, form: Dated = None) -> Response:
    """Give pieces of digital work, planned, under way or done: words, filters, facets."""
    return await _answer(call, ["roadmap-item"], form)


@router.get(
    "/v1/contracts",
    operation_id="listContracts",
    summary="List contracts",
    response_class=Response,
    responses=_DATED,
)
async def contracts(call: Listed, form: Dated = None) -> Response:
    """Give agreements with suppliers, from pipeline to their end: words, filters, facets."""
    return await _answer(call, ["contract"], form)


@router.get(
    "/v1/tools",
    operation_id="listTools",
    summary="List tools",
    response_class=Response,
    responses=_DATELESS,
)
async def tools(call: Listed, form: Dateless = None) -> Response:
    """Give products in use, and what is thought of them: words, filters, facets."""
    return await _answer(call, ["tool"], form)


@router.get(
    "/v1/assets",
    operation_id="listAssets",
    summary="List assets",
    response_class=Response,
    responses=_DATELESS,
)
async def assets(call: Listed, form: Dateless = None) -> Response:
    """Give things made that others may use again: words, filters, facets."""
    return await _answer(call, ["asset"], form)


@router.get(
    "/v1/skills",
    operation_id="listSkills",
    summary="List skills",
    response_class=Response,
    responses=_DATELESS,
)
async def skills(call: Listed, form: Dateless = None) -> Response:
    """Give what people can do, teach or are looking for: words, filters, facets."""
    return await _answer(call, ["skill"], form)
