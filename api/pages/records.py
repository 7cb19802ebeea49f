"""Any record that is held here as a page, by its id."""

from fastapi import Request
from starlette.responses import Response

from api import records
from api.deps import Here, Read
from api.pages.record import record_html
from api.strict import strict_router
from schema.errors import BadParameter

router = strict_router(include_in_schema=False)


@router.get("/records")
def record(request: Request, session: Read, here: Here, id: str = "") -> Response:  # noqa: A002  the protocol's word
    """One record, whoever published it. Raises `NotFound`, or `Withdrawn` with its tombstone."""
    if not 0 < len(id) <= records.MAX_ID:
        raise BadParameter("id", id, "the id of a record: an address that begins with https://")
    if (onward := records.moved(here, session, id, "/records")) is not None:
        return onward
    return record_html(request, here, session, records.found(session, id))
