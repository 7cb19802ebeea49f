"""Import a register: the file is taken, a worker does the rest, its address tells how it goes (protocol section 6)."""

from typing import Annotated, Any

import orjson
from fastapi import Depends, Path, Query, Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from api.auth import Caller
from api.bodies import JSON, media_type
from api.deps import Current, Here, Write
from api.problems import instance, name_of
from api.strict import strict_router
from api.writes import Key, PublisherName
from federation import jobs, tokens
from federation.idempotency import Answer, fingerprint, once
from federation.wishes import File, Wish
from schema.errors import BadParameter, Malformed, UnknownFormat
from schema.kinds import KINDS

router = strict_router(tags=["Importing"])
FORMATS = ("csv", "xlsx", "json", "ndjson")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_ENDINGS = {"text/csv": ".csv", XLSX: ".xlsx", JSON: ".json", "application/x-ndjson": ".ndjson"}
_FILE = {"type": "string", "format": "binary", "minLength": 1}
_BINARY = {"schema": _FILE}
_FORM = {"type": "object", "properties": {"file": _FILE}, "required": ["file"], "additionalProperties": False}
_CONTENT = dict.fromkeys((*_ENDINGS, "application/octet-stream"), _BINARY)
_STATUS: dict[str, Any] = {
    "type": "object",
    "required": ["id", "state", "kind", "publisher", "created"],
    "properties": {
        "id": {"type": "string"},
        "state": {"enum": ["queued", "running", "done", "refused", "held", "failed"]},
        "kind": {"type": "string"},
        "publisher": {"type": "string"},
        **{name: {"type": "boolean"} for name in ("partial", "acceptGoodRows", "confirmRemovals", "dryRun")},
        **{name: {"type": "string", "format": "date-time"} for name in ("created", "started", "finished")},
        "report": {"type": "object", "description": "What was read and what changed, with every problem by row."},
        "error": {"type": "string", "description": "Why nothing was published, where that is so."},
    },
}
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_TAKEN = {"type": "object", "required": ["id", "state", "status"], "properties": {"id": {"type": "string"}}}

Kind = Annotated[
    str,
    Query(
        description="What the register holds.",
        json_schema_extra={"enum": list(KINDS)},
        openapi_examples={"contracts": {"value": "contract"}},
    ),
]
Partial = Annotated[bool, Query(description="The file is a part of the register: add and update only.")]
GoodRows = Annotated[bool, Query(alias="acceptGoodRows", description="Publish the good rows where others are refused.")]
Confirm = Annotated[bool, Query(alias="confirmRemovals", description="Remove what is gone, however much it is.")]
DryRun = Annotated[bool, Query(alias="dryRun", description="Tell what would change, and change nothing.")]
Format = Annotated[
    str | None,
    Query(
        description="Say what the file is, where its content is not to decide.",
        json_schema_extra={"enum": list(FORMATS)},
    ),
]


async def uploaded(request: Request) -> tuple[str, bytes]:
    """The file's name and bytes, from the body itself or from the part `file` of a form."""
    media = media_type(request)
    if media != "multipart/form-data":
        return "register" + _ENDINGS.get(media, ""), await request.body()
    async with request.form(max_files=1, max_fields=0) as form:
        sent = form.get("file")
        if not isinstance(sent, UploadFile):
            raise Malformed("The form has no part named 'file' with a file in it.")
        return (sent.filename or "register")[:200], await sent.read()


Upload = Annotated[tuple[str, bytes], Depends(uploaded)]


@router.post(
    "/v1/imports",
    status_code=202,
    operation_id="createImport",
    summary="Import a register",
    response_class=Response,
    responses={
        202: {
            "description": "Taken. `Location` and `status` are where to ask how it goes.",
            "content": {JSON: {"schema": _TAKEN}},
        }
    },
    openapi_extra={
        "requestBody": {"required": True, "content": {**_CONTENT, "multipart/form-data": {"schema": _FORM}}}
    },
)
def create_import(
    *,
    request: Request,
    grant: Caller,
    kind: Kind,
    publisher: PublisherName,
    upload: Upload,
    here: Here,
    session: Write,
    partial: Partial = False,
    accept_good_rows: GoodRows = False,
    confirm_removals: Confirm = False,
    dry_run: DryRun = False,
    format: Format = None,  # noqa: A002  the protocol's own word
    key: Key = None,
) -> Response:
    """Take a whole register of one kind of one publisher, to be compared with what is published."""
    _known(kind, format)
    grant.need(publisher, kind)
    now, (name, body) = here.now(), upload
    if not body:
        raise Malformed("The body is empty: send the register's file.")
    file = File(body, name, kind, publisher, format)
    wish = Wish(partial, accept_good_rows, confirm_removals, dry_run)

    def do() -> Answer:
        job = jobs.ask(session, grant, file, wish, now, request=name_of(request.scope))
        url = f"{here.public_url}/v1/imports/{job}"
        return Answer(202, {"Location": url}, orjson.dumps({"id": job, "state": "queued", "status": url}))

    tokens.touch(session, grant, now, request=name_of(request.scope))
    asked = fingerprint(request.method, instance(request.scope), request.url.query, body)
    done = once(session, grant=grant, key=key, request=asked, now=now, do=do)
    return Response(done.body, done.status, done.headers, JSON)


@router.get(
    "/v1/imports/{id}",
    operation_id="getImport",
    summary="Ask how an import goes",
    response_class=Response,
    responses={
        200: {"description": "Its state, and its report once it has ended.", "content": {JSON: {"schema": _STATUS}}},
        401: {"description": "A token is needed.", "content": _PROBLEM},
    },
)
def get_import(
    grant: Caller,
    id: Annotated[str, Path(max_length=40, description="The import's id.")],  # noqa: A002  the protocol's own word
    session: Current,
) -> Response:
    """Give the import's state: queued, running, then done, refused (rows), held (removals) or failed (the file)."""
    told = jobs.status(session, id, grant)
    wait = {} if "finished" in told else {"Retry-After": "1"}
    return Response(orjson.dumps(told), headers={"Cache-Control": "no-store", **wait}, media_type=JSON)


def _known(kind: str, format: str | None) -> None:  # noqa: A002
    if kind not in KINDS:
        raise BadParameter("kind", kind, "one of " + ", ".join(KINDS))
    if format is not None and format not in FORMATS:
        raise UnknownFormat("format", format, "one of " + ", ".join(FORMATS))
