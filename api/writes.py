"""Write records: POST to a kind's list; PUT, PATCH and DELETE at a record's id (protocol section 6)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

from fastapi import Header, Path, Query, Request
from pydantic import WithJsonSchema
from starlette.responses import Response

from api.auth import Caller
from api.bodies import JSON, MERGE_PATCH, JsonBody, PatchBody
from api.deps import Here, Write
from api.etags import names_version, record_tag
from api.problems import instance, name_of
from api.strict import strict_router
from federation import lists, tokens, writes
from federation.idempotency import Answer, fingerprint, once
from federation.tokens import Grant
from federation.writes import Desk, Matches, Place
from schema.entry import Entry
from schema.errors import NotFound
from schema.kinds import KINDS, PLURALS

router = strict_router(tags=["Writing"])

Key = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "pattern": "^[!-~]{1,255}$"}),
    Header(
        alias="Idempotency-Key",
        description="A new word for each request: sent again with the same one, it is answered again and done once.",
        openapi_examples={"one": {"value": "5b3f6a0e-6f0c-4a83-9d0c-2f7d3c9a1e55"}},
    ),
]
IfMatch = Annotated[
    str | None,
    WithJsonSchema({"type": "string"}),
    Header(
        alias="If-Match",
        description="The ETag of the version that you change. Without it the answer is 428, with a stale one 412.",
        openapi_examples={"one": {"value": '"1453-8f0c5a1d2b3e4f60"'}},
    ),
]
PublisherName = Annotated[
    str, Query(description="Whose record it is.", openapi_examples={"one": {"value": "GB-LAE-EXA"}})
]
_SEGMENT = "A part of the id, percent-encoded as it stands there."
Owner = Annotated[str, Path(description=_SEGMENT, openapi_examples={"one": {"value": "GB-LAE-EXA"}})]
Kind = Annotated[str, Path(description=_SEGMENT, openapi_examples={"one": {"value": "contract"}})]
Reference = Annotated[str, Path(description=_SEGMENT, openapi_examples={"one": {"value": "EXA-2026-001"}})]

_ITEM = {"content": {JSON: {"schema": {"$ref": "#/components/schemas/RecordItem"}}}}
_TAGGED = {"ETag": {"description": "The new version's tag, for If-Match.", "schema": {"type": "string"}}}
_MADE = {"Location": {"description": "The record's id.", "schema": {"type": "string", "format": "uri"}}}
_ID = "/id/{publisher}/{kind}/{reference:path}"
_CHANGED: dict[int | str, dict[str, Any]] = {
    200: {"description": "The record as it is now.", "headers": _TAGGED, **_ITEM}
}


def _body(media: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {media: {"schema": schema}}}}


_ANY = {"anyOf": [{"$ref": f"#/components/schemas/{model.__name__}"} for model in KINDS.values()]}


@dataclass(frozen=True, slots=True)
class Call:
    """One request that writes: who asks, at which desk, under which key, with which body."""

    request: Request
    grant: Grant
    desk: Desk
    key: str | None
    body: bytes


def _create(kind: str) -> Callable[..., Response]:
    def create(
        *,
        request: Request,
        grant: Caller,
        publisher: PublisherName,
        body: JsonBody,
        here: Here,
        session: Write,
        key: Key = None,
    ) -> Response:
        """Publish a new record. The body is its `data`; its id, made from the reference, is in `Location`."""
        grant.need(publisher, kind)
        desk = Desk(session, here.node, here.now())
        return _once(
            Call(request, grant, desk, key, body),
            lambda: _shown(desk, writes.create(desk, publisher, kind, body), created=True),
        )

    return create


for _kind, _plural in PLURALS.items():
    _model = KINDS[_kind].__name__
    router.add_api_route(
        f"/v1/{_plural}",
        _create(_kind),
        methods=["POST"],
        status_code=201,
        operation_id=f"create{_model}",
        summary=f"Publish a new {_kind}",
        response_class=Response,
        responses={201: {"description": "The record, published.", "headers": {**_TAGGED, **_MADE}, **_ITEM}},
        openapi_extra=_body(JSON, {"$ref": f"#/components/schemas/{_model}"}),
    )


@router.put(
    _ID,
    operation_id="replaceRecord",
    summary="Replace a record's data",
    response_class=Response,
    responses=_CHANGED,
    openapi_extra=_body(JSON, _ANY),
)
def replace(
    *,
    request: Request,
    grant: Caller,
    publisher: Owner,
    kind: Kind,
    reference: Reference,
    body: JsonBody,
    here: Here,
    session: Write,
    if_match: IfMatch = None,
    key: Key = None,
) -> Response:
    """Put the body in the place of the record's `data`. Equal data is no change."""
    del reference
    grant.need(publisher, kind)
    desk, place = Desk(session, here.node, here.now()), _place(request, publisher, kind)
    return _once(
        Call(request, grant, desk, key, body),
        lambda: _shown(desk, writes.replace(desk, place, body, _matches(if_match))),
    )


@router.patch(
    _ID,
    operation_id="patchRecord",
    summary="Change members of a record's data",
    response_class=Response,
    responses=_CHANGED,
    openapi_extra=_body(MERGE_PATCH, {"type": "object"}),
)
def patch(
    *,
    request: Request,
    grant: Caller,
    publisher: Owner,
    kind: Kind,
    reference: Reference,
    body: PatchBody,
    here: Here,
    session: Write,
    if_match: IfMatch = None,
    key: Key = None,
) -> Response:
    """Apply a JSON merge patch (RFC 7396): a member that is null is taken out, what is not named stays."""
    del reference
    grant.need(publisher, kind)
    desk, place = Desk(session, here.node, here.now()), _place(request, publisher, kind)
    return _once(
        Call(request, grant, desk, key, body),
        lambda: _shown(desk, writes.merge(desk, place, body, _matches(if_match))),
    )


@router.delete(
    _ID,
    status_code=204,
    operation_id="deleteRecord",
    summary="Withdraw a record, saying why",
    response_class=Response,
    responses={204: {"description": "A tombstone stands in the record's place."}},
)
def delete(
    *,
    request: Request,
    grant: Caller,
    publisher: Owner,
    kind: Kind,
    reference: Reference,
    reason: Annotated[
        str,
        Query(
            description="Why: " + ", ".join(writes.REASONS) + ".",
            json_schema_extra={"enum": list(writes.REASONS)},
            openapi_examples={"one": {"value": "ended"}},
        ),
    ],
    here: Here,
    session: Write,
    moved_to: Annotated[
        str | None, Query(alias="movedTo", description="With reason=moved: the record's new id.")
    ] = None,
    if_match: IfMatch = None,
    key: Key = None,
) -> Response:
    """Put a tombstone in the record's place. `personal-data` erases its history here as well.

    What was withdrawn for another reason can be withdrawn as personal data too, with `If-Match: *`.
    """
    del reference
    grant.need(publisher, kind)
    desk, place = Desk(session, here.node, here.now()), _place(request, publisher, kind)

    def do() -> Answer:
        writes.remove(desk, place, reason, moved_to, _matches(if_match))
        return Answer(204, {}, b"")

    return _once(Call(request, grant, desk, key, b""), do)


def _once(call: Call, do: Callable[[], Answer]) -> Response:
    """Do it under the token and the key, and answer."""
    request, desk = call.request, call.desk
    tokens.touch(desk.session, call.grant, desk.now, request=name_of(request.scope))
    version = request.headers.get("if-match", "")
    asked = fingerprint(request.method, instance(request.scope), request.url.query, version, call.body)
    done = once(desk.session, grant=call.grant, key=call.key, request=asked, now=desk.now, do=do)
    return Response(done.body, done.status, done.headers, JSON if done.body else None)


def _shown(desk: Desk, entry: Entry, *, created: bool = False) -> Answer:
    """The record as a GET gives it now, with that tag.

    Its id stands in the headers: by it an erasure finds the answers that it must forget.
    """
    held = lists.by_id(desk.session, entry.id)
    assert held is not None
    body = lists.item_json(held)
    place = {"Location" if created else "Content-Location": entry.id}
    return Answer(201 if created else 200, {"ETag": record_tag(entry.number, body), **place}, body)


def _matches(if_match: str | None) -> Matches | None:
    return None if if_match is None else lambda number: names_version(if_match, number)


def _place(request: Request, publisher: str, kind: str) -> Place:
    """The record that the address names. A slash within a reference is escaped there, so the parts are five."""
    parts = instance(request.scope).split("/")
    try:
        reference = unquote_to_bytes(parts[4]).decode() if len(parts) == 5 else ""
    except UnicodeDecodeError:
        reference = ""
    if not reference:
        raise NotFound("No record can have this id.")
    return Place(publisher, kind, reference)
