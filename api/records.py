"""One record by its id: the id itself at its node, and any id that is held at /v1/records (protocol sections 3, 6)."""

from typing import Annotated, Any
from urllib.parse import quote, unquote_to_bytes

import orjson
from fastapi import Path, Query, Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from api.deps import Here, services
from api.etags import record_tag, unchanged
from api.negotiation import HTML, JSON, preferred
from api.pages.record import record_html
from api.problems import instance
from api.services import Services
from api.straight import Way
from api.strict import strict_router
from api.threads import in_few
from federation import lists, log
from federation.database import ReadSession
from federation.moved import leads_to
from schema.entry import Entry, record_json
from schema.errors import NotFound, Withdrawn

router = strict_router(tags=["Records"])
MAX_ID = 4_000
_ANY = "/v1/records"
_RECORD = {"schema": {"$ref": "#/components/schemas/RecordItem"}}
_ANSWERS: dict[int | str, dict[str, Any]] = {200: {"description": "The record.", "content": {JSON: _RECORD}}}
_PAGE = {"schema": {"type": "string"}}
_SEGMENT = "A part of the id, percent-encoded as it stands there."


@router.get(
    "/id/{publisher}/{kind}/{reference:path}",
    operation_id="getRecord",
    summary="Read a record by its id",
    response_class=Response,
    responses={200: {"description": "The record.", "content": {JSON: _RECORD, HTML: _PAGE}}},
)
def record(
    *,
    request: Request,
    here: Here,
    publisher: Annotated[str, Path(description=_SEGMENT, openapi_examples={"one": {"value": "GB-LAE-EXA"}})],
    kind: Annotated[str, Path(description=_SEGMENT, openapi_examples={"one": {"value": "contract"}})],
    reference: Annotated[str, Path(description=_SEGMENT, openapi_examples={"one": {"value": "EXA-2026-001"}})],
) -> Response:
    """Give the record that this address is the id of: JSON, or a page where a browser asks.

    410 with the tombstone's reason and origin where it was withdrawn.
    """
    del publisher, kind, reference  # the id is what was asked for as it was spelt, not its decoded parts
    media = preferred(request.headers.get("accept"), [JSON, HTML])
    if media is None:
        raise HTTPException(406, f"This record can be had as {JSON} and {HTML}.")
    asked = _asked(request, here)
    # Opened here and not as a dependency, which would cost two more changes of thread.
    with here.database.read() as session:
        if (onward := moved(here, session, asked, "/records" if media == HTML else "/v1/records")) is not None:
            return onward
        if media == HTML:
            return record_html(request, here, session, found(session, asked))
        return answer(request, session, asked)


@router.get(
    _ANY,
    operation_id="findRecord",
    summary="Read any record that is held here, by its id",
    response_class=Response,
    responses=_ANSWERS,
)
async def record_by_id(
    request: Request,
    here: Here,
    id: Annotated[  # noqa: A002  the protocol's own word
        str,
        Query(
            min_length=1,
            max_length=MAX_ID,
            description="The record's id, whoever published it.",
            openapi_examples={
                "one": {"value": "https://moot.exampleshire.example/id/GB-LAE-EXA/contract/EXA-2026-001"}
            },
        ),
    ],
) -> Response:
    """Give a record by its id, published here or taken from another node; 410 where it was withdrawn."""
    return await _by_id(request, here, id)


async def _by_id(request: Request, here: Services, id: str) -> Response:  # noqa: A002
    if preferred(request.headers.get("accept"), [JSON]) is None:
        raise HTTPException(406, f"This record can be had as {JSON}.")

    def read() -> Response:
        with here.database.read() as session:
            return moved(here, session, id, "/v1/records") or answer(request, session, id)

    return await in_few(here.database, read)


async def _plainly(request: Request) -> Response | None:
    """Answer who asks for one id and nothing else."""
    asked = request.query_params.multi_items()
    if len(asked) != 1 or asked[0][0] != "id" or not 0 < len(asked[0][1]) <= MAX_ID:
        return None
    return await _by_id(request, await services(request), asked[0][1])


def ways() -> dict[str, Way]:
    """A record by any id, by its path."""
    return {one.path: Way(one, _plainly) for one in router.routes if isinstance(one, APIRoute) and one.path == _ANY}


def moved(here: Services, session: ReadSession, id: str, path: str) -> Response | None:  # noqa: A002
    """301 to a record whose node has moved, where it is held under its new id (protocol section 3)."""
    onward = None if "\x00" in id else leads_to(session, id)
    if onward is None or lists.by_id(session, onward) is None:
        return None
    return RedirectResponse(f"{here.public_url}{path}?id={quote(onward, safe='')}", 301)


def found(session: ReadSession, id: str) -> Entry:  # noqa: A002
    """A live record by id. Raises `NotFound`, or `Withdrawn` with its tombstone."""
    # No id holds NUL, and PostgreSQL does not let one be asked for.
    entry = None if "\x00" in id else log.entries(session, [id]).get(id)
    if entry is None:
        raise NotFound(f"No record is held here by the id {id[:300]}")
    if entry.data is None:
        raise Withdrawn(tombstone(entry))
    return entry


def tombstone(entry: Entry) -> dict[str, Any]:
    """What is left of a withdrawn record."""
    left = {"id": entry.id, "kind": entry.kind, "reason": entry.reason, "origin": orjson.loads(entry.origin)}
    return left | ({"movedTo": entry.moved_to} if entry.moved_to else {})


def answer(request: Request, session: ReadSession, id: str) -> Response:  # noqa: A002
    """The record as JSON with its marks, or 304 where the client has this version. Raises as `found` does."""
    held = None if "\x00" in id else lists.by_id(session, id)
    # What does not live is looked for once more, to say what became of it.
    number, body = _found(session, id) if held is None else (held.entry.number, lists.item_json(held))
    headers = {"ETag": record_tag(number, body), "Cache-Control": "no-cache", "Vary": "Accept"}
    if unchanged(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=JSON)


def _found(session: ReadSession, id: str) -> tuple[int, bytes]:  # noqa: A002
    entry = found(session, id)
    return entry.number, record_json(entry)


def _asked(request: Request, here: Services) -> str:
    """The id in its one form, whichever of its characters the client escaped."""
    path = instance(request.scope)
    decoded = (unquote_to_bytes(part) for part in path.split("/"))
    return here.public_url + "/".join(quote(part, safe="") for part in decoded)
