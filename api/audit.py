"""Who wrote what: a token reads the log of its own publisher, and of the kinds that it reaches."""

from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
from fastapi import Query
from pydantic import Field, WithJsonSchema
from starlette.responses import Response

from api.auth import Caller
from api.bodies import JSON
from api.cursors import pack, unpack
from api.deps import Current, Here
from api.params import LIMIT, MAX_LIMIT
from api.queries import limit_of
from api.shapes import Shape
from api.strict import strict_router
from federation import audit
from schema.errors import BadParameter
from schema.tables import Audit

router = strict_router(tags=["Audit"])
_LONGEST_ID = 2600

Limit = Annotated[
    str | None,
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": LIMIT}),
    Query(description="How many a page.", openapi_examples={"one": {"value": 20}}),
]
Cursor = Annotated[str | None, Query(description="Where to go on, from `next` of the page before.")]
RecordId = Annotated[
    str | None, Query(alias="record", max_length=_LONGEST_ID, description="Only what was written of this record.")
]


class AuditItem(Shape):
    """One write."""

    id: int = Field(description="Its number in the log.")
    time: str = Field(json_schema_extra={"format": "date-time"})
    actor: str = Field(description="token, or operator for a command on the server.", examples=["token"])
    tokenId: int | None = Field(None, description="The token's number.")  # noqa: N815 - the wire's
    name: str | None = Field(None, description="What the token is called.")
    action: str = Field(description="create, update, delete, or what was done to or with a token or a publisher.")
    publisher: str = Field(description="Whose record it is.")
    kind: str | None = Field(None, description="Of which kind.")
    record: str | None = Field(None, description="The record's id, or what else was written.")
    changeNumber: int | None = Field(None, description="The number of the change in the feed.")  # noqa: N815
    before: str | None = Field(None, description="SHA-256 of the data before, as hexadecimal digits.")
    after: str | None = Field(None, description="SHA-256 of the data after.")
    requestId: str | None = Field(None, description="The request, as X-Request-ID named it.")  # noqa: N815


class AuditList(Shape):
    """A page of the log."""

    items: list[AuditItem]
    next: str | None = Field(description="Where the next page is; null on the last.")


@router.get(
    "/v1/audit",
    operation_id="listAudit",
    summary="List who wrote what",
    response_class=Response,
    responses={200: {"model": AuditList, "description": "A page."}},
)
def listing(
    grant: Caller,
    here: Here,
    session: Current,
    *,
    limit: Limit = None,
    cursor: Cursor = None,
    record: RecordId = None,
) -> Response:
    """Give the writes of the token's publisher, oldest first: who, what, digests before and after. Never content."""
    size = limit_of(limit)
    after, found = _after(cursor), list[Audit]()
    if record is None or "\x00" not in record:  # no record's id holds a NUL, and PostgreSQL takes none in a question
        found = audit.page(
            session,
            after=after,
            limit=size + 1,
            publisher=grant.publisher,
            kinds=grant.kinds,
            record=record,
        )
    following = _next(here.public_url, size, found[size - 1], record) if len(found) > size else None
    shown = {"items": [_shown(row) for row in found[:size]], "next": following}
    return Response(orjson.dumps(shown), headers={"Cache-Control": "no-store"}, media_type=JSON)


def _shown(row: Audit) -> dict[str, Any]:
    """A row as a token's holder sees it: which account of the server an operator used is not theirs to know."""
    told = audit.shown(row)
    return told if "tokenId" in told else {name: value for name, value in told.items() if name != "name"}


def _next(public_url: str, size: int, last: Audit, record: str | None) -> str:
    asked = {"limit": size, "cursor": pack([last.id or 0]), **({"record": record} if record else {})}
    return f"{public_url}/v1/audit?{urlencode(asked)}"


def _after(cursor: str | None) -> int:
    if cursor is None:
        return 0
    match unpack(cursor):
        case [int(after)] if 0 <= after < 2**63:
            return after
        case _:
            raise BadParameter("cursor", cursor, "a cursor as it stands in `next`")
