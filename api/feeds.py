"""The change feed, to the letter of protocol sections 2 and 6: the route that every request for it may take."""

from typing import Annotated

from fastapi import Query, Request
from pydantic import WithJsonSchema
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.feed_pages import PATH, FeedPages, Key
from api.negotiation import JSON, coding, preferred
from api.strict import strict_router
from schema.change import MAX_NUMBER, NUMBER
from schema.errors import BadParameter
from schema.identifiers import KIND

router = strict_router(tags=["Feeds"])

After = Annotated[
    str,
    WithJsonSchema({"type": "integer", "format": "int64", "minimum": 0, "maximum": MAX_NUMBER, "default": 0}),
    Query(
        alias="afterChangeNumber",
        description="The last change number that you have; 0 or nothing starts at the beginning.",
        openapi_examples={"start": {"value": 0}},
    ),
]
Kind = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "pattern": "^[a-z][a-z-]{0,39}$"}),
    Query(description="Only records of this kind.", openapi_examples={"contracts": {"value": "contract"}}),
]


@router.get(
    PATH,
    operation_id="listChanges",
    summary="Read the change feed",
    response_class=Response,
    responses={
        200: {
            "description": "A page of changes.",
            "content": {JSON: {"schema": {"$ref": "#/components/schemas/FeedPage"}}},
        }
    },
)
async def changes(request: Request, after: After = "0", kind: Kind = None) -> Response:
    """Give the changes after a number, oldest first, 500 at most (OpenActive RPDE 1.0).

    Follow `next` until a page is empty and its `next` is its own URL; keep that URL and ask it again later. A record
    stands once, at its latest change; a `deleted` item is a tombstone and says why.
    """
    if preferred(request.headers.get("accept"), [JSON]) is None:
        raise HTTPException(406, f"The feed can be had as {JSON}.")
    number = change_number(after)
    if kind is not None and not KIND.fullmatch(kind):
        raise BadParameter("kind", kind, "the name of a kind, such as contract")
    pages: FeedPages = request.app.state.pages
    page = await pages.page(Key(number, kind, coding(request.headers.get("accept-encoding"))))
    answer = page.quick(request.headers.get("if-none-match"))
    response = Response(answer.body, answer.status)
    response.raw_headers = list(answer.headers)
    return response


def change_number(text: str) -> int:
    """Read a change number: `0|[1-9][0-9]{0,15}` up to 2^53-1, nothing else. Raises `BadParameter`."""
    if not NUMBER.fullmatch(text) or int(text) > MAX_NUMBER:
        raise BadParameter("afterChangeNumber", text, "a whole number from 0 to 9007199254740991, in plain digits")
    return int(text)
